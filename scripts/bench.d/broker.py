"""The few things that the suite asks the broker itself, over Kafka's own protocol: a tool's JVM for each of them would
cost more CPU than the run it prepares."""

import socket
import struct
import time

from errors import BenchError
from kafka_net import read_exactly

# (key, version): the newest versions without flexible fields that Kafka 4 still speaks.
LIST_OFFSETS, CREATE_TOPICS, DELETE_TOPICS = (2, 1), (19, 2), (20, 1)
TIMEOUT_S = 30.0
LATEST = -1
TOPIC_EXISTS = 36
# A topic that was just made may have no leader yet: unknown topic, leader not available, not leader.
NOT_YET = (3, 5, 6)
CLIENT = b"scorewire-bench"


def text(value):
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


class Broker:
    """One connection to the only broker."""

    def __init__(self, bootstrap):
        host, port = bootstrap.rsplit(":", 1)
        self.address = (host, int(port))
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self, api, body):
        """One request; answers the response's body."""
        try:
            return self.exchange(api, body)
        except OSError:
            # The broker closes what was idle for long.
            self.close()
            return self.exchange(api, body)

    def exchange(self, api, body):
        if self.connection is None:
            self.connection = socket.create_connection(self.address, TIMEOUT_S)
        message = struct.pack(">hhih", *api, 1, len(CLIENT)) + CLIENT + body
        self.connection.sendall(struct.pack(">i", len(message)) + message)
        (size,) = struct.unpack(">i", read_exactly(self.connection, 4))
        return read_exactly(self.connection, size)[4:]

    def create(self, topics, partitions):
        """Makes `{name: {key: value}}` and waits until each partition has a leader."""
        def topic(name, config):
            entries = [text(key) + text(value) for key, value in config.items()]
            return text(name) + struct.pack(">ih", partitions, 1) + array([]) + array(entries)

        items = [topic(name, config) for name, config in topics.items()]
        answer = self.ask(CREATE_TOPICS, array(items) + struct.pack(">i?", int(TIMEOUT_S * 1000), False))
        for name, code in self.codes(answer, with_message=True):
            if code not in (0, TOPIC_EXISTS):
                raise BenchError(f"the broker does not make the topic {name}: error {code}")
        for name in topics:
            self.wait_for_leaders(name, partitions)

    def delete(self, names):
        answer = self.ask(DELETE_TOPICS, array([text(name) for name in names]) + struct.pack(">i", 30_000))
        for name, code in self.codes(answer, with_message=False):
            if code != 0:
                raise BenchError(f"the broker does not delete the topic {name}: error {code}")

    @staticmethod
    def codes(answer, with_message):
        """`(topic, error code)` of a response that starts with a throttle time."""
        (count,) = struct.unpack_from(">i", answer, 4)
        at, found = 8, []
        for _ in range(count):
            (length,) = struct.unpack_from(">h", answer, at)
            name = answer[at + 2 : at + 2 + length].decode()
            at += 2 + length
            (code,) = struct.unpack_from(">h", answer, at)
            at += 2
            if with_message:
                (length,) = struct.unpack_from(">h", answer, at)
                at += 2 + max(length, 0)
            found.append((name, code))
        return found

    def end_offsets(self, topic, partitions):
        """The end offset of each partition, or None while one has no leader."""
        items = [struct.pack(">iq", partition, LATEST) for partition in range(partitions)]
        answer = self.ask(LIST_OFFSETS, struct.pack(">i", -1) + array([text(topic) + array(items)]))
        (length,) = struct.unpack_from(">h", answer, 4)
        at = 4 + 2 + length + 4
        offsets = {}
        for _ in range(partitions):
            partition, code, _timestamp, offset = struct.unpack_from(">ihqq", answer, at)
            at += 22
            if code in NOT_YET:
                return None
            if code != 0:
                raise BenchError(f"the broker does not tell the offsets of {topic}: error {code}")
            offsets[partition] = offset
        return [offsets[partition] for partition in range(partitions)]

    def wait_for_leaders(self, topic, partitions):
        deadline = time.monotonic() + TIMEOUT_S
        while self.end_offsets(topic, partitions) is None:
            if time.monotonic() > deadline:
                raise BenchError(f"no leader for {topic} after {TIMEOUT_S:.0f} s")
            time.sleep(0.02)

    def backlog(self, source, outputs, partitions):
        """Records of `source` without an outcome yet, or None where the broker does not say. Neither topic is
        transactional, and each record has one outcome."""
        out, into = self.end_offsets(outputs, partitions), self.end_offsets(source, partitions)
        return None if into is None or out is None else sum(into) - sum(out)
