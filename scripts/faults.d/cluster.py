"""A real Kafka of the suite's own, through scripts/kafka, and what may befall its brokers."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclPermissionType, AdminClient, AlterConfigOpType,
                                   ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourcePatternType,
                                   ResourceType, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion)

from kafka_net import free_ports, read_exactly
from proxy import Proxy
from waits import FaultError, now_ms, wait_for

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "kafka"
ANSWER_S = 30.0
# One question that is asked again and again.
ASK_S = 5.0
FIND_COORDINATOR = 10
GROUP, TRANSACTIONS = 0, 1
START_S = 90.0
OUTCOMES = {"message.timestamp.type": "LogAppendTime"}


class Cluster:
    """A context: up at its start, down and its data gone at its end."""

    def __init__(self, brokers=1, proxied=False, guarded=False):
        self.name = f"faults-{os.getpid()}-{brokers}{'p' if proxied else ''}{'g' if guarded else ''}"
        self.brokers, self.proxied, self.proxy_port = brokers, proxied, free_port() if proxied else None
        self.guarded = guarded
        self.folder = ROOT / "target" / "kafka" / self.name

    def __enter__(self):
        words = [SCRIPT, "up", "--name", self.name, "--brokers", str(self.brokers)]
        words += ["--proxy", str(self.proxy_port)] if self.proxied else []
        words += ["--sasl"] if self.guarded else []
        started = subprocess.run(words, stdout=subprocess.PIPE, text=True)
        if started.returncode != 0:
            raise FaultError("Kafka did not start: see above")
        lines = started.stdout.splitlines()
        self.bootstrap = lines[-1].removeprefix("bootstrap=")
        self.behind_proxy = next((line.removeprefix("proxied=") for line in lines if line.startswith("proxied=")), None)
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap})
        self.askers = {}
        self.pids = {node: self.read_pid(node) for node in range(1, self.brokers + 1)}
        return self

    def __exit__(self, *_failure):
        subprocess.run([SCRIPT, "down", "--name", self.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def keep_logs(self, folder):
        """What the brokers have said so far, before their data goes."""
        for log in self.folder.glob("node-*/log"):
            shutil.copy(log, folder / f"{log.parent.name}.log")

    def read_pid(self, node):
        return int((self.folder / f"node-{node}" / "pid").read_text())

    @contextmanager
    def proxy(self, kind=Proxy):
        """The proxy in front of this cluster's second listener."""
        proxy = kind(self.proxy_port, self.behind_proxy)
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

    def wait_until_in_sync(self):
        """Until each partition of each topic has all its copies again."""
        def look():
            topics = self.admin.list_topics(timeout=ANSWER_S).topics.values()
            return all(len(partition.isrs) == len(partition.replicas)
                       for topic in topics for partition in topic.partitions.values())
        wait_for("copies are missing", START_S, look, 0.2)

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
            try:
                known = self.admin.list_topics(topic, timeout=ASK_S).topics[topic].partitions
                asked = self.admin.list_offsets(
                    {TopicPartition(topic, partition): OffsetSpec.latest() for partition in known}, request_timeout=ASK_S)
                return {place.partition: future.result(2 * ASK_S).offset for place, future in asked.items()}
            except (KafkaException, TimeoutError):
                # A partition that was just made or moved has a leader on paper first; one whose broker died is asked
                # for where it was, until the question is given up.
                return None
        return wait_for(f"the ends of {topic} are not known", START_S, ask)

    def committed(self, group, topic, partitions):
        """The group's committed offsets; 0 where it has none yet, and None while its coordinator is away. Asked by a
        consumer that never joins: after a broker's restart the admin client's question may stay without an answer for good."""
        if group not in self.askers:
            self.askers[group] = Consumer({
                "bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False,
                # Otherwise offsets of an open transaction hide those of the last one.
                "isolation.level": "read_uncommitted", "coordinator.query.interval.ms": 1_000,
            })
        try:
            asked = [TopicPartition(topic, partition) for partition in range(partitions)]
            answer = self.askers[group].committed(asked, ASK_S)
        except KafkaException:
            answer = []
        if not answer or any(place.error for place in answer):
            # It may hold on to a coordinator that is gone; the next one asks for its own.
            self.stop_asking(group)
            return None
        return {place.partition: max(0, place.offset) for place in answer}

    def stop_asking(self, group):
        asker = self.askers.pop(group, None)
        if asker:
            asker.close()

    def coordinator(self, name, kind=GROUP):
        """The broker that coordinates a group or the transactions of a name, by FindCoordinator (version 1)."""
        client, key = b"faults", name.encode()
        request = struct.pack(">hhih", FIND_COORDINATOR, 1, 1, len(client)) + client
        request += struct.pack(">h", len(key)) + key + struct.pack(">b", kind)

        def ask():
            try:
                host, port = self.bootstrap.split(",")[self.alive()[0] - 1].rsplit(":", 1)
                with socket.create_connection((host, int(port)), ASK_S) as connection:
                    connection.sendall(struct.pack(">i", len(request)) + request)
                    (size,) = struct.unpack(">i", read_exactly(connection, 4))
                    answer = read_exactly(connection, size)
            except OSError:
                return None
            _correlation, _throttled, code, words = struct.unpack_from(">iihh", answer)
            (node,) = struct.unpack_from(">i", answer, 12 + max(0, words))
            return node if code == 0 else None
        return wait_for(f"nobody coordinates {name}", ANSWER_S, ask)

    def alive(self):
        return [node for node in self.pids if self.is_alive(node)]

    # --- who may do what, where the second listener asks ---------------------------------------------------------------

    def set_password(self, user, password):
        """From here on new connections of this user need this password; old ones live on."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
        changed = self.admin.alter_user_scram_credentials([UserScramCredentialUpsertion(user, info, password.encode())])
        changed[user].result(ANSWER_S)

    def allow(self, user, operation, kind, name, prefixed=False):
        rule = acl(AclBinding, user, operation, kind, name, prefixed)
        self.admin.create_acls([rule])[rule].result(ANSWER_S)

    def forbid(self, user, operation, kind, name):
        """Takes the rule away that allowed it."""
        rule = acl(AclBindingFilter, user, operation, kind, name, False)
        if not self.admin.delete_acls([rule])[rule].result(ANSWER_S):
            raise FaultError(f"there was no rule that allows {operation} on {name} to {user}")

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


def acl(make, user, operation, kind, name, prefixed):
    pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
    return make(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def free_port():
    """Below Linux's range for outgoing connections, so that none of those takes it before its owner does."""
    return free_ports(1)[0]


__all__ = ["Cluster", "OUTCOMES", "ROOT", "free_port", "now_ms"]
