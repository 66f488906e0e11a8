"""Waiting for something to be so; never for time to pass."""

import time


class FaultError(Exception):
    """A run that could not be carried out: no verdict on the product."""


class Miss(FaultError):
    """The fault struck when nothing was in flight: it showed nothing."""


def wait_for(what, limit_s, look, every_s=0.05):
    """The first true answer of `look`; raises after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise FaultError(f"{what}: not within {limit_s:.0f} s")
        time.sleep(every_s)


def now_ms():
    return int(time.time() * 1_000)
