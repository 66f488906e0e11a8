"""Trains the example model on simulated transactions and writes the package's files.

Usage: train.py DATA.csv PACKAGE_FOLDER

DATA.csv comes from `scorewire load --export`: the features in the contract's order, then label, transaction_id and
event_time_ms. Everything is split by time: train, then a gap as long as fraud labels take, then a week to choose the
thresholds on, then the held-out days that the card's figures come from.
"""

import hashlib
import json
import sys
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxmltools
import onnxruntime
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.metrics import average_precision_score, roc_auc_score

import card
import contract

SEED = 20261101
TREES = 100
LEAVES = 31
GOLDEN_ROWS = 128

TRAIN_DAYS = 30
GAP_DAYS = 7  # a fraud is known only after a week
CHOOSE_DAYS = 7

# The stated cost, in the currency of the amounts. A missed fraud costs its amount.
REVIEW_COST = 4.0  # a person looks at the payment; fraud is then caught
WRONG_DECLINE_COST = 30.0  # margin lost, a call to support, a customer who pays with another card


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
    train = days < TRAIN_DAYS
    choose_from = TRAIN_DAYS + GAP_DAYS
    choose = (days >= choose_from) & (days < choose_from + CHOOSE_DAYS)
    test = days >= choose_from + CHOOSE_DAYS
    if not (train.any() and choose.any() and test.any()):
        sys.exit("train: the data covers too few days; export more transactions")
    return train, choose, test


def fit(features, labels):
    model = lightgbm.LGBMClassifier(
        n_estimators=TREES,
        num_leaves=LEAVES,
        learning_rate=0.05,
        min_child_samples=50,
        reg_lambda=5.0,
        colsample_bytree=0.8,
        subsample=0.8,
        subsample_freq=1,
        random_state=SEED,
        # Same trees on every machine with the same number of cores or another.
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
    )
    return model.fit(features, labels, feature_name=contract.names())


def to_onnx(model):
    converted = onnxmltools.convert_lightgbm(
        model,
        name="card-fraud-gbdt",
        initial_types=[("input", FloatTensorType([None, len(contract.names())]))],
        zipmap=False,
        target_opset=15,
    )
    converted.producer_name = "scorewire scripts/train"
    onnx.checker.check_model(converted)
    return converted.SerializeToString()


def session(model_bytes):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    return onnxruntime.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"])


def score(runtime, features):
    return runtime.run(["probabilities"], {"input": features})[0][:, 1]


def cost(scores, labels, amounts, review, decline):
    """Mean cost of a transaction under two thresholds: what is reviewed is decided rightly."""
    fraud = labels == 1
    declined = scores >= decline
    reviewed = (scores >= review) & ~declined
    missed = amounts[fraud & ~declined & ~reviewed].sum()
    return (missed + REVIEW_COST * reviewed.sum() + WRONG_DECLINE_COST * (declined & ~fraud).sum()) / len(scores)


def choose_thresholds(scores, labels, amounts):
    candidates = np.round(np.concatenate([np.arange(0.01, 0.2, 0.01), np.arange(0.2, 1.0, 0.02)]), 2)
    pairs = [(r, d) for r in candidates for d in candidates if r < d]
    return min(pairs, key=lambda pair: cost(scores, labels, amounts, *pair))


def band(scores, labels, amounts, low, high):
    inside = (scores >= low) & (scores < high)
    fraud = inside & (labels == 1)
    return {
        "transactions": int(inside.sum()),
        "share": float(inside.mean()),
        "frauds": int(fraud.sum()),
        "fraud_amount": float(amounts[fraud].sum()),
    }


def alert_figures(scores, labels, threshold):
    alerts = scores >= threshold
    hits = (alerts & (labels == 1)).sum()
    return {"precision": float(hits / max(alerts.sum(), 1)), "recall": float(hits / (labels == 1).sum())}


