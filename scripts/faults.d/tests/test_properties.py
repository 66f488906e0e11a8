"""The checker against planted histories: a clean one passes, and each mistake is found under its name and no other."""

import dataclasses
import unittest

from checker.history import AT_LEAST_ONCE, DEAD, EXACTLY_ONCE, REVIEW, SCORE, Commit, Counters, Outcome
from checker.properties import check, sample_hash

from .histories import BOTH, Finds, again, bits, clean, crash, find, put_off, scored, swap


class Clean(unittest.TestCase):
    def test_a_fallback_that_says_so_and_a_letter_that_was_scored_again(self):
        for delivery in BOTH:
            history = clean(delivery)
            swap(history, find(history, 6), step="score:0.01", fallback=True)
            put_off(history, 7)
            findings, figures = check(history)
            self.assertEqual([], [finding.shown() for finding in findings])
            self.assertEqual((1, 1, 1), tuple(figures[name] for name in ("fallback", "letters", "amended")))

    def test_a_clean_history_passes_in_both_modes(self):
        for delivery in BOTH:
            findings, figures = check(clean(delivery))
            self.assertEqual([], [finding.shown() for finding in findings])
            self.assertEqual((20, 18, 2, 0, 0), tuple(figures[name] for name in (
                "records", "scored", "rejected", "lost", "doubled_outside")))

    def test_holes_in_offsets_are_no_loss(self):
        history = clean()
        history.aborted_inputs.add((0, 10))
        history.ends[0] = 12
        history.commits.append(Commit(0, 12, 1_040))
        self.assertEqual(([], 0), (check(history)[0], check(history)[1]["lost"]))


