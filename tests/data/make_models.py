#!/usr/bin/env python3
"""Makes the small models of tests/model/ and the rows they are checked with, beside this file.

    python3 -m venv /tmp/models && /tmp/models/bin/pip install lightgbm==4.7.0 scikit-learn skl2onnx==1.20.0 \
        onnxmltools==1.16.0 onnx==1.23.0 onnxruntime==1.28.0
    /tmp/models/bin/python tests/data/make_models.py

All models take `input`, float32 [N, 4] (features a, b, c, d). The scores in NAME.csv are those of ONNX Runtime in
Python with one thread.
"""
import pathlib

import lightgbm
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

HERE = pathlib.Path(__file__).parent
FEATURES = ["a", "b", "c", "d"]
RNG = np.random.default_rng(7)


def data(rows, missing):
    x = RNG.normal(size=(rows, 4)).astype(np.float32) * np.float32([1, 10, 100, 0.1])
    y = (x[:, 0] + x[:, 1] / 10 + np.sin(x[:, 2] / 50) + RNG.normal(scale=0.5, size=rows)) > 0.8
    if missing:
        x[RNG.random(x.shape) < 0.1] = np.nan
    return x, y.astype(int)


def save(name, model, output, column=None, rows=8, missing=False, x=None):
    """Writes the model, and its rows (drawn, unless given) with the scores it gives them."""
    model.producer_version = ""
    onnx.save(model, HERE / f"{name}.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    x = data(rows, missing)[0] if x is None else np.asarray(x, dtype=np.float32)
    lines = [",".join(FEATURES + ["score"])]
    for row in x:
        answer = session.run([output], {"input": row[None, :]})[0]
        score = answer[0][column] if isinstance(answer, list) else np.asarray(answer).reshape(1, -1)[0, column or 0]
        lines.append(",".join([*(repr(float(v)) for v in row), repr(float(score))]))
    (HERE / f"{name}.csv").write_text("\n".join(lines) + "\n")


def graph(name, nodes, outputs, weights=(), batch="N", opsets=(("", 17),)):
    x = helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 4])
    body = helper.make_graph(nodes, name, [x], outputs, list(weights))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid(*o) for o in opsets], ir_version=9)
    return model


