"""Engines: processes that score rows of one model, asked over their stdin (benches/trees/main.rs)."""

import array
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from errors import BenchError


@dataclass(frozen=True)
class Start:
    """How an engine is started for a model."""

    name: str
    command: tuple


@dataclass
class Programs:
    """What engines are made of; what is not there is None or empty."""

    binary: Path
    before: dict = field(default_factory=dict)  # name -> binary
    kernels: list = field(default_factory=list)
    lightgbm: Path | None = None


@dataclass(frozen=True)
class Model:
    folder: Path
    about: dict
    lleaves: Path | None = None

    @property
    def name(self):
        return self.about["name"]


def starts(model, programs, kinds):
    """The engines for a model, in the order in which they are asked."""
    base = ("--model", str(model.folder), "--engine")
    by = lambda name, binary, *words: Start(name, (str(binary), *base, *words))
    found = []
    for kind in kinds:
        if kind == "before":
            found += [by(name, binary, "auto") for name, binary in programs.before.items()]
        elif kind == "kernels":
            found += [by(name, programs.binary, "kernel", "--kernel", name) for name in programs.kernels]
        elif kind in programs.kernels:
            found.append(by(kind, programs.binary, "kernel", "--kernel", kind))
        elif kind == "lleaves":
            if model.lleaves:
                found.append(by(kind, programs.binary, kind, "--library", str(model.lleaves)))
        elif kind == "lightgbm":
            if model.about.get("lightgbm") and programs.lightgbm:
                found.append(by(kind, programs.binary, kind, "--library", str(programs.lightgbm)))
        else:
            found.append(by(kind, programs.binary, kind))
    return found


class Engine:
    """One that runs. Whatever it is asked after its end is a BenchError."""

    def __init__(self, start, core):
        self.name = start.name
        pin = lambda: os.sched_setaffinity(0, {core})
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(start.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        text=True, preexec_fn=pin)

    def wait_ready(self):
        """What it says of itself."""
        line = self.read()
        if not line.startswith("ready "):
            raise BenchError(f"{self.name} said {line!r} instead of ready")
        return line.removeprefix("ready ")

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            told = self.errors.read().strip().splitlines()[:4]
            raise BenchError(f"{self.name} ended: {' '.join(told) or self.process.returncode}")
        return line.rstrip("\n")

    def ask(self, *words):
        try:
            print(*words, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass
        return self.read()

    def time(self, rows, calls):
        """`(nanoseconds, calls)`: at least as many as asked for."""
        ns, made = map(int, self.ask("time", rows, calls).split())
        return ns, made

    def scores(self, rows, batch):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "scores"
            self.ask("scores", rows, batch, file)
            return array.array("d", file.read_bytes())

    def end(self):
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except BrokenPipeError:
            self.process.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()
