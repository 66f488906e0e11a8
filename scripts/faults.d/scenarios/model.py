"""What befalls the model: it has no answer, fails, or takes its time; and its process is killed meanwhile."""

import tempfile

import models

from .run import killed, scenario


def with_model(run, kind, settings=()):
    """A job whose model misbehaves; every record is scored by the reference too, which says what must be rejected."""
    folder = models.package(kind, run.suite.package_folder, tempfile.mkdtemp(prefix=f"{kind}-", dir=run.suite.work))
    with run.job(settings=settings, package=folder) as job:
        job.sample = 1 << 30
        killed(run, job)


@scenario("model says NaN", 0, 1, 5)
def model_says_nan(run):
    """The model answers NaN for some rows, and kill -9 meanwhile: those are dead letters, their batches are scored."""
    with_model(run, "nan")


@scenario("model fails", 0, 1, 5)
def model_fails(run):
    """The model's call fails on some rows, and kill -9 meanwhile: those are dead letters, their batches are scored."""
    with_model(run, "failing")


@scenario("model is slow", 0, 1, 5)
def model_is_slow(run):
    """A model call takes some milliseconds, and kill -9 meanwhile."""
    with_model(run, "slow", ("model.batch_latency_us_max=1000000",))
