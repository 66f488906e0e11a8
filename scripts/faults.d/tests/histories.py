"""Histories to plant mistakes in, for the tests of the checker."""

import dataclasses
import struct
import unittest

from checker.history import (AT_LEAST_ONCE, DEAD, EXACTLY_ONCE, LATER, REVIEW, SCORE, Commit, Counters, History, Mark,
                             Outcome, Record)
from checker.properties import check

MODEL = "cafe"
BOTH = (AT_LEAST_ONCE, EXACTLY_ONCE)


def bits(score):
    return struct.pack("<d", score)


def scored(partition, offset, at, node="n1", **other):
    fields = {"key": b"k%d" % offset, "node": node, "score": bits(0.01), "decision": "APPROVE", "model": MODEL,
              "id": f"id-{partition}-{offset}", "received_ms": 1_000 + offset}
    return Outcome(SCORE, partition, at, (partition, offset), **({"appended_ms": 1_010 + offset} | fields | other))


def clean(delivery=AT_LEAST_ONCE):
    """Two partitions of ten records; record 3 of each is poison, record 5 is in the review band."""
    records, outcomes, commits = [], [], []
    for partition in (0, 1):
        place = 0
        for offset in range(10):
            poison = offset == 3
            records.append(Record(partition, offset, b"k%d" % offset, poison, None if poison else 0.01))
            if poison:
                outcomes.append(Outcome(DEAD, partition, 0, (partition, 3), 1_013, b"k3", "n1", reason="truncated"))
                continue
            one = scored(partition, offset, place)
            place += 1
            if offset == 5:
                records[-1] = dataclasses.replace(records[-1], reference=0.3)
                one = dataclasses.replace(one, score=bits(0.3), decision="REVIEW")
                outcomes.append(dataclasses.replace(one, kind=REVIEW, key=one.id.encode(), offset=0))
            outcomes.append(one)
        commits += [Commit(partition, 4, 1_015), Commit(partition, 10, 1_030)]
    counters = [Counters("n1", 20, 18, 2, 0, 0)]
    return History(delivery, records, outcomes, commits, {0: 10, 1: 10}, counters=counters, thresholds=(0.2, 0.8),
                   model=MODEL)


def crash(**other):
    """A kill at 1,016 with 4 committed: records from 4 on may come again."""
    fields = {"begin_ms": 1_016, "committed": {0: 4, 1: 4}, "ends": {0: 8, 1: 8}, "end_ms": 2_000,
              "upper": {0: 10, 1: 10}}
    return Mark("kill -9", **(fields | other))


def again(history, offset, at_ms=1_500, **other):
    """The record once more, by the next process."""
    fields = {"node": "n2", "appended_ms": at_ms, "received_ms": at_ms - 5}
    history.outcomes.append(scored(0, offset, 100 + offset, **(fields | other)))


def find(history, offset, kind=SCORE):
    return next(one for one in history.outcomes if one.source == (0, offset) and one.kind == kind)


def swap(history, old, **changes):
    history.outcomes[history.outcomes.index(old)] = dataclasses.replace(old, **changes)


def put_off(history, offset, amended=1):
    """A letter in place of a score, and so many scores that take its place."""
    old = find(history, offset)
    swap(history, old, kind=LATER, score=b"", decision="", model="", attempt=1)
    history.outcomes += [dataclasses.replace(old, node="again.retry", amends=1, offset=200 + copy, epoch=9)
                         for copy in range(amended)]
    history.counters[0] = dataclasses.replace(history.counters[0], scored=history.counters[0].scored - 1, deferred=1)
    history.retried = True


class Finds(unittest.TestCase):
    def only(self, history, *names):
        """The checker finds these, and no others."""
        findings, _ = check(history)
        self.assertEqual(sorted(names), sorted({finding.name for finding in findings}))
        self.assertTrue(all(finding.count >= 1 and finding.examples for finding in findings))
