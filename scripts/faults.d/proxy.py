"""A TCP proxy between the job and its broker, that can be told to behave like a bad network."""

import asyncio
import socket
import struct
import threading

CHUNK = 65_536


class Proxy:
    """Forwards `127.0.0.1:port` to `target`. `spoil(kind)` begins a fault and `heal` ends it; what happens in between
    is decided when bytes pass, so that connections from before are hit too."""

    KINDS = ("latency", "reset", "cut", "black hole", "bandwidth")
    LATENCY_S = 0.2
    BYTES_PER_S = 100_000

    def __init__(self, port, target):
        self.port, self.target = port, target.rsplit(":", 1)
        self.kind, self.writers, self.passed = None, set(), 0
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", port))
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def close(self):
        # The port first: the next one may be at the same place.
        self.on_loop(lambda: (self.server.close(), self.end_all()))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def on_loop(self, function):
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (function(), done.set()))
        done.wait()

    def spoil(self, kind):
        """`latency`: every chunk later. `reset`: connections end with RST, new ones are let in. `cut`: connections end,
        new ones are refused. `black hole`: bytes are swallowed and nobody is told. `bandwidth`: few bytes a second."""
        assert kind in self.KINDS, kind

        def begin():
            if kind == "reset":
                self.end_all(with_reset=True)
            else:
                self.kind = kind
                # What a black hole swallowed is gone: the stream cannot go on after it.
                if kind == "cut":
                    self.end_all()
        self.on_loop(begin)

    def heal(self):
        def end():
            if self.kind == "black hole":
                self.end_all()
            self.kind = None
        self.on_loop(end)

    def end_all(self, with_reset=False):
        for writer in list(self.writers):
            if with_reset:
                self.reset(writer)
            else:
                writer.close()
        self.writers.clear()

    def reset(self, writer):
        # Closed with nothing lingering: the peer gets RST.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def serve(self, reader, writer):
        if self.kind == "cut":
            writer.transport.abort()
            return
        upstream_reader, upstream = await self.upstream(writer)
        if upstream:
            await asyncio.gather(self.pump(reader, upstream), self.pump(upstream_reader, writer))

    async def upstream(self, writer):
        """A connection to the broker for this client's; `(None, None)`, and the client's is closed, where there is none."""
        try:
            reader, upstream = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return None, None
        self.writers |= {writer, upstream}
        return reader, upstream

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(CHUNK):
                self.passed += len(data)
                if self.kind == "black hole":
                    continue
                if self.kind == "latency":
                    await asyncio.sleep(self.LATENCY_S)
                if self.kind == "bandwidth":
                    await asyncio.sleep(len(data) / self.BYTES_PER_S)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            self.writers.discard(writer)
            writer.close()
