"""A real Kafka of the suite's own, through scripts/kafka, and what may befall its brokers."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

from proxy import Proxy
from waits import FaultError, now_ms, wait_for

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "kafka"
ANSWER_S = 30.0
START_S = 90.0
OUTCOMES = {"message.timestamp.type": "LogAppendTime"}


class Cluster:
    """A context: up at its start, down and its data gone at its end."""

    def __init__(self, brokers=1, proxied=False):
        self.name = f"faults-{os.getpid()}-{brokers}{'p' if proxied else ''}"
        self.brokers, self.proxied, self.proxy_port = brokers, proxied, free_port() if proxied else None
        self.folder = ROOT / "target" / "kafka" / self.name

    def __enter__(self):
        words = [SCRIPT, "up", "--name", self.name, "--brokers", str(self.brokers)]
        words += ["--proxy", str(self.proxy_port)] if self.proxied else []
        started = subprocess.run(words, stdout=subprocess.PIPE, text=True)
        if started.returncode != 0:
            raise FaultError("Kafka did not start: see above")
        lines = started.stdout.splitlines()
        self.bootstrap = lines[-1].removeprefix("bootstrap=")
        self.behind_proxy = next((line.removeprefix("proxied=") for line in lines if line.startswith("proxied=")), None)
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap})
        self.pids = {node: self.read_pid(node) for node in range(1, self.brokers + 1)}
        return self

    def __exit__(self, *_failure):
        subprocess.run([SCRIPT, "down", "--name", self.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def read_pid(self, node):
        return int((self.folder / f"node-{node}" / "pid").read_text())

    @contextmanager
    def proxy(self):
        """The proxy in front of this cluster's second listener."""
        proxy = Proxy(self.proxy_port, self.behind_proxy)
        try:
            yield proxy
        finally:
            proxy.close()

    # --- topics and offsets -------------------------------------------------------------------------------------------

    def create(self, topics, partitions):
        """Makes `{name: config}` and waits until each partition has a leader."""
        copies = 3 if self.brokers >= 3 else 1
        made = self.admin.create_topics([NewTopic(name, partitions, copies, config=config)
                                         for name, config in topics.items()])
        for future in made.values():
            future.result(ANSWER_S)
        for name in topics:
            wait_for(f"no leader for {name}", ANSWER_S, lambda name=name: self.has_leaders(name, partitions))

    def has_leaders(self, topic, partitions):
        known = self.admin.list_topics(topic, timeout=ANSWER_S).topics[topic]
        return known.error is None and len(known.partitions) == partitions and all(
            partition.leader >= 0 for partition in known.partitions.values())

    def wait_until_in_sync(self, topic):
        """Until each partition has all its copies again."""
        def look():
            known = self.admin.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions.values()
            return all(len(partition.isrs) == len(partition.replicas) for partition in known)
        wait_for(f"{topic} lacks copies", START_S, look, 0.2)

    def forget(self, group):
        """Deletes a group without members, and its offsets."""
        wait_for(f"{group} still has members", ANSWER_S, lambda: not self.admin.describe_consumer_groups(
            [group])[group].result(ANSWER_S).members)
        self.admin.delete_consumer_groups([group])[group].result(ANSWER_S)

    def knows(self, topic):
        return topic in self.admin.list_topics(timeout=ANSWER_S).topics

    def delete(self, names):
        for future in self.admin.delete_topics(list(names)).values():
            future.result(ANSWER_S)

    def add_partitions(self, topic, count):
        self.admin.create_partitions([NewPartitions(topic, count)])[topic].result(ANSWER_S)
        wait_for(f"no leader for {topic}", ANSWER_S, lambda: self.has_leaders(topic, count))

    def set_topic(self, topic, key, value):
        entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        self.admin.incremental_alter_configs([resource])[resource].result(ANSWER_S)

    def ends(self, topic):
        """End offset of each partition, as a read_uncommitted reader sees it."""
        def ask():
            known = self.admin.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
            asked = self.admin.list_offsets(
                {TopicPartition(topic, partition): OffsetSpec.latest() for partition in known}, request_timeout=ANSWER_S)
            try:
                return {place.partition: future.result(ANSWER_S).offset for place, future in asked.items()}
            except (KafkaException, TimeoutError):
                # A partition that was just made or moved has a leader on paper first.
                return None
        return wait_for(f"the ends of {topic} are not known", ANSWER_S, ask)

    def committed(self, group, topic):
        """The group's committed offsets; 0 where it has none yet."""
        request = ConsumerGroupTopicPartitions(group)
        try:
            answer = self.admin.list_consumer_group_offsets([request], request_timeout=ANSWER_S)[group].result(ANSWER_S)
        except (KafkaException, TimeoutError):
            # The coordinator is away: whoever waits asks again.
            return {}
        return {place.partition: max(0, place.offset) for place in answer.topic_partitions if place.topic == topic}

    def coordinator(self, group):
        """The broker that leads the group's partition of the offsets topic (KIP-447's hash of the group's name)."""
        code = 0
        for char in group:
            code = (31 * code + ord(char)) & 0xFFFFFFFF
        partitions = self.admin.list_topics("__consumer_offsets", timeout=ANSWER_S).topics["__consumer_offsets"].partitions
        return partitions[(code & 0x7FFFFFFF) % len(partitions)].leader

    # --- faults -------------------------------------------------------------------------------------------------------

    def signal(self, node, number):
        os.kill(self.pids[node], number)

    def freeze(self, node=1):
        self.signal(node, signal.SIGSTOP)

    def thaw(self, node=1):
        self.signal(node, signal.SIGCONT)

    def crash(self, node=1):
        self.signal(node, signal.SIGKILL)
        wait_for("a killed broker is still there", ANSWER_S, lambda: not self.is_alive(node))

    def stop(self, node=1):
        """An orderly stop; the hard way after a while, as an operator would."""
        self.signal(node, signal.SIGTERM)
        try:
            wait_for("a broker does not stop", 20.0, lambda: not self.is_alive(node))
        except FaultError:
            self.crash(node)

    def is_alive(self, node):
        try:
            with open(f"/proc/{self.pids[node]}/stat") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    def start(self, node=1):
        """Starts a stopped broker on its data and its ports, and waits until it answers."""
        subprocess.run([SCRIPT, "restart", "--name", self.name, "--node", str(node)], check=True, stdout=sys.stderr)
        self.pids[node] = self.read_pid(node)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


__all__ = ["Cluster", "OUTCOMES", "ROOT", "free_port", "now_ms"]
