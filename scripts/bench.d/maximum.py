"""The highest rate that a system keeps, by a short search."""

# The search ends when the rates that were kept and not kept lie this close.
CLOSE = 1.12
PROBES_MAX = 8
ROUND_TO = 1_000
FIRST = 50_000.0


def search(keeps, first=FIRST, floor=1_000.0):
    """`keeps(rate)` says whether a rate was kept. Doubles or halves from `first` until the maximum lies between two
    rates, then halves the gap on a logarithmic scale. Answers the highest rate kept, or None."""
    kept, lost, rate = None, None, first
    for _ in range(PROBES_MAX):
        if keeps(rate):
            kept = rate
        else:
            lost = rate
        if kept and lost and lost / kept <= CLOSE:
            break
        rate = next_rate(kept, lost)
        if rate < floor:
            return None
    return kept


def next_rate(kept, lost):
    if lost is None:
        return rounded(kept * 2)
    if kept is None:
        return rounded(lost / 2)
    return rounded((kept * lost) ** 0.5)


def rounded(rate):
    return max(round(rate / ROUND_TO), 1) * float(ROUND_TO) if rate > 10 * ROUND_TO else rate
