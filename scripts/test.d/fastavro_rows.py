"""Reads records through pairs of schemas with fastavro, and works out the features that a contract wants of them.

One JSON object a line on stdin: `writer`, `reader`, `payloads` (hex), `wants` (a feature each), `id`, `time`. One on stdout:
for each payload `{"refused": why}`, or `row` (each feature's 32 bits in hex, `nan`, `reject` or `not finite`; `grown` before
it where an enum's symbol is none of the reader's), `id` and `time`.
"""

import io
import json
import math
import struct
import sys
from decimal import Decimal

import fastavro


class Reject(Exception):
    """The contract has no number for this value."""


class Datum(io.BytesIO):
    """Gives what is asked for or ends: fastavro takes less where it skips a field."""

    def read(self, size=-1):
        data = super().read(size)
        if len(data) < size:
            raise EOFError("the datum is cut")
        return data


def at(value, path):
    """The value at a path of field names; None where the path leads through a null."""
    for name in path:
        if value is None:
            return None
        value = value[name]
    return value


def number(value, want):
    if isinstance(value, str):
        if value not in want["symbols"]:
            raise Reject
        return want["symbols"].index(value)
    if isinstance(value, bytes):
        # Plain bytes that the reader calls a decimal: fastavro goes by the writer's word alone. None at all have no sign.
        if not value:
            raise Reject
        value = Decimal(int.from_bytes(value, "big", signed=True)).scaleb(-want["scale"])
    return float(value)


def feature(value, want):
    transform = want["transform"]
    if transform == "present":
        return float(value is not None)
    if value is None:
        if want["missing"] == "reject":
            raise Reject
        return math.nan if want["missing"] == "nan" else want["missing"]
    if transform == "number":
        result = number(value, want)
        return result if in_f32(result) else None
    if transform == "equals":
        return float(value == want["listed"][0])
    if transform == "is_in":
        return float(value in want["listed"])
    if transform == "one_hot" and value in want["listed"]:
        return float(value == want["listed"][0])
    if transform not in ("listed", "one_hot"):
        raise ValueError(f"no such transform here: {transform}")
    if value in want["listed"]:
        return float(want["listed"].index(value))
    if want["otherwise"] is None:
        raise Reject
    return want["otherwise"]


def in_f32(value):
    """A number that is there and too large is a reject, whatever is missing."""
    if not math.isfinite(value):
        return False
    try:
        if math.isfinite(struct.unpack("<f", struct.pack("<f", value))[0]):
            return True
    except OverflowError:
        pass
    raise Reject


def bits(record, want):
    found = at(record, want["path"])
    try:
        value = feature(found, want)
    except Reject:
        return "reject"
    if value is None:
        return "not finite"
    grown = isinstance(found, str) and want["symbols"] and found not in want["symbols"]
    return ("grown " if grown else "") + ("nan" if math.isnan(value) else struct.pack(">f", value).hex())


def read(payload, pair, schemas):
    data = Datum(bytes.fromhex(payload))
    try:
        record = fastavro.schemaless_reader(data, *schemas)
        # The format says nothing of bytes behind a datum, and fastavro lets them be.
        if data.read():
            raise ValueError("bytes are left over")
    except Exception as why:  # any: a library's refusals have many types
        return {"refused": f"{type(why).__name__}: {why}"[:200]}
    time = pair["time"] and at(record, pair["time"]["path"])
    if time is not None and pair["time"]["micros"]:
        time //= 1_000
    return {
        "row": [bits(record, want) for want in pair["wants"]],
        "id": pair["id"] and at(record, pair["id"]),
        "time": time,
    }


def answers(pair):
    try:
        schemas = [fastavro.parse_schema(pair[side]) for side in ("writer", "reader")]
    except Exception as why:  # as above
        refused = {"refused": f"{type(why).__name__}: {why}"[:200]}
        return [refused] * len(pair["payloads"])
    return [read(payload, pair, schemas) for payload in pair["payloads"]]


for line in sys.stdin:
    print(json.dumps(answers(json.loads(line)), default=str))
