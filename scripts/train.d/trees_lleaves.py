"""A LightGBM model as native code by lleaves: a library with the C function `forest_root`, for this very processor.

Usage: trees_lleaves.py FOLDER

Makes FOLDER/lleaves.so of FOLDER/model.txt, unless it is there already, of the same model and for the same processor.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import lleaves
import llvmlite
import llvmlite.binding


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    library, kept = folder / "lleaves.so", folder / "lleaves.key"
    made_of = key(folder / "model.txt")
    if library.exists() and kept.exists() and kept.read_text() == made_of:
        return
    kept.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        compiled = Path(scratch) / "forest.o"
        # Its defaults but for the code model: the small one is faster, and a library of its own has the room.
        lleaves.Model(str(folder / "model.txt")).compile(cache=compiled, fcodemodel="small")
        subprocess.run(["cc", "-shared", "-o", library, compiled, "-lm"], check=True)
    kept.write_text(made_of)
    print(f"train: {library}", file=sys.stderr)


def key(text):
    """Whatever it depends on."""
    processor = llvmlite.binding.get_host_cpu_name() + llvmlite.binding.get_host_cpu_features().flatten()
    parts = [text.read_bytes(), processor.encode(), Path(__file__).read_bytes(), llvmlite.__version__.encode()]
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


if __name__ == "__main__":
    main()
