"""A history with the look-ups that several properties need."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from .history import AT_LEAST_ONCE, BACK, LATER, OVER, REVIEW, SKIPPED

NEVER = math.inf
EXAMPLES = 5


@dataclass
class Finding:
    """`name` in Jepsen's words; `count` of what was found, and the first few of it."""

    name: str
    words: str
    count: int = 0
    examples: list = field(default_factory=list)

    def add(self, example):
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)

    def shown(self):
        return {"name": self.name, "what": self.words, "count": self.count, "examples": self.examples}


class CommitTimes:
    """When a partition's committed offset first passed an offset. Where an order moved it back, it passes them again."""

    def __init__(self):
        # `(since, offsets, times)`, from one move back to the next.
        self.stretches = [(-NEVER, [], [])]

    def add(self, commit, goes_back):
        if goes_back:
            self.stretches.append((commit.at_ms, [], []))
        _since, offsets, times = self.stretches[-1]
        if not offsets or commit.offset > offsets[-1]:
            offsets.append(commit.offset)
            times.append(commit.at_ms)

    def reached_ms(self, offset, seen_ms):
        """As somebody sees it who looks then."""
        _since, offsets, times = next(one for one in reversed(self.stretches) if one[0] <= seen_ms)
        index = bisect_left(offsets, offset + 1)
        return times[index] if index < len(times) else NEVER


@dataclass
class Doubled:
    """Later copies of records: inside the uncommitted window of a fault, where an operator went back, and elsewhere."""

    inside: list = field(default_factory=list)
    repeated: list = field(default_factory=list)
    outside: list = field(default_factory=list)


class View:
    def __init__(self, history):
        self.history = history
        self.records = {(record.partition, record.offset): record for record in history.records}
        self.by_partition, self.offsets = defaultdict(list), defaultdict(list)
        for record in sorted(history.records, key=lambda record: record.offset):
            self.by_partition[record.partition].append(record)
            self.offsets[record.partition].append(record.offset)
        self.by_source = defaultdict(list)
        self.reviews = defaultdict(list)
        # Scores that take a letter's place.
        self.amendments = defaultdict(list)
        for outcome in history.outcomes:
            if not outcome.aborted:
                self.sort_in(outcome)
        for copies in self.by_source.values():
            copies.sort(key=lambda copy: (copy.appended_ms, copy.offset))
        self.windows = [mark for mark in history.marks if mark.may_double]
        self.over = [order for order in history.orders if order.kind == OVER]
        self.back = [order for order in history.orders if order.kind == BACK]
        self.committed, self.commit_times, self.went_back = {}, defaultdict(CommitTimes), []
        self.follow_commits()

    def sort_in(self, outcome):
        if outcome.kind == REVIEW:
            self.reviews[outcome.source].append(outcome)
        elif outcome.amends:
            self.amendments[outcome.source].append(outcome)
        elif outcome.kind != LATER or outcome.attempt == 1:
            # A later letter is the same record's, written by the job that scores them again.
            for source in self.sources(outcome):
                self.by_source[source].append(outcome)

    def sources(self, outcome):
        """The records that it is the outcome of. Of a range some offsets may be no records, and count for nothing."""
        if outcome.last is None:
            return [outcome.source]
        partition, first = outcome.source
        offsets = self.offsets[partition]
        return [(partition, offset) for offset in offsets[bisect_left(offsets, first):bisect_right(offsets, outcome.last)]]

    def follow_commits(self):
        """In the order of the group's log: each order moves the group back once, and no further than it says."""
        left, last = list(self.back), {}
        for commit in self.history.commits:
            before, order = last.get(commit.partition, -1), None
            if commit.offset < before:
                order = next((order for order in left if order.covers(commit.partition, commit.offset)
                              and order.at_ms <= commit.at_ms), None)
                if order:
                    left.remove(order)
                else:
                    self.went_back.append((before, commit))
            self.commit_times[commit.partition].add(commit, order is not None)
            last[commit.partition] = commit.offset
        self.committed = last

    def first_ms(self, record):
        copies = self.by_source.get((record.partition, record.offset))
        return copies[0].appended_ms if copies else NEVER

    def copies(self, source):
        """The outcomes that count. At-least-once, a record may have another one than that it was passed over: from before the
        partition stopped, sent and not committed; or from after a fault that undid an order nobody heard the end of, whose
        dead letter is in the topic and whose offset is not committed."""
        copies = self.by_source[source]
        own = [copy for copy in copies if copy.reason != SKIPPED]
        letters = [copy for copy in copies if copy.reason == SKIPPED]
        if self.history.delivery != AT_LEAST_ONCE or not own or not letters:
            return copies
        before = [copy for copy in own if copy.appended_ms < letters[-1].appended_ms]
        after = [copy for copy in own if copy.appended_ms >= letters[-1].appended_ms]
        is_done = any(order.done for order in self.over if order.covers(*source))
        is_explained = all(self.was_open(source, copy) for copy in before) and all(self.in_window(source, copy) for copy in after)
        if not is_explained or is_done and after:
            return copies
        return own if after else letters

    def was_open(self, source, copy):
        """Whether a fault found the record not committed, though this copy may be there: what comes next may be something else."""
        partition, offset = source
        return any(mark.committed.get(partition, 0) <= offset < mark.upper.get(partition, NEVER)
                   and copy.appended_ms <= mark.end_ms for mark in self.windows)

    def is_passed_over(self, source, copy, earlier):
        """Whether that says that an operator passed the record over when faults had left it open. At-least-once."""
        asked = any(order.covers(*source) and order.at_ms <= copy.appended_ms for order in self.over)
        return copy.reason == SKIPPED and asked and all(self.was_open(source, one) for one in earlier)

    def in_window(self, source, copy):
        """Whether a fault explains that the record was done again."""
        return any(mark.covers(*source, copy.appended_ms) for mark in self.windows) and not self.was_committed(source, copy)

    def was_committed(self, source, copy):
        """Whether the record was committed already when this copy's node received it: then no fault explains it, not even that
        the node was stopped meanwhile and had it in its client."""
        if not copy.received_ms:
            return False
        return self.commit_times[source[0]].reached_ms(source[1], copy.received_ms) < copy.received_ms

    def doubled(self):
        """Each order to go back explains one copy of each of its records; faults explain others. Exactly-once, nothing else is
        explained, inside or outside."""
        doubled = Doubled()
        for source, copies in self.by_source.items():
            left = [order for order in self.back if order.covers(*source)]
            for at, copy in enumerate(copies[1:], 1):
                order = next((order for order in left if order.at_ms <= copy.appended_ms), None)
                if order:
                    left.remove(order)
                    doubled.repeated.append(copy)
                else:
                    is_inside = self.in_window(source, copy) or self.is_passed_over(source, copy, copies[:at])
                    (doubled.inside if is_inside else doubled.outside).append(copy)
        return doubled
