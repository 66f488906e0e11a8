"""Model packages that misbehave on purpose: one that answers NaN for some rows, one whose call fails on some, and one
that takes its time. Features, schema and golden rows are the example package's."""

import csv
import hashlib
import re
import shutil
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

OPSET, IR = 17, 9
FLOAT = TensorProto.FLOAT
# Of `amount`, the first feature: what is above is rare.
RARE_AMOUNT = 400.0
# Multiplications in a row: some milliseconds a call, however many rows it has.
SLOW_STEPS = 3_000


def constant(name, values, kind=FLOAT):
    array = numpy.atleast_1d(values)
    return helper.make_tensor(name, kind, array.shape, array)


def amount_node():
    return helper.make_node("Gather", ["input", "first"], ["amount"], axis=1)


def nan():
    """The square root of what is left below the limit: NaN above it."""
    nodes = [amount_node(), helper.make_node("Sub", ["limit", "amount"], ["rest"]),
             helper.make_node("Sqrt", ["rest"], ["root"]), helper.make_node("Div", ["root", "scale"], ["score"])]
    return nodes, [constant("limit", numpy.float32(RARE_AMOUNT)), constant("scale", numpy.float32(21.0))]


def failing():
    """A look-up beyond the end of its table for a rare row: the whole call fails."""
    nodes = [amount_node(), helper.make_node("Greater", ["amount", "limit"], ["rare"]),
             helper.make_node("Cast", ["rare"], ["number"], to=TensorProto.INT64),
             helper.make_node("Mul", ["number", "far"], ["index"]),
             helper.make_node("Gather", ["table", "index"], ["score"], axis=0)]
    return nodes, [constant("limit", numpy.float32(RARE_AMOUNT)), constant("far", [99], TensorProto.INT64),
                   constant("table", [numpy.float32(0.125)])]


def slow():
    """A long loop of one multiplication each."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["goes_on"], ["goes_on_out"]), helper.make_node("Mul", ["state", "factor"], ["state_out"])],
        "body",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
         helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state", FLOAT, ["N", 1])],
        [helper.make_tensor_value_info("goes_on_out", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state_out", FLOAT, ["N", 1])],
    )
    nodes = [amount_node(), helper.make_node("Sigmoid", ["amount"], ["start"]),
             helper.make_node("Loop", ["steps", "", "start"], ["score"], body=body)]
    return nodes, [constant("steps", [SLOW_STEPS], TensorProto.INT64), constant("factor", numpy.float32(0.99999))]


KINDS = {"nan": nan, "failing": failing, "slow": slow}


def package(kind, base, folder):
    """Writes the package into an empty folder, and answers that."""
    base, folder = Path(base), Path(folder)
    manifest = (base / "model.toml").read_text()
    with open(base / "golden.csv", newline="") as file:
        header, *rows = list(csv.reader(file))
    features = len(header) - 1
    nodes, constants = KINDS[kind]()
    graph = helper.make_graph(
        nodes, kind, [helper.make_tensor_value_info("input", FLOAT, ["N", features])],
        [helper.make_tensor_value_info("score", FLOAT, ["N", 1])],
        [*constants, constant("first", [0], TensorProto.INT64)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    manifest = re.sub(r'sha256 = "[0-9a-f]+"', f'sha256 = "{hashlib.sha256(data).hexdigest()}"', manifest)
    manifest = re.sub(r'tensor = "probabilities"\ncolumn = 1', 'tensor = "score"', manifest)
    # The example's golden records have the example's scores.
    manifest = re.sub(r"(?m)^(records|expected|made_by) = .*\n", "", manifest)
    (folder / "model.toml").write_text(manifest)
    shutil.copy(base / "transaction.avsc", folder)
    session = onnxruntime.InferenceSession(data)
    with open(folder / "golden.csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        for row in rows:
            # Golden rows are those the model has an answer for; its probe varies them by a twentieth.
            if float(row[0]) < 0.9 * RARE_AMOUNT:
                values = numpy.asarray([row[:-1]], dtype=numpy.float32)
                (score,) = session.run(["score"], {"input": values})
                out.writerow([*row[:-1], repr(float(score[0, 0]))])
    return folder
