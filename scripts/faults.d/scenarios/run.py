"""A run of a scenario, the catalogue, and the round that most scenarios repeat: under load, at a moment of its own, a
fault; then whoever is there finishes what is in the input."""

import random
import time
from dataclasses import dataclass, field

from checker.history import AT_LEAST_ONCE, EXACTLY_ONCE
from job import Job
from waits import Miss, wait_for

RATE = 1_500
PARTITIONS = 4
# Of one round, in a row.
MISSES_MAX = 3
BOTH = (AT_LEAST_ONCE, EXACTLY_ONCE)


def nothing():
    pass


@dataclass
class Run:
    """One run of one scenario: what it needs, and what it notes for the table."""

    suite: object
    cluster: object
    name: str
    seed: int
    rounds: int
    last_job: object = None
    recoveries: list = field(default_factory=list)
    findings: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)
    in_flight: list = field(default_factory=list)
    peak_bytes: int = 0
    # Rounds that were made again, because the fault found nothing in flight.
    misses: int = 0
    notes: list = field(default_factory=list)

    def __post_init__(self):
        self.chance = random.Random(f"{self.seed}:{self.name}")

    def job(self, settings=(), **others):
        self.last_job = Job(self.suite, self.cluster, self.name, self.seed, PARTITIONS, settings, **others)
        return self.last_job

    def moment(self, longest_s=0.5):
        """Where in its work the fault finds the job: by the seed, and by whatever the machine adds."""
        time.sleep(self.chance.uniform(0, longest_s))

    def strike(self, job, kind, fault, before=nothing, mend=nothing, after=nothing, **how):
        """One round: something is scored, the fault, what mends it, and all that is in the input by then is committed.
        Another round where the fault found nothing in flight. `how`: as `Job.strike` takes it."""
        for _ in range(MISSES_MAX + 1):
            before()
            job.wait_until_scored()
            self.moment()
            mark = job.strike(kind, fault, **how)
            mend()
            took_s = job.recovered(mark)
            after()
            if mark.proof:
                self.recoveries.append(took_s)
                self.in_flight.append(mark.proof)
                return
            self.misses += 1
        raise Miss(f"{kind}: nothing was in flight")

    def recovered(self, job, mark):
        """The end of a round that a scenario makes by itself."""
        took_s = job.recovered(mark)
        if not mark.proof:
            raise Miss(f"{mark.kind}: nothing was in flight")
        self.recoveries.append(took_s)
        self.in_flight.append(mark.proof)

    def end(self, job):
        job.finish()
        if job.started_again:
            self.notes.append(f"{job.started_again} nodes gave their brokers up and were started again")
        self.judge(job)

    def judge(self, job):
        """Adds what the checker says of this job to what it said of others before."""
        self.peak_bytes = max(self.peak_bytes, job.peak_bytes())
        findings, figures = job.verdict()
        self.findings = self.findings + findings
        self.figures = {name: count + self.figures.get(name, 0) for name, count in figures.items()}

    def judge_what_is_there(self):
        """After a run that did not come to its end: what the checker makes of it."""
        if self.last_job and self.last_job.ends:
            self.judge(self.last_job)


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
    # Whether the broker wants passwords and checks rights at its second listener.
    guarded: bool = False
    # Where it has a meaning.
    modes: tuple = BOTH


CATALOGUE = {}


def scenario(name, quick, usual, whole, **settings):
    def keep(function):
        CATALOGUE[name] = Scenario(name, function, quick, usual, whole, **settings)
        return function
    return keep


def loaded(job, nodes=1):
    """Nodes that share the partitions, under load."""
    started = [job.start() for _ in range(nodes)]
    job.feed.start(RATE)
    for node in started:
        node.wait_until_assigned(PARTITIONS // nodes)
    return started


def under_way(job):
    """Load that nobody scores yet."""
    job.feed.start(RATE)
    wait_for("nothing is sent", job.suite.settle_s, lambda: all(job.input_ends().values()))


def begun_at_the_end(job, nodes=1):
    """The first nodes of a group that begins at the end of the input, all started at once, while records come in."""
    job.start_at = "latest"
    before = job.input_ends()
    started = [job.start() for _ in range(nodes)]
    wait_for("the nodes do not share", job.suite.settle_s,
             lambda: sum(node.wait_until_assigned().assigned() for node in started) == PARTITIONS)
    job.note_starts(before)
    return started


def killed(run, job):
    """Load, and the only node killed and replaced in each round."""
    loaded(job)
    for _ in range(run.rounds):
        run.strike(job, "kill -9", lambda: job.nodes[-1].kill(), mend=job.start, dead=True)
    run.end(job)
