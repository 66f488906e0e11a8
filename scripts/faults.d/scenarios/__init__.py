"""What befalls a job. Each scenario is a function of a Run, which knows the cluster, the seed and how many faults; its
moments are drawn from the seed."""

from . import broker, inputs, model, network, orders, outage, process, rights  # noqa: F401 (they fill the catalogue)
from .run import CATALOGUE, Run

__all__ = ["CATALOGUE", "Run"]
