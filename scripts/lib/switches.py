"""Whether a program is a test build, which misbehaves when it is told to."""

from pathlib import Path

# Stands in the program where the feature test-faults was on.
SWITCH = b"SCOREWIRE_TEST_MODEL"


def refuse_without(program):
    """Without them no fault of the model would strike, and no mistake be made."""
    if SWITCH not in Path(program).read_bytes():
        raise SystemExit(f"{program} has no switches for faults: build it with 'cargo build --features test-faults'")
