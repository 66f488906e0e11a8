"""Files that are no schemas, and schemas made to cost: what may come into a folder of schemas while a node runs."""

import json
import struct

from checker.reference import SINGLE_OBJECT, fingerprint
from feed import encoded

WIDE, WIDE_FIELDS = 6, 12_000
RECORDS_OF_EACH = 40
UNKNOWN_IDS = 400
# Names of files, and ids of records, that are nothing anybody can read.
BOMB, BROKEN, HUGE, UNKNOWN = 1_001, 1_002, 1_003, 10_000


def bomb():
    """Forty levels of two fields each, of another union each time: 2^40 types."""
    kind = {"type": "record", "name": "L0", "fields": [{"name": "i", "type": ["int", "string", "long"]}]}
    for level in range(1, 40):
        fields = [{"name": "a", "type": kind}, {"name": "b", "type": f"L{level - 1}"}]
        kind = {"type": "record", "name": f"L{level}", "fields": fields}
    return kind


def with_attributes(schema):
    """Its own meaning, with attributes that Avro does not define."""
    dressed = json.loads(json.dumps(schema))
    for field in dressed["fields"]:
        field |= {"size": "varchar(19)", "scale": 2.0, "items": {"type": "none"}}
    return dressed


class OddSchemas:
    """A folder, and the records that need what comes into it."""

    def __init__(self, folder, pool, package):
        self.folder, self.pool, self.package = folder, pool, package
        self.wide = []
        for number in range(WIDE):
            more = [{"name": f"w{number}_{at}", "type": ["null", "double"], "default": None, "aliases": [f"a{at}", f"b{at}"]}
                    for at in range(WIDE_FIELDS)]
            self.wide.append(pool.schema | {"fields": [*pool.schema["fields"], *more]})

    def put(self):
        """All files at once."""
        texts = {f"{BOMB}.avsc": json.dumps(bomb()), f"{BROKEN}.avsc": '{"type":"record","na',
                 "attributes.avsc": json.dumps(with_attributes(self.pool.schema)), "empty.avsc": "", "null.avsc": "null"}
        for number, schema in enumerate(self.wide):
            self.package.know(schema)
            texts[f"wide-{number}.avsc"] = json.dumps(schema)
        for name, text in texts.items():
            (self.folder / name).write_text(text)
        with open(self.folder / f"{HUGE}.avsc", "wb") as huge:
            huge.truncate(1 << 34)
        (self.folder / "folder.avsc").mkdir()

    def records(self):
        """`(key, value, poison)` of all that need them, those last whose files have to be mended before anybody knows."""
        for number, schema in enumerate(self.wide):
            prefix = SINGLE_OBJECT + fingerprint(schema)
            for at in range(RECORDS_OF_EACH):
                record = self.pool.records[(number * RECORDS_OF_EACH + at) % len(self.pool.records)]
                key, value = encoded(record, self.package.schema, prefix)
                yield key, value + bytes(WIDE_FIELDS), None
        key, value = self.pool.items[0]
        ids = [BOMB] * RECORDS_OF_EACH + [UNKNOWN + at for at in range(UNKNOWN_IDS)] + [BROKEN, HUGE]
        for number in ids:
            yield key, b"\0" + struct.pack(">I", number) + value[10:], f"schema {number}"

    def mend(self):
        """One turns out to be the schema of something else, the other goes."""
        (self.folder / f"{BROKEN}.avsc").write_text('"int"')
        (self.folder / f"{HUGE}.avsc").unlink()
