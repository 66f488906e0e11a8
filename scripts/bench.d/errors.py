"""What ends a bench early."""


class BenchError(Exception):
    """The bench cannot go on: said in one line, exit 1."""


class BrokenPromise(BenchError):
    """A system under test lost, doubled, reordered or spoilt a record: its figures mean nothing."""
