"""The ensembles of scripts/bench trees, fitted and exported."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

import lightgbm
import numpy as np
import onnx
import skl2onnx
from onnx import TensorProto, helper
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier

import contract
import gbdt
import trees_forest
from data import SEED, TRAIN_DAYS
from kinds import Exported

# One boosting has them all: its first trees are what a shorter one makes.
BOOSTED = [100, 200, 500, 1000]
# Enough for these shapes; more would only take longer.
CARD_ROWS = 100_000
# Of each set of rows: enough that no processor remembers a row until it comes again.
BENCH_ROWS = 131_072
WIDE_ROWS, WIDE_FEATURES, WIDE_MISSING = 40_000, 200, 0.02


@dataclass
class Rows:
    """What is trained on, and rows that came later, to score."""

    name: str
    features: np.ndarray
    labels: np.ndarray
    bench: np.ndarray
    missing: str = '"nan"'


@dataclass
class Model:
    name: str
    title: str
    exported: Exported
    predict: Callable
    text: str | None = None  # LightGBM's own file
    bare: bytes | None = None  # the same graph with a tensor where `exported` answers with maps

    def bare_exported(self):
        return replace(self.exported, model=self.bare, tensor="probability_tensor") if self.bare else self.exported


FAMILIES = {}


def family(make):
    FAMILIES[make.__name__] = make
    return make


@family
def boosted(loaded):
    rows = card(loaded)
    booster = boosting(rows, BOOSTED[-1], 31)
    yield rows
    for trees in BOOSTED:
        yield lightgbm_model(booster, f"gbdt-{trees}", f"{trees:,} x 31", trees)


@family
def deep(loaded):
    rows = card(loaded)
    yield rows
    yield lightgbm_model(boosting(rows, 200, 255, max_depth=10), "deep-200", "200 x 255")


@family
def forests(loaded):
    """One forest in two forms: two float32 weights for each leaf, and doubles behind a Cast."""
    rows = card(loaded, fill=-1.0)
    forest = RandomForestClassifier(100, max_leaf_nodes=500, max_features=8, n_jobs=2, random_state=SEED)
    forest.fit(rows.features, rows.labels)
    initial = [("input", FloatTensorType([None, rows.features.shape[1]]))]
    single = skl2onnx.convert_sklearn(forest, initial_types=initial, options={"zipmap": False},
                                      target_opset={"": 15, "ai.onnx.ml": 3})
    yield rows
    for name, title, model in (("forest", "forest 100 x 500, two weights", trees_forest.with_two_weights(single, forest)),
                               ("forest-double", "forest 100 x 500, Cast, double", trees_forest.in_doubles(single, forest))):
        yield Model(name, title, exported(model), lambda some: forest.predict_proba(some)[:, 1])


@family
def wide(_loaded):
    rows = wide_rows()
    yield rows
    yield lightgbm_model(boosting(rows, 500, 31), "wide-500", f"500 x 31, {WIDE_FEATURES} features")


@family
def cat(loaded):
    import catboost

    rows = card(loaded, fill=-1.0)
    model = catboost.CatBoostClassifier(iterations=200, depth=6, learning_rate=0.1, thread_count=2, random_seed=SEED,
                                        verbose=False, allow_writing_files=False)
    model.fit(rows.features, rows.labels)
    proto = save_catboost(model)
    yield rows
    yield Model("catboost-200", "CatBoost 200 x 64", exported(proto.SerializeToString()),
                lambda some: model.predict_proba(some)[:, 1], bare=without_maps(proto))


def card(loaded, fill=None):
    """The example package's transactions: some of the first days to learn from, and the last ones to score."""
    features, labels, days = loaded
    features = with_ratios(features)
    name, missing = "card", '"nan"'
    if fill is not None:
        # Forests and CatBoost say nothing about missing values in ONNX.
        features, name, missing = np.nan_to_num(features, nan=fill), "card-filled", f"{{ constant = {fill} }}"
    train = np.flatnonzero(days < TRAIN_DAYS)
    some = np.random.default_rng(SEED).choice(train, CARD_ROWS, replace=False)
    return Rows(name, features[some], labels[some], features[-BENCH_ROWS:], missing)


def with_ratios(features):
    """Two more, so that there are thirty: the amount by its week's average, and the share of the week's count that is today's."""
    at = {name: index for index, name in enumerate(contract.names())}
    pairs = [("amount", "customer_avg_amount_7d"), ("customer_count_1d", "customer_count_7d")]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.column_stack([features[:, at[over]] / features[:, at[under]] for over, under in pairs])
    ratios[~np.isfinite(ratios)] = np.nan
    return np.ascontiguousarray(np.column_stack([features, ratios]))


def exported(model, tolerance="1e-5", tensor="probabilities"):
    return Exported(model=model, tensor=tensor, column=1, tolerance=tolerance, kind="", output="", notes="", looks_at="",
                    importance=list)


def lightgbm_model(booster, name, title, trees=None):
    text = booster.model_to_string(num_iteration=trees)
    whole = lightgbm.Booster(model_str=text)
    return Model(name, title, exported(gbdt.to_onnx(whole, name, whole.num_feature())), whole.predict, text)


def boosting(rows, trees, leaves, **more):
    settings = {"objective": "binary", "num_leaves": leaves, "learning_rate": 0.05, "min_data_in_leaf": 20, "seed": SEED,
                "feature_fraction": 0.8, "num_threads": 2, "deterministic": True, "force_row_wise": True, "verbose": -1}
    return lightgbm.train(settings | more, lightgbm.Dataset(rows.features, rows.labels), trees)


def wide_rows():
    """Features of many kinds, of which a label knows some; values are missing here and there."""
    random = np.random.default_rng(SEED)
    count = WIDE_ROWS + BENCH_ROWS
    features = random.normal(size=(count, WIDE_FEATURES)).astype(np.float32)
    features[:, 50:100] = np.exp(features[:, 50:100])
    features[:, 100:150] = np.floor(features[:, 100:150] * 10)
    features[:, 150:] = features[:, 150:] > 0.5
    weights = random.normal(size=(4, 40)) / 40**0.5
    seen = np.tanh(np.column_stack([features[:, k : k + 160 : 4] for k in range(4)]).reshape(count, 4, 40))
    hidden = np.einsum("nkf,kf->nk", seen, weights)
    logit = 2 * hidden[:, 0] * hidden[:, 1] + hidden[:, 2] - hidden[:, 3] ** 2
    labels = (logit + random.normal(scale=0.3, size=count) > 0.8).astype(np.int64)
    features[random.random(features.shape) < WIDE_MISSING] = np.nan
    return Rows("wide", features[:WIDE_ROWS], labels[:WIDE_ROWS], features[WIDE_ROWS:])


def without_maps(proto):
    """The same answers as a tensor, for who cannot read maps."""
    bare = onnx.ModelProto()
    bare.CopyFrom(proto)
    [_, maps] = bare.graph.node
    assert maps.op_type == "ZipMap"
    answers = helper.make_tensor_value_info(maps.input[0], TensorProto.FLOAT, [None, 2])
    label = onnx.ValueInfoProto()
    label.CopyFrom(bare.graph.output[0])
    bare.graph.node.remove(maps)
    del bare.graph.output[:]
    bare.graph.output.extend([label, answers])
    return bare.SerializeToString()


def save_catboost(model):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.save_model(str(path), format="onnx")
        return onnx.load(str(path))
