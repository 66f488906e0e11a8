"""What a form is: a model, the rows it is asked, and how its answers become scores."""

from dataclasses import dataclass, field
from typing import Callable

import numpy as np

NAMES = ["amount", "age", "count", "hour"]
COUNTRIES = ["DE", "FR", "NL", "a country with a long name"]
CHANNELS = ["POS", "ECOM"]


@dataclass
class Form:
    name: str
    exporter: str
    # In words, for the table of the test.
    form: str
    model: bytes
    # Lines of [output].
    output: list
    tensor: str
    # Of the tensor's answers: an array of float64, one score per row.
    scores: Callable
    rows: np.ndarray
    features: list = field(default_factory=lambda: [(name, None) for name in NAMES])
    # Of float32 rows: the model's own inputs.
    feed: Callable = None
    missing: str = "reject"
    # The score is one answer, or a sum of answers, as the model gives it: the same bits are asked for.
    plain: bool = True
    fixed: int = 0
    rows_axis: int = 0


def column(at):
    return lambda answers: answers[:, at].astype(np.float64)


def flat(answers):
    return answers.reshape(-1).astype(np.float64)


def of_map(label):
    return lambda answers: np.array([np.float64(answer[label]) for answer in answers])


def summed(*columns):
    """In the order of the contract."""

    def scores(answers):
        total = np.zeros(len(answers))
        for at in columns:
            total = total + answers[:, at].astype(np.float64)
        return total

    return scores


def one_minus(scores):
    return lambda answers: 1.0 - scores(answers)


def sigmoid(scores):
    return lambda answers: 1.0 / (1.0 + np.exp(-scores(answers)))


def softmax(at):
    def scores(answers):
        powers = np.exp(answers.astype(np.float64) - answers.max(axis=1, keepdims=True).astype(np.float64))
        return powers[:, at] / powers.sum(axis=1)

    return scores


def scaled(zero, one, scores=flat):
    return lambda answers: np.clip((scores(answers) - zero) / (one - zero), 0.0, 1.0)


def one_input(name):
    return lambda rows: {name: rows}


def transactions(count=4000, seed=11):
    """Made-up rows of four numbers as float32, and whether each is a fraud."""
    random = np.random.default_rng(seed)
    amount = random.lognormal(3.5, 1.2, count).round(2)
    age = random.integers(0, 3000, count)
    seen = random.poisson(3, count)
    hour = random.integers(0, 24, count)
    odd = 0.02 + 0.7 * ((amount > 60) & (age < 700)) + 0.2 * (seen > 5)
    return np.column_stack([amount, age, seen, hour]).astype(np.float32), random.random(count) < odd


def with_texts(count=4000, seed=12):
    """Rows with the codes of a country (-1: one that no training has seen) and a channel behind the four numbers."""
    rows, is_fraud = transactions(count, seed)
    random = np.random.default_rng(seed + 1)
    country = random.integers(-1, len(COUNTRIES), count)
    channel = random.integers(0, len(CHANNELS), count)
    is_fraud = is_fraud | ((country == 2) & (channel == 1) & (random.random(count) < 0.5))
    return np.column_stack([rows, country, channel]).astype(np.float32), is_fraud


def text(codes, texts):
    """The texts of codes, as scorewire's graph gives them: what is not in the list is a text that nobody has seen."""
    return np.array([texts[int(code)] if 0 <= code < len(texts) else "\ufffdunknown" for code in codes], dtype=object)
