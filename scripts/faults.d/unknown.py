"""A proxy that can make its broker know no broker: as one says that its controller has fenced, at its stop or its start."""

import struct

from frames import Frames

METADATA = 3
# From this version on an answer has compact arrays and strings, and tags.
FLEXIBLE = 9
# From this version on it begins with how long the client was held back.
THROTTLED = 3


class Fields:
    """Reads one field after the other."""

    def __init__(self, data, at, compact):
        self.data, self.at, self.compact = data, at, compact

    def number(self, size):
        self.at += size
        return int.from_bytes(self.data[self.at - size:self.at], signed=True)

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def count(self):
        return self.varint() - 1 if self.compact else self.number(4)

    def skip_string(self):
        size = self.varint() - 1 if self.compact else self.number(2)
        self.at += max(0, size)

    def skip_tags(self):
        for _ in range(self.varint() if self.compact else 0):
            self.varint()
            size = self.varint()
            self.at += size


def without_brokers(frame, version):
    """An answer with metadata (version 1 or newer) whose list of brokers is empty; the topics stay as they are."""
    fields = Fields(frame, 8, version >= FLEXIBLE)
    fields.skip_tags()
    fields.at += 4 if version >= THROTTLED else 0
    begin = fields.at
    for _ in range(fields.count()):
        fields.number(4)
        fields.skip_string()
        fields.number(4)
        fields.skip_string()
        fields.skip_tags()
    none = b"\1" if fields.compact else bytes(4)
    body = frame[4:begin] + none + frame[fields.at:]
    return struct.pack(">i", len(body)) + body


class Connection:
    """One of the client's, with its own to the broker; versions of the requests for metadata, by number."""

    def __init__(self, client, broker):
        self.client, self.broker, self.asked = client, broker, {}


class UnknownBrokers(Frames):
    """While `forget` holds, until `remember`, answers with metadata name no broker."""

    Connection = Connection

    def __init__(self, port, target):
        self.forgets, self.emptied = False, 0
        super().__init__(port, target)

    def forget(self):
        self.forgets = True

    def remember(self):
        self.forgets = False

    async def requests(self, reader, connection):
        try:
            while frame := await self.frame(reader):
                kind, version, number = struct.unpack_from(">hhi", frame, 4)
                if kind == METADATA:
                    connection.asked[number] = version
                connection.broker.write(frame)
                await connection.broker.drain()
        except OSError:
            pass
        connection.broker.close()

    async def answer(self, connection, number, frame):
        version = connection.asked.pop(number, None)
        if version is not None and self.forgets:
            frame = without_brokers(frame, version)
            self.emptied += 1
        return frame
