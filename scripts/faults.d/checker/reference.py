"""Scores as Python makes them: fastavro decodes, the package's manifest is read anew, ONNX Runtime's Python package
runs the model. Nothing here comes from the product."""

import io
import json
import math
import tomllib
from pathlib import Path

import fastavro
import numpy
import onnxruntime

# Where its errors are.
STATE = onnxruntime.capi.onnxruntime_pybind11_state
SINGLE_OBJECT = b"\xc3\x01"


def fingerprint(schema):
    """CRC-64-AVRO as single-object encoding carries it: little endian."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


class Package:
    """A model package, read without the product."""

    def __init__(self, folder):
        folder = Path(folder)
        self.manifest = tomllib.loads((folder / "model.toml").read_text())
        self.writer = json.loads((folder / self.manifest["transaction"]["schema"]).read_text())
        self.schema = fastavro.parse_schema(self.writer)
        # Writers' schemas by fingerprint; a scenario may add some.
        self.writers = {fingerprint(self.writer): self.schema}
        self.sha256 = self.manifest["model"]["sha256"]
        thresholds = self.manifest["thresholds"]
        self.thresholds = (thresholds["review"], thresholds["decline"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(folder / self.manifest["model"]["file"], options)

    def know(self, schema):
        self.writers[fingerprint(schema)] = fastavro.parse_schema(schema)

    def row(self, value):
        """The model's row of one record's value; None where the record must be rejected."""
        if value is None or value[:2] != SINGLE_OBJECT or value[2:10] not in self.writers:
            return None
        body = io.BytesIO(value[10:])
        try:
            record = fastavro.schemaless_reader(body, self.writers[value[2:10]], self.schema)
        except (EOFError, IndexError, ValueError):
            return None
        if body.read(1):
            return None
        row = [number(feature, record) for feature in self.manifest["features"]]
        return None if None in row else row

    def scores(self, values):
        """The score of each value, None where it must be rejected."""
        rows = [self.row(value) for value in values]
        good = [row for row in rows if row is not None]
        if not good:
            return [None] * len(rows)
        try:
            scored = iter(self.run(good))
        except (STATE.Fail, STATE.InvalidArgument):
            scored = (self.run_alone(row) for row in good)
        return [None if row is None else next(scored) for row in rows]

    def run(self, rows):
        feed = {self.manifest["input"]["tensor"]: numpy.asarray(rows, dtype=numpy.float32)}
        (answer,) = self.session.run([self.manifest["output"]["tensor"]], feed)
        answer = numpy.asarray(answer)
        column = answer[:, self.manifest["output"].get("column", 0)] if answer.ndim == 2 else answer
        return column.tolist()

    def run_alone(self, row):
        """NaN where the model fails: there is no score."""
        try:
            return self.run([row])[0]
        except (STATE.Fail, STATE.InvalidArgument):
            return math.nan


def number(feature, record):
    """One feature of a decoded record; None: reject."""
    value = record
    for name in feature["path"].split("."):
        value = None if value is None else value[name]
    transform, missing = feature.get("transform", "number"), feature.get("missing")
    if transform == "is_present":
        return float(value is not None)
    if value is None:
        return {"nan": math.nan, "reject": None}[missing] if isinstance(missing, str) else missing["constant"]
    if isinstance(transform, dict) and "equals" in transform:
        return float(value == transform["equals"])
    if isinstance(transform, dict):
        known = transform["index"]
        return float(known.index(value)) if value in known else transform["otherwise"]
    value = float(value)
    fits = math.isfinite(value) and feature.get("min", -math.inf) <= value <= feature.get("max", math.inf)
    return value if fits else None
