"""What befalls the process: it is killed, stopped, replaced, frozen, or ends at a named moment."""

import json
import select
import subprocess
import sys
import time

from cluster import ROOT
from waits import FaultError, wait_for

from .run import PARTITIONS, RATE, killed, loaded, scenario

FLOOD = 10_000
FLOOD_THERE_S = 40.0
# What Kubernetes gives a probe unless told otherwise.
PROBE_S = 1.0
PROBES = 60
# The usual soft limit, and no hard limit above it.
DESCRIPTORS = 1_024
# Of what is sent meanwhile.
THROUGHPUT_LEAST = 0.7
THROUGHPUT_OVER_S = 4.0


@scenario("kill", 2, 5, 100)
def kill(run):
    """kill -9 at a random moment, and a new process in its place."""
    with run.job() as job:
        killed(run, job)


@scenario("sigterm", 2, 5, 20)
def sigterm(run):
    """SIGTERM under load: it drains, commits and leaves; a new process goes on. Nothing twice."""
    with run.job() as job:
        loaded(job)
        for _ in range(run.rounds):
            run.strike(job, "SIGTERM", lambda: job.nodes[-1].stop(), mend=job.start, may_double=False)
        run.end(job)


@scenario("rolling", 2, 4, 20)
def rolling(run):
    """Two nodes, each replaced in turn under load. Nothing twice."""
    with run.job() as job:
        nodes = loaded(job, 2)
        for turn in range(run.rounds):
            def stop(place=turn % 2):
                nodes[place].stop()

            def replace(place=turn % 2):
                nodes[place] = job.start().wait_until_assigned(PARTITIONS // 2)
            run.strike(job, "rolling restart", stop, mend=replace, may_double=False)
        run.end(job)


@scenario("zombie", 1, 2, 10)
def zombie(run):
    """SIGSTOP for longer than the session, so that the other node takes over; then SIGCONT."""
    with run.job() as job:
        # One that stands for as long as a transaction may last is fenced: another one takes its place.
        job.supervised = True
        nodes = loaded(job, 2)
        for turn in range(run.rounds):
            sleeper, other = nodes[turn % 2], nodes[1 - turn % 2]

            def wake(sleeper=sleeper, other=other, place=turn % 2):
                other.wait_until_assigned(PARTITIONS)
                job.wait_until_scored()
                run.moment()
                sleeper.resume()
                nodes[place] = job.share(other, sleeper)
            run.strike(job, "SIGSTOP", sleeper.pause, mend=wake)
        run.end(job)


@scenario("come and go", 0, 2, 10)
def come_and_go(run):
    """A second node joins and leaves again: the first one gets back the very partitions that it gave away."""
    with run.job() as job:
        (first,) = loaded(job)
        for _ in range(run.rounds):
            run.strike(job, "SIGTERM", lambda: job.nodes[-1].stop(), may_double=False,
                       before=lambda: first.wait_until_shared(job.start(), PARTITIONS))
        run.end(job)


# As `limits.crashes_max` has it, and the exit status of an abort.
CRASHES_MAX, ABORTED = 3, -6


@scenario("record kills", 0, 1, 5)
def record_kills(run):
    """Under load a record comes at which the process aborts, and its supervisor starts it again: it is through within three
    crashes, and the record is one dead letter."""
    with run.job() as job:
        state = job.folder / "state"

        def start():
            # Each process has a name of its own for the checker; this one takes over what the last one left.
            for file in state.glob("n*.*"):
                file.rename(state / f"n{len(job.nodes) + 1}.{file.name.split('.', 1)[1]}")
            job.start((f"node.state_directory={state}", f"limits.crashes_max={CRASHES_MAX}"))
        start()
        job.feed.start(RATE)
        for turn in range(run.rounds):
            before = len(job.nodes)

            def is_through(letters=turn + 1):
                if not job.nodes[-1].is_running():
                    job.nodes[-1].wait(ABORTED)
                    start()
                return len(job.dead_letters_of("crashed_process")) >= letters

            def kill():
                job.feed.send_deadly()
                wait_for("the node is not through", (CRASHES_MAX + 1) * run.suite.settle_s, is_through, 0.2)
            run.strike(job, "record kills", kill)
            crashes, letters = len(job.nodes) - before, len(job.dead_letters_of("crashed_process"))
            run.notes.append(f"{crashes} crashes, {letters - turn} dead letter")
            if (crashes, letters) != (CRASHES_MAX, turn + 1):
                raise FaultError(run.notes[-1])
        run.end(job)


POINTS = ("after_receive", "after_score", "after_produce", "after_ack", "after_commit", "in_revoke")
# Passages of a moment before the end: some seconds of work. Commits are ten a second, the others some hundred.
PASSAGES = {"after_commit": (10, 40), "in_revoke": (1, 1)}


@scenario("points", 0, 6, 30)
def points(run):
    """kill -9 at named moments: after receipt, scoring, producing, acknowledgement and commit, and in a revoke."""
    with run.job() as job:
        job.feed.start(RATE)
        for turn in range(run.rounds):
            point = POINTS[turn % len(POINTS)]
            passage = run.chance.randint(*PASSAGES.get(point, (100, 600)))
            doomed = job.start(environment={"SCOREWIRE_TEST_FAILPOINT": f"{point}@{passage}"})
            other = None
            if point == "in_revoke":
                doomed.wait_until_assigned(PARTITIONS)
                other = job.start()
            mark = job.strike_itself(point, doomed)
            other = other or job.start()
            run.recovered(job, mark)
            if turn + 1 < run.rounds:
                # A clean stop between two faults: the next one finds the doomed process alone.
                other.stop()
        run.end(job)


def throughput(job):
    """Records per second over some seconds: committed, and sent meanwhile."""
    def count():
        return sum(job.surely_committed().values()), sum(job.input_ends().values())
    (committed, sent), begun = count(), time.monotonic()
    time.sleep(THROUGHPUT_OVER_S)
    over_s = time.monotonic() - begun
    now = count()
    return (now[0] - committed) / over_s, (now[1] - sent) / over_s


def probed(node):
    """The longest of some probes and scrapes, each on a connection of its own, in seconds."""
    longest = 0.0
    for turn in range(PROBES):
        path = ("/livez", "/readyz", "/metrics")[turn % 3]
        try:
            longest = max(longest, node.get(path, PROBE_S)[1])
        except OSError as error:
            raise FaultError(f"{path} is not answered (probe {turn + 1}): {error}") from None
    return longest


@scenario("admin flood", 0, 2, 10)
def admin_flood(run):
    """10,000 connections to the admin port that send nothing or half a request, and open again when they are closed, against a
    node of 1,024 descriptors: each probe and scrape is answered within a second, and scoring keeps up with its input."""
    with run.job() as job:
        job.feed.start(RATE)
        node = job.start(descriptors=DESCRIPTORS).wait_until_assigned(PARTITIONS)
        for _ in range(run.rounds):
            def flood():
                alone, _ = throughput(job)
                words = [sys.executable, ROOT / "scripts" / "lib" / "flood.py", f"127.0.0.1:{node.port}", str(FLOOD)]
                with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as others:
                    begun = time.monotonic()
                    # An answer to each connection's beginning is what a listener owes.
                    if not select.select([others.stdout], [], [], FLOOD_THERE_S)[0]:
                        raise FaultError(f"the admin port does not take {FLOOD} connections within {FLOOD_THERE_S:.0f} s")
                    others.stdout.readline()
                    there_s = time.monotonic() - begun
                    longest_s = probed(node)
                    beside, sent = throughput(job)
                    others.stdin.close()
                    told = json.loads(others.stdout.readline())
                run.notes.append(f"{told['opened']} connections, the first {FLOOD} in {there_s:.1f} s, {told['closed']} of them "
                                 f"closed; longest probe {longest_s * 1_000:.0f} ms; {alone:.0f} records/s without, "
                                 f"{beside:.0f} with, of {sent:.0f} sent")
                if beside < THROUGHPUT_LEAST * sent:
                    raise FaultError(f"{beside:.0f} records/s beside a flood, of {sent:.0f} sent")
            run.strike(job, "admin flood", flood, may_double=False)
        run.end(job)


@scenario("log pipe full", 0, 1, 5)
def log_pipe_full(run):
    """The log goes to a pipe that nobody reads, and says everything that it can: scoring goes on, and SIGTERM drains. Nothing
    twice."""
    # A client that says everything has too much to say for a node that has to keep up.
    talks = ("kafka.properties.debug=broker,topic,msg",)
    with run.job() as job:
        job.feed.start(RATE)

        def start():
            return job.start(talks, log_level="trace", unread=True).wait_until_assigned(PARTITIONS)

        def dropped():
            lines = job.nodes[-1].get("/metrics", PROBE_S * 5)[0].decode().splitlines()
            return next(float(line.split()[1]) for line in lines if line.startswith("scorewire_log_lines_dropped_total "))
        start()
        for _ in range(run.rounds):
            run.strike(job, "SIGTERM", lambda: job.nodes[-1].stop(), mend=start, may_double=False,
                       before=lambda: wait_for("no line of the log is dropped", run.suite.settle_s, lambda: dropped() > 0))
        run.end(job)