def figures(scores, labels, amounts, review, decline):
    fraud = labels == 1
    return {
        "transactions": len(labels),
        "frauds": int(fraud.sum()),
        "fraud_share": float(fraud.mean()),
        "fraud_amount": float(amounts[fraud].sum()),
        "auc": float(roc_auc_score(labels, scores)),
        "pr_auc": float(average_precision_score(labels, scores)),
        "at": {str(t): alert_figures(scores, labels, t) for t in sorted({0.05, 0.1, 0.3, 0.5, 0.9, review, decline})},
        "approve": band(scores, labels, amounts, -1.0, review),
        "review": band(scores, labels, amounts, review, decline),
        "decline": band(scores, labels, amounts, decline, 2.0),
        "cost": float(cost(scores, labels, amounts, review, decline)),
        "cost_approve_all": float(cost(scores, labels, amounts, 2.0, 3.0)),
    }


def golden_rows(scores, features):
    """Rows over the whole range of scores, and those with the most missing values."""
    by_score = np.argsort(scores, kind="stable")
    spread = by_score[np.linspace(0, len(scores) - 1, GOLDEN_ROWS - 32).astype(int)]
    high = by_score[-16:]
    missing = np.argsort(-np.isnan(features).sum(axis=1), kind="stable")[:16]
    return features[np.unique(np.concatenate([spread, high, missing]))]


def write_golden(path, runtime, rows):
    # One row at a time: the scores must not depend on the batch.
    scores = np.array([score(runtime, row.reshape(1, -1))[0] for row in rows])
    assert np.array_equal(scores, score(runtime, rows)), "this model's scores depend on the batch"
    text = lambda value: "nan" if np.isnan(value) else np.format_float_positional(value, unique=True, trim="-")
    with path.open("w") as file:
        print(",".join(contract.names() + ["score"]), file=file)
        for row, answer in zip(rows, scores):
            print(",".join(text(value) for value in [*row, answer]), file=file)


def main():
    data, folder = Path(sys.argv[1]), Path(sys.argv[2])
    features, labels, days = load(data)
    amounts = features[:, 0].astype(np.float64)
    train, choose, test = split(days)

    model = fit(features[train], labels[train])
    model_bytes = to_onnx(model)
    runtime = session(model_bytes)
    scores = score(runtime, features)
    differs = np.abs(scores - model.predict_proba(features)[:, 1]) > 1e-5
    if differs.mean() > 1e-4:
        sys.exit(f"train: the exported model differs from LightGBM in {differs.sum()} of {len(scores)} rows")

    review, decline = choose_thresholds(scores[choose], labels[choose], amounts[choose])
    review, decline = float(review), float(decline)
    result = {
        "data": {"transactions": len(labels), "days": int(days.max()) + 1},
        "train": {"transactions": int(train.sum()), "frauds": int(labels[train].sum())},
        "held_out": figures(scores[test], labels[test], amounts[test], review, decline),
        "baseline_auc": float(roc_auc_score(labels[test], amounts[test])),
        "importance": sorted(
            zip(contract.names(), model.booster_.feature_importance("gain").tolist()), key=lambda pair: -pair[1]
        ),
    }

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model_bytes)
    write_golden(folder / "golden.csv", runtime, golden_rows(scores[test], features[test]))
    digest = hashlib.sha256(model_bytes).hexdigest()
    (folder / "model.toml").write_text(contract.package_toml(digest, review, decline))
    settings = {
        "seed": SEED, "trees": TREES, "leaves": LEAVES, "train_days": TRAIN_DAYS, "gap_days": GAP_DAYS,
        "choose_days": CHOOSE_DAYS, "review_cost": REVIEW_COST, "wrong_decline_cost": WRONG_DECLINE_COST,
        "review": review, "decline": decline,
    }
    (folder / "README.md").write_text(card.text(settings, result))
    print(json.dumps({**settings, **result}, indent=2), file=sys.stderr)


if __name__ == "__main__":
    main()
