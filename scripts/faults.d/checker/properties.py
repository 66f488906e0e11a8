"""The properties of a consume-transform-produce job. Each is a function from a history to findings, and says in which
delivery mode it holds. Findings are named with Jepsen's words where Jepsen has one."""

import struct
from bisect import bisect_left
from collections import Counter, defaultdict

from .history import AT_LEAST_ONCE, DEAD, EXACTLY_ONCE, LATER, REVIEW, SCORE, SKIPPED, TIMEOUT
from .orders import orders_not_kept, skipped_unasked
from .view import NEVER, Finding, View

BOTH = (AT_LEAST_ONCE, EXACTLY_ONCE)


def lost_below_committed(view):
    """Every record below the committed offset has an outcome."""
    found = Finding("lost write", "below the committed offset, without an outcome")
    for partition, records in view.by_partition.items():
        for record in records:
            if record.offset < view.committed.get(partition, 0) and view.first_ms(record) == NEVER:
                found.add(f"{partition}-{record.offset}")
    return [found]


def committed_too_early(view):
    """At each moment, every record below the committed offset has its outcome in the topic already: what is committed
    before is lost with the next crash."""
    found = Finding("lost write (latent)", "committed before its outcome was in the topic")
    latest = {}
    for partition, records in view.by_partition.items():
        offsets, top = [], []
        for record in records:
            offsets.append(record.offset)
            top.append(max(top[-1] if top else 0, view.first_ms(record)))
        latest[partition] = (offsets, top)
    for commit in view.history.commits:
        offsets, top = latest.get(commit.partition, ([], []))
        below = bisect_left(offsets, commit.offset)
        if below and top[below - 1] > commit.at_ms:
            found.add(f"{commit.partition}-{commit.offset} committed at {commit.at_ms}, outcome at {top[below - 1]}")
    return [found]


def committed_beyond_the_end(view):
    """Nothing is committed that does not exist."""
    found = Finding("unexpected commit", "committed beyond the end of the input")
    for commit in view.history.commits:
        end = view.history.ends.get(commit.partition, 0)
        if commit.offset > end:
            found.add(f"{commit.partition}-{commit.offset}, the input ends at {end}")
    return [found]


def unfinished(view):
    """After the run everything in the input is finished and committed."""
    found = Finding("stalled", "the group never came to the end of the input")
    for partition, end in view.history.ends.items():
        if view.committed.get(partition, 0) < end:
            found.add(f"{partition}: committed {view.committed.get(partition, 0)}, the input ends at {end}")
    return [found]


def committed_goes_back(view):
    """The committed offset of a partition never goes back, unless an operator asked for it."""
    found = Finding("non-monotonic commit", "a committed offset went back")
    for before, commit in view.went_back:
        found.add(f"partition {commit.partition}: {before}, then {commit.offset} at {commit.at_ms}")
    return [found]


def one_kind_of_outcome(view):
    """A score or a dead letter, never both; poison is never scored, and nothing else is a dead letter but what was passed over."""
    both = Finding("contradiction", "has a score and a dead letter")
    wrong = Finding("dirty write", "poison that was scored, or a good record that was rejected")
    for source in view.by_source:
        copies = view.copies(source)
        kinds, is_skipped = {copy.kind for copy in copies}, any(copy.reason == SKIPPED for copy in copies)
        if len(kinds) > 1:
            both.add(f"{source}: {sorted(kinds)}")
        record = view.records.get(source)
        if record and record.poison == bool(kinds & {SCORE, LATER}) and not (is_skipped and kinds == {DEAD}):
            wrong.add(f"{source}: {sorted(kinds)}, {copies[0].reason}")
    return [both, wrong]


def doubled_outside(view):
    """At-least-once: copies lie inside the uncommitted window of a fault. Exactly-once: there are none. In both an operator may
    have gone back over them."""
    found = Finding("duplicate", "scored again though no fault and no order explains it")
    doubled = view.doubled()
    exactly_once = view.history.delivery == EXACTLY_ONCE
    for copy in doubled.outside + (doubled.inside if exactly_once else []):
        found.add(f"{copy.source} again by {copy.node or copy.kind} at {copy.appended_ms}")
    return [found]


