"""A run as the checker sees it: plain values, so that tests can plant whatever they want to see found."""

from dataclasses import dataclass, field

AT_LEAST_ONCE, EXACTLY_ONCE = "at_least_once", "exactly_once"

# Kinds of outcomes. A record has one of the first four; a review copy is extra, and so is a score that amends a letter.
SCORE, DEAD, TIMEOUT, LATER, REVIEW = "score", "dead letter", "timeout", "letter", "review"

# The reason of a dead letter that an operator's order made.
SKIPPED = "skipped"
# What an operator may ask of a partition.
OVER, BACK = "pass over", "go back"


@dataclass(frozen=True)
class Record:
    """An input record that a read_committed reader sees."""

    partition: int
    offset: int
    key: bytes | None = None
    poison: bool = False
    # Of the sample that is scored again: what the reference made of it. None: not in the sample.
    reference: float | None = None
    # The topic of review copies never takes its copy.
    no_copy: bool = False
    # The topic of outputs never takes its output: poison, and its copy may have been taken before that was known.
    refused: bool = False


@dataclass(frozen=True)
class Outcome:
    """What the job wrote about one input record; `appended_ms` is the broker's clock."""

    kind: str
    partition: int
    offset: int
    source: tuple
    appended_ms: int = 0
    key: bytes | None = None
    node: str = ""
    # A dead letter has no score.
    score: bytes = b""
    decision: str = ""
    model: str = ""
    reason: str = ""
    id: str = ""
    received_ms: int = 0
    # Visible to read_uncommitted readers only: its transaction was aborted.
    aborted: bool = False
    # With the node: who wrote it, and in which of its assignments of the partition.
    lane: int = 0
    epoch: int = 0
    # A dead letter of which only why and where is left: its key is its own.
    stub: bool = False
    # The step of the fallback that decided, and whether the output says that one did.
    step: str = ""
    fallback: bool = False
    # A score that takes a letter's place: which attempt. Of a letter or dead letter: how often its record has failed.
    amends: int = 0
    attempt: int = 0
    # Of a dead letter that says it stands for all offsets from its source's on: the last of them.
    last: int | None = None


@dataclass(frozen=True)
class Commit:
    """One committed offset, in the order of the group's own log; `at_ms` is the coordinator's clock."""

    partition: int
    offset: int
    at_ms: int = 0


@dataclass
class Mark:
    """A fault: when it began, what was committed and what lay in the input just before, and when all of that was
    finished again. Between the two, records from `committed` up to `upper` may be scored again."""

    kind: str
    begin_ms: int
    committed: dict
    ends: dict
    end_ms: int = 1 << 62
    upper: dict = field(default_factory=dict)
    # A clean stop scores nothing twice.
    may_double: bool = True
    # At-least-once: what was refused, alone or with its request, comes after what was sent behind it.
    overtaken: bool = False
    # What `in_flight` said when it struck.
    proof: int = 0

    @property
    def in_flight(self):
        """Records that were in the input before the fault, and not committed when it had struck."""
        return sum(max(0, end - self.committed.get(partition, 0)) for partition, end in self.ends.items())

    def covers(self, partition, offset, at_ms):
        upper = self.upper.get(partition, 1 << 62)
        return self.begin_ms <= at_ms <= self.end_ms and self.committed.get(partition, 0) <= offset < upper


@dataclass(frozen=True)
class Order:
    """What an operator asked of a partition, by the suite's clock: to pass over offsets, or to go back over them, `first` and
    `last` included."""

    kind: str
    partition: int
    first: int
    last: int
    at_ms: int = 0
    # Answered as carried out: the group has the new offset then.
    done: bool = False

    def covers(self, partition, offset):
        return partition == self.partition and self.first <= offset <= self.last


@dataclass(frozen=True)
class Counters:
    """A node's own account of itself, taken while nothing moved."""

    node: str
    received: int
    scored: int
    rejected: int
    handed_back: int
    in_flight: int
    deferred: int = 0
    # Decisions by steps of the fallback.
    fallbacks: int = 0


@dataclass
class History:
    delivery: str
    records: list
    outcomes: list
    commits: list
    # End of each input partition, after everything was finished.
    ends: dict
    marks: list = field(default_factory=list)
    counters: list = field(default_factory=list)
    orders: list = field(default_factory=list)
    # Offsets of input records whose transaction was aborted.
    aborted_inputs: set = field(default_factory=set)
    # (topic, partition, offset) that a read_committed reader saw while the run went on; None where nobody looked.
    seen_live: set | None = None
    visible: set = field(default_factory=set)
    thresholds: tuple = (0.0, 1.0)
    model: str = ""
    sample_per_million: int = 0
    # Output partition = source partition, where the counts match.
    keeps_partition: bool = True
    # Whether letters were to be scored again until none is left.
    retried: bool = False
