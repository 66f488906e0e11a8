"""What befalls a job. Each scenario is a function of a Run, which knows the cluster, the seed and how many faults; its
moments are drawn from the seed."""

import json
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import models
from job import Job
from waits import now_ms, wait_for

RATE = 1_500
PARTITIONS = 4
# The exit code of a process whose outcomes are refused.
DELIVERY_FAILED = 74
# How long a running process has to notice that its topic is another.
RECREATED_S = 20.0


@dataclass
class Run:
    """One run of one scenario: what it needs, and what it notes for the table."""

    suite: object
    cluster: object
    name: str
    seed: int
    rounds: int
    settings: tuple = ()
    last_job: object = None
    recoveries: list = field(default_factory=list)
    findings: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)
    in_flight: list = field(default_factory=list)
    peak_bytes: int = 0
    notes: list = field(default_factory=list)

    def __post_init__(self):
        self.chance = random.Random(f"{self.seed}:{self.name}")

    def job(self, settings=(), **others):
        self.last_job = Job(self.suite, self.cluster, self.name, self.seed, PARTITIONS,
                            (*self.settings, *settings), **others)
        return self.last_job

    def moment(self, longest_s=0.5):
        """Where in its work the fault finds the job: by the seed, and by whatever the machine adds."""
        time.sleep(self.chance.uniform(0, longest_s))

    def recovered(self, job, mark, limit_s=None):
        self.recoveries.append(job.recovered(mark, limit_s))
        self.in_flight.append(mark.proof)

    def end(self, job):
        job.finish()
        self.peak_bytes = job.peak_bytes()
        self.findings, self.figures = job.verdict()

    def judge_what_is_there(self):
        """After a run that did not come to its end: what the checker makes of it."""
        if self.last_job and self.last_job.ends:
            self.peak_bytes = self.last_job.peak_bytes()
            self.findings, self.figures = self.last_job.verdict()


@dataclass(frozen=True)
class Scenario:
    name: str
    carry_out: object
    # Faults per run: with --quick, without, and for the whole suite.
    quick: int
    usual: int
    whole: int
    brokers: int = 1
    proxied: bool = False


CATALOGUE = {}


def scenario(name, quick, usual, whole, **settings):
    def keep(function):
        CATALOGUE[name] = Scenario(name, function, quick, usual, whole, **settings)
        return function
    return keep