def copies_differ(view):
    """Copies of one outcome are equal in key, source position, score bits, decision and model."""
    found = Finding("inconsistent duplicate", "two copies of an outcome say different things")
    outcomes = [(source, view.copies(source)) for source in view.by_source]
    for source, copies in [*outcomes, *view.reviews.items()]:
        said = {(copy.kind, copy.key, copy.score, copy.decision, copy.model, copy.reason) for copy in copies if not copy.step}
        if len(said) > 1 and len({copy.kind for copy in copies}) == 1:
            found.add(str(source))
    return [found]


def out_of_order(view):
    """Per source partition and topic, records appear for the first time in source order, so that each key's do; key and
    partition are the source's."""
    order = Finding("non-monotonic order", "an outcome overtook an earlier one of its partition")
    place = Finding("misplaced write", "an outcome with another key or partition than its source")
    last = {}
    for outcome in sorted(view.history.outcomes, key=lambda outcome: (outcome.kind, outcome.partition, outcome.offset)):
        if outcome.kind == REVIEW or outcome.aborted or is_again(outcome):
            continue
        sources = view.sources(outcome)
        if not sources:
            continue
        record = view.records.get(outcome.source)
        moved = view.history.keeps_partition and outcome.partition != outcome.source[0]
        if record and (moved or outcome.key != record.key and not outcome.stub):
            place.add(f"{outcome.kind} of {outcome.source}")
        if view.by_source[sources[0]][0] is not outcome:
            continue
        lane = (outcome.kind, outcome.source[0], outcome.partition)
        overtaken = view.history.delivery == AT_LEAST_ONCE and any(
            mark.overtaken and mark.covers(*outcome.source, outcome.appended_ms) for mark in view.windows)
        if outcome.source[1] < last.get(lane, -1) and not overtaken:
            order.add(f"{outcome.kind} of {outcome.source} behind {last[lane]}")
        last[lane] = max(last.get(lane, -1), outcome.source[1])
    return [order, place]


def fenced(view):
    """Who has a partition has it alone: from the first outcome of a later worker on (another process or lane, or another
    assignment of the same) nothing comes from the earlier one. Exactly-once: nothing that a read_committed reader sees.
    At-least-once: only copies of what others wrote too."""
    found = Finding("dirty write (fenced)", "an outcome of a worker whose partition another one had taken over")
    tenures, authors = defaultdict(dict), defaultdict(set)
    outcomes = [outcome for outcome in view.history.outcomes if not outcome.aborted and not is_again(outcome)]
    for outcome in sorted(outcomes, key=lambda outcome: (outcome.appended_ms, outcome.partition, outcome.offset)):
        tenures[outcome.source[0]].setdefault(worker(outcome), outcome.appended_ms)
        authors[outcome.kind, outcome.source].add(worker(outcome))
    ends = {partition: dict(zip(workers, [*list(workers.values())[1:], NEVER])) for partition, workers in tenures.items()}
    for outcome in outcomes:
        late = outcome.appended_ms > ends[outcome.source[0]][worker(outcome)]
        is_copy = len(authors[outcome.kind, outcome.source]) > 1
        if late and (view.history.delivery == EXACTLY_ONCE or not is_copy):
            found.add(f"{outcome.kind} of {outcome.source} by {worker(outcome)} at {outcome.appended_ms}")
    return [found]


def is_again(outcome):
    """Of the job that scores letters again: it owns partitions of letters, and keeps no order of keys."""
    return outcome.node.endswith(".retry")


def worker(outcome):
    return outcome.node, outcome.lane, outcome.epoch


def unexpected(view):
    """Every outcome belongs to a record of the input; none to one whose transaction was aborted."""
    phantom = Finding("unexpected write", "an outcome of a record that is not in the input")
    aborted = Finding("G1a (aborted read)", "an outcome of an input record whose transaction was aborted")
    for group in (view.by_source, view.reviews):
        for source in group:
            if source in view.history.aborted_inputs:
                aborted.add(str(source))
            elif source not in view.records:
                phantom.add(str(source))
    for letter in (outcome for outcome in view.history.outcomes if outcome.last is not None and not outcome.aborted):
        # Some of its offsets may be no records, and all of them are in the input.
        if not letter.source[1] <= letter.last < view.history.ends.get(letter.source[0], 0):
            phantom.add(f"{letter.source} up to {letter.last}")
    return [phantom, aborted]


