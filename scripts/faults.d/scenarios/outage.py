"""A model that fails for a while and heals: who decides meanwhile, what is put off, and what comes back."""

import time

from node import Node
from waits import wait_for

from .run import PARTITIONS, RATE, scenario

# Scored by the fallback before the fault.
SOME = 500
RETRY_DELAY_MS = 1_000
# Older than the simulated transactions are.
NEVER_EXPIRES_MS = 604_800_000


class Trouble:
    """A model that misbehaves while a file is there."""

    def __init__(self, job):
        self.file = job.folder / "trouble"
        self.environment = {"SCOREWIRE_TEST_MODEL": str(self.file)}

    def begin(self, what="fails"):
        # Whole or not at all: the model reads it with each call.
        whole = self.file.with_suffix(".new")
        whole.write_text(what)
        whole.rename(self.file)

    def end(self):
        self.file.unlink()


def of_lane(node, name):
    """A number of the node's only lane; 0 while it does not answer."""
    status = node.status()
    return status["lanes"][0][name] if status else 0


def struck(run, job, trouble, is_failing, is_well):
    """The model fails, kill -9 meanwhile, another node goes on; then it heals. How long until the model decides again."""
    def start():
        job.start(environment=trouble.environment)
    start()
    job.feed.start(RATE)
    job.nodes[-1].wait_until_assigned(PARTITIONS)
    for _ in range(run.rounds):
        job.wait_until_scored()
        trouble.begin()
        wait_for("the failing model does not show", run.suite.settle_s, lambda: is_failing(job.nodes[-1]))
        mark = job.strike("kill -9", lambda: job.nodes[-1].kill(), dead=True)
        start()
        wait_for("the failing model does not show", run.suite.settle_s, lambda: is_failing(job.nodes[-1]))
        trouble.end()
        begun = time.monotonic()
        wait_for("the model does not decide again", run.suite.settle_s, lambda: is_well(job.nodes[-1]), 0.05)
        run.notes.append(f"{time.monotonic() - begun:.1f} s until the model decides again")
        run.recovered(job, mark)


@scenario("model outage", 0, 1, 5)
def model_outage(run):
    """The model fails, and kill -9 meanwhile: another package and a score decide, flagged, until it heals."""
    # The same package, so that the reference knows its scores.
    then = f"package:{run.suite.package_folder},score:0.5"
    with run.job(settings=("fallback.on=failed", f"fallback.then={then}")) as job:
        trouble = Trouble(job)
        struck(run, job, trouble, lambda node: sum((of_lane(node, "fallbacks") or {}).values()) >= SOME,
               lambda node: node.status() and of_lane(node, "fallback_seconds") == 0)
        run.end(job)
        run.notes.append(f"{run.figures['fallback']} decisions of the fallback")


@scenario("model paused", 0, 1, 5)
def model_paused(run):
    """The model fails, and kill -9 meanwhile: the lane stands still, nothing is made up, and all goes on when it heals."""
    with run.job(settings=("fallback.on=failed", "fallback.then=pause")) as job:
        trouble = Trouble(job)
        struck(run, job, trouble, lambda node: of_lane(node, "model_paused_seconds") > 0.5,
               lambda node: node.status() and of_lane(node, "model_paused_seconds") == 0)
        run.end(job)


@scenario("put off", 0, 1, 5)
def put_off(run):
    """The model fails, and kill -9 meanwhile: letters, which the job scores again that does so, killed as well."""
    settings = ("fallback.on=failed", "fallback.then=retry_later", f"retry_later.delay_ms={RETRY_DELAY_MS}",
                f"retry_later.expires_after_ms={NEVER_EXPIRES_MS}")
    with run.job(settings=settings) as job:
        trouble = Trouble(job)
        struck(run, job, trouble, lambda node: (node.total("records", "deferred") or 0) >= SOME,
               lambda node: (node.total("records", "scored") or 0) > 0)
        job.finish()

        def again(*flags):
            # Always the same name: what the killed one left open is ended at once.
            node = Node(run.suite.program, job, "again", environment=run.suite.environment, command=("retry", *flags))
            job.nodes.append(node)
            return node
        killed = again()
        wait_for("no letter is scored again", run.suite.settle_s, lambda: (killed.total("records", "scored") or 0) > 0, 0.05)
        killed.kill()
        killed.ended_as_expected = True
        again("--until-end").wait(0)
        job.retried = True
        run.judge(job)
        run.notes.append(f"{run.figures['letters']} letters, {run.figures['amended']} scored again")
