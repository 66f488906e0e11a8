"""The systems under test: how each is started, known to be ready, and stopped."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import machine
from errors import BenchError
from kafka_net import free_ports

START_LIMIT_S = 90.0
STOP_LIMIT_S = 40.0
LOOK_EVERY_S = 0.05
# A JVM that ends on SIGTERM says 128 + 15.
JAVA_ENDED = (0, 143, -signal.SIGTERM)
# The thread of a lane, and neither its model's nor its challengers'.
LANE_THREAD = re.compile(r"lane-\d+")
# The rivals' own choice, beside their jars; java reads it by itself.
JVM_OPTIONS = "jvm.options"


@dataclass(frozen=True)
class System:
    """`kind` says how it is started: echo, scorewire or java."""

    name: str
    kind: str
    title: str
    settings: tuple = ()
    binary: str | None = None
    main_class: str | None = None

    @property
    def is_challenged(self):
        """Whether it has challengers, which write to a topic of their own."""
        return any(key.startswith("challengers.") for key in self.settings)

    def shown(self):
        return {"kind": self.kind, "title": self.title, "settings": list(self.settings),
                "main_class": self.main_class, "binary": self.binary}


def catalogue():
    """All systems by the name that `--systems` takes."""
    return {
        "echo": [System("echo-a", "echo", "echo A"), System("echo-b", "echo", "echo B")],
        "inline": [System("inline", "scorewire", "scorewire inline", ("lanes.layout=inline",))],
        "inline-ort": [System("inline-ort", "scorewire", "the same, trees by ort",
                              ("lanes.layout=inline", "model.trees=onnxruntime"))],
        "dedicated": [System("dedicated", "scorewire", "scorewire dedicated", ("lanes.layout=dedicated",))],
        "loop": [System("loop", "java", "Java loop", main_class="scorewire.rivals.PlainLoop")],
        "streams": [System("streams", "java", "Kafka Streams", main_class="scorewire.rivals.StreamsApp")],
    }


def variant(text):
    """A scorewire from `NAME KEY=VALUE ...`; raises ValueError."""
    name, *settings = text.split()
    wrong = [word for word in settings if "=" not in word]
    if wrong or not settings:
        raise ValueError(f"--variant takes \"NAME KEY=VALUE ...\", not \"{text}\"")
    binary = next((word.partition("=")[2] for word in settings if word.startswith("binary=")), None)
    others = tuple(word for word in settings if not word.startswith("binary="))
    return System(name, "scorewire", f"scorewire {name}", others, binary)


@dataclass
class Programs:
    """What was built, and where."""

    scorewire: Path
    echo: Path
    java: str
    rivals: Path
    # Whether this scorewire knows the key `lanes.layout`.
    knows_layouts: bool = True


@dataclass
class Job:
    """Where a system reads and writes, and with which model."""

    bootstrap: str
    group: str
    prefix: str
    package: Path
    partitions: int
    is_challenged: bool = False

    @property
    def topics(self):
        """By the names of scorewire's configuration."""
        names = ["input", "outputs", "review", "dead_letters", "timeouts"] + self.is_challenged * ["challenges"]
        return {name: f"{self.prefix}-{name}" for name in names}

    def topic_flags(self):
        return [word for name, topic in self.topics.items() for word in ("--set", f"topics.{name}={topic}")]


def command(system, programs, job, admin_port, scratch):
    """The command line of a system. `scratch`: a folder for what it leaves behind."""
    topics = job.topics
    if system.kind == "echo":
        return [str(programs.echo), "--bootstrap", job.bootstrap, "--group", job.group, "--input", topics["input"],
                "--output", topics["outputs"]]
    if system.kind == "java":
        options = programs.rivals / JVM_OPTIONS
        flags = [f"@{options}"] if options.exists() else []
        # ONNX Runtime's Java package unpacks its library there and does not take it away again.
        flags.append(f"-Djava.io.tmpdir={scratch}")
        return [programs.java, *flags, "-cp", f"{programs.rivals}/*", system.main_class, "--bootstrap", job.bootstrap,
                "--group", job.group, "--package", str(job.package), "--input", topics["input"], "--outputs",
                topics["outputs"], "--review", topics["review"], "--dead-letters", topics["dead_letters"]]
    settings = [key for key in system.settings if programs.knows_layouts or key != "lanes.layout=inline"]
    return [system.binary or str(programs.scorewire), "run", "--bootstrap", job.bootstrap, "--group", job.group,
            "--start-at", "earliest", "--package", str(job.package), "--listen", f"127.0.0.1:{admin_port}",
            "--log-level", "warn", *job.topic_flags(), *(word for key in settings for word in ("--set", key))]


