"""The training data, and how it is split by time.

It comes from `scorewire load --export`: the features in the contract's order, then label, transaction_id and
event_time_ms.
"""

import sys

import numpy as np

import contract

SEED = 20261101
TRAIN_DAYS = 30
GAP_DAYS = 7  # a fraud is known only after a week
CHOOSE_DAYS = 7


class Part:
    """Some of the transactions: float32 features `[N, features]`, labels (1 is fraud), amounts."""

    def __init__(self, features, labels):
        self.features = features
        self.labels = labels
        self.amounts = features[:, contract.names().index("amount")].astype(np.float64)


class Data:
    def __init__(self, path):
        features, labels, days = load(path)
        train, choose, held_out = split(days)
        self.transactions, self.days = len(labels), int(days.max()) + 1
        self.whole = Part(features, labels)
        self.train, self.choose, self.held_out = (
            Part(features[part], labels[part]) for part in (train, choose, held_out)
        )


def load(path):
    columns = contract.names()
    header = path.open().readline().strip().split(",")
    expected = columns + ["label", "transaction_id", "event_time_ms"]
    if header != expected:
        sys.exit(f"train: {path}: unexpected columns\n  found    {header}\n  expected {expected}")
    width = len(columns)
    rows = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(width + 1), dtype=np.float64)
    times = np.loadtxt(path, delimiter=",", skiprows=1, usecols=[width + 2], dtype=np.int64)
    # What the product will see: 32-bit floats.
    features = rows[:, :width].astype(np.float32)
    return features, rows[:, width].astype(np.int64), (times - times[0]) // 86_400_000


def split(days):
    """Train, then a gap as long as labels take, then a week to choose thresholds on, then the held-out days."""
    train = days < TRAIN_DAYS
    choose_from = TRAIN_DAYS + GAP_DAYS
    choose = (days >= choose_from) & (days < choose_from + CHOOSE_DAYS)
    held_out = days >= choose_from + CHOOSE_DAYS
    if not (train.any() and choose.any() and held_out.any()):
        sys.exit("train: the data covers too few days; export more transactions")
    return train, choose, held_out