def aborted_outputs(view):
    """A read_committed reader never saw an outcome whose transaction was aborted, neither after the run nor during it."""
    found = Finding("G1a (aborted read)", "an aborted outcome that a read_committed reader saw")
    for place in sorted((view.history.seen_live or set()) - view.history.visible):
        found.add(str(place))
    return [found]


def scores(view):
    """Score bits equal the reference's, the decision follows from score and thresholds, the model is the package's."""
    wrong = Finding("wrong score", "score bits differ from the reference's")
    decision = Finding("wrong decision", "the decision does not follow from score and thresholds")
    model = Finding("wrong model", "scored by a model that is not the package's")
    review_at, decline_at = view.history.thresholds
    for source, copies in view.by_source.items():
        record = view.records.get(source)
        for copy in (copy for copy in copies if copy.kind == SCORE):
            if not copy.step.startswith("score:") and record and record.reference is not None \
                    and struct.pack("<d", record.reference) != copy.score:
                wrong.add(f"{source}: {struct.unpack('<d', copy.score)[0]!r}, reference {record.reference!r}")
            score = struct.unpack("<d", copy.score)[0]
            due = "DECLINE" if score >= decline_at else "REVIEW" if score >= review_at else "APPROVE"
            if copy.decision != due:
                decision.add(f"{source}: {copy.decision}, due {due}")
            if copy.model != view.history.model:
                model.add(str(source))
    return [wrong, decision, model]


def fallback_flags(view):
    """A decision that the model did not make says so, and a score that the configuration gives is that score."""
    found = Finding("unflagged fallback", "an output whose flag, step and score do not fit each other")
    for copy in (copy for copies in view.by_source.values() for copy in copies if copy.kind == SCORE):
        given = copy.step.removeprefix("score:")
        is_given = copy.step == given or struct.pack("<d", float(given)) == copy.score
        if copy.fallback != bool(copy.step) or not is_given:
            found.add(f"{copy.source}: fallback {copy.fallback}, step {copy.step!r}")
    return [found]


def amendments(view):
    """A score that amends belongs to a letter, and is the reference's. Where letters were scored again until none was left,
    each has one; exactly-once, one and no more."""
    lost = Finding("lost write (letter)", "a letter that was never scored again")
    extra = Finding("unexpected write (amendment)", "a score that amends no letter, or not the first")
    wrong = Finding("wrong score (amendment)", "score bits differ from the reference's")
    letters = {source for source, copies in view.by_source.items() if any(copy.kind == LATER for copy in copies)}
    for source in letters - set(view.amendments) if view.history.retried else ():
        lost.add(str(source))
    for source, scores_again in view.amendments.items():
        record = view.records.get(source)
        if source not in letters or view.history.delivery == EXACTLY_ONCE and len(scores_again) > 1:
            extra.add(f"{source}: {len(scores_again)}")
        reference = record and record.reference
        if reference is not None and any(copy.score != struct.pack("<d", reference) for copy in scores_again):
            wrong.add(str(source))
    return [lost, extra, wrong]


def sample_hash(text):
    """FNV-1a, 64 bits, then MurmurHash3's finaliser: as the product's documentation has it."""
    mask = (1 << 64) - 1
    value = 0xCBF29CE484222325
    for byte in text:
        value = ((value ^ byte) * 0x100000001B3) & mask
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = ((value ^ (value >> 33)) * factor) & mask
    return value ^ (value >> 33)


