"""Tests of the suite's arithmetic: `python3 -m unittest discover -s scripts/bench.d -t scripts/bench.d`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))
