"""Small models in every form that docs/model-package.md takes, each a package whose golden rows Python's ONNX Runtime scored.

Usage: forms.py FOLDER

Each folder NAME in FOLDER is a package: the model as its exporter wrote it, `golden.csv` (64 rows) and `rows.csv` (256 more)
with the scores of Python's ONNX Runtime on the exporter's own file, and `form.json`: exporter, form, and whether the score is
one answer as it is. tests/model/forms.rs holds scorewire against them, and tests/cli/forms.rs drafts a package of each.
"""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime

import exported
import graphs

GOLDEN, ROWS = 64, 256


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    made = [*exported.forms(), *graphs.forms()]
    names = [form.name for form in made]
    if len(set(names)) < len(names):
        sys.exit("forms: a name stands twice")
    for form in made:
        write(folder / form.name, form)
        print(f"forms: {form.name}", file=sys.stderr, flush=True)
    (folder / "made").write_text(f"{len(made)}\n")


def write(folder, form):
    folder.mkdir()
    (folder / "model.onnx").write_bytes(form.model)
    rows = np.asarray(form.rows[: GOLDEN + ROWS], dtype=np.float32)
    scores = form.scores(ask(form, rows))
    if scores.shape != (len(rows),) or not np.all((scores >= -1e-5) & (scores <= 1 + 1e-5)):
        sys.exit(f"forms: {form.name}: these are no scores: {scores.shape} {scores.min()} {scores.max()}")
    if scores.max() - scores.min() < 1e-3:
        sys.exit(f"forms: {form.name}: all scores are alike")
    names = [name for name, _ in form.features]
    write_rows(folder / "golden.csv", names, rows[:GOLDEN], scores[:GOLDEN])
    write_rows(folder / "rows.csv", names, rows[GOLDEN:], scores[GOLDEN:])
    (folder / "record.avsc").write_text(schema(form))
    (folder / "model.toml").write_text(manifest(form))
    about = {"exporter": form.exporter, "form": form.form, "plain": form.plain, "fixed": form.fixed}
    (folder / "form.json").write_text(json.dumps(about) + "\n")


def ask(form, rows):
    """The answers, of one row a call: whatever the batch changes, it changes here. A fixed batch is asked whole."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(form.model, options, providers=["CPUExecutionProvider"])
    size = form.fixed or 1
    calls = [session.run([form.tensor], form.feed(rows[at : at + size]))[0] for at in range(0, len(rows), size)]
    if isinstance(calls[0], list):
        return [answer for call in calls for answer in call]
    return np.concatenate(calls, axis=form.rows_axis)


def write_rows(path, names, rows, scores):
    with open(path, "w") as file:
        print(*names, "score", sep=",", file=file)
        for row, score in zip(rows, scores):
            cells = ["nan" if np.isnan(value) else repr(float(np.float32(value))) for value in row]
            print(*cells, repr(float(score)), sep=",", file=file)


def schema(form):
    def kind(texts):
        return "string" if texts else ["null", "double"]

    fields = [{"name": name, "type": kind(texts)} for name, texts in form.features]
    fields.append({"name": "id", "type": "long"})
    return json.dumps({"type": "record", "name": "T", "fields": fields}, indent=1) + "\n"


def manifest(form):
    lines = ["format = 1", "[model]", f'name = "{form.name}"', 'version = "1"', 'file = "model.onnx"',
             f'sha256 = "{hashlib.sha256(form.model).hexdigest()}"', "[output]", *form.output,
             "[transaction]", 'schema = "record.avsc"', 'id = "id"',
             "[thresholds]", 'version = "1"', "review = 0.2", "decline = 0.7",
             "[golden]", 'file = "golden.csv"', "tolerance = 1e-6"]
    for name, texts in form.features:
        lines += ["[[features]]", f'name = "{name}"', f'path = "{name}"']
        if texts:
            lines.append(f"transform = {{ index = {json.dumps(texts)}, otherwise = -1.0 }}")
        else:
            lines.append(f'missing = "{form.missing}"')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
