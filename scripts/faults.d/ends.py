"""A proxy that understands as much of Kafka's protocol as it takes to lose the requests, or the answers, that end
transactions."""

import struct

from frames import Frames

PRODUCE, END_TXN = 0, 26
# From version 3 on an answer's header may carry tags; the client speaks 1.
OLD_END_TXN = 2
# A delayed answer comes when the client has long asked again.
ANSWER_LATE_S = 1.5
# A delayed request comes when this many batches of the next transaction are in their topics.
BATCHES_BEFORE = 3
NONE = 0


class Connection:
    """One of the client's, with its own to the broker; numbers of the requests whose answers matter."""

    def __init__(self, client, broker):
        self.client, self.broker, self.ends, self.batches = client, broker, set(), set()


class EndOfTransactions(Frames):
    """`lose(kind)` takes the next EndTxn. `request late`: the client's connection is reset, it asks again on another one
    and is answered, and the first request reaches the broker when the next transaction is under way. `answer lost`: the
    broker has done it, the connection is reset instead of the answer. `answer late`: it comes after a while. `answer
    swallowed`: it never comes and the connection stays."""

    KINDS = ("request late", "answer lost", "answer late", "answer swallowed")
    Connection = Connection

    def __init__(self, port, target):
        # What is armed; the request held back, with its connection; batches to come before it goes on: None until its
        # successor was answered, 0 when it has gone.
        self.losing, self.held, self.batches = None, None, None
        # Requests that ended transactions; those lost or late; the broker's error codes to requests that came late.
        self.ends, self.lost, self.words = 0, 0, []
        super().__init__(port, target)

    def lose(self, kind):
        assert kind in self.KINDS, kind

        def begin():
            self.losing = kind
        self.on_loop(begin)

    def is_losing(self):
        """Until it has struck, and a late request has been answered."""
        return self.losing is not None or self.held is not None

    async def requests(self, reader, connection):
        try:
            while frame := await self.frame(reader):
                kind, version, number = struct.unpack_from(">hhi", frame, 4)
                if kind == END_TXN:
                    assert version <= OLD_END_TXN, f"EndTxn version {version}"
                    self.ends += 1
                    connection.ends.add(number)
                    if self.losing == "request late":
                        self.hold(connection, frame)
                        # The way to the broker stays open for it.
                        return
                if kind == PRODUCE and self.batches:
                    connection.batches.add(number)
                connection.broker.write(frame)
                await connection.broker.drain()
        except OSError:
            pass
        if not (self.held and self.held[0] is connection):
            connection.broker.close()

    async def answer(self, connection, number, frame):
        if number in connection.batches:
            self.another_batch(connection, number)
        if number in connection.ends and not await self.passes(connection, number, frame):
            return None
        return frame

    def hold(self, connection, frame):
        self.losing, self.held, self.batches = None, (connection, frame), None
        self.lost += 1
        self.reset(connection.client)

    def another_batch(self, connection, number):
        connection.batches.discard(number)
        if self.batches:
            self.batches -= 1
            if self.batches == 0:
                late, frame = self.held
                late.broker.write(frame)

    async def passes(self, connection, number, frame):
        """Whether this answer to an EndTxn goes on to the client now."""
        connection.ends.discard(number)
        (code,) = struct.unpack_from(">h", frame, 12)
        if self.held:
            if self.held[0] is connection:
                self.words.append(code)
                self.held = None
                connection.broker.close()
                return False
            # 0 says that it has gone; a transaction that ends before that was too short.
            if code == NONE and self.batches != 0:
                self.batches = BATCHES_BEFORE
        kind, self.losing = self.losing, None
        self.lost += kind is not None
        if kind == "answer lost":
            self.reset(connection.client)
        elif kind == "answer late":
            self.loop.call_later(ANSWER_LATE_S, connection.client.write, frame)
        return kind is None
