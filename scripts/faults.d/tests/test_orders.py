"""The checker against planted histories of jobs whose operator passed over records, or went back over them."""

import dataclasses

from checker.history import AT_LEAST_ONCE, BACK, DEAD, EXACTLY_ONCE, OVER, REVIEW, SCORE, SKIPPED, Commit, Counters, Order, Outcome
from checker.properties import check

from .histories import BOTH, Finds, again, clean, crash, find, swap

# When it was asked, by default: before anything else. Record N is received at 1,000 + N, its outcome taken at 1,010 + N.
EARLY_MS, LATER_MS = 900, 1_200


def over(first, last, done=True, at_ms=EARLY_MS):
    return Order(OVER, 0, first, last, at_ms, done)


def back(first, last, done=True, at_ms=LATER_MS):
    return Order(BACK, 0, first, last, at_ms, done)


def letter(first, last, **other):
    """Of a range: its key is its own."""
    fields = {"offset": 1, "appended_ms": 1_010 + last, "key": b"in-0-%d" % first, "node": "n1", "reason": SKIPPED, "stub": True,
              "last": last}
    return Outcome(DEAD, 0, source=(0, first), **(fields | other))


def passed_over(delivery, first, last, order=None, **other):
    """A letter in place of the outcomes of a range."""
    history = clean(delivery)
    gone = [one for one in history.outcomes if one.source[0] == 0 and first <= one.source[1] <= last]
    scored = sum(one.kind == SCORE for one in gone)
    history.outcomes = [one for one in history.outcomes if one not in gone] + [letter(first, last, **other)]
    rejected = 3 - sum(one.kind == DEAD for one in gone)
    history.counters = [Counters("n1", 18 - scored + rejected, 18 - scored, rejected, 0, 0)]
    history.orders = [order or over(first, last)]
    history.commits = [Commit(0, min(first, 4), 1_015), Commit(0, 10, 1_030), Commit(1, 10, 1_030)]
    return history


def left_whole(delivery, offset, order):
    """A record that waited for its model."""
    history = passed_over(delivery, offset, offset, order)
    swap(history, find(history, offset, DEAD), key=b"k%d" % offset, stub=False, last=None)
    return history


def gone_back(delivery, first=6, last=9, **other):
    """Finished and committed, and these once more, in another assignment of the same node."""
    history = clean(delivery)
    history.orders = [back(first, last, **other)]
    history.commits += [Commit(0, first, 1_250), Commit(0, 10, 1_600)]
    for offset in range(first, last + 1):
        again(history, offset, 1_400 + offset, node="n1", epoch=1)
    history.counters = []
    return history


