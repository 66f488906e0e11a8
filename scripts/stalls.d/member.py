"""A scoring process that is a member of the group in one of the ways that are compared."""

import os
import subprocess
from pathlib import Path

from cluster import free_port
from node import Node
from waits import FaultError, now_ms, wait_for

START_S = 60.0


class Member(Node):
    """A process under a name that its successor takes over."""

    def __init__(self, rig, name):
        rig.started += 1
        self.name, self.port, self.log_path = name, free_port(), Path(rig.folder) / f"{rig.started}-{name}.log"
        words = [str(rig.program), "run", "--bootstrap", rig.cluster.bootstrap, "--group", rig.group, "--start-at", "earliest",
                 "--package", str(rig.package), "--listen", f"127.0.0.1:{self.port}", "--log-level", "info"]
        keys = [f"delivery={rig.delivery}", f"kafka.node={name}", *rig.way.settings(rig.session_ms),
                *(f"topics.{key}={topic}" for key, topic in rig.topics.items())]
        for key in keys:
            words += ["--set", key]
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=os.environ)
        self.peak_bytes, self.started_ms = 0, now_ms()

    def is_refused(self):
        """Whether the group takes this member for a second one of the same id, which ends the process."""
        if self.is_running():
            return False
        text = self.log_path.read_text(errors="replace")
        if "UNRELEASED_INSTANCE_ID" in text or "FENCED_INSTANCE_ID" in text:
            return True
        raise FaultError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")


def wait_until_owned(members, partitions):
    """Until each of these owns some partitions, and together all; answers whether the last one was refused."""
    def look():
        if members[-1].is_refused():
            return "refused"
        owned = [member.assigned() for member in members]
        return "owned" if all(owned) and sum(owned) == partitions else None
    names = " and ".join(member.name for member in members)
    return wait_for(f"{names} do not own everything", START_S, look, 0.02) == "refused"
