"""One scoring process: started, watched, and struck."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from cluster import free_port
from waits import FaultError, now_ms, wait_for

START_S = 120.0
STOP_S = 60.0
SESSION_MS = 6_000


class Node:
    """Each process has a name of its own, which its outcomes carry: copies can be told apart by who wrote them."""

    def __init__(self, program, job, name, settings=(), environment=None, log_level="info", unread=False, descriptors=None,
                 command=("run",)):
        """`unread`: its log goes to a pipe that nobody reads. `descriptors`: so many may be open, and not one more.
        `command`: what it does, with flags."""
        self.name, self.port, self.log_path = name, free_port(), Path(job.folder) / f"{name}.log"
        words = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"] if descriptors else []
        self.program = str(program)
        self.configuration = [
            "--bootstrap", job.node_bootstrap, "--group", job.group, "--start-at", job.start_at, "--package", str(job.package),
            "--listen", f"127.0.0.1:{self.port}", "--log-level", log_level]
        keys = [f"delivery={job.delivery}", f"kafka.node={name}",
                f"kafka.consumer.properties.session.timeout.ms={SESSION_MS}",
                *(f"topics.{key}={topic}" for key, topic in job.topics.items()), *job.settings, *settings]
        for key in keys:
            self.configuration += ["--set", key]
        words += [self.program, *command, *self.configuration]
        self.log = open(self.log_path, "wb")
        self.pipe, stderr = os.pipe() if unread else (None, self.log)
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=stderr,
                                        env=os.environ | (environment or {}))
        if unread:
            os.close(stderr)
        self.peak_bytes, self.started_ms, self.killed_ms, self.ended_as_expected = 0, now_ms(), None, False

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def ask(self, *words):
        """A command that speaks to it: as it runs, with what it says."""
        return subprocess.Popen([self.program, *words, *self.configuration], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def lines_with(self, words):
        """Of its log."""
        return sum(words in line for line in self.log_path.read_text(errors="replace").splitlines())

    def tail(self):
        self.log.flush()
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-12:])

    def status(self):
        """`/status`, or None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=5) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def get(self, path, limit_s):
        """Body and seconds of one GET on a connection of its own; raises OSError after `limit_s`."""
        begun = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=limit_s) as answer:
            return answer.read(), time.monotonic() - begun

    def total(self, section, name):
        """Sum over the lanes of one number of `/status`; None while it does not answer."""
        status = self.status()
        return sum(lane[section][name] for lane in status["lanes"]) if status else None

    def delivery_failures(self):
        status = self.status()
        return sum(lane["delivery_failures"] for lane in status["lanes"]) if status else None

    def assigned(self):
        return self.total("partitions", "assigned") or 0

    def wait_until_assigned(self, at_least=1):
        def look():
            if not self.is_running():
                raise FaultError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            return self.assigned() >= at_least
        wait_for(f"{self.name} is assigned fewer than {at_least} partitions", START_S, look)
        return self

    def wait_until_shared(self, other, partitions):
        """Until both own some, and together all."""
        def look():
            own, others = self.assigned(), other.assigned()
            return own and others and own + others == partitions
        wait_for(f"{self.name} and {other.name} do not share", START_S, look)

    def note_memory(self):
        """Its highest resident memory so far: the kernel keeps it."""
        try:
            with open(f"/proc/{self.pid}/status") as lines:
                peak = next((line for line in lines if line.startswith("VmHWM:")), None)
        except OSError:
            return
        if peak:
            self.peak_bytes = max(self.peak_bytes, int(peak.split()[1]) * 1024)

    def kill(self):
        self.note_memory()
        self.killed_ms = now_ms()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_S)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def terminate(self):
        self.note_memory()
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """SIGTERM, and the clean end it must come to."""
        self.terminate()
        self.wait(0)

    def wait(self, *codes):
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise FaultError(f"{self.name} does not end:\n{self.tail()}") from None
        if codes and code not in codes:
            raise FaultError(f"{self.name} ended with {code}, not {codes}:\n{self.tail()}")
        self.ended_as_expected = True
        return code

    def give_up(self):
        """However the run ends, nothing stays."""
        if self.is_running():
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(STOP_S)
        self.log.close()
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None