def tensor(name, values):
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def float_output(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def trees():
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, y = data(4000, missing=True)
    model = lightgbm.LGBMClassifier(n_estimators=10, num_leaves=8, random_state=7, n_jobs=1, verbose=-1).fit(x, y)
    types = [("input", FloatTensorType([None, 4]))]
    save("trees", convert_lightgbm(model, initial_types=types, zipmap=False, target_opset=15), "probabilities", 1,
         missing=True)
    save("trees_zipmap", convert_lightgbm(model, initial_types=types, zipmap=True, target_opset=15), "probabilities",
         1, missing=True)


def logistic():
    from skl2onnx import to_onnx

    x, y = data(2000, missing=False)
    model = LogisticRegression(max_iter=1000).fit(x, y)
    exported = to_onnx(model, x[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
    assert exported.graph.input[0].name == "X"
    for node in exported.graph.node:
        node.input[:] = ["input" if i == "X" else i for i in node.input]
    exported.graph.input[0].name = "input"
    save("logistic", exported, "probabilities", 1)


def mlp():
    """4-8-1 with a sigmoid; weights by hand of the generator."""
    w1, w2 = RNG.normal(size=(4, 8)) / [[1], [10], [100], [0.1]], RNG.normal(size=(8, 1))
    weights = [tensor("w1", w1), tensor("b1", RNG.normal(size=8)), tensor("w2", w2), tensor("b2", [0.1])]
    nodes = [
        helper.make_node("Gemm", ["input", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["p"]),
    ]
    return nodes, weights


def networks():
    nodes, weights = mlp()
    save("mlp", graph("mlp", nodes, [float_output("p", ["N", 1])], weights), "p")
    save("fixed", graph("fixed", nodes, [float_output("p", [1, 1])], weights, batch=1), "p")

    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    flat = [*nodes, helper.make_node("Squeeze", ["p", "axes"], ["flat"])]
    # Declared as [1], as some exporters do; it answers [N].
    save("flat", graph("flat", flat, [float_output("flat", [1])], [*weights, axes]), "flat")

    double = [*nodes, helper.make_node("Cast", ["p"], ["double"], to=TensorProto.DOUBLE)]
    save("double", graph("double", double, [float_output("double", ["N", 1], TensorProto.DOUBLE)], weights), "double")

    # One answer for the whole batch: no score per row.
    mean = [*nodes, helper.make_node("ReduceMean", ["p"], ["mean"], keepdims=1)]
    save("mean", graph("mean", mean, [float_output("mean", [1, 1])], weights), "mean")

    # What must be refused before it is opened.
    foreign = [*nodes[:-1], helper.make_node("Magic", ["z"], ["p"], domain="com.example.magic")]
    model = graph("foreign", foreign, [float_output("p", ["N", 1])], weights,
                  opsets=(("", 17), ("com.example.magic", 1)))
    onnx.save(model, HERE / "foreign_domain.onnx")
    model = graph("external", nodes, [float_output("p", ["N", 1])], weights)
    for weight in model.graph.initializer:
        if weight.name == "w1":
            weight.ClearField("raw_data")
            weight.data_location = TensorProto.EXTERNAL
            entry = weight.external_data.add()
            entry.key, entry.value = "location", "../../etc/passwd"
    onnx.save(model, HERE / "external_data.onnx")


def votes(rows="input", trees=10):
    """Trees that vote for fraud with a tenth each where `a` is above 0: ten of them together say 1.0000001."""
    trees, leaves = range(trees), [(tree, leaf) for tree in range(trees) for leaf in (1, 2)]
    return helper.make_node(
        "TreeEnsembleClassifier", [rows], ["label", "probabilities"], domain="ai.onnx.ml",
        nodes_treeids=[tree for tree in trees for _ in range(3)],
        nodes_nodeids=[0, 1, 2] * len(trees),
        nodes_featureids=[0, 0, 0] * len(trees),
        nodes_values=[0.0, 0.0, 0.0] * len(trees),
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"] * len(trees),
        nodes_truenodeids=[1, 0, 0] * len(trees),
        nodes_falsenodeids=[2, 0, 0] * len(trees),
        class_treeids=[tree for tree, _ in leaves],
        class_nodeids=[leaf for _, leaf in leaves],
        class_ids=[0] * len(leaves),
        class_weights=[0.0, 0.1] * len(trees),
        classlabels_int64s=[0, 1],
    )


def forests():
    outputs = [float_output("label", ["N"], TensorProto.INT64), float_output("probabilities", ["N", 2])]
    opsets, rows = (("", 17), ("ai.onnx.ml", 3)), [[1, 0, 0, 0], [-1, 0, 0, 0], [2, 5, 5, 5]]
    save("forest", graph("forest", [votes()], outputs, opsets=opsets), "probabilities", 1, x=rows)

    # What trees read is of another type than the rows: a graph with another operator in their place does not open.
    cast = helper.make_node("Cast", ["input"], ["wide"], to=TensorProto.DOUBLE)
    model = graph("cast_double", [cast, votes("wide", trees=3)], outputs, opsets=opsets)
    save("cast_double", model, "probabilities", 1, x=rows)

    # What ONNX Runtime's optimiser leaves in the files that it saves, and a domain that nobody knows.
    unused = [(domain, 1) for domain in ("com.microsoft.nchwc", "ai.onnx.training", "com.microsoft.experimental",
                                         "org.pytorch.aten", "com.example.magic")]
    model = graph("unused_imports", [votes(trees=3)], outputs, opsets=(*opsets, *unused))
    save("unused_imports", model, "probabilities", 1, x=rows)


def logits():
    """A network without its sigmoid, whose answers to these rows happen to lie within 0 to 1."""
    weights = [tensor("w", [[100], [0], [0], [0]]), tensor("b", [-99.5])]
    node = helper.make_node("Gemm", ["input", "w", "b"], ["z"])
    rows = [[0.998, 1, 2, 3], [1, 4, 5, 6], [1.003, 7, 8, 9]]
    save("logits", graph("logits", [node], [float_output("z", ["N", 1])], weights), "z", x=rows)


def unwritten():
    """Two classes, the first one summed up, and a PROBIT: ONNX Runtime 1.28 writes the first column and never the second."""
    node = helper.make_node(
        "TreeEnsembleClassifier", ["input"], ["label", "probabilities"], domain="ai.onnx.ml", post_transform="PROBIT",
        nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_values=[0.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
        class_treeids=[0, 0], class_nodeids=[1, 2], class_ids=[0, 0], class_weights=[0.6, 0.7], classlabels_int64s=[0, 1],
    )
    outputs = [float_output("label", ["N"], TensorProto.INT64), float_output("probabilities", ["N", 2])]
    onnx.save(graph("unwritten", [node], outputs, opsets=(("", 17), ("ai.onnx.ml", 3))), HERE / "unwritten.onnx")
    # What memory that was never used holds.
    (HERE / "unwritten.csv").write_text("a,b,c,d,score\n1.0,0.0,0.0,0.0,0.0\n-1.0,0.0,0.0,0.0,0.0\n")


if __name__ == "__main__":
    trees()
    logistic()
    networks()
    forests()
    logits()
    unwritten()
