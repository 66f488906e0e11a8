"""`scorewire load` from outside: its command line, its answer, and what happens on the machine meanwhile."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import machine
from errors import BenchError, BrokenPromise

# Beyond its schedule: preparing the records, reading back, giving up on what is lost.
SLACK_S = 120.0
LOOK_EVERY_S = 0.25
BROKEN = 1


def arguments(settings, programs, job, system, seed):
    """What all load runs of a system share."""
    words = [str(programs.scorewire), "load", "--bootstrap", job.bootstrap, "--group", f"{job.group}-load",
             "--package", str(job.package), "--seed", str(seed), "--json", *job.topic_flags()]
    if system.kind == "echo":
        words += ["--check", "header"]
    # Topics are the bench's own, and a run follows another on them.
    words += ["--from", str(settings.records_from)] if settings.records_from else ["--simulate"]
    if settings.key_field:
        words += ["--key-field", settings.key_field]
    return words


def steady(settings, rate, seconds, warmup_s, pid):
    return ["--gather", f"{settings.gather_ms:g}", "--rate", f"{rate:g}", "--seconds", f"{seconds:g}", "--warmup",
            f"{warmup_s:g}", "--pid", str(pid)]


def drain(records, pid):
    return ["--preload", str(records), "--drain", "--pid", str(pid)]


def run(words, limit_s, log, look=None):
    """Runs the generator and answers `(its summary, its CPU seconds)`. `look(seconds since start)` is called a few
    times a second meanwhile."""
    answer = Path(f"{log}.json")
    with open(answer, "wb") as out, open(log, "wb") as err:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
    start, code, usage = time.monotonic(), None, None
    try:
        while code is None:
            done, status, usage = os.wait4(child.pid, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                break
            if time.monotonic() - start > limit_s + SLACK_S:
                raise BenchError(f"the load generator did not end within {limit_s + SLACK_S:.0f} s; see {log}")
            if look:
                look(time.monotonic() - start)
            time.sleep(LOOK_EVERY_S)
    finally:
        if code is None:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        # Told by hand: it was not Popen that waited.
        child.returncode = -signal.SIGKILL if code is None else code
    return judge(code, answer, log), usage.ru_utime + usage.ru_stime


def judge(code, answer, log):
    """The summary of a run that kept its promises; raises for any other."""
    text = answer.read_text()
    try:
        summary = json.loads(text)
    except ValueError:
        summary = None
    if code == 0 and summary is not None:
        return summary
    # The same code says that a run could not be carried out; there is no summary then.
    if code == BROKEN and summary is not None:
        raise BrokenPromise(f"PROMISES BROKEN, figures mean nothing; the load generator counts {counts(summary)}; "
                            f"its whole answer: {log}.json")
    tail = "\n".join(Path(log).read_text(errors="replace").splitlines()[-15:]) or text[:500]
    raise BenchError(f"the load generator ended with {code} and no result; the end of {log}:\n{tail}")


def counts(summary):
    """What it counted, without what is none."""
    return json.dumps({name: count for name, count in summary.items()
                       if isinstance(count, int) and not isinstance(count, bool) and count})


def sampled_cpu(pids):
    """CPU seconds of each process by name; a process that is gone counts as 0."""
    return {name: machine.cpu_seconds(pid) or 0.0 for name, pid in pids.items()}
