"""From topics to a history. Reads everything a job left behind, with Kafka's own client for Python."""

import io
import math
import random
import struct
import threading
import time
import uuid

import fastavro
from confluent_kafka import Consumer, KafkaError, TIMESTAMP_LOG_APPEND_TIME, TopicPartition

from .history import DEAD, LATER, REVIEW, SCORE, TIMEOUT, Commit, History, Outcome, Record

# A record that its writer knows to be bad says so, for nobody but the checker.
POISON_HEADER = "x-fault-poison"
# The same for a good record whose output, or whose review copy, the broker never takes.
REFUSED_HEADER, NO_COPY_HEADER = "x-fault-refused", "x-fault-no-copy"
OFFSETS_TOPIC = "__consumer_offsets"
ERRORS = "__scorewire.errors."
READ_LIMIT_S = 60.0
SLICE_S = 0.05


def reader(bootstrap, isolation):
    return Consumer({
        "bootstrap.servers": bootstrap, "group.id": f"checker-{uuid.uuid4()}", "isolation.level": isolation,
        "enable.auto.commit": False, "auto.offset.reset": "earliest", "enable.partition.eof": True,
        "check.crcs": True, "fetch.wait.max.ms": 20,
    })


def ends_of(bootstrap, topic):
    """Where each partition ends, open transactions included."""
    consumer = reader(bootstrap, "read_uncommitted")
    try:
        known = consumer.list_topics(topic, READ_LIMIT_S).topics[topic].partitions
        return {partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), READ_LIMIT_S, False)[1]
                for partition in known}
    finally:
        consumer.close()


def read_topic(bootstrap, topic, isolation="read_committed"):
    """All messages of a topic, partition by partition in offset order. Where a killed process left a transaction open,
    whatever stands behind it is waited for: the broker ends it after its time-out."""
    ends = ends_of(bootstrap, topic)
    consumer = reader(bootstrap, isolation)
    try:
        known = consumer.list_topics(topic, READ_LIMIT_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in known])
        left, messages, heard = set(known), [], time.monotonic()
        while left:
            # It returns when it has so many, or when the time is over.
            batch = consumer.consume(2_000, SLICE_S)
            if batch:
                heard = time.monotonic()
            elif time.monotonic() - heard > READ_LIMIT_S:
                raise TimeoutError(f"{topic} cannot be read: nothing for {READ_LIMIT_S:.0f} s")
            for message in batch:
                if message.error() is None:
                    messages.append(message)
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    if message.offset() >= ends[message.partition()]:
                        left.discard(message.partition())
                else:
                    raise RuntimeError(f"{topic}: {message.error()}")
        return sorted(messages, key=lambda message: (message.partition(), message.offset()))
    finally:
        consumer.close()


class Avro:
    """Decodes single-object encoded outcomes by the product's published schemas."""

    def __init__(self, *schema_files):
        self.schemas = [fastavro.schema.load_schema(str(file)) for file in schema_files]

    def decode(self, value, index):
        if value[:2] != b"\xc3\x01":
            raise ValueError("an outcome is not in single-object encoding")
        return fastavro.schemaless_reader(io.BytesIO(value[10:]), self.schemas[index], self.schemas[index])


def place(message):
    return message.topic(), message.partition(), message.offset()


def appended_ms(message):
    """When the broker took it; needs `message.timestamp.type=LogAppendTime`."""
    kind, at_ms = message.timestamp()
    if kind != TIMESTAMP_LOG_APPEND_TIME:
        raise ValueError(f"{message.topic()} does not keep the broker's time")
    return at_ms


def scored(message, fields, kind, aborted):
    source = fields["source"]
    return Outcome(
        kind, message.partition(), message.offset(), (source["partition"], source["offset"]), appended_ms(message),
        message.key(), fields["node"], struct.pack("<d", fields["score"]), fields["decision"],
        fields["model"]["sha256"], id=fields["transaction_id"] or "",
        received_ms=int(fields["received_at"].timestamp() * 1_000), aborted=aborted,
        lane=fields["lane"], epoch=fields["epoch"], step=fields["fallback_step"] or "", fallback=fields["fallback"],
        amends=(fields["amendment"] or {"attempt": 0})["attempt"],
    )


def rejected(message, kind, aborted):
    """A dead letter names its source in headers, the last of each name being the product's own."""
    headers = {name: value for name, value in message.headers() or [] if name.startswith(ERRORS)}
    text = {name.removeprefix(ERRORS): value.decode() for name, value in headers.items()}
    last = int(text["last_offset"]) if "last_offset" in text else None
    return Outcome(kind, message.partition(), message.offset(), (int(text["partition"]), int(text["offset"])),
                   appended_ms(message), message.key(), text["node"], lane=int(text["lane"]),
                   epoch=int(text["epoch"]), reason=text["reason"], aborted=aborted, stub=message.value() == b"",
                   attempt=int(text["attempt"]), last=last)


