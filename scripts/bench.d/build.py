"""Builds what is measured, and finds out what of it this checkout has."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from errors import BenchError
from options import MADE_MODELS, ROOT
from systems import Programs

RIVALS = ROOT / "target" / "rivals"


def programs(settings, left_out):
    """Builds, drops the systems and models that are not there (saying so in `left_out`), and answers the programs."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    found = Programs(scorewire=settings.scorewire or target / "scorewire", echo=target / "examples" / "echo",
                     java=java(), rivals=RIVALS)
    kinds = {system.kind for system in settings.systems}
    has_echo = (ROOT / "benches" / "echo" / "main.rs").exists()
    if settings.build:
        if not settings.scorewire:
            run("cargo", "build", "--release", "--locked", "--bin", "scorewire")
        if "echo" in kinds and has_echo:
            run("cargo", "build", "--release", "--locked", "--example", "echo")
        if "java" in kinds and (ROOT / "benches" / "rivals" / "build").exists():
            run(ROOT / "benches" / "rivals" / "build")
        make_models(settings)
    if not found.scorewire.exists():
        raise BenchError(f"no {found.scorewire}: leave out --no-build, or name a binary with --scorewire")
    found.knows_layouts = knows_layouts(found.scorewire, settings.models[0])
    keep_systems(settings, found, left_out)
    keep_models(settings, left_out)
    return found


def run(*command):
    print(f"bench: {' '.join(str(word) for word in command)}", flush=True)
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise BenchError(f"{command[0]} failed: see above")


def java():
    home = os.environ.get("JAVA_HOME")
    return f"{home}/bin/java" if home and os.access(f"{home}/bin/java", os.X_OK) else shutil.which("java") or "java"


def make_models(settings):
    """The models that only the suite needs; made once."""
    wanted = [folder for folder in settings.models if folder in MADE_MODELS]
    if wanted and not all((folder / "model.onnx").exists() for folder in wanted):
        script = ROOT / "scripts" / "train"
        if "target/bench/models" in script.read_text():
            run(script, "bench")


def knows_layouts(binary, package):
    """Whether this scorewire has the key `lanes.layout`: only a problem with the key itself names it."""
    words = [binary, "config", "check", "--bootstrap", "localhost:1", "--group", "g", "--start-at", "earliest",
             "--package", package, "--set", "lanes.layout=dedicated"]
    checked = subprocess.run(words, capture_output=True, text=True)
    return "lanes.layout" not in checked.stdout + checked.stderr


def keep_systems(settings, found, left_out):
    def lacks(system):
        if system.kind == "echo" and not found.echo.exists():
            return f"{found.echo} is not there"
        if system.kind == "java" and not any(found.rivals.glob("*.jar")):
            return f"no jars in {found.rivals}"
        if system.name == "dedicated" and not found.knows_layouts:
            return "this scorewire has no key lanes.layout"
        if system.binary and not Path(system.binary).exists():
            return f"{system.binary} is not there"
        return None

    reasons = {system.name: lacks(system) for system in settings.systems}
    left_out += [f"{name}: {reason}" for name, reason in reasons.items() if reason]
    settings.systems = [system for system in settings.systems if not reasons[system.name]]
    if not settings.systems:
        raise BenchError(f"nothing to measure: {'; '.join(left_out)}")


def keep_models(settings, left_out):
    there = [folder for folder in settings.models if (folder / "model.toml").exists()]
    left_out += [f"model {folder}: no package there" for folder in settings.models if folder not in there]
    settings.models = [folder.resolve() for folder in there]
    if not there:
        raise BenchError(f"no model package: {', '.join(str(folder) for folder in settings.models) or 'none given'}")


def load_knows(binary, flag):
    """Whether this scorewire's load generator has a flag."""
    told = subprocess.run([binary, "load", "--help"], capture_output=True, text=True).stdout
    return re.search(rf"^\s+(-\w, )?{re.escape(flag)}\b", told, re.MULTILINE) is not None


def versions(found):
    """What was measured, for whoever reads the figures later."""
    def first_line(*command):
        told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        lines = (told.stdout + told.stderr).strip().splitlines()
        return lines[0] if told.returncode == 0 and lines else "unknown"

    kafka = re.search(r"^kafka_version=(.+)$", (ROOT / "scripts" / "kafka").read_text(), re.MULTILINE)
    return {"scorewire": first_line(found.scorewire, "--version"), "rustc": first_line("rustc", "--version"),
            "java": first_line(found.java, "-version"), "kafka": kafka.group(1) if kafka else "unknown",
            "onnxruntime": os.environ.get("ORT_DYLIB_PATH", "unknown")}


def commit():
    """The commit of this checkout, with `+` when files differ from it."""
    def git(*words):
        return subprocess.run(["git", *words], capture_output=True, text=True, cwd=ROOT).stdout.strip()

    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + ("+" if git("status", "--porcelain") else "")