class Running:
    """A started system; a context, so that nothing is left running."""

    def __init__(self, system, programs, job, log):
        self.system, self.job, self.log = system, job, log
        self.admin_port = free_ports(1)[0] if system.kind == "scorewire" else None
        self.scratch = tempfile.TemporaryDirectory(prefix="scorewire-bench-")
        self.command = command(system, programs, job, self.admin_port, self.scratch.name)
        self.process = None

    def __enter__(self):
        started = time.monotonic()
        with open(self.log, "wb") as log:
            # Of its own session: an interrupt of the bench must not reach it before the bench has noticed.
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            self.scratch.cleanup()
            raise
        self.start_s = time.monotonic() - started
        return self

    def __exit__(self, failure, _value, _trace):
        try:
            if failure:
                self.kill()
            else:
                self.stop()
        finally:
            self.scratch.cleanup()

    @property
    def pid(self):
        return self.process.pid

    def tail(self):
        return "\n".join(Path(self.log).read_text(errors="replace").splitlines()[-15:])

    def check(self):
        """Raises when it has ended."""
        code = self.process.poll()
        if code is not None:
            raise BenchError(f"{self.system.title} ended early with {code}; the end of {self.log}:\n{self.tail()}")

    def wait_ready(self):
        deadline = time.monotonic() + START_LIMIT_S
        while not self.ready():
            self.check()
            if time.monotonic() > deadline:
                raise BenchError(f"{self.system.title} is not ready after {START_LIMIT_S:.0f} s; the end of {self.log}:"
                                 f"\n{self.tail()}")
            time.sleep(LOOK_EVERY_S)

    def ready(self):
        """All partitions assigned, model loaded."""
        if self.system.kind != "scorewire":
            lines = Path(self.log).read_text(errors="replace").splitlines()
            return any(line.split()[:1] == ["ready"] for line in lines)
        status = self.status()
        if not status or not status["ready"]:
            return False
        return sum(lane["partitions"]["assigned"] for lane in status["lanes"]) == self.job.partitions

    def status(self):
        """scorewire's own /status, or None."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/status", timeout=5) as answer:
                return json.load(answer)
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def stop(self):
        """Asks it to end; a scorewire or echo that does not end in order fails the bench."""
        self.signal(signal.SIGTERM)
        # A load run that died in the middle of a drain may have left it frozen.
        self.signal(signal.SIGCONT)
        try:
            code = self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchError(f"{self.system.title} did not end within {STOP_LIMIT_S:.0f} s of SIGTERM") from None
        allowed = JAVA_ENDED if self.system.kind == "java" else (0, -signal.SIGTERM) \
            if self.system.kind == "echo" else (0,)
        if code not in allowed:
            raise BenchError(f"{self.system.title} ended with {code}; the end of {self.log}:\n{self.tail()}")

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def signal(self, number):
        if self.process.poll() is None:
            os.kill(self.process.pid, number)

    def lanes_cpu_seconds(self):
        """Of the lanes' own threads; None for other systems."""
        return machine.thread_seconds(self.pid, LANE_THREAD) if self.system.kind == "scorewire" else None

    def challengers(self):
        """What each has been asked and left out since the start."""
        status = self.status() if self.system.is_challenged else None
        names = ("name", "sampled", "shed", "compared", "differing_bits")
        return [{name: of[name] for name in names} for of in status["challengers"]] if status else []

    def resident_bytes(self):
        return machine.resident_bytes(self.pid)