class Found(Finds):
    def test_a_lost_write(self):
        for delivery in BOTH:
            history = clean(delivery)
            history.outcomes.remove(find(history, 7))
            history.counters = []
            self.only(history, "lost write", "lost write (latent)")

    def test_a_lost_dead_letter(self):
        history = clean()
        history.outcomes.remove(find(history, 3, DEAD))
        self.only(history, "lost write", "lost write (latent)")

    def test_a_commit_before_the_outcome(self):
        history = clean()
        history.commits.insert(0, Commit(0, 9, 1_012))
        history.commits.remove(Commit(0, 4, 1_015))
        self.only(history, "lost write (latent)")

    def test_a_commit_beyond_the_end(self):
        history = clean()
        history.commits.append(Commit(1, 11, 1_050))
        self.only(history, "unexpected commit")

    def test_an_offset_that_goes_back(self):
        history = clean()
        history.commits += [Commit(0, 6, 1_050), Commit(0, 10, 1_060)]
        self.only(history, "non-monotonic commit")

    def test_a_group_that_stands_still(self):
        history = clean()
        history.commits = [commit for commit in history.commits if commit != Commit(1, 10, 1_030)]
        self.only(history, "stalled")

    def test_a_score_beside_a_dead_letter(self):
        history = clean()
        history.marks.append(crash())
        history.outcomes.append(Outcome(DEAD, 0, 9, (0, 8), 1_500, b"k8", reason="truncated"))
        self.only(history, "contradiction")

    def test_poison_that_was_scored(self):
        history = clean()
        history.outcomes.remove(find(history, 3, DEAD))
        history.outcomes.append(scored(0, 3, 2, appended_ms=1_013))
        history.counters = []
        swap(history, find(history, 2), offset=-1)
        swap(history, find(history, 1), offset=-2)
        swap(history, find(history, 0), offset=-3)
        self.only(history, "dirty write")

    def test_a_good_record_that_was_rejected(self):
        history = clean()
        history.outcomes.remove(find(history, 8))
        history.outcomes.append(Outcome(DEAD, 0, 9, (0, 8), 1_018, b"k8", "n1", reason="unknown_schema"))
        history.counters = []
        self.only(history, "dirty write")

    def test_a_copy_inside_the_window_is_one_only_for_exactly_once(self):
        for delivery, names in ((AT_LEAST_ONCE, ()), (EXACTLY_ONCE, ("duplicate",))):
            history = clean(delivery)
            history.marks.append(crash())
            history.commits = [Commit(0, 4, 1_015), Commit(1, 10, 1_030), Commit(0, 10, 1_600)]
            again(history, 6)
            self.only(history, *names)
            self.assertEqual((1, 0), (check(history)[1]["doubled_inside"], check(history)[1]["doubled_outside"]))

    def test_a_copy_without_a_fault(self):
        history = clean()
        again(history, 6)
        self.only(history, "duplicate")

    def test_a_copy_after_a_clean_stop(self):
        history = clean()
        history.marks.append(crash(may_double=False))
        again(history, 6)
        self.only(history, "duplicate")

    def test_a_copy_of_what_was_committed_at_the_fault(self):
        history = clean()
        history.marks.append(crash())
        again(history, 2)
        self.only(history, "duplicate")

    def test_a_copy_of_what_was_committed_before_it_was_read_again(self):
        history = clean()
        history.marks.append(crash())
        # The log says that 10 was committed at 1,030, long before the second process read record 6.
        again(history, 6)
        self.only(history, "duplicate")

    def test_a_copy_after_the_window_has_closed(self):
        history = clean()
        history.marks.append(crash(end_ms=1_400))
        again(history, 6)
        self.only(history, "duplicate")

    def test_a_zombie_writes_nothing_that_it_received_after_others_had_committed_it(self):
        # Committed at 1,030; taken from its client before that, or after it woke up.
        for received_ms, names in ((1_029, ()), (1_495, ("duplicate",))):
            history = clean()
            history.marks.append(crash())
            again(history, 6, 1_500, node="n9", received_ms=received_ms)
            self.only(history, *names)

    def test_exactly_once_forgives_a_zombie_nothing(self):
        history = clean(EXACTLY_ONCE)
        history.marks.append(crash())
        again(history, 6, node="n9")
        self.only(history, "duplicate")

    def taken_over(self, delivery, *late):
        """Records from 4 on are the next process's, but for `late`, of the first one: `(offset, node, epoch)`."""
        history = clean(delivery)
        history.counters = []
        for offset in range(4, 10):
            for kind in (SCORE, REVIEW):
                for one in [one for one in history.outcomes if one.source == (0, offset) and one.kind == kind]:
                    swap(history, one, node="n2")
        for offset, node, epoch in late:
            swap(history, find(history, offset), node=node, epoch=epoch)
        return history

    def test_a_partition_that_is_taken_over_and_given_back(self):
        for delivery in BOTH:
            self.only(self.taken_over(delivery))
            # The same process, and another assignment.
            self.only(self.taken_over(delivery, (8, "n1", 1), (9, "n1", 1)))

    def test_a_fenced_worker_that_writes(self):
        for delivery in BOTH:
            self.only(self.taken_over(delivery, (7, "n1", 0)), "dirty write (fenced)")
            # An earlier assignment of the same process is another worker too.
            self.only(self.taken_over(delivery, (6, "n2", 1), (7, "n2", 1), (8, "n2", 0), (9, "n2", 1)),
                      "dirty write (fenced)")

    def test_a_fenced_worker_that_writes_a_dead_letter(self):
        for delivery in BOTH:
            history = self.taken_over(delivery)
            swap(history, find(history, 3, DEAD), appended_ms=1_016, node="n1")
            history.commits = [Commit(0, 10, 1_030), Commit(1, 10, 1_030)]
            self.only(history, "dirty write (fenced)")

    def test_what_a_fenced_worker_aborted_is_nothing(self):
        history = self.taken_over(EXACTLY_ONCE)
        again(history, 7, node="n1", aborted=True)
        self.only(history)

    def test_a_fenced_worker_may_double_in_the_window_of_a_fault(self):
        history = self.taken_over(AT_LEAST_ONCE)
        history.marks.append(crash())
        history.commits = [Commit(0, 4, 1_015), Commit(1, 10, 1_030), Commit(0, 10, 1_600)]
        again(history, 7, node="n1")
        self.only(history)

    def test_a_zombie_overtakes_nobody(self):
        for delivery in BOTH:
            history = clean(delivery)
            history.counters = []
            history.marks.append(crash())
            swap(history, find(history, 6), offset=50, node="n9", appended_ms=1_700)
            self.assertIn("non-monotonic order", {finding.name for finding in check(history)[0]})

    def test_copies_that_differ(self):
        for change in ({"score": bits(0.02)}, {"decision": "DECLINE"}, {"model": "beef"}, {"key": b"other"}):
            history = clean()
            history.marks.append(crash())
            history.commits = [Commit(0, 4, 1_015), Commit(1, 10, 1_030), Commit(0, 10, 1_600)]
            again(history, 6, **change)
            self.assertIn("inconsistent duplicate", {finding.name for finding in check(history)[0]})

    def test_an_outcome_that_overtakes(self):
        history = clean()
        six, seven = find(history, 6), find(history, 7)
        swap(history, six, offset=seven.offset)
        swap(history, find(history, 7), offset=six.offset)
        self.only(history, "non-monotonic order")

    def test_another_key_or_partition(self):
        history = clean()
        swap(history, find(history, 6), key=b"other")
        self.only(history, "misplaced write")
        history = clean()
        swap(history, find(history, 6), partition=1, offset=100)
        self.only(history, "misplaced write")

    def test_an_outcome_of_nothing(self):
        history = clean()
        history.outcomes.append(scored(0, 77, 50))
        self.only(history, "unexpected write")

    def test_an_outcome_of_an_aborted_input(self):
        history = clean()
        history.aborted_inputs.add((0, 77))
        history.outcomes.append(scored(0, 77, 50))
        self.only(history, "G1a (aborted read)")

    def test_an_aborted_outcome_is_none(self):
        history = clean(EXACTLY_ONCE)
        again(history, 6, aborted=True)
        self.only(history)
        history.outcomes = [one if one.source != (0, 7) else dataclasses.replace(one, aborted=True)
                            for one in history.outcomes]
        history.counters = []
        self.only(history, "lost write", "lost write (latent)")

    def test_an_aborted_outcome_that_a_reader_saw(self):
        history = clean(EXACTLY_ONCE)
        history.seen_live, history.visible = {("out", 0, 1), ("out", 0, 2)}, {("out", 0, 1)}
        self.only(history, "G1a (aborted read)")

    def test_a_decision_of_the_fallback_that_does_not_say_so(self):
        for changes in ({"step": "score:0.01"}, {"fallback": True}):
            history = clean()
            swap(history, find(history, 6), **changes)
            self.only(history, "unflagged fallback")

    def test_a_score_that_the_configuration_does_not_give(self):
        history = clean()
        swap(history, find(history, 6), step="score:0.02", fallback=True)
        self.only(history, "unflagged fallback")

    def test_a_letter_that_was_never_scored_again(self):
        history = clean()
        put_off(history, 7, amended=0)
        self.only(history, "lost write (letter)")

    def test_a_letter_that_was_scored_again_twice(self):
        history = clean(EXACTLY_ONCE)
        put_off(history, 7, amended=2)
        self.only(history, "unexpected write (amendment)")

    def test_an_amendment_of_what_was_no_letter(self):
        history = clean()
        history.outcomes.append(dataclasses.replace(find(history, 7), node="again.retry", amends=1, offset=200))
        self.only(history, "unexpected write (amendment)")

    def test_an_amendment_with_wrong_bits(self):
        history = clean()
        put_off(history, 7)
        amended = next(one for one in history.outcomes if one.amends)
        swap(history, amended, score=bits(0.01 + 2**-56))
        self.only(history, "wrong score (amendment)")

    def test_wrong_score_bits(self):
        history = clean()
        swap(history, find(history, 6), score=bits(0.01 + 2**-56))
        self.only(history, "wrong score")

    def test_a_decision_that_does_not_follow(self):
        history = clean()
        swap(history, find(history, 6), decision="DECLINE")
        self.only(history, "wrong decision")

    def test_another_model(self):
        history = clean()
        swap(history, find(history, 6), model="beef")
        self.only(history, "wrong model")

    def test_a_missing_review_copy(self):
        history = clean()
        history.outcomes.remove(find(history, 5, REVIEW))
        self.only(history, "lost write (review)")

    def test_a_missing_copy_of_the_sample(self):
        history = clean()
        history.sample_per_million = 1_000_000
        self.only(history, "lost write (review)")

    def test_a_review_copy_too_many(self):
        history = clean()
        history.outcomes.append(dataclasses.replace(find(history, 6), kind=REVIEW, offset=9))
        self.only(history, "unexpected write (review)")

    def test_a_review_copy_that_says_something_else(self):
        history = clean()
        swap(history, find(history, 5, REVIEW), score=bits(0.4))
        self.only(history, "unexpected write (review)")

    def test_exactly_once_has_one_review_copy(self):
        history = clean(EXACTLY_ONCE)
        history.outcomes.append(dataclasses.replace(find(history, 5, REVIEW), offset=9))
        self.only(history, "unexpected write (review)")

    def test_counters_that_do_not_add_up(self):
        history = clean()
        history.counters = [Counters("n1", 20, 18, 2, 1, 0)]
        self.only(history, "wrong count")

    def test_decisions_of_the_fallback_in_the_model_s_name(self):
        history = clean()
        swap(history, find(history, 6), step="score:0.01", fallback=True)
        history.counters = [Counters("n1", 20, 18, 2, 0, 0, fallbacks=1)]
        self.only(history)
        swap(history, find(history, 6), step="", fallback=False)
        self.only(history, "wrong count")

    def test_counters_that_call_scored_what_was_handed_back(self):
        history = clean()
        history.counters = [Counters("n1", 23, 21, 2, 0, 0)]
        self.only(history, "wrong count")


class Sample(unittest.TestCase):
    def test_the_hash_is_the_documented_one(self):
        self.assertEqual(0xEFD01F60BA992926, sample_hash(b""))
        self.assertNotEqual(sample_hash(b"a-1"), sample_hash(b"a-2"))


if __name__ == "__main__":
    unittest.main()
