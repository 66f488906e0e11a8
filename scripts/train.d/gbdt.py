"""Gradient-boosted trees: LightGBM, exported as an ONNX tree ensemble."""

import sys

import lightgbm
import onnx
import onnxmltools
from onnxmltools.convert.common.data_types import FloatTensorType

import contract
from data import SEED
from kinds import Exported, Scorer

TREES = 100
LEAVES = 31


def fit(part, trees):
    model = lightgbm.LGBMClassifier(
        n_estimators=trees,
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
    return model.fit(part.features, part.labels, feature_name=contract.names())


def to_onnx(model, name, features=None):
    features = features or len(contract.names())
    converted = onnxmltools.convert_lightgbm(
        model,
        name=name,
        initial_types=[("input", FloatTensorType([None, features]))],
        zipmap=False,
        target_opset=15,
    )
    converted.producer_name = "scorewire scripts/train"
    # The converter takes them from a set, whose order is another one in every run of Python.
    imports = sorted(converted.opset_import, key=lambda one: one.domain)
    del converted.opset_import[:]
    converted.opset_import.extend(imports)
    onnx.checker.check_model(converted)
    return converted.SerializeToString()


def importance(model):
    gains = model.booster_.feature_importance("gain").tolist()
    return sorted(zip(contract.names(), gains), key=lambda pair: -pair[1])


def make(data, name, trees=TREES):
    model = fit(data.train, trees)
    exported = Exported(
        model=to_onnx(model, name),
        tensor="probabilities",
        column=1,
        tolerance="1e-6",
        kind=f"LightGBM, {trees} trees of at most {LEAVES} leaves, exported to ONNX (`ai.onnx.ml` tree ensemble)",
        output="`probabilities`, float32 `[N, 2]`; column 1 is the probability of fraud",
        notes="",
        looks_at="by gain",
        importance=lambda: importance(model),
    )
    whole = data.whole.features
    differs = Scorer(exported).differs(whole, model.predict_proba(whole)[:, 1], 1e-5)
    # Thresholds of splits are doubles in LightGBM and floats in ONNX: a value between the two goes the other way.
    if differs > 1e-4 * len(whole):
        sys.exit(f"train: the exported model differs from LightGBM in {differs} of {len(whole)} rows")
    return exported
