"""The example package's contract: which feature comes from which field, in the model's order."""

VERSION = "1.0.0"
THRESHOLDS_VERSION = "2026-11-01"
GOLDEN_RECORDS = "golden_records.avro"
GOLDEN_EXPECTED = "golden_records.csv"

CHANNELS = ["POS", "ECOMMERCE", "MOTO", "ATM"]
ENTRY_MODES = ["CHIP", "CONTACTLESS", "MAGSTRIPE", "STORED"]
THREE_DS = ["AUTHENTICATED", "ATTEMPTED", "FAILED"]
COUNTRIES = ["DE", "FR", "NL", "GB", "US", "CH", "PL", "ES", "IT", "CN", "BR", "NG"]

NAN = '"nan"'
REJECT = '"reject"'
NONE = "{ constant = -1.0 }"


def index(symbols):
    listed = ", ".join(f'"{symbol}"' for symbol in symbols)
    return f"{{ index = [{listed}], otherwise = -1.0 }}"


def feature(name, path, missing=None, transform=None, low=None, high=None):
    return {"name": name, "path": path, "missing": missing, "transform": transform, "min": low, "max": high}


def windows(side, kind):
    for days in (1, 7, 30):
        yield feature(f"{side}_count_{days}d", f"{side}.count_{days}d", low=0.0)
        yield feature(f"{side}_{kind}_{days}d", f"{side}.{kind}_{days}d", missing=NAN)


FEATURES = [
    feature("amount", "amount", low=0.0, high=1e6),
    feature("channel", "channel", transform=index(CHANNELS)),
    feature("entry_mode", "entry_mode", missing=NONE, transform=index(ENTRY_MODES)),
    feature("card_prepaid", "card.funding", transform='{ equals = "PREPAID" }'),
    feature("card_age_days", "card.age_days", missing=NAN),
    feature("merchant_mcc", "merchant.mcc"),
    feature("merchant_country", "merchant.country", transform=index(COUNTRIES)),
    feature("merchant_distance_km", "merchant.distance_km", missing=NAN, low=0.0),
    feature("local_hour", "local_hour", missing=REJECT, low=0.0, high=23.0),
    feature("is_weekend", "is_weekend"),
    feature("is_night", "is_night"),
    feature("three_ds", "three_ds", missing=NONE, transform=index(THREE_DS)),
    feature("device_known", "device.age_days", transform='"is_present"'),
    feature("device_age_days", "device.age_days", missing=NAN),
    feature("ip_country", "device.ip_country", missing=NONE, transform=index(COUNTRIES)),
    feature("customer_seconds_since_last", "customer.seconds_since_last", missing=NAN, low=0.0),
    *windows("customer", "avg_amount"),
    *windows("terminal", "risk"),
]


def names():
    return [one["name"] for one in FEATURES]


def package_toml(name, sha256, exported, settings):
    lines = [
        "# The package of the example model. Written by scripts/train; the card is in README.md.",
        "format = 1",
        "",
        "[model]",
        f'name = "{name}"',
        f'version = "{VERSION}"',
        'file = "model.onnx"',
        f'sha256 = "{sha256}"',
        "",
        "[input]",
        'tensor = "input"',
        "",
        "[output]",
        f'tensor = "{exported.tensor}"',
        *([] if exported.column is None else [f"column = {exported.column}"]),
        "",
        "[transaction]",
        'schema = "transaction.avsc"',
        'id = "transaction_id"',
        'event_time = "event_time"',
        "",
        "[thresholds]",
        f'version = "{THRESHOLDS_VERSION}"',
        f"review = {settings['review']}",
        f"decline = {settings['decline']}",
        "",
        "[golden]",
        'file = "golden.csv"',
        f"tolerance = {exported.tolerance}",
        f'records = "{GOLDEN_RECORDS}"',
        f'expected = "{GOLDEN_EXPECTED}"',
        'made_by = "scripts/train.d/golden.py (fastavro, NumPy and ONNX Runtime in Python)"',
    ]
    for one in FEATURES:
        lines += ["", "[[features]]", f'name = "{one["name"]}"', f'path = "{one["path"]}"']
        if one["missing"]:
            lines.append(f"missing = {one['missing']}")
        if one["transform"]:
            lines.append(f"transform = {one['transform']}")
        lines += [f"{key} = {one[key]!r}" for key in ("min", "max") if one[key] is not None]
    return "\n".join(lines) + "\n"