def reviews(view):
    """What is in the review band or the sample has a review copy that says the same; nothing else has one."""
    lost = Finding("lost write (review)", "a review copy is missing")
    extra = Finding("unexpected write (review)", "a review copy that should not be, or says something else")
    below = (view.history.sample_per_million << 64) // 1_000_000
    for source, written in view.by_source.items():
        # What was passed over may have a score from before, and that a copy.
        is_passed_over = view.copies(source)[0].reason == SKIPPED
        copies = [copy for copy in written if copy.reason != SKIPPED] or written
        # Each score has its copy, also where an operator went back.
        scored = sum(copy.kind == SCORE for copy in copies)
        for copy in (view.amendments.get(source) or copies)[:1]:
            due = copy.kind == SCORE and (copy.decision == "REVIEW" or sample_hash(copy.id.encode()) < below)
            have = view.reviews.get(source, [])
            record = view.records.get(source)
            if due and not have and not is_passed_over and not (record and record.no_copy):
                lost.add(str(source))
            early = record and record.refused and view.history.delivery == AT_LEAST_ONCE
            if have and not early and (not due or any((one.score, one.decision) != (copy.score, copy.decision) for one in have)):
                extra.add(str(source))
            if view.history.delivery == EXACTLY_ONCE and len(have) > max(1, scored):
                extra.add(f"{source}: {len(have)} review copies")
    orphans = set(view.reviews) - set(view.by_source)
    for source in sorted(orphans):
        extra.add(f"{source}: a review copy without an outcome")
    return [lost, extra]


def counted_wrong(view):
    """received = scored + rejected + handed back + in flight, and a node says "scored" only of what is in the topic. What it
    counts as the fallback's says so itself: nobody else can tell who decided."""
    found = Finding("wrong count", "a node's counters do not fit what it did")
    scores_written = [copy for copies in view.by_source.values() for copy in copies if copy.kind == SCORE]
    written = Counter(copy.node for copy in scores_written)
    flagged = Counter(copy.node for copy in scores_written if copy.step)
    for own in view.history.counters:
        if own.received != own.scored + own.rejected + own.deferred + own.handed_back + own.in_flight:
            found.add(f"{own}: does not add up")
        if own.scored > written[own.node]:
            found.add(f"{own.node} counts {own.scored} scored, {written[own.node]} are in the topic")
        if own.fallbacks > flagged[own.node]:
            found.add(f"{own.node} counts {own.fallbacks} decisions of the fallback, {flagged[own.node]} say so")
    return [found]


# Property, and the delivery modes it is checked in. What differs between the two is written in the function.
PROPERTIES = [
    (lost_below_committed, BOTH),
    (committed_too_early, BOTH),
    (committed_beyond_the_end, BOTH),
    (unfinished, BOTH),
    (committed_goes_back, BOTH),
    (one_kind_of_outcome, BOTH),
    (doubled_outside, BOTH),
    (skipped_unasked, BOTH),
    (orders_not_kept, BOTH),
    (copies_differ, BOTH),
    (out_of_order, BOTH),
    (fenced, BOTH),
    (unexpected, BOTH),
    (aborted_outputs, (EXACTLY_ONCE,)),
    (scores, BOTH),
    (fallback_flags, BOTH),
    (amendments, BOTH),
    (reviews, BOTH),
    (counted_wrong, BOTH),
]


def check(history):
    """All findings that are not empty, and the figures of the table."""
    view = View(history)
    findings = [finding for function, modes in PROPERTIES if history.delivery in modes for finding in function(view)]
    doubled = view.doubled()
    count = Counter()
    for finding in findings:
        count[finding.name] += finding.count
    figures = {
        "records": len(view.records),
        "scored": sum(1 for copies in view.by_source.values() if copies[0].kind == SCORE),
        "rejected": sum(1 for copies in view.by_source.values() if copies[0].kind in (DEAD, TIMEOUT)),
        "skipped": sum(1 for source in view.by_source if view.copies(source)[0].reason == SKIPPED),
        "fallback": sum(1 for copies in view.by_source.values() if copies[0].step),
        "letters": sum(1 for copies in view.by_source.values() if copies[0].kind == LATER),
        "amended": len(view.amendments),
        "lost": count["lost write"],
        "doubled_inside": len(doubled.inside),
        "doubled_outside": len(doubled.outside),
        "repeated": len(doubled.repeated),
        "out_of_order": count["non-monotonic order"],
        "wrong_score": count["wrong score"],
        "checked_scores": sum(1 for record in history.records if record.reference is not None),
        "commits": len(history.commits),
    }
    return [finding for finding in findings if finding.count], figures
