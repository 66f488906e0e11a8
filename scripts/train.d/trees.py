"""Models for scripts/bench trees: tree ensembles of many shapes, each a package with what the other engines need.

Usage: trees.py TRANSACTIONS.csv FOLDER boosted|deep|forests|wide|cat

Beside a package's own files each folder has `bench.json` (title, shape, rows to score), `thresholds.txt` (a line for each
feature) and, where LightGBM made the model, `model.txt`. Rows for the bench are in FOLDER/*.f32, float32 and nothing else;
FOLDER/FAMILY.made lists all files.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

import data as transactions
import package
import trees_fit
from kinds import Scorer

SCHEMA = "record.avsc"


def main():
    if len(sys.argv) != 4 or sys.argv[3] not in trees_fit.FAMILIES:
        sys.exit(__doc__)
    path, folder, make = Path(sys.argv[1]), Path(sys.argv[2]), trees_fit.FAMILIES[sys.argv[3]]
    folder.mkdir(parents=True, exist_ok=True)
    rows_of, *models = make(transactions.load(path))
    if len(np.unique(rows_of.bench, axis=0)) < 100_000:
        sys.exit(f"train: {rows_of.name}: fewer than 100,000 distinct rows to score")
    rows = folder / f"{rows_of.name}.f32"
    rows_of.bench.astype("<f4").tofile(rows)
    made = [rows]
    for model in models:
        made += write(folder / model.name, model, rows_of)
        print(f"train: {folder / model.name}", file=sys.stderr, flush=True)
    (folder / f"{sys.argv[3]}.made").write_text("".join(f"{file}\n" for file in made))


def write(folder, model, rows_of):
    """Answers the files."""
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(model.exported.model)
    if model.bare:
        (folder / "bare.onnx").write_bytes(model.bare)
    scorer = Scorer(model.bare_exported())
    rows = rows_of.bench[:: len(rows_of.bench) // 4096]
    agree(model, scorer, rows)
    names = [f"f{column}" for column in range(rows.shape[1])]
    package.write_golden(folder / "golden.csv", scorer, package.golden_rows(scorer.score(rows), rows), names)
    (folder / SCHEMA).write_text(schema(names))
    (folder / "model.toml").write_text(manifest(model, names, rows_of.missing))
    ensemble = onnx.load_model_from_string(model.exported.model).graph
    thresholds = thresholds_of(ensemble, len(names))
    (folder / "thresholds.txt").write_text("".join(" ".join(map(repr, one)) + "\n" for one in thresholds))
    if model.text:
        (folder / "model.txt").write_text(model.text)
    about = {"name": model.name, "title": model.title, "rows": f"../{rows_of.name}.f32", "features": len(names),
             "lightgbm": "model.txt" if model.text else None, "bare": "bare.onnx" if model.bare else None,
             **shape(ensemble)}
    (folder / "bench.json").write_text(json.dumps(about, indent=2) + "\n")
    return sorted(file for file in folder.iterdir() if not file.name.startswith("lleaves."))


def agree(model, scorer, rows):
    """The exported file against the library that trained it. A row whose value falls between a threshold and what the file
    rounded it to goes another way: some do."""
    differences = np.abs(scorer.score(rows) - model.predict(rows))
    if (differences > 1e-5).mean() > 0.01:
        sys.exit(f"train: {model.name}: {(differences > 1e-5).sum()} of {len(rows)} rows differ from the library that trained it")


def schema(names):
    fields = [{"name": name, "type": ["null", "float"]} for name in names]
    return json.dumps({"type": "record", "name": "Row", "fields": fields}) + "\n"


def manifest(model, names, missing):
    exported = model.exported
    lines = [
        "format = 1",
        "[model]",
        f'name = "{model.name}"',
        'version = "1"',
        'file = "model.onnx"',
        f'sha256 = "{hashlib.sha256(exported.model).hexdigest()}"',
        "[output]",
        f'tensor = "{exported.tensor}"',
        f"column = {exported.column}" if not model.bare else "class = 1",
        "[transaction]",
        f'schema = "{SCHEMA}"',
        "[thresholds]",
        'version = "1"',
        "review = 0.2",
        "decline = 0.8",
        "[golden]",
        'file = "golden.csv"',
        f"tolerance = {exported.tolerance}",
    ]
    for name in names:
        lines += ["[[features]]", f'name = "{name}"', f'path = "{name}"', f"missing = {missing}"]
    return "\n".join(lines) + "\n"


def ensembles(graph):
    return [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]


def attributes(node):
    found = {}
    for one in node.attribute:
        name = one.name.removesuffix("_as_tensor")
        is_tensor = one.type == onnx.AttributeProto.TENSOR
        found[name] = numpy_helper.to_array(one.t) if is_tensor else onnx.helper.get_attribute_value(one)
    return found


def thresholds_of(graph, features):
    """Those of each feature as float32; of a double between two of them both."""
    found = [set() for _ in range(features)]
    for node in ensembles(graph):
        has = attributes(node)
        for mode, feature, value in zip(has["nodes_modes"], has["nodes_featureids"], has["nodes_values"]):
            if mode != b"LEAF":
                near = np.float32(value)
                other = near if near == value else np.nextafter(near, np.float32(np.inf if near < value else -np.inf))
                found[feature] |= {float(near), float(other)}
    return [sorted(one) for one in found]


def shape(graph):
    trees, leaves, depth = 0, 0, 0
    for node in ensembles(graph):
        has = attributes(node)
        keys = list(zip(has["nodes_treeids"], has["nodes_nodeids"]))
        is_leaf = dict(zip(keys, (mode == b"LEAF" for mode in has["nodes_modes"])))
        children = dict(zip(keys, zip(has["nodes_truenodeids"], has["nodes_falsenodeids"])))
        roots = {tree: node for tree, node in reversed(keys)}
        trees, leaves = trees + len(roots), max(leaves, *count(keys, is_leaf).values())
        level = list(roots.items())
        while level:
            level = [(tree, child) for tree, node in level if not is_leaf[tree, node] for child in children[tree, node]]
            depth += bool(level)
    return {"trees": trees, "leaves_max": leaves, "depth": depth}


def count(keys, is_leaf):
    leaves = {}
    for tree, node in keys:
        leaves[tree] = leaves.get(tree, 0) + is_leaf[tree, node]
    return leaves


if __name__ == "__main__":
    main()
