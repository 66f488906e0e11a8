"""What befalls the input and the topics: poison, holes, records too large, unknown schemas, topics that are changed."""

import json
import tempfile
from pathlib import Path

from checker.history import AT_LEAST_ONCE
from odd_schemas import OddSchemas
from waits import FaultError, now_ms, wait_for

from .run import PARTITIONS, RATE, begun_at_the_end, killed, loaded, scenario, under_way

# The exit code of a process that has to be told something first.
BAD_CONFIGURATION = 78
# How long a running process has to notice that its topic is another.
RECREATED_S = 20.0
# How long the other partitions are looked at before odd schema files come, and after.
BEFORE_S, AFTER_S = 5.0, 12.0
# Two seconds of a partition's input.
BACKLOG_MORE_MAX = 2 * RATE // PARTITIONS


@scenario("aborted input", 0, 1, 5)
def aborted_input(run):
    """Input in transactions, two of five aborted, and kill -9 meanwhile: offsets have holes, aborted records no outcome."""
    with run.job() as job:
        job.use_transactional_feed()
        job.start().wait_until_assigned(PARTITIONS)
        for _ in range(run.rounds):
            sending = job.feed.in_background(job.feed.send_in_transactions, 10_000)
            job.wait_until_scored(1_000)
            run.moment()
            mark = job.strike("kill -9", job.nodes[-1].kill, dead=True)
            job.start()
            sending.join()
            run.recovered(job, mark)
        run.end(job)


@scenario("all poison", 0, 1, 5)
def all_poison(run):
    """Nothing but poison, and kill -9 meanwhile: everything is a dead letter, nothing stops."""
    with run.job() as job:
        job.feed.share = 1.0
        killed(run, job)


@scenario("too large", 0, 1, 3)
def too_large(run):
    """Good records of 600 kB and poison of 1.5 MB among the others, and SIGTERM meanwhile."""
    with run.job() as job:
        run.cluster.set_topic(job.topics["input"], "max.message.bytes", "2000000")
        (node,) = loaded(job)
        for _ in range(run.rounds):
            job.feed.stop()
            for _ in range(40):
                job.feed.send_large()
            mark = job.strike("SIGTERM", node.stop, may_double=False)
            job.feed.start(RATE)
            node = job.start()
            run.recovered(job, mark)
        run.end(job)


@scenario("schema wait", 0, 1, 5)
def schema_wait(run):
    """Records of a schema that nobody knows yet hold every partition; another node joins, then the schema comes."""
    for _ in range(run.rounds):
        folder = Path(tempfile.mkdtemp(prefix="schemas-", dir=run.suite.work))
        settings = (f"schemas.directory={folder}", "schemas.on_unknown=wait", "limits.schema_retry_ms=200")
        with run.job(settings=settings) as job:
            first = job.start().wait_until_assigned(PARTITIONS)
            # Poison of an unknown schema would wait for ever.
            job.feed.share = 0
            job.feed.send(2_000)
            writer = job.feed.send_of_new_schema(400)
            job.feed.send(400)
            wait_for("partitions do not wait", 30, lambda: first.total("partitions", "paused") == PARTITIONS)
            mark = job.strike("a node joins", lambda: first.wait_until_shared(job.start(), PARTITIONS), may_double=False)
            run.suite.package_of(job.package).know(writer)
            (folder / "next.avsc").write_text(json.dumps(writer))
            run.recovered(job, mark)
            run.end(job)


