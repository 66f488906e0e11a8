"""A small neural network: scikit-learn's, written as an ONNX graph of a few nodes that takes the features as they come.

    input -> missing values to their means -> large values cut -> Gemm+Relu -> Gemm+Relu -> Gemm -> Sigmoid -> guard

Scaling costs no node: it is multiplied into the first layer. The guard adds the inputs times zero to the score: that
is nothing, unless an input is not finite. Without it, what becomes of a NaN would be up to how a processor's kernels
compare it: `max(NaN, 0)` is 0 on many, and a payment that nobody looked at would read as "not fraud".
"""

import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import average_precision_score
from sklearn.neural_network import MLPClassifier

import contract
from data import SEED
from kinds import Exported, Scorer

HIDDEN = (64, 32)
# These three gave the best average precision on the week that the thresholds are chosen on.
EPOCHS = 20
DECAY = 0.01
LARGE = 0.999  # quantile of the training rows that no value counts for more than

NOTES = """## Missing values

The graph takes the same features as the trees do, NaN included. Where the contract lets a value be missing, the graph
puts the training rows' mean in its place; a NaN anywhere else comes out as a NaN score, which is a dead letter and
never a decision. Values above the 99.9th percentile of the training rows count as that: a network, unlike trees,
would carry on in a straight line to places where it has seen nothing. Scaling is part of the first layer's weights.

"""


class Preparation:
    """What is done to a feature before the first layer; float64, one value per feature."""

    def __init__(self, features):
        self.most = np.nanquantile(features.astype(np.float64), LARGE, axis=0).astype(np.float32).astype(np.float64)
        cut = np.minimum(features, self.most)
        # As the graph has it: 32 bits.
        self.mean = np.nanmean(cut, axis=0).astype(np.float32).astype(np.float64)
        self.deviation = np.nanstd(cut, axis=0)
        self.deviation[self.deviation == 0] = 1.0

    def scaled(self, features):
        filled = np.where(np.isnan(features), self.mean, features)
        return (np.minimum(filled, self.most) - self.mean) / self.deviation

    def fill(self):
        """The mean where the contract lets a feature be missing, elsewhere NaN: it stays what it is."""
        return np.where([feature["missing"] == contract.NAN for feature in contract.FEATURES], self.mean, np.nan)


def fit(part, preparation):
    model = MLPClassifier(
        HIDDEN,
        activation="relu",
        solver="adam",
        alpha=DECAY,
        batch_size=512,
        learning_rate_init=1e-3,
        max_iter=EPOCHS,
        # All epochs are run: the loss on the training rows is no reason to stop.
        n_iter_no_change=EPOCHS,
        random_state=SEED,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(preparation.scaled(part.features), part.labels)


def constants(model, preparation):
    first, second, last = (weights.astype(np.float64) for weights in model.coefs_)
    scaled = first / preparation.deviation[:, None]
    arrays = {
        "fill": preparation.fill(),
        "most": preparation.most,
        "weights_1": scaled,
        "bias_1": model.intercepts_[0] - preparation.mean @ scaled,
        "weights_2": second,
        "bias_2": model.intercepts_[1],
        "weights_3": last,
        "bias_3": model.intercepts_[2],
        "nothing": np.zeros((len(preparation.mean), 1)),
    }
    return [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]


def to_onnx(model, preparation, name):
    nodes = [
        helper.make_node("IsNaN", ["input"], ["missing"]),
        helper.make_node("Where", ["missing", "fill", "input"], ["filled"]),
        helper.make_node("Min", ["filled", "most"], ["cut"]),
        helper.make_node("Gemm", ["cut", "weights_1", "bias_1"], ["sum_1"]),
        helper.make_node("Relu", ["sum_1"], ["hidden_1"]),
        helper.make_node("Gemm", ["hidden_1", "weights_2", "bias_2"], ["sum_2"]),
        helper.make_node("Relu", ["sum_2"], ["hidden_2"]),
        helper.make_node("Gemm", ["hidden_2", "weights_3", "bias_3"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["unguarded"]),
        helper.make_node("Gemm", ["filled", "nothing", "unguarded"], ["probability"]),
    ]
    floats = lambda name, columns: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", columns])
    graph = helper.make_graph(
        nodes, name, [floats("input", len(contract.names()))], [floats("probability", 1)], constants(model, preparation)
    )
    converted = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    converted.producer_name = "scorewire scripts/train"
    onnx.checker.check_model(converted, full_check=True)
    return converted.SerializeToString()


def importance(scorer, part):
    """How much average precision is lost on these rows when one feature's values are shuffled among them."""
    whole = average_precision_score(part.labels, scorer.score(part.features))
    lost = []
    for index, name in enumerate(contract.names()):
        shuffled = part.features.copy()
        np.random.default_rng(SEED).shuffle(shuffled[:, index])
        lost.append((name, max(whole - average_precision_score(part.labels, scorer.score(shuffled)), 0.0)))
    return sorted(lost, key=lambda pair: -pair[1])


def check_missing(scorer, rows):
    """Each feature missing in turn: a score where the contract allows it, else not a number."""
    for index, feature in enumerate(contract.FEATURES):
        for value in (np.nan, np.inf, -np.inf):
            spoiled = rows.copy()
            spoiled[:, index] = value
            allowed = np.isnan(value) and feature["missing"] == contract.NAN
            if not (np.isfinite(scorer.score(spoiled)) == allowed).all():
                sys.exit(f"train: {feature['name']} = {value} is scored otherwise than the contract says")


def make(data, name):
    preparation = Preparation(data.train.features)
    model = fit(data.train, preparation)
    exported = Exported(
        model=to_onnx(model, preparation, name),
        tensor="probability",
        column=None,
        # Sums of products: another processor's kernels add them in another order.
        tolerance="1e-5",
        kind=f"neural network {len(contract.names())}-{HIDDEN[0]}-{HIDDEN[1]}-1, ReLU, sigmoid; scikit-learn, "
        f"{EPOCHS} epochs, written as an ONNX graph",
        output="`probability`, float32 `[N, 1]`: the probability of fraud",
        notes=NOTES,
        looks_at="by the average precision lost on the week of the thresholds when a feature's values are shuffled",
        importance=lambda: importance(scorer, data.choose),
    )
    scorer = Scorer(exported)
    whole = data.whole.features
    differs = scorer.differs(whole, model.predict_proba(preparation.scaled(whole))[:, 1], 1e-5)
    if differs:
        sys.exit(f"train: the exported model differs from scikit-learn in {differs} of {len(whole)} rows")
    check_missing(scorer, data.held_out.features[:64])
    return exported