def loaded(run, job, nodes=1):
    """Nodes that share the partitions, under load."""
    started = [job.start() for _ in range(nodes)]
    job.feed.start(RATE)
    for node in started:
        node.wait_until_assigned(PARTITIONS // nodes)
    return started


# --- the process --------------------------------------------------------------------------------------------------------


@scenario("kill", 2, 5, 100)
def kill(run):
    """kill -9 at a random moment, and a new process in its place."""
    with run.job() as job:
        (node,) = loaded(run, job)
        for _ in range(run.rounds):
            job.wait_until_scored()
            run.moment()
            mark = job.strike("kill -9", node.kill, dead=True)
            node = job.start()
            run.recovered(job, mark)
        run.end(job)


@scenario("sigterm", 2, 5, 20)
def sigterm(run):
    """SIGTERM under load: it drains, commits and leaves; a new process goes on. Nothing twice."""
    with run.job() as job:
        (node,) = loaded(run, job)
        for _ in range(run.rounds):
            job.wait_until_scored()
            run.moment()
            mark = job.strike("SIGTERM", node.stop, may_double=False)
            node = job.start()
            run.recovered(job, mark)
        run.end(job)


@scenario("rolling", 2, 4, 20)
def rolling(run):
    """Two nodes, each replaced in turn under load. Nothing twice."""
    with run.job() as job:
        nodes = loaded(run, job, 2)
        for turn in range(run.rounds):
            job.wait_until_scored()
            run.moment()
            mark = job.strike("rolling restart", nodes[turn % 2].stop, may_double=False)
            nodes[turn % 2] = job.start().wait_until_assigned(PARTITIONS // 2)
            run.recovered(job, mark)
        run.end(job)


@scenario("zombie", 1, 2, 10)
def zombie(run):
    """SIGSTOP for longer than the session, so that the other node takes over; then SIGCONT."""
    with run.job() as job:
        nodes = loaded(run, job, 2)
        for turn in range(run.rounds):
            sleeper, other = nodes[turn % 2], nodes[1 - turn % 2]
            job.wait_until_scored()
            run.moment()
            mark = job.strike("SIGSTOP", sleeper.pause, zombies=[sleeper.name])
            other.wait_until_assigned(PARTITIONS)
            job.wait_until_scored()
            run.moment()
            sleeper.resume()
            other.wait_until_shared(sleeper, PARTITIONS)
            run.recovered(job, mark)
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


# --- the broker ---------------------------------------------------------------------------------------------------------


@scenario("broker restart", 0, 1, 20)
def broker_restart(run):
    """The only broker is stopped and started again under load; the job waits for it."""
    with run.job() as job:
        loaded(run, job)
        for _ in range(run.rounds):
            job.wait_until_scored()
            run.moment()

            def bounce():
                run.cluster.stop()
                run.cluster.start()
            mark = job.strike("broker restart", bounce)
            run.recovered(job, mark)
        run.end(job)


@scenario("broker frozen", 1, 1, 3)
def broker_frozen(run):
    """SIGSTOP of the only broker for 5 s (whole: 5, 30 and 120 s), then SIGCONT."""
    with run.job() as job:
        loaded(run, job)
        for turn in range(run.rounds):
            job.wait_until_scored()
            run.moment()

            def freeze(seconds=(5, 30, 120)[turn % 3]):
                run.cluster.freeze()
                try:
                    time.sleep(seconds)
                finally:
                    run.cluster.thaw()
            mark = job.strike("broker frozen", freeze)
            run.recovered(job, mark)
        run.end(job)


@scenario("broker of three", 0, 2, 10, brokers=3)
def broker_of_three(run):
    """kill -9 of one broker of three (three copies, two in sync): in turn the group's coordinator and another one."""
    with run.job() as job:
        loaded(run, job)
        for turn in range(run.rounds):
            job.wait_until_scored()
            run.moment()
            coordinator = run.cluster.coordinator(job.group)
            others = [node for node in run.cluster.pids if node != coordinator]
            victim = coordinator if turn % 2 == 0 else run.chance.choice(others)
            mark = job.strike("kill -9 of a broker", lambda victim=victim: run.cluster.crash(victim))
            run.recovered(job, mark)
            run.cluster.start(victim)
            run.cluster.wait_until_in_sync(job.topics["outputs"])
        run.end(job)


# --- the network ----------------------------------------------------------------------------------------------------------


@scenario("network", 0, 5, 20, proxied=True)
def network(run):
    """The job's connections through a proxy: in turn slow, reset, cut, swallowed and narrow for 3 to 8 s."""
    with run.job() as job, run.cluster.proxy() as proxy:
        job.node_bootstrap = f"127.0.0.1:{run.cluster.proxy_port}"
        loaded(run, job)
        for turn in range(run.rounds):
            kind = proxy.KINDS[turn % len(proxy.KINDS)]
            job.wait_until_scored()
            run.moment()

            def spoil(kind=kind, seconds=run.chance.uniform(3, 8)):
                proxy.spoil(kind)
                time.sleep(seconds)
                proxy.heal()
            mark = job.strike(f"network: {kind}", spoil)
            run.recovered(job, mark)
        run.end(job)
        run.notes.append(f"{proxy.passed} bytes through the proxy")


# --- the input ------------------------------------------------------------------------------------------------------------


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
        (node,) = loaded(run, job)
        for _ in range(run.rounds):
            job.wait_until_scored()
            run.moment()
            mark = job.strike("kill -9", node.kill, dead=True)
            node = job.start()
            run.recovered(job, mark)
        run.end(job)


@scenario("too large", 0, 1, 3)
def too_large(run):
    """Good records of 600 kB and poison of 1.5 MB among the others, and SIGTERM meanwhile."""
    with run.job() as job:
        run.cluster.set_topic(job.topics["input"], "max.message.bytes", "2000000")
        (node,) = loaded(run, job)
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
    """Two partitions more under load: they are picked up from their first record."""
    often = ("kafka.properties.topic.metadata.refresh.interval.ms=1000",)
    with run.job(settings=often) as job:
        job.keeps_partition = False
        loaded(run, job)
        for _ in range(run.rounds):
            job.wait_until_scored()
            run.moment()
            mark = job.strike("partitions added", lambda: job.add_partitions(2), may_double=False)
            run.recovered(job, mark)
        run.end(job)


@scenario("dead letters refused", 0, 1, 5)
def dead_letters_refused(run):
    """The dead-letter topic takes nothing any more: the process ends with its reason; mended, all of it goes on."""
    with run.job() as job:
        (node,) = loaded(run, job)
        for _ in range(run.rounds):
            job.wait_until_scored()
            run.moment()

            def refuse():
                run.cluster.set_topic(job.topics["dead_letters"], "max.message.bytes", "10")
                node.wait(DELIVERY_FAILED)
            mark = job.strike("dead letters refused", refuse)
            run.cluster.set_topic(job.topics["dead_letters"], "max.message.bytes", "1048588")
            node = job.start()
            run.recovered(job, mark)
        run.end(job)


# --- the model ------------------------------------------------------------------------------------------------------------


def with_model(run, kind, settings=()):
    """A job whose model misbehaves; every record is scored by the reference too, which says what must be rejected."""
    folder = models.package(kind, run.suite.package_folder, tempfile.mkdtemp(prefix=f"{kind}-", dir=run.suite.work))
    with run.job(settings=settings, package=folder) as job:
        job.sample = 1 << 30
        (node,) = loaded(run, job)
        for _ in range(run.rounds):
            job.wait_until_scored()
            run.moment()
            mark = job.strike("kill -9", node.kill, dead=True)
            node = job.start()
            run.recovered(job, mark)
        run.end(job)


@scenario("model says NaN", 0, 1, 5)
def model_says_nan(run):
    """The model answers NaN for some rows, and kill -9 meanwhile: those are dead letters, their batches are scored."""
    with_model(run, "nan")


@scenario("model fails", 0, 1, 5)
def model_fails(run):
    """The model's call fails on some rows, and kill -9 meanwhile: those go to the time-outs, their batches are scored."""
    with_model(run, "failing")


@scenario("model is slow", 0, 1, 5)
def model_is_slow(run):
    """A model call takes some milliseconds, and kill -9 meanwhile."""
    with_model(run, "slow", ("model.batch_latency_us_max=1000000",))


@scenario("topic recreated", 0, 1, 5)
def topic_recreated(run):
    """The input topic is deleted under load and made again: what is in the new one is scored after the alarm, when the operator has reset the group."""
    often = ("kafka.properties.topic.metadata.refresh.interval.ms=1000",)
    with run.job(settings=often) as job:
        (node,) = loaded(run, job)
        for _ in range(run.rounds):
            job.wait_until_scored()
            run.moment()
            mark = job.strike("topic recreated", job.recreate_input)
            mark.committed = {}
            job.feed.send(200)
            # The last commit of the old topic may have landed on the new one. The partitions stop with an alarm instead
            # of jumping, and the operator says where to begin.
            wait_for("no alarm", RECREATED_S, lambda: node.total("partitions", "failed") == PARTITIONS)
            node.terminate()
            node.wait()
            run.cluster.forget(job.group)
            job.since_ms = now_ms()
            node = job.start()
            run.recovered(job, mark)
        run.end(job)


@scenario("come and go", 1, 2, 10)
def come_and_go(run):
    """A second node joins and leaves again: the first one gets back the very partitions that it gave away."""
    with run.job() as job:
        (first,) = loaded(run, job)
        for _ in range(run.rounds):
            second = job.start()
            first.wait_until_shared(second, PARTITIONS)
            job.wait_until_scored()
            run.moment()
            mark = job.strike("SIGTERM", second.stop, may_double=False)
            run.recovered(job, mark)
        run.end(job)
