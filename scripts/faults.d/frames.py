"""A proxy that sees Kafka's frames, each of a four-byte length: a request begins with its kind, version and number, an
answer with the number."""

import asyncio

from proxy import Proxy


class Frames(Proxy):
    """Made for a kind of fault by `requests(reader, connection)` and `answers(reader, connection)`, which pass frames on."""

    Connection = None

    async def serve(self, reader, writer):
        try:
            upstream_reader, upstream = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        self.writers |= {writer, upstream}
        connection = self.Connection(writer, upstream)
        tasks = [self.requests(reader, connection), self.answers(upstream_reader, connection)]
        await asyncio.gather(*tasks)

    async def frame(self, reader):
        """With its length; None at the end."""
        try:
            size = await reader.readexactly(4)
            frame = size + await reader.readexactly(int.from_bytes(size))
        except asyncio.IncompleteReadError:
            return None
        self.passed += len(frame)
        return frame

    def ended(self, connection):
        self.writers -= {connection.client, connection.broker}
        connection.client.close()
