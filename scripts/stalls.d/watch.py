"""The outputs as they come, and how long each partition's stood still."""

import statistics
import threading

from confluent_kafka import TopicPartition

from checker.read import appended_ms, reader
from waits import now_ms


class Watch:
    """Reads the outputs from their beginning on a thread of its own."""

    def __init__(self, rig):
        committed = rig.delivery == "exactly_once"
        self.avro = rig.avro
        # What a reader at read_committed waits for is the commit, so its own clock counts there; elsewhere the broker's,
        # which this thread's own delays do not blur.
        self.at = (lambda _: now_ms()) if committed else appended_ms
        self.consumer = reader(rig.cluster.bootstrap, "read_committed" if committed else "read_uncommitted")
        self.consumer.assign([TopicPartition(rig.topics["outputs"], number, 0) for number in range(rig.partitions)])
        self.seen, self.ended = {number: [] for number in range(rig.partitions)}, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            for message in self.consumer.consume(1_000, 0.02):
                if message.error() is None:
                    self.seen[message.partition()].append((self.at(message), message.value()))
        self.consumer.close()

    def close(self):
        self.ended.set()
        self.thread.join()

    def all_since(self, at_ms):
        """Whether each partition has had an output after that moment."""
        return all(seen and seen[-1][0] > at_ms for seen in self.seen.values())

    def stalls(self, begin_ms, end_ms, stayed):
        """`{partition: (stall in ms, kept)}`: the longest time without an output that began or ended within the window.
        Kept: every output around it is by one of the members that `stayed` all the time."""
        found = {}
        for partition, seen in self.seen.items():
            first = max((index for index, (at, _) in enumerate(seen) if at < begin_ms), default=0)
            inside = [(at, value) for at, value in seen[first:] if at <= end_ms]
            gaps = [later - earlier for (earlier, _), (later, _) in zip(inside, inside[1:])]
            writers = {self.avro.decode(value, 0)["node"] for _, value in inside}
            found[partition] = max(gaps, default=end_ms - begin_ms), len(writers) == 1 and writers <= stayed
        return found

    def usual_gap(self, begin_ms, end_ms):
        """Between two outputs of a partition while nothing happens: the median."""
        gaps = []
        for seen in self.seen.values():
            times = [at for at, _ in seen if begin_ms <= at <= end_ms]
            gaps += [later - earlier for earlier, later in zip(times, times[1:])]
        return statistics.median(gaps) if gaps else 0.0
