"""Writes a package's files: model, contract, golden rows, card."""

import hashlib

import numpy as np

import card
import contract

GOLDEN_ROWS = 128


def golden_rows(scores, features):
    """Rows over the whole range of scores, and those with the most missing values."""
    by_score = np.argsort(scores, kind="stable")
    spread = by_score[np.linspace(0, len(scores) - 1, GOLDEN_ROWS - 32).astype(int)]
    high = by_score[-16:]
    missing = np.argsort(-np.isnan(features).sum(axis=1), kind="stable")[:16]
    return features[np.unique(np.concatenate([spread, high, missing]))]


def write_golden(path, scorer, rows, names=None):
    # One row at a time: the scores must not depend on the batch.
    scores = np.array([scorer.score(row.reshape(1, -1))[0] for row in rows])
    assert np.array_equal(scores, scorer.score(rows)), "this model's scores depend on the batch"
    write_rows(path, rows, scores, names)


def write_rows(path, rows, scores, names=None):
    """One line per row: the features, `nan` where missing, and the score."""
    text = lambda value: "nan" if np.isnan(value) else np.format_float_positional(value, unique=True, trim="-")
    with path.open("w") as file:
        print(",".join((names or contract.names()) + ["score"]), file=file)
        for row, answer in zip(rows, scores):
            print(",".join(text(value) for value in [*row, answer]), file=file)


def write(folder, name, exported, scorer, data, settings, result):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(exported.model)
    held_out = data.held_out.features
    write_golden(folder / "golden.csv", scorer, golden_rows(scorer.score(held_out), held_out))
    digest = hashlib.sha256(exported.model).hexdigest()
    (folder / "model.toml").write_text(contract.package_toml(name, digest, exported, settings))
    (folder / "README.md").write_text(card.text(name, exported, settings, result))