class Passes(Finds):
    def test_a_range_that_was_passed_over(self):
        for delivery in BOTH:
            # With poison, with the review copy of record 5, and one record alone.
            for first, last in ((3, 6), (4, 5), (7, 7)):
                history = passed_over(delivery, first, last)
                self.only(history)
                figures = check(history)[1]
                expected = (last - first + 1, 0, 0, 0)
                names = ("skipped", "lost", "doubled_inside", "doubled_outside")
                self.assertEqual(expected, tuple(figures[name] for name in names))

    def test_offsets_that_are_no_records(self):
        history = passed_over(EXACTLY_ONCE, 6, 8)
        history.records = [record for record in history.records if (record.partition, record.offset) != (0, 7)]
        history.aborted_inputs.add((0, 8))
        history.records = [record for record in history.records if (record.partition, record.offset) != (0, 8)]
        self.only(history)
        self.assertEqual(1, check(history)[1]["skipped"])
        # The range begins, or lies, where no record is.
        history = passed_over(EXACTLY_ONCE, 6, 8)
        history.records = [record for record in history.records if record.partition or not 6 <= record.offset <= 8]
        self.only(history)
        self.assertEqual(0, check(history)[1]["skipped"])

    def test_a_record_that_waited_for_its_model_leaves_whole(self):
        for delivery in BOTH:
            self.only(left_whole(delivery, 7, over(7, 7)))

    def test_an_order_that_was_never_answered(self):
        for delivery in BOTH:
            self.only(passed_over(delivery, 4, 6, over(4, 6, done=False)))
            history = clean(delivery)
            history.orders = [over(4, 6, done=False), back(4, 6, done=False)]
            self.only(history)

    def undone(self, delivery, offset=4, **order):
        """A letter whose offset was not committed when its node was killed; the next node scores the record."""
        history = passed_over(delivery, offset, offset, over(offset, offset, **order), appended_ms=1_010 + offset)
        history.counters = []
        history.marks.append(crash())
        history.commits = [Commit(0, 4, 1_015), Commit(1, 10, 1_030), Commit(0, 10, 1_600)]
        for later in range(offset + 1, 10):
            for kind in (SCORE, REVIEW):
                for old in [one for one in history.outcomes if one.source == (0, later) and one.kind == kind]:
                    swap(history, old, node="n2", appended_ms=1_500 + later, received_ms=1_490 + later)
        for old in [one for one in clean().outcomes if one.source == (0, offset)]:
            history.outcomes.append(dataclasses.replace(old, node="n2", appended_ms=1_500 + offset, received_ms=1_490 + offset))
        return history

    def test_an_order_that_a_fault_undid(self):
        # The latter is in the review band.
        for offset in (4, 5):
            history = self.undone(AT_LEAST_ONCE, offset, done=False)
            self.only(history)
            self.assertEqual((0, 1), tuple(check(history)[1][name] for name in ("skipped", "doubled_inside")))
        self.only(self.undone(AT_LEAST_ONCE, done=True), "contradiction")
        self.only(self.undone(EXACTLY_ONCE, done=False), "contradiction", "duplicate")
        history = self.undone(AT_LEAST_ONCE, done=False)
        history.marks = []
        self.only(history, "contradiction", "duplicate")

    def sent_before(self, delivery, at_ms=1_012, **mark):
        """Records behind the one that stopped the partition had been scored by then, and were not committed."""
        history = passed_over(delivery, 4, 6, over(4, 6, at_ms=1_020), appended_ms=1_028)
        history.marks.append(crash(**({"begin_ms": 1_011, "committed": {0: 4}, "end_ms": 1_019} | mark)))
        for offset in (5, 6):
            old = next(one for one in clean().outcomes if one.source == (0, offset) and one.kind == SCORE)
            history.outcomes.append(dataclasses.replace(old, appended_ms=at_ms))
        history.outcomes.append(find(clean(), 5, REVIEW))
        for offset in range(7, 10):
            swap(history, find(history, offset), appended_ms=1_029)
        history.counters = []
        return history

    def test_a_record_that_was_scored_before_its_partition_stopped(self):
        history = self.sent_before(AT_LEAST_ONCE)
        self.only(history)
        # The copy of its score for review may not have come so far.
        history.outcomes.remove(find(history, 5, REVIEW))
        self.only(history)
        self.assertEqual((3, 2), tuple(check(history)[1][name] for name in ("skipped", "doubled_inside")))
        for history in (self.sent_before(EXACTLY_ONCE), self.sent_before(AT_LEAST_ONCE, committed={0: 7}),
                        self.sent_before(AT_LEAST_ONCE, upper={0: 5}), self.sent_before(AT_LEAST_ONCE, at_ms=1_025)):
            self.assertTrue({"contradiction", "duplicate"} <= {finding.name for finding in check(history)[0]})

    def test_an_order_that_a_fault_undid_for_poison(self):
        for done, names in ((False, ()), (True, ("inconsistent duplicate",))):
            history = self.undone(AT_LEAST_ONCE, done=done)
            history.outcomes.remove(find(history, 4))
            history.records = [dataclasses.replace(record, poison=True, reference=None)
                               if (record.partition, record.offset) == (0, 4) else record for record in history.records]
            history.outcomes.append(Outcome(DEAD, 0, 2, (0, 4), 1_504, b"k4", "n2", reason="truncated"))
            self.only(history, *names)

    def test_records_that_were_gone_back_over(self):
        for delivery in BOTH:
            history = gone_back(delivery)
            self.only(history)
            figures = check(history)[1]
            self.assertEqual((4, 0, 0), tuple(figures[name] for name in ("repeated", "doubled_inside", "doubled_outside")))

    def test_a_review_copy_of_each_score(self):
        for delivery in BOTH:
            history = gone_back(delivery, first=5)
            score = find(history, 5)
            copies = [one for one in history.outcomes if one.source == (0, 5) and one.kind == SCORE]
            swap(history, copies[1], score=score.score, decision=score.decision)
            history.outcomes.append(dataclasses.replace(find(history, 5, REVIEW), offset=9))
            self.only(history)
        history.outcomes.append(dataclasses.replace(find(history, 5, REVIEW), offset=10))
        self.only(history, "unexpected write (review)")

    def killed_after(self, delivery, received_ms):
        """Gone back to 6, killed with 7 committed, and the next node begins there."""
        history = gone_back(delivery)
        history.commits = [*history.commits[:-1], Commit(0, 7, 1_420), Commit(0, 10, 1_900)]
        history.marks.append(crash(begin_ms=1_430, committed={0: 7}))
        for offset in range(7, 10):
            again(history, offset, 1_800 + offset, node="n2", received_ms=received_ms)
        return history

    def test_a_kill_after_an_order_to_go_back_doubles_as_any_kill(self):
        history = self.killed_after(AT_LEAST_ONCE, 1_790)
        self.only(history)
        figures = check(history)[1]
        self.assertEqual((4, 3, 0), tuple(figures[name] for name in ("repeated", "doubled_inside", "doubled_outside")))
        self.only(self.killed_after(EXACTLY_ONCE, 1_790), "duplicate")
        # By then all of it was committed for the second time.
        self.only(self.killed_after(AT_LEAST_ONCE, 1_950), "duplicate")


