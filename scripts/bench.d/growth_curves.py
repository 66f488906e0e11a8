"""The curves of `scripts/bench growth`: their points, what each slope should be, and what it is."""

from dataclasses import dataclass, field

# A line is as it should be when nothing at its far end is worse than this. Instructions are counted and repeat to a per mille;
# time also pays for caches that a larger thing no longer fits into, and for neighbours on the machine.
FLAT_MAX = {"instructions": 1.10, "own": 1.10, "cpu": 1.50, "heap": 1.25}
STEEPER_MAX = {"instructions": 1.25, "own": 1.25, "cpu": 1.60, "heap": 1.25}


@dataclass(frozen=True)
class Line:
    """Points that differ in one size."""

    key: str
    title: str
    # The words that all points share, and each point's own with its place on the axis; None: bytes of a record, as measured.
    shared: str
    points: tuple
    # `flat` or `linear`, of a record's cost and of the memory that is held.
    cost: str
    heap: str = "flat"

    def words(self):
        return [" ".join(f"{self.shared} {own}".split()) for own, _ in self.points]


@dataclass(frozen=True)
class Curve:
    key: str
    title: str
    # What the axis counts, one of them in words, and why the slopes should be as they should be.
    unit: str
    one: str
    why: str
    lines: tuple
    log: bool = False
    # Whether the model has a part in it; where it has none, the instructions of its call would hide what grows.
    of_model: bool = False

    @property
    def measures(self):
        return ("instructions" if self.of_model else "own", "cpu", "heap")


def sizes(name, values):
    return tuple((f"{name}={value}", float(value)) for value in values)


def kibibytes(values):
    return tuple((f"payload={value * 1024}" if value else "", None) for value in values)


CURVES = (
    Curve("features", "Features", "features", "a feature",
          "Each is read, written to its column and held in the rows of a batch.",
          (Line("features", "30 % nullable", "", sizes("features", (10, 30, 100, 300, 1000)), "linear", "linear"),),
          of_model=True),
    Curve("trees", "Trees of 31 leaves", "trees", "a tree", "Every tree is asked for every row.",
          (Line("trees", "30 features", "", sizes("trees", (50, 100, 200, 500, 1000, 2000)), "linear", "linear"),),
          of_model=True),
    Curve("payload", "Payload that is not read", "KiB a record", "a KiB",
          "A text or an array of doubles says how long it is and is stepped over. An array of records does not, and is walked "
          "over, item by item.",
          (Line("text", "one text", "unread=text", kibibytes((0, 4, 16, 64)), "flat"),
           Line("doubles", "one array of doubles", "unread=doubles", kibibytes((4, 16, 64)), "flat"),
           Line("items", "one array of records", "unread=items", kibibytes((4, 16, 64)), "linear"))),
    Curve("partitions", "Partitions of one lane", "partitions", "a partition",
          "A record knows its partition; those without records cost nothing between two commits.",
          (Line("runs", "a batch is of one partition", "spread=runs", sizes("partitions", (4, 32, 250, 1000)), "flat",
                "linear"),
           Line("singles", "each record of another one", "spread=singles", sizes("partitions", (4, 32, 250, 1000)), "flat",
                "linear"),
           Line("small", "of one, batches of 8", "spread=runs rows=8", sizes("partitions", (4, 32, 250, 1000)), "flat",
                "linear")), log=True),
    Curve("schemas", "Schemas in use, in turn record by record", "schemas", "a schema",
          "A plan is found by the schema's key; a plan is held for each.",
          (Line("schemas", "30 features", "", sizes("schemas", (1, 3, 10, 30, 100, 300)), "flat", "linear"),), log=True),
    Curve("lanes", "Lanes", "lanes", "a lane", "Lanes share nothing that is written; model and plans are held once.",
          (Line("lanes", "100 trees", "", sizes("lanes", (1, 2)), "flat", "linear"),)),
)

BASE = {"unread": "text", "spread": "runs", "features": "30", "trees": "100", "partitions": "4", "schemas": "1", "lanes": "1",
        "rows": "64"}


def canonical(words):
    """The same point is measured once, whichever lines it is on: words that say what holds anyway are left out."""
    pairs = [word.split("=") for word in words.split()]
    return " ".join(f"{name}={value}" for name, value in pairs if BASE.get(name) != value)


def points(curves):
    """Every point of these curves, once."""
    found = {}
    for curve in curves:
        for line in curve.lines:
            for words in line.words():
                found[canonical(words)] = None
    return list(found)


@dataclass
class Found:
    """What was found of one line in one measure."""

    measure: str
    expected: str
    # `(x, value)`, in order.
    values: list
    # A straight line through them: what is paid once, and for each.
    fixed: float = 0.0
    slope: float = 0.0
    # The far end over the near one, and the last stretch's slope over that of the whole.
    growth: float = 1.0
    bend: float = 1.0
    notes: list = field(default_factory=list)

    @property
    def holds(self):
        """A line may always be better than it should be. One that hardly grows has no slope that could bend."""
        if self.growth <= FLAT_MAX[self.measure]:
            return True
        return self.expected == "linear" and self.bend <= STEEPER_MAX[self.measure]


def place(line, index, measured):
    x = line.points[index][1]
    return measured["record_bytes"] / 1024 if x is None else x


def value_of(measured, measure):
    """Of a point: the least CPU time of all rounds, since noise only adds to it."""
    if measure == "cpu":
        return min(measured["cpu_ns"]) if measured["cpu_ns"] else None
    return measured.get("heap_bytes" if measure == "heap" else measure)


def find(line, measure, results):
    """`results`: what was measured, by a point's words. None where too little was."""
    values = []
    for index, words in enumerate(line.words()):
        measured = results.get(canonical(words))
        value = value_of(measured, measure) if measured else None
        if value is not None:
            values.append((place(line, index, measured), value))
    if len(values) < 2:
        return None
    found = Found(measure, line.heap if measure == "heap" else line.cost, values)
    found.fixed, found.slope = fit(values)
    (first_x, first), (last_x, last) = values[0], values[-1]
    found.growth = last / first
    whole = (last - first) / (last_x - first_x)
    before_x, before = values[-2]
    if len(values) > 2 and whole > 0:
        found.bend = (last - before) / (last_x - before_x) / whole
    return found


def fit(values):
    """Least squares of the relative errors: a small point counts as much as a large one."""
    weights = [1.0 / value**2 for _, value in values]
    total = sum(weights)
    mean_x = sum(weight * x for weight, (x, _) in zip(weights, values)) / total
    mean_y = sum(weight * y for weight, (_, y) in zip(weights, values)) / total
    spread = sum(weight * (x - mean_x) ** 2 for weight, (x, _) in zip(weights, values))
    slope = sum(weight * (x - mean_x) * (y - mean_y) for weight, (x, y) in zip(weights, values)) / spread
    return mean_y - slope * mean_x, slope
