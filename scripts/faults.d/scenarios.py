"""What befalls a job. Each scenario is a function of a Run, which knows the cluster, the seed and how many faults; its
moments are drawn from the seed."""

import random
import time
from dataclasses import dataclass, field

from job import Job

RATE = 1_500
PARTITIONS = 4


@dataclass
class Run:
    """One run of one scenario: what it needs, and what it notes for the table."""

    suite: object
    cluster: object
    name: str
    seed: int
    rounds: int
    full: bool = False
    proxy: object = None
    recoveries: list = field(default_factory=list)
    findings: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)
    in_flight: list = field(default_factory=list)
    peak_bytes: int = 0
    notes: list = field(default_factory=list)

    def __post_init__(self):
        self.chance = random.Random(f"{self.seed}:{self.name}")

    def job(self, **settings):
        return Job(self.suite, self.cluster, self.name, self.seed, PARTITIONS, **settings)

    def moment(self, longest_s=0.5):
        """Where in its work the fault finds the job: by the seed, and by whatever the machine adds."""
        time.sleep(self.chance.uniform(0, longest_s))

    def recovered(self, job, mark):
        self.in_flight.append(mark.in_flight)
        self.recoveries.append(job.recovered(mark))

    def end(self, job, stop=True):
        job.finish(stop)
        self.peak_bytes = job.peak_bytes()
        self.findings, self.figures = job.verdict()


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