class Found(Finds):
    def test_a_record_that_nobody_asked_to_skip(self):
        for delivery in BOTH:
            for orders in ([], [over(4, 5)], [over(5, 6)], [back(4, 6, at_ms=EARLY_MS, done=False)],
                           [dataclasses.replace(over(4, 6), partition=1, done=False)], [over(4, 6, at_ms=1_100)]):
                history = passed_over(delivery, 4, 6)
                history.orders = orders
                self.only(history, "unexpected write (skipped)")

    def test_a_waiting_record_that_nobody_asked_to_skip(self):
        history = left_whole(AT_LEAST_ONCE, 7, over(6, 6, done=False))
        self.only(history, "unexpected write (skipped)")

    def test_a_record_that_was_scored_though_its_operator_was_told_that_it_was_skipped(self):
        for delivery in BOTH:
            history = clean(delivery)
            history.orders = [over(4, 6)]
            self.only(history, "lost write (skipped)")
            # The letter says less than was asked.
            history = passed_over(delivery, 4, 5)
            history.orders = [over(4, 6)]
            self.only(history, "lost write (skipped)")

    def test_a_record_that_was_skipped_and_has_nothing(self):
        for delivery in BOTH:
            history = passed_over(delivery, 4, 6)
            history.outcomes.remove(find(history, 4, DEAD))
            self.only(history, "lost write", "lost write (latent)", "lost write (skipped)")

    def test_a_letter_that_ends_before_the_offset_that_is_committed(self):
        history = passed_over(AT_LEAST_ONCE, 4, 6)
        swap(history, find(history, 4, DEAD), last=5)
        history.orders = [over(4, 6, done=False)]
        self.only(history, "lost write", "lost write (latent)")

    def test_a_letter_that_comes_after_its_commit(self):
        for delivery in BOTH:
            self.only(passed_over(delivery, 4, 6, appended_ms=1_031), "lost write (latent)")

    def test_a_group_that_stands_before_what_was_passed_over(self):
        history = passed_over(AT_LEAST_ONCE, 7, 9)
        history.commits.remove(Commit(0, 10, 1_030))
        self.only(history, "stalled")

    def test_a_record_of_a_range_that_was_scored_as_well(self):
        for delivery in BOTH:
            history = passed_over(delivery, 4, 6)
            again(history, 5, 1_025, node="n1", score=find(clean(), 5).score, decision="REVIEW")
            history.outcomes.append(find(clean(), 5, REVIEW))
            self.assertTrue({"contradiction", "duplicate"} <= {finding.name for finding in check(history)[0]})

    def test_a_letter_too_many(self):
        for delivery in BOTH:
            history = passed_over(delivery, 4, 6)
            history.outcomes.append(letter(4, 6, offset=2, appended_ms=1_020))
            self.only(history, "duplicate")

    def test_a_letter_beyond_the_input(self):
        for first, last in ((10, 12), (9, 8)):
            history = clean()
            history.outcomes.append(letter(first, last))
            self.only(history, "unexpected write")

    def test_a_range_that_overtakes(self):
        history = passed_over(AT_LEAST_ONCE, 4, 6)
        swap(history, find(history, 4, DEAD), offset=-1)
        self.only(history, "non-monotonic order")

    def test_a_fenced_worker_that_passes_over(self):
        for delivery in BOTH:
            history = passed_over(delivery, 8, 9)
            history.counters = []
            swap(history, find(history, 7), node="n2")
            self.only(history, "dirty write (fenced)")

    def test_a_copy_that_no_order_to_go_back_explains(self):
        for delivery in BOTH:
            for change in ({"first": 7}, {"at_ms": 1_407}, {"last": 8}, {"partition": 1, "done": False}):
                history = gone_back(delivery)
                history.orders = [dataclasses.replace(history.orders[0], **change)]
                self.assertIn("duplicate", {finding.name for finding in check(history)[0]})

    def test_a_second_copy_for_one_order(self):
        for delivery in BOTH:
            history = gone_back(delivery)
            again(history, 9, 1_500, node="n1", epoch=1)
            self.only(history, "duplicate")
            history.orders.append(back(9, 9, done=False))
            self.only(history)

    def test_a_record_that_was_not_done_again(self):
        for delivery in BOTH:
            history = gone_back(delivery)
            history.orders = [back(5, 9)]
            self.only(history, "lost write (gone back)")

    def test_a_group_that_goes_back_further_than_it_was_asked_or_more_often(self):
        for delivery in BOTH:
            history = gone_back(delivery)
            history.commits.insert(-1, Commit(0, 5, 1_500))
            self.only(history, "non-monotonic commit")
            history = gone_back(delivery)
            history.commits += [Commit(0, 7, 1_700), Commit(0, 10, 1_800)]
            self.only(history, "non-monotonic commit")
            history = gone_back(delivery, at_ms=1_300)
            self.only(history, "non-monotonic commit")

    def test_counters_that_do_not_add_up_with_a_letter_of_a_range(self):
        history = passed_over(AT_LEAST_ONCE, 4, 6)
        history.counters = [dataclasses.replace(history.counters[0], rejected=2)]
        self.only(history, "wrong count")
