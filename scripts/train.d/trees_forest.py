"""A random forest of scikit-learn in two forms that exporters give it."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def with_two_weights(converted, forest):
    """Each leaf says both classes' shares. Newer converters write the second one's alone."""
    model, node, has = copy_of(converted)
    both = [(tree, at, label, share) for tree, at in leaves(has) for label, share in enumerate(shares(forest, tree, at))]
    trees, nodes, labels, weights = zip(*both)
    lists = {"class_treeids": trees, "class_nodeids": nodes, "class_ids": labels,
             "class_weights": np.float32(weights).tolist()}
    for name, values in lists.items():
        exchange(node, has[name], helper.make_attribute(name, values))
    return checked(model)


def in_doubles(converted, forest):
    """The thresholds and weights that training found, in the attributes that operator set 3 has for doubles, and a Cast
    before them: the graph's input stays float32."""
    model, node, has = copy_of(converted)
    keys = zip(has["nodes_treeids"].ints, has["nodes_nodeids"].ints, has["nodes_modes"].strings)
    trees = [estimator.tree_ for estimator in forest.estimators_]
    thresholds = np.array([0.0 if mode == b"LEAF" else trees[tree].threshold[at] for tree, at, mode in keys])
    same(thresholds, has["nodes_values"].floats)
    weights = np.array([shares(forest, tree, at)[1] for tree, at in leaves(has)])
    same(weights, has["class_weights"].floats)
    for name, values in (("nodes_values", thresholds), ("class_weights", weights)):
        exchange(node, has[name], helper.make_attribute(f"{name}_as_tensor", numpy_helper.from_array(values, name)))
    # Says nothing, and doubles would need one of their own.
    node.attribute.remove(has["nodes_hitrates"])
    model.graph.node.insert(0, helper.make_node("Cast", ["input"], ["doubles"], to=TensorProto.DOUBLE))
    node.input[0] = "doubles"
    return checked(model)


def copy_of(converted):
    model = onnx.ModelProto()
    model.CopyFrom(converted)
    [node] = model.graph.node
    return model, node, {one.name: one for one in node.attribute}


def leaves(has):
    return list(zip(has["class_treeids"].ints, has["class_nodeids"].ints))


def shares(forest, tree, at):
    counts = forest.estimators_[tree].tree_.value[at, 0]
    return counts / counts.sum() / len(forest.estimators_)


def same(ours, converted):
    """Whether the converter numbers nodes as scikit-learn does."""
    assert np.allclose(ours, converted, rtol=1e-5, atol=1e-6), "the converter numbers nodes in another way"


def exchange(node, old, new):
    node.attribute.remove(old)
    node.attribute.append(new)


def checked(model):
    del model.opset_import[:]
    model.opset_import.extend([helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 3)])
    onnx.checker.check_model(model)
    return model.SerializeToString()
