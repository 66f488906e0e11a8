"""What /proc tells: the machine's make and mood, and the CPU time and memory of a process."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# How long one look at the machine's idle share takes.
LOOK_S = 0.4
# A machine with less idle time than this is busy with something else; steal is time that a neighbour took.
IDLE_MIN, STEAL_MAX = 0.80, 0.05


@dataclass(frozen=True)
class Times:
    """The machine's CPU time in ticks, since it started."""

    total: int
    idle: int
    steal: int


def times():
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    # user nice system idle iowait irq softirq steal guest guest_nice; guest is inside user already.
    return Times(total=sum(fields[:8]), idle=fields[3] + fields[4], steal=fields[7])


def shares(before, after):
    """`(idle, steal)` as shares of the time between, and the busy CPU seconds of all processes."""
    total = max(after.total - before.total, 1)
    idle, steal = after.idle - before.idle, after.steal - before.steal
    return idle / total, steal / total, (total - idle - steal) / TICKS_PER_S


def wait_until_quiet(limit_s):
    """Waits until the machine is idle, at most `limit_s`; answers what it looked like in the end."""
    start = time.monotonic()
    while True:
        before = times()
        time.sleep(LOOK_S)
        idle, steal, _busy = shares(before, times())
        waited = time.monotonic() - start
        quiet = idle >= IDLE_MIN and steal <= STEAL_MAX
        if quiet or waited >= limit_s:
            return {"idle": round(idle, 3), "steal": round(steal, 3), "quiet": quiet, "waited_s": round(waited, 1),
                    "load_1m": os.getloadavg()[0]}


def cpu_seconds(pid):
    """User and system time of a process with all its threads, or None when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold anything, so count from the last one.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def thread_seconds(pid, name):
    """CPU time of a process's threads whose whole name is as the pattern says, or None when it is gone."""
    spent, tasks = 0, Path(f"/proc/{pid}/task")
    try:
        for task in list(tasks.iterdir()):
            if name.fullmatch((task / "comm").read_text().strip()):
                # Nanoseconds on a processor; ticks would be too coarse for one thread.
                spent += int((task / "schedstat").read_text().split()[0])
    except OSError:
        return None
    return spent / 1e9


def resident_bytes(pid):
    """Resident memory of a process, or None when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None


def vector_instructions(flags):
    """The sets of vector instructions among a processor's `flags`, that code is written for."""
    avx512 = {"avx512f", "avx512vl", "avx512dq", "avx512cd"} <= flags
    found = [name for name, there in (("AVX2", "avx2" in flags), ("AVX-512", avx512), ("NEON", "asimd" in flags)) if there]
    return found or ["baseline"]


def processor(text):
    """What /proc/cpuinfo says of the first processor."""
    first = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        first.setdefault(name.strip(), value.strip())
    numbers = [f"{key.removeprefix('cpu ')} {first[key]}" for key in ("cpu family", "model", "stepping") if key in first]
    flags = set(first.get("flags", first.get("Features", "")).split())
    return {"name": first.get("model name", "unknown"), "numbers": ", ".join(numbers),
            "instructions": vector_instructions(flags)}


def describe():
    """The machine, for whoever reads the figures later."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            model = line.split(":", 1)[1].strip()
            break
    memory_kib = int(Path("/proc/meminfo").read_text().split(None, 2)[1])
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "memory_bytes": memory_kib * 1024,
            "kernel": platform.release(), "architecture": platform.machine(), "load": list(os.getloadavg())}
