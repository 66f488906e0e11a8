"""Writes a package's golden records: transactions as they arrive, with the features that training has for them and the
scores of plain ONNX Runtime.

Usage: golden.py DATA.csv DATA.avro FOLDER

Both files come from `scorewire load --export` with the same seed; DATA.avro has the first of DATA.csv's transactions. The
features are computed here, from the records as fastavro reads them, and must be those of the training data to the bit.
Nothing here asks scorewire.
"""

import copy
import itertools
import sys
import tomllib
from pathlib import Path

import fastavro
import numpy as np
import onnxruntime

import contract
from package import write_rows

RECORDS = 16  # over the whole range of scores, beside those that show what no other record does
COMMON = 2  # times that each symbol and each missing value is shown, where the data allow it


def place(symbols, value):
    """What the model knows a symbol as; -1 for one that it does not know, and for none."""
    return symbols.index(value) if value in symbols else -1


def number(value):
    return np.nan if value is None else float(value)


def windows(history, kind):
    for days in (1, 7, 30):
        yield history[f"count_{days}d"]
        yield number(history[f"{kind}_{days}d"])


def features(record):
    """What training makes of a transaction."""
    card, merchant, device = record["card"], record["merchant"], record["device"] or {}
    device_age = device.get("age_days")
    return [
        number(record["amount"]),
        place(contract.CHANNELS, record["channel"]),
        place(contract.ENTRY_MODES, record["entry_mode"]),
        card["funding"] == "PREPAID",
        number(card["age_days"]),
        merchant["mcc"],
        place(contract.COUNTRIES, merchant["country"]),
        number(merchant["distance_km"]),
        number(record["local_hour"]),
        record["is_weekend"],
        record["is_night"],
        place(contract.THREE_DS, record["three_ds"]),
        device_age is not None,
        number(device_age),
        place(contract.COUNTRIES, device.get("ip_country")),
        number(record["customer"]["seconds_since_last"]),
        *windows(record["customer"], "avg_amount"),
        *windows(record["terminal"], "risk"),
    ]


def table_of(records):
    """[records, features], as the model takes them."""
    return np.array([features(record) for record in records], dtype=np.float64).astype(np.float32)


def same(some, others):
    return np.array_equal(some, others, equal_nan=True)


def read(table, container):
    """The records, their schema, and their features."""
    with container.open("rb") as file:
        reader = fastavro.reader(file)
        records, schema = list(reader), reader.writer_schema
    rows = table_of(records)
    with table.open() as file:
        names = file.readline().strip().split(",")
        assert names[: len(contract.names())] == contract.names(), f"{table} has other columns"
        width = range(len(contract.names()))
        trained = np.loadtxt(itertools.islice(file, len(records)), delimiter=",", usecols=width).astype(np.float32)
    for column, name in enumerate(contract.names()):
        if not same(rows[:, column], trained[:, column]):
            sys.exit(f"train: golden.py computes another {name} than the training data have")
    return records, schema, rows


def shown(feature, column):
    """What of this feature must be shown: (what, the records that show it)."""
    transform = feature["transform"] or "number"
    if transform == "number":
        values = [np.nan] if feature["missing"] == contract.NAN else []
    else:
        # Each symbol, and what stands for a missing or unknown one; or yes and no.
        values = np.unique(column)
    for value in values:
        yield f"{feature['name']} = {value}", np.flatnonzero(np.isnan(column) if np.isnan(value) else column == value)


def choose(rows, scores):
    """Places of records that show every symbol and every missing value several times, and the range of scores."""
    by_score = np.argsort(scores, kind="stable")
    chosen = set(by_score[np.linspace(0, len(scores) - 1, RECORDS).astype(int)].tolist())
    for feature, column in zip(contract.FEATURES, rows.T):
        for what, places in shown(feature, column):
            if not len(places):
                sys.exit(f"train: no transaction shows {what}: export more of them")
            have = len(chosen.intersection(places.tolist()))
            # Spread over the scores, so that a mistake moves some of them.
            spread = places[np.argsort(scores[places], kind="stable")]
            count = max(0, min(COMMON, len(places)) - have)
            chosen.update(spread[np.linspace(0, len(spread) - 1, count).astype(int)].tolist())
    return sorted(chosen)


def unseen(records):
    """What may come and is not among the transactions: countries that training does not know, a device known in part."""
    base = next(record for record in records if record["device"] and record["device"]["ip_country"])
    strange, no_age, no_address = (copy.deepcopy(base) for _ in range(3))
    strange["merchant"]["country"] = strange["device"]["ip_country"] = "ZZ"
    no_age["device"]["age_days"] = None
    no_address["device"]["ip_country"] = None
    return [strange, no_age, no_address]


def scorer(folder):
    """One row at a time by the package's model."""
    output = tomllib.loads((folder / "model.toml").read_text())["output"]
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    answer = lambda row: session.run([output["tensor"]], {"input": row.reshape(1, -1)})[0]
    return lambda rows: np.array([answer(row)[0][output.get("column", 0)] for row in rows])


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    table, container, folder = map(Path, sys.argv[1:])
    records, schema, rows = read(table, container)
    score = scorer(folder)
    chosen = [records[at] for at in choose(rows, score(rows))] + unseen(records)
    rows = table_of(chosen)
    with (folder / contract.GOLDEN_RECORDS).open("wb") as file:
        # The marker is fixed, so that the same data give the same file.
        fastavro.writer(file, schema, chosen, codec="deflate", sync_marker=b"scorewire golden")
    write_rows(folder / contract.GOLDEN_EXPECTED, rows, score(rows))
    print(f"{folder}: {len(chosen)} golden records of {len(records)} transactions", file=sys.stderr)


if __name__ == "__main__":
    main()
