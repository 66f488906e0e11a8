"""A proxy that sees Kafka's frames, each of a four-byte length: a request begins with its kind, version and number, an
answer with the number."""

import asyncio
import struct

from proxy import Proxy


class Frames(Proxy):
    """Made for a kind of fault by `requests(reader, connection)`, which passes frames on, and by `answer(connection, number,
    frame)`, which says what the client gets for an answer of the broker: a frame, or None."""

    Connection = None

    async def serve(self, reader, writer):
        upstream_reader, upstream = await self.upstream(writer)
        if upstream:
            connection = self.Connection(writer, upstream)
            await asyncio.gather(self.requests(reader, connection), self.answers(upstream_reader, connection))

    async def answers(self, reader, connection):
        try:
            while frame := await self.frame(reader):
                (number,) = struct.unpack_from(">i", frame, 4)
                if frame := await self.answer(connection, number, frame):
                    connection.client.write(frame)
                    await connection.client.drain()
        except OSError:
            pass
        finally:
            self.writers -= {connection.client, connection.broker}
            connection.client.close()

    async def frame(self, reader):
        """With its length; None at the end."""
        try:
            size = await reader.readexactly(4)
            frame = size + await reader.readexactly(int.from_bytes(size))
        except asyncio.IncompleteReadError:
            return None
        self.passed += len(frame)
        return frame