def outcomes(bootstrap, topics, avro):
    """`(outcomes, places visible to read_committed readers)`."""
    found, visible = [], set()
    kinds = {"outputs": SCORE, "dead_letters": DEAD, "timeouts": TIMEOUT, "retry_later": LATER, "review": REVIEW}
    for name, kind in kinds.items():
        committed = {place(message) for message in read_topic(bootstrap, topics[name])}
        visible |= committed
        for message in read_topic(bootstrap, topics[name], "read_uncommitted"):
            aborted = place(message) not in committed
            if kind in (SCORE, REVIEW):
                found.append(scored(message, avro.decode(message.value(), int(kind == REVIEW)), kind, aborted))
            else:
                found.append(rejected(message, kind, aborted))
    return found, visible


def text_at(data, at):
    (length,) = struct.unpack_from(">h", data, at)
    return data[at + 2 : at + 2 + length].decode(), at + 2 + length


def commits(bootstrap, group, topic):
    """Each commit of the group, as its coordinator wrote it: nothing between two samples can hide."""
    found = []
    for message in read_topic(bootstrap, OFFSETS_TOPIC):
        key, value = message.key(), message.value()
        # Versions 0 and 1 of the key are offsets, 2 is group metadata; no value: the group or its topic was deleted.
        if key is None or value is None or struct.unpack_from(">h", key)[0] > 1:
            continue
        name, at = text_at(key, 2)
        of_topic, at = text_at(key, at)
        if (name, of_topic) == (group, topic):
            (offset,) = struct.unpack_from(">q", value, 2)
            found.append(Commit(struct.unpack_from(">i", key, at)[0], offset, message.timestamp()[1]))
    return found


def inputs(bootstrap, topic, package, sample, seed):
    """`(records, aborted places)`; about `sample` of the records carry the reference's score."""
    messages = read_topic(bootstrap, topic)
    chance = random.Random(f"{seed}:sample")
    chosen = set(chance.sample(range(len(messages)), min(sample, len(messages))))
    expected = dict(zip(sorted(chosen), package.scores([messages[index].value() for index in sorted(chosen)])))
    records = []
    for index, message in enumerate(messages):
        said = {name for name, _ in message.headers() or []}
        poison = POISON_HEADER in said
        reference = expected.get(index)
        if index in expected and (reference is None) != poison:
            raise ValueError(f"the reference and the writer disagree about {place(message)}: poison is {poison}")
        if reference is not None and math.isnan(reference):
            # A good record that the model has no answer for: no score may come of it.
            poison, reference = True, None
        no_copy, refused = NO_COPY_HEADER in said, REFUSED_HEADER in said
        if refused:
            # No score may come of it: none that anybody could read.
            poison, reference = True, None
        records.append(Record(message.partition(), message.offset(), message.key(), poison, reference, no_copy, refused))
    committed = {(message.partition(), message.offset()) for message in messages}
    everything = read_topic(bootstrap, topic, "read_uncommitted")
    return records, {(m.partition(), m.offset()) for m in everything} - committed


class LiveReader(threading.Thread):
    """A read_committed reader of the outputs while the run goes on: it notes where it saw something."""

    def __init__(self, bootstrap, topics):
        super().__init__(daemon=True)
        self.consumer = reader(bootstrap, "read_committed")
        self.names = [topics[name] for name in ("outputs", "dead_letters", "timeouts", "retry_later", "review")]
        self.seen, self.ended = set(), threading.Event()

    def run(self):
        partitions = []
        for name in self.names:
            known = self.consumer.list_topics(name, READ_LIMIT_S).topics[name].partitions
            partitions += [TopicPartition(name, partition, 0) for partition in known]
        self.consumer.assign(partitions)
        while not self.ended.is_set():
            for message in self.consumer.consume(1_000, 0.2):
                if message.error() is None:
                    self.seen.add(place(message))
        self.consumer.close()

    def finish(self):
        self.ended.set()
        self.join()
        return self.seen


def history(bootstrap, job, package, avro, seed):
    """Everything of a job. `job` has sample, since_ms, starts, group, topics, delivery, ends, marks, counters, orders, seen_live
    and partitions."""
    records, aborted = inputs(bootstrap, job.topics["input"], package, job.sample, seed)
    # Before the group's start nothing is asked of it, and an outcome is one too many.
    records = [record for record in records if record.offset >= job.starts.get(record.partition, 0)]
    found, visible = outcomes(bootstrap, job.topics, avro)
    # Of an input topic that was made again, only what came after.
    found = [outcome for outcome in found if outcome.appended_ms >= job.since_ms]
    committed = [commit for commit in commits(bootstrap, job.group, job.topics["input"]) if commit.at_ms >= job.since_ms]
    return History(
        job.delivery, records, found, committed, job.ends, job.marks,
        [] if job.since_ms else job.counters, job.orders, aborted, job.seen_live, visible, package.thresholds, package.sha256,
        job.sample_per_million, job.keeps_partition, job.retried,
    )
