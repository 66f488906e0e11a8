"""What `scripts/bench trees` measures: built, trained or found."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

from errors import BenchError
from options import ROOT
from trees_engines import Model, Programs
from trees_options import is_kernel

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
MODELS = TARGET / "bench" / "trees"
BEFORE = TARGET / "bench" / "before"
BUILD = ("cargo", "bench", "--locked", "--bench", "trees", "--no-run")

# For releases that know nothing of the bench, and so have no kernels that it could name.
NO_KERNELS = """//! This release's trees have no kernels with names.

use scorewire::model::Session;

use crate::package::Bench;

pub fn names() -> Vec<String> {
    Vec::new()
}

pub fn open(_bench: &Bench, name: &str) -> Result<Session, String> {
    Err(format!("no kernel `{name}`"))
}
"""
BENCH_ENTRY = '\n[[bench]]\nname = "trees"\npath = "benches/trees/main.rs"\nharness = false\n'


def programs(settings):
    found = Programs(binary=settings.binary or build(ROOT, TARGET))
    if not found.binary.exists():
        raise BenchError(f"no {found.binary}")
    for one in settings.before:
        source = Path(one.source)
        found.before[one.name] = source.absolute() if source.is_file() else build_commit(one.source)
    if any(kind == "kernels" or is_kernel(kind) for kind in settings.kinds):
        listed = subprocess.run([found.binary, "--kernels"], capture_output=True, text=True, check=True)
        found.kernels = listed.stdout.split()
    libraries = list((TARGET / "train" / "venv").glob("lib/python*/site-packages/lightgbm/lib/lib_lightgbm.so"))
    found.lightgbm = libraries[0] if libraries else None
    return found


def build(root, target):
    """The bench binary of a checkout."""
    print(f"bench: {' '.join(BUILD)} in {root}", flush=True)
    told = subprocess.run([*BUILD, "--message-format=json-render-diagnostics"], cwd=root, stdout=subprocess.PIPE, text=True,
                          env=os.environ | {"CARGO_TARGET_DIR": str(target)})
    if told.returncode != 0:
        raise BenchError("cargo failed: see above")
    messages = [json.loads(line) for line in told.stdout.splitlines()]
    return Path(next(one["executable"] for one in messages
                     if one.get("executable") and one["target"]["name"] == "trees"))


def build_commit(commit):
    """The bench binary of another commit, with this checkout's bench around it; built once."""
    asked = subprocess.run(["git", "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"], cwd=ROOT, text=True,
                           capture_output=True)
    if asked.returncode != 0:
        raise BenchError(f"--before: {commit} is neither a file nor a commit")
    sha = asked.stdout.strip()
    kept = BEFORE / f"trees-{sha[:12]}"
    if kept.exists():
        return kept
    checkout = BEFORE / "checkout"
    remove(checkout)
    git("worktree", "add", "--detach", "--force", checkout, sha)
    try:
        add_bench(checkout)
        shutil.copy2(build(checkout, seeded_target()), kept)
    finally:
        remove(checkout)
    return kept


def git(*words):
    if subprocess.run(["git", *words], cwd=ROOT, stdout=subprocess.DEVNULL).returncode != 0:
        raise BenchError(f"git {words[0]} failed: see above")


def remove(checkout):
    if checkout.exists():
        git("worktree", "remove", "--force", checkout)
    subprocess.run(["git", "worktree", "prune"], cwd=ROOT, check=True)


def add_bench(checkout):
    """This checkout's bench, but with the other one's own list of kernels."""
    place = checkout / "benches" / "trees"
    kernels = (place / "kernels.rs").read_text() if (place / "kernels.rs").exists() else NO_KERNELS
    shutil.copytree(ROOT / "benches" / "trees", place, dirs_exist_ok=True)
    shutil.copy2(ROOT / "benches" / "bare.rs", checkout / "benches" / "bare.rs")
    (place / "kernels.rs").write_text(kernels)
    cargo = checkout / "Cargo.toml"
    if "benches/trees/" not in cargo.read_text():
        cargo.write_text(cargo.read_text() + BENCH_ENTRY)


def seeded_target():
    """A target folder of its own: cargo takes what it built of one checkout for another one's. What is compiled of other
    people's crates is copied."""
    target = BEFORE / "target"
    if not target.exists() and (TARGET / "release").exists():
        shutil.copytree(TARGET / "release", target / "release", symlinks=True)
        for kept in (target / "release" / ".fingerprint").glob("scorewire-*"):
            shutil.rmtree(kept)
    return target


def models(settings):
    """The packages, trained where they are not up to date."""
    known = [name for name in settings.models if not (Path(name) / "model.toml").exists()]
    if known:
        script = ROOT / "scripts" / "train"
        if subprocess.run([script, "trees", *known], cwd=ROOT).returncode != 0:
            raise BenchError("scripts/train failed: see above")
    return [model(MODELS / name if name in known else Path(name).absolute()) for name in settings.models]


def model(folder):
    about = folder / "bench.json"
    if not about.exists():
        raise BenchError(f"{folder} is not a package that scripts/train trees made: it has no bench.json")
    lleaves = folder / "lleaves.so"
    return Model(folder, json.loads(about.read_text()), lleaves if lleaves.exists() else None)


def versions():
    """Of the engines, as scripts/train pins them."""
    pinned = {}
    for file in ("requirements.txt", "requirements-trees.txt"):
        for line in (ROOT / "scripts" / "train.d" / file).read_text().splitlines():
            name, _, version = line.partition("==")
            pinned[name] = version
    library = os.environ.get("ORT_DYLIB_PATH", "unknown")
    return {"onnxruntime": library, "python": platform.python_version(),
            **{name: pinned[name] for name in ("lightgbm", "lleaves", "llvmlite", "catboost", "scikit-learn")}}
