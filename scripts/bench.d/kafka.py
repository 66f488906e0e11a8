"""A real Kafka of the bench's own, through scripts/kafka."""

import os
import subprocess
from pathlib import Path

from broker import Broker
from errors import BenchError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "kafka"

# What is deleted should be gone from the disk at once: a suite writes tens of gigabytes.
INPUT_CONFIG = {"file.delete.delay.ms": "1000"}
# With the broker's time on each outcome, the way to the topic and the way back can be told apart.
OUTPUT_CONFIG = INPUT_CONFIG | {"message.timestamp.type": "LogAppendTime"}


class Kafka:
    """A context: up at its start, down and its data gone at its end."""

    def __init__(self):
        self.name = f"bench-{os.getpid()}"

    def __enter__(self):
        started = subprocess.run([SCRIPT, "up", "--name", self.name], stdout=subprocess.PIPE, text=True)
        if started.returncode != 0:
            raise BenchError("Kafka did not start: see above")
        self.bootstrap = started.stdout.splitlines()[-1].removeprefix("bootstrap=")
        self.pid = int((ROOT / "target" / "kafka" / self.name / "node-1" / "pid").read_text())
        self.broker = Broker(self.bootstrap)
        return self

    def __exit__(self, *_failure):
        self.broker.close()
        subprocess.run([SCRIPT, "down", "--name", self.name], stdout=subprocess.DEVNULL)

    def create(self, job):
        """The topics of a job: its input, and four for outcomes."""
        configs = {topic: INPUT_CONFIG if name == "input" else OUTPUT_CONFIG for name, topic in job.topics.items()}
        self.broker.create(configs, job.partitions)

    def delete(self, job):
        self.broker.delete(list(job.topics.values()))
