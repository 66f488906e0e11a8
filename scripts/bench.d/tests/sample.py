"""Results as a bench leaves them, small and made up."""

SYSTEMS = ("echo-a", "inline", "echo-b", "loop", "streams")


def run(system, round_number, cell="drain", **figures):
    return {"model": "trees", "cell": cell, "system": system, "round": round_number, "figures": figures,
            "sustained": True, "machine": {"before": {"quiet": True}, "steal": 0.0, "cores_used_by_others": 0.1}}


def results(runs):
    return {
        "started": "2026-01-01T00:00:00Z", "command": ["scripts/bench", "--quick"], "commit": "0123456789ab",
        "machine": {"cpu": "<CPU>", "cores": 2, "memory_bytes": 2**34, "kernel": "6.1", "load": [0, 0, 0]},
        "versions": {"kafka": "4.3.0"}, "settings": {"rounds": 3, "systems": {}},
        "models": [{"name": "trees", "path": "models/trees"}],
        "systems": [{"name": name, "title": f"the {name}"} for name in SYSTEMS],
        "cells": [{"key": "drain", "title": "drain", "rate": None, "share": None},
                  {"key": "rate-10000", "title": "10,000/s", "rate": 10_000.0, "share": None}],
        "left_out": [], "maximum": None, "bare_runtime": [], "runs": runs, "repeated": [], "long": None,
        "allocations": None,
    }
