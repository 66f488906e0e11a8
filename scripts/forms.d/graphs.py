"""Forms that networks have, as PyTorch, Keras and people write them: built with onnx.helper, so that a form is its graph."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from form import NAMES, Form, column, flat, one_input, scaled, sigmoid, softmax, transactions

FLOAT = TensorProto.FLOAT
WIDTH = 4


class Graph:
    """A graph under construction."""

    def __init__(self, inputs):
        self.inputs, self.nodes, self.constants = inputs, [], []
        self.random = np.random.default_rng(5)

    def constant(self, name, values, dtype=np.float32):
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def add(self, op_type, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op_type, inputs, [output], **attributes))
        return output

    def dense(self, source, wide, narrow, output, dtype=np.float32):
        weights = self.constant(f"{output}_w", self.random.normal(0, 0.7, (wide, narrow)), dtype)
        bias = self.constant(f"{output}_b", self.random.normal(0, 0.3, narrow), dtype)
        return self.add("Gemm", [source, weights, bias], output)

    def standardised(self, source="input", dtype=np.float32):
        mean = self.constant("mean", [60.0, 1500.0, 3.0, 12.0], dtype)
        scale = self.constant("scale", [80.0, 900.0, 2.0, 7.0], dtype)
        return self.add("Div", [self.add("Sub", [source, mean], "centred"), scale], "standardised")

    def hidden(self, source=None, activation="Relu"):
        first = self.dense(source or self.standardised(), WIDTH, 6, "first")
        return self.add(activation, [first], "hidden")

    def model(self, output, shape, element=FLOAT):
        outputs = [helper.make_tensor_value_info(output, element, shape)]
        graph = helper.make_graph(self.nodes, "g", self.inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return model.SerializeToString()


def one_matrix(rows="N", element=FLOAT, name="input"):
    return Graph([helper.make_tensor_value_info(name, element, [rows, WIDTH])])


def forms():
    rows, _ = transactions(seed=21)

    def of(name, form, model, tensor, scores, output=None, **other):
        other.setdefault("feed", one_input("input"))
        return Form(f"graph-{name}", "onnx.helper", form, model, [f'tensor = "{tensor}"', *(output or [])], tensor, scores, rows,
                    **other)

    yield from probabilities(of)
    yield from logits(of)
    yield from fixed(of)
    yield from other_inputs(of)


def probabilities(of):
    graph = one_matrix()
    logit = graph.dense(graph.hidden(), 6, 1, "logit")
    graph.add("Sigmoid", [logit], "dense_3")
    yield of("n1", "[N, 1], Keras' name", graph.model("dense_3", ["N", 1]), "dense_3", flat)
    graph = one_matrix()
    logit = graph.dense(graph.hidden(), 6, 1, "logit")
    flat_logit = graph.add("Squeeze", [logit, graph.constant("axis", [1], np.int64)], "flat")
    graph.add("Sigmoid", [flat_logit], "score")
    yield of("n", "[N]", graph.model("score", ["N"]), "score", flat)
    graph = one_matrix()
    logit = graph.add("Sigmoid", [graph.dense(graph.hidden(), 6, 1, "logit")], "p")
    graph.add("Transpose", [logit], "turned", perm=[1, 0])
    yield of("1n", "[1, N]", graph.model("turned", [1, "N"]), "turned", flat, rows_axis=1)
    graph = one_matrix()
    logit = graph.add("Sigmoid", [graph.dense(graph.hidden(), 6, 1, "logit")], "p")
    graph.add("Reshape", [logit, graph.constant("shape", [-1, 1, 1], np.int64)], "deep")
    yield of("n11", "[N, 1, 1]", graph.model("deep", ["N", 1, 1]), "deep", flat)
    graph = one_matrix()
    wide = graph.add("Cast", [graph.dense(graph.hidden(), 6, 1, "logit")], "wide", to=TensorProto.DOUBLE)
    graph.add("Sigmoid", [wide], "p")
    yield of("double-output", "answers of float64", graph.model("p", ["N", 1], TensorProto.DOUBLE), "p", flat)
    graph = one_matrix()
    graph.add("Softmax", [graph.dense(graph.hidden(), 6, 3, "logits")], "p", axis=1)
    yield of("softmax-inside", "[N, 3] probabilities of unnamed classes, summed up", graph.model("p", ["N", 3]), "p",
             lambda answers: answers[:, 1].astype(np.float64) + answers[:, 2].astype(np.float64), ["column = [1, 2]"])


def logits(of):
    graph = one_matrix()
    graph.dense(graph.hidden(), 6, 1, "logit")
    yield of("logit", "[N, 1] logits, sigmoid", graph.model("logit", ["N", 1]), "logit", sigmoid(flat),
             ['activation = "sigmoid"'], plain=False)
    graph = one_matrix()
    graph.dense(graph.hidden(), 6, 3, "logits")
    yield of("logits", "[N, 3] logits, softmax", graph.model("logits", ["N", 3]), "logits", softmax(2),
             ["column = 2", 'activation = "softmax"'], plain=False)
    graph = one_matrix()
    logits = graph.dense(graph.hidden(activation="Softplus"), 6, 1, "logit")
    graph.add("Sigmoid", [logits], "p")
    yield of("softplus", "scores that depend on the batch", graph.model("p", ["N", 1]), "p", flat)
    graph = one_matrix()
    back = graph.dense(graph.hidden(activation="Tanh"), 6, WIDTH, "back")
    error = graph.add("Sub", [back, "standardised"], "difference")
    graph.add("ReduceSumSquare", [error], "error", axes=[1], keepdims=0)
    yield of("autoencoder", "[N] reconstruction errors, scaled", graph.model("error", ["N"]), "error", scaled(0.0, 40.0),
             ["scale = { zero = 0.0, one = 40.0 }"], plain=False)


def fixed(of):
    for size in [1, 8]:
        graph = one_matrix(size)
        graph.add("Sigmoid", [graph.dense(graph.hidden(), 6, 1, "logit")], "p")
        yield of(f"fixed-{size}", f"a fixed batch of {size}", graph.model("p", [size, 1]), "p", flat, fixed=size)


def other_inputs(of):
    graph = one_matrix(element=TensorProto.FLOAT16)
    source = graph.add("Cast", ["input"], "single", to=FLOAT)
    graph.add("Sigmoid", [graph.dense(graph.hidden(graph.standardised(source)), 6, 1, "logit")], "p")
    yield of("half", "float16 inputs", graph.model("p", ["N", 1]), "p", flat,
             feed=lambda rows: {"input": rows.astype(np.float16)})
    kinds = [FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.BOOL]
    graph = Graph([helper.make_tensor_value_info(name, kind, ["N"]) for name, kind in zip(NAMES, kinds)])
    axis = graph.constant("axis", [1], np.int64)
    parts = []
    for name in NAMES:
        single = graph.add("Cast", [name], f"{name}_single", to=FLOAT)
        parts.append(graph.add("Unsqueeze", [single, axis], f"{name}_column"))
    joined = graph.add("Concat", parts, "joined", axis=1)
    graph.add("Sigmoid", [graph.dense(graph.hidden(graph.standardised(joined)), 6, 1, "logit")], "p")

    def feed(rows):
        types = [np.float32, np.float64, np.int64, bool]
        return {name: rows[:, at].astype(kind) for at, (name, kind) in enumerate(zip(NAMES, types))}

    yield of("kinds", "[N] inputs of float32, float64, int64 and boolean", graph.model("p", ["N", 1]), "p", flat, feed=feed)
