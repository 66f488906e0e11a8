"""What is run, in which order, with which records: cells (a rate, or a drain), rounds, seeds."""

from dataclasses import dataclass

# Cells of one system that share a process: the fewer, the closer in time are the runs that are compared; the more,
# the fewer starts and warm-ups.
CELLS_PER_START = 2


@dataclass(frozen=True)
class Cell:
    """One thing to measure: a steady rate, a share of the maximum, or a drain."""

    key: str
    title: str
    rate: float | None = None
    share: float | None = None

    @property
    def is_drain(self):
        return self.rate is None and self.share is None

    def at(self, maximum):
        """This cell with its rate, once the maximum is known."""
        return Cell(self.key, self.title, rate_of(self.share, maximum), self.share) if self.share else self


DRAIN = Cell("drain", "drain")


def rate_of(share, maximum):
    return max(100.0, round(share * maximum, -2))


def parse_cells(words):
    """Cells of `1000,10000,50%,drain`; raises ValueError with the word that is none."""
    cells = []
    for word in filter(None, (word.strip() for word in words.split(","))):
        cells.append(parse_cell(word))
    return list(dict.fromkeys(cells))


def parse_cell(word):
    if word == "drain":
        return DRAIN
    number = float(word.rstrip("%").strip().replace("_", ""))
    if word.endswith("%"):
        if not 0 < number <= 150:
            raise ValueError(f"'{word}' is no share of the maximum")
        return Cell(f"share-{number:g}", f"{number:g} % of maximum", share=number / 100)
    if not 1 <= number <= 5e6:
        raise ValueError(f"'{word}' is no rate")
    return Cell(f"rate-{number:g}", f"{number:,.0f}/s", rate=number)


def blocks(cells, size=CELLS_PER_START):
    """The cells in groups that share a process, in the given order."""
    return [cells[start : start + size] for start in range(0, len(cells), size)]


def order(systems, round_number):
    """The systems in the order of a round (from 0): each comes first in its turn; once all have, they go backwards, so
    that no system always follows the same one."""
    if not systems:
        return []
    cycle, turn = divmod(round_number, len(systems))
    row = systems[::-1] if cycle % 2 else systems
    return row[turn:] + row[:turn]


def seed(base, round_number, cell_number):
    """All systems see the same records in a cell of a round; no two cells or rounds do."""
    return base + 1_000 * (round_number + 1) + cell_number
