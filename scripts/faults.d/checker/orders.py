"""What operators asked, against what became of it."""

from .history import DEAD, SKIPPED
from .view import Finding


def skipped_unasked(view):
    """Nothing is passed over that nobody asked to pass over."""
    found = Finding("unexpected write (skipped)", "passed over though no operator had asked for it")
    for letter in (outcome for outcome in view.history.outcomes if is_of_order(outcome)):
        for source in view.sources(letter):
            if not any(order.covers(*source) and order.at_ms <= letter.appended_ms for order in view.over):
                found.add(f"{source} by {letter.node} at {letter.appended_ms}")
    return [found]


def is_of_order(outcome):
    return outcome.kind == DEAD and outcome.reason == SKIPPED and not outcome.aborted


def orders_not_kept(view):
    """What an operator was told is so: a dead letter says of each record of the range that it was passed over, and each record
    that was gone back over has another outcome."""
    over = Finding("lost write (skipped)", "passed over, as its operator was told, and no dead letter says so")
    back = Finding("lost write (gone back)", "gone back over, as its operator was told, and without another outcome")
    for order in (order for order in view.over if order.done):
        for source in within(view, order):
            if not any(is_of_order(copy) for copy in view.by_source.get(source, ())):
                over.add(f"{source}: {sorted(copy.kind for copy in view.by_source.get(source, ()))}")
    for order in (order for order in view.back if order.done):
        for source in within(view, order):
            if not any(copy.appended_ms >= order.at_ms for copy in view.by_source.get(source, ())):
                back.add(str(source))
    return [over, back]


def within(view, order):
    offsets = (record.offset for record in view.by_partition[order.partition])
    return [(order.partition, offset) for offset in offsets if order.covers(order.partition, offset)]
