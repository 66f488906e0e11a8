"""Trains a model on simulated transactions and writes its package's files.

Usage: train.py DATA.csv KIND FOLDER [TREES]

KIND is gbdt or mlp; the folder's name becomes the package's.
"""

import json
import sys
from pathlib import Path

import data as transactions
import evaluate
import package
from kinds import Scorer


def make(kind, data, name, more):
    # Only what is needed is imported: each library takes seconds.
    if kind == "gbdt":
        import gbdt

        return gbdt.make(data, name, *map(int, more))
    if kind == "mlp":
        import mlp

        return mlp.make(data, name)
    sys.exit(__doc__)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    path, kind, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    data, name = transactions.Data(path), folder.resolve().name
    exported = make(kind, data, name, sys.argv[4:])
    scorer = Scorer(exported)
    review, decline = evaluate.choose_thresholds(scorer.score(data.choose.features), data.choose)
    settings = {
        "seed": transactions.SEED,
        "train_days": transactions.TRAIN_DAYS,
        "gap_days": transactions.GAP_DAYS,
        "choose_days": transactions.CHOOSE_DAYS,
        "review_cost": evaluate.REVIEW_COST,
        "wrong_decline_cost": evaluate.WRONG_DECLINE_COST,
        "review": review,
        "decline": decline,
    }
    result = {
        "data": {"transactions": data.transactions, "days": data.days},
        "train": {"transactions": len(data.train.labels), "frauds": int(data.train.labels.sum())},
        "held_out": evaluate.figures(scorer.score(data.held_out.features), data.held_out, review, decline),
        "importance": exported.importance(),
    }
    package.write(folder, name, exported, scorer, data, settings, result)
    print(json.dumps({"package": name, **settings, **result}, indent=2), file=sys.stderr)


if __name__ == "__main__":
    main()
