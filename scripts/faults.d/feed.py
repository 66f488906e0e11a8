"""The input: simulated transactions, and poison among them, at a steady rate or as a backlog."""

import io
import logging
import random
import threading
import time

import fastavro
from confluent_kafka import KafkaException, Producer

from checker.read import NO_COPY_HEADER, POISON_HEADER, REFUSED_HEADER
from checker.reference import SINGLE_OBJECT, fingerprint
from waits import FaultError

FLUSH_S = 120.0
BEAT_S = 0.01


def log_to(file):
    """What the client of the input says, in a file of its own that is there once it says something."""
    log = logging.getLogger(str(file))
    handler = logging.FileHandler(file, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    return log


def encoded(record, schema, prefix):
    """`(key, value)`"""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, record)
    return record["card"]["token"].encode(), prefix + body.getvalue()


class Pool:
    """Encoded transactions with their keys, from `scorewire load --export`; read once, used round and round."""

    def __init__(self, file, schema):
        self.schema = schema
        self.prefix = SINGLE_OBJECT + fingerprint(schema)
        with open(file, "rb") as source:
            self.records = list(fastavro.reader(source))
        parsed = fastavro.parse_schema(schema)
        self.items = [encoded(record, parsed, self.prefix) for record in self.records]

    def large(self, size, number):
        """A good record whose merchant has a very long name."""
        record = self.records[number % len(self.records)]
        merchant = record["merchant"] | {"name": "m" * size}
        return encoded(record | {"merchant": merchant}, fastavro.parse_schema(self.schema), self.prefix)

    def of_next_schema(self, count):
        """`(schema, items)` of a writer that is one field ahead."""
        field = {"name": "note", "type": "string", "default": ""}
        writer = self.schema | {"fields": [field, *self.schema["fields"]]}
        parsed, prefix = fastavro.parse_schema(writer), SINGLE_OBJECT + fingerprint(writer)
        chosen = (self.records[index % len(self.records)] for index in range(count))
        return writer, [encoded(record | {"note": "ahead"}, parsed, prefix) for record in chosen]

    def poison(self, chance, good):
        """`(kind, value)` of a record that cannot be scored."""
        return chance.choice([
            ("tombstone", None), ("json", b'{"amount": 1}'), ("truncated", good[:-3]), ("trailing", good + b"\0"),
            ("unknown schema", SINGLE_OBJECT + b"\x01" * 8 + good[10:]), ("no prefix", good[:6]),
        ])


class Feed:
    """Sends records to the input topic. A function of its seed, apart from the moments."""

    def __init__(self, bootstrap, topic, partitions, pool, seed, log, poison=0.01, transactional=False):
        self.topic, self.partitions, self.pool, self.share = topic, partitions, pool, poison
        self.chance = random.Random(f"{seed}:feed")
        settings = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 2,
                    "message.timeout.ms": 0 if not transactional else 25_000, "queue.buffering.max.messages": 1_000_000,
                    "message.max.bytes": 2_000_000, "topic.metadata.refresh.interval.ms": 1_000,
                    "error_cb": lambda error: log.warning("%s", error)}
        self.transactional = transactional
        if transactional:
            settings |= {"transactional.id": f"feed-{topic}"}
        self.producer = Producer(settings, logger=log)
        if transactional:
            self.producer.init_transactions(FLUSH_S)
        self.sent, self.thread, self.ended, self.failure = 0, None, threading.Event(), None

    def send_one(self):
        key, value = self.pool.items[self.sent % len(self.pool.items)]
        headers = None
        if self.chance.random() < self.share:
            kind, value = self.pool.poison(self.chance, value)
            headers = [(POISON_HEADER, kind.encode())]
        while True:
            try:
                self.producer.produce(self.topic, value, key, self.sent % self.partitions, headers=headers)
                break
            except BufferError:
                self.producer.poll(0.1)
        self.sent += 1

    def send(self, count):
        """A backlog, acknowledged when this returns."""
        for _ in range(count):
            self.send_one()
        self.flush()

    def send_in_transactions(self, count, size=50, abort_share=0.4):
        """The same in transactions, some of them aborted: offsets have holes then."""
        while count > 0:
            self.producer.begin_transaction()
            for _ in range(min(size, count)):
                self.send_one()
            count -= size
            # An abort drops what is still queued; flushed first, the records are in the topic and stay invisible.
            self.flush()
            if self.chance.random() < abort_share:
                self.producer.abort_transaction(FLUSH_S)
            else:
                self.producer.commit_transaction(FLUSH_S)

    def spread_over(self, partitions):
        """As many partitions from now on; the client must have heard of them."""
        self.producer.list_topics(self.topic, FLUSH_S)
        self.partitions = partitions

    def in_background(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        return thread

    def produce(self, key, value, headers=None):
        self.producer.produce(self.topic, value, key, self.sent % self.partitions, headers=headers)
        self.sent += 1

    def send_to(self, partition, records):
        """`(key, value, poison)`, beside whatever else is sent."""
        for key, value, poison in records:
            headers = [(POISON_HEADER, poison.encode())] if poison else None
            self.producer.produce(self.topic, value, key, partition, headers=headers)
        self.flush()

    def send_large(self):
        """A good record that is large, and poison that is larger than the job takes."""
        key, value = self.pool.large(600_000, self.sent)
        self.produce(key, value)
        self.produce(key, b"{" * 1_500_000, [(POISON_HEADER, b"oversized")])
        self.flush()

    def send_deadly(self):
        """A good record at which a test build aborts when its model is called with it."""
        _, value = self.pool.items[self.sent % len(self.pool.items)]
        self.produce(b"scorewire-test-abort", value, [(REFUSED_HEADER, b"kills")])
        self.flush()

    def send_refused(self, count, size):
        """Of each `count`: good records with a key, and good ones with a name, of `size` bytes; poison without key."""
        for _ in range(count):
            key, value = self.pool.items[self.sent % len(self.pool.items)]
            self.produce(key + b"k" * size, value, [(REFUSED_HEADER, b"output")])
            key, value = self.pool.large(size, self.sent)
            self.produce(key, value, [(NO_COPY_HEADER, b"copy")])
            self.produce(None, value[:-3], [(POISON_HEADER, b"truncated")])
        self.flush()

    def send_of_new_schema(self, count):
        """Good records of a schema with one field more, and that schema."""
        writer, items = self.pool.of_next_schema(count)
        for key, value in items:
            self.produce(key, value)
        self.flush()
        return writer

    def flush(self):
        if self.producer.flush(FLUSH_S):
            raise FaultError("the input cannot be written")

    def start(self, rate):
        """Sends on a thread of its own until `stop`."""
        self.ended.clear()
        self.thread = threading.Thread(target=self.steadily, args=(rate,), daemon=True)
        self.thread.start()

    def steadily(self, rate):
        try:
            self.send_until_ended(rate)
        except KafkaException as error:
            self.failure = error

    def send_until_ended(self, rate):
        started, sent = time.monotonic(), 0
        while not self.ended.is_set():
            due = int((time.monotonic() - started) * rate)
            # A broker that was away does not make a flood of what is overdue.
            for _ in range(min(due - sent, int(rate * BEAT_S * 5) + 1)):
                self.send_one()
            sent = due
            self.producer.poll(0)
            self.ended.wait(BEAT_S)

    def stop(self):
        if self.thread:
            self.ended.set()
            self.thread.join()
            self.thread = None
        if self.failure:
            raise FaultError(f"the input cannot be written: {self.failure}")
        self.flush()