@scenario("odd schema file", 0, 1, 5)
def odd_schema_file(run):
    """Under load, files that are no schemas and schemas made to cost come into the folder, and records of theirs and of 400
    unknown ids into one partition; the others go on as before."""
    for _ in range(run.rounds):
        folder = Path(tempfile.mkdtemp(prefix="schemas-", dir=run.suite.work))
        settings = (f"schemas.directory={folder}", "limits.schema_retry_ms=200")
        with run.job(settings=settings) as job:
            loaded(job)
            odd, others = OddSchemas(folder, run.suite.pool, run.suite.package_of(job.package)), range(1, PARTITIONS)
            wait_for("what came before the start is not scored", run.suite.settle_s,
                     lambda: job.backlog_max(others, 0.5) < RATE // PARTITIONS)
            before = job.backlog_max(others, BEFORE_S)

            def come():
                odd.put()
                job.feed.send_to(0, odd.records())
            mark = job.strike("odd schema files", come, may_double=False)
            after = job.backlog_max(others, AFTER_S)
            run.notes.append(f"backlog of the other partitions: {before} records at most without odd files, {after} with them")
            odd.mend()
            # Twice as many, on a machine so busy that they wait without odd files too.
            if after > max(2 * before, before + BACKLOG_MORE_MAX):
                raise FaultError(f"the other partitions waited: {run.notes[-1]}")
            run.recovered(job, mark)
            run.end(job)


@scenario("queue full", 0, 1, 5)
def queue_full(run):
    """A producer's queue of 20 outcomes against a backlog, and kill -9 meanwhile: it waits, and drops nothing."""
    small = ("kafka.producer.properties.queue.buffering.max.messages=20",)
    with run.job(settings=small) as job:
        job.feed.send(10_000)
        node = job.start()
        for _ in range(run.rounds):
            job.feed.send(20_000)
            job.wait_until_scored()
            mark = job.strike("kill -9", node.kill, dead=True)
            node = job.start()
            run.recovered(job, mark)
        run.end(job)


@scenario("partitions added", 0, 1, 5)
def partitions_added(run):
    """Two partitions more under load, in a group that began at the end: found within seconds, and scored from their first
    record."""
    with run.job() as job:
        job.keeps_partition = False
        under_way(job)
        begun_at_the_end(job)
        for _ in range(run.rounds):
            run.strike(job, "partitions added", lambda: job.add_partitions(2), may_double=False)
        run.end(job)


@scenario("expired offsets", 0, 2, 6)
def expired_offsets(run):
    """A group that began at the end loses its offsets while nobody scores and records come in: a start refuses, a resume scores
    what came. Its node was stopped, or (at-least-once) killed, in turn."""
    with run.job() as job:
        under_way(job)
        begun_at_the_end(job)
        for turn in range(run.rounds):
            dead = turn % 2 == 1 and job.delivery == AT_LEAST_ONCE

            def end(dead=dead):
                node = job.nodes[-1]
                node.kill() if dead else node.stop()

            def resume():
                run.cluster.forget(job.group)
                job.start().wait(BAD_CONFIGURATION)
                job.start(("kafka.without_offsets=resume",))
            run.strike(job, "expired offsets", end, mend=resume, may_double=dead, dead=dead)
        run.end(job)


@scenario("two nodes start at once", 0, 2, 10)
def two_nodes_start_at_once(run):
    """The first two nodes of a group that begins at the end, started at once while records come in: one start for all."""
    for _ in range(run.rounds):
        with run.job() as job:
            under_way(job)
            mark = job.strike("two nodes start at once", lambda: begun_at_the_end(job, 2), may_double=False)
            run.recovered(job, mark)
            run.end(job)


# Larger than the topics of outcomes take in `refused for good`, and smaller than what a request may hold.
LARGE, LARGEST = 700_000, "500000"


@scenario("refused for good", 0, 2, 10)
def refused_for_good(run):
    """Among the others records come whose output, review copy or dead letter its topic never takes: too large, or without key
    where it is compacted. Each becomes what is left to it, and nothing stops."""
    configs = {"outputs": {"max.message.bytes": LARGEST}, "review": {"max.message.bytes": LARGEST},
               "dead_letters": {"cleanup.policy": "compact"}}
    # Requests of the others are smaller than what the topics take.
    small = ("kafka.producer.properties.batch.size=400000",)
    with run.job(settings=small, outcome_configs=configs, sample_per_million=1_000_000) as job:
        (node,) = loaded(job)
        for _ in range(run.rounds):
            run.strike(job, "refused for good", lambda: job.feed.send_refused(3, LARGE), overtaken=True)
        letters = {(outcome.reason, outcome.stub) for outcome in job.dead_letters()}
        missing = {("outcome_refused", False), ("truncated", True)} - letters
        if missing:
            raise FaultError(f"no dead letter of the kind {sorted(missing)}")
        refused = sum(lane["review_copies_refused"] for lane in node.status()["lanes"])
        if refused < 3 * run.rounds or not node.is_running() or len(job.nodes) > 1:
            raise FaultError(f"{refused} review copies were refused, of {3 * run.rounds}:\n{node.tail()}")
        run.end(job)


def refuse(run, job, largest=120):
    """No dead letter is as small as that, nor a stub; the marker of a transaction's end is, and has to fit."""
    run.cluster.set_topic(job.topics["dead_letters"], "max.message.bytes", str(largest))


def mend(run, job):
    refuse(run, job, 1_048_588)


def refuse_until_all_stop(run, job):
    """Each partition stops before its next poison."""
    refuse(run, job)
    wait_for("a partition still flows", run.suite.settle_s, lambda: job.nodes[-1].total("partitions", "failed") == PARTITIONS)


@scenario("dead letters refused", 0, 1, 5)
def dead_letters_refused(run):
    """The dead-letter topic takes not even stubs any more: each partition stops with an alarm before the next poison, all that
    is before that is committed, and the process lives; mended, a new process goes on there."""
    with run.job() as job:
        loaded(job)
        for _ in range(run.rounds):
            def refused():
                refuse_until_all_stop(run, job)
                job.nodes[-1].stop()

            def go_on():
                mend(run, job)
                job.start()
            run.strike(job, "dead letters refused", refused, mend=go_on)
        run.end(job)


@scenario("topic recreated", 0, 1, 5)
def topic_recreated(run):
    """The input topic is deleted under load and made again: what is in the new one is scored after the alarm, when the operator
    has reset the group, or at once by a node that saw it go."""
    often = ("kafka.properties.topic.metadata.refresh.interval.ms=1000",)
    with run.job(settings=often) as job:
        (node,) = loaded(job)
        for _ in range(run.rounds):
            job.wait_until_scored()
            run.moment()
            mark = job.strike("topic recreated", job.recreate_input)
            mark.committed = {}
            job.feed.send(200)
            # The last commit of the old topic may have landed on the new one. The partitions stop with an alarm instead
            # of jumping, and the operator says where to begin. A node that saw the topic go begins the new one by itself.
            wait_for("no alarm", RECREATED_S, lambda: node.total("partitions", "failed") == PARTITIONS
                     or job.committed() == job.input_ends())
            if node.total("partitions", "failed"):
                node.terminate()
                node.wait()
                run.cluster.forget(job.group)
                job.since_ms = now_ms()
                # Outcomes of the first topic are no place to go on.
                node = job.start(("kafka.without_offsets=begin",))
            run.recovered(job, mark)
        run.end(job)
