"""What ends a bench early, and how it is told."""

import signal
import sys


class BenchError(Exception):
    """The bench cannot go on: said in one line, exit 1."""


class BrokenPromise(BenchError):
    """A system under test lost, doubled, reordered or spoilt a record: its figures mean nothing."""


def exit_on_signals():
    """Whatever is open is closed then."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))


def ended(bench, *arguments):
    """Runs it and answers the exit code."""
    try:
        return bench(*arguments)
    except BrokenPromise as error:
        print(f"\nbench: {'*' * 20} {error}", file=sys.stderr)
    except BenchError as error:
        print(f"\nbench: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 130
    return 1
