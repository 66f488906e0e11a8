"""One round: two members, steady load, and one event after the other."""

import time
import uuid
from dataclasses import dataclass

from cluster import OUTCOMES
from feed import Feed
from member import Member, wait_until_owned
from waits import FaultError, now_ms, wait_for
from watch import Watch

# The load goes on undisturbed for so long before and after each event.
CALM_S = 0.8
SETTLE_S = 60.0
GROUP_TOOL = "kafka.admin.ConfigCommand"
HEARTBEAT_MS = 200


@dataclass(frozen=True)
class Way:
    """A way of being a member of the group."""
    name: str
    words: str
    static: bool = False
    consumer_protocol: bool = False

    def settings(self, session_ms):
        settings = ["kafka.membership=static"] if self.static else []
        if self.consumer_protocol:
            return [*settings, "kafka.group_protocol=consumer"]
        return [*settings, f"kafka.consumer.properties.session.timeout.ms={session_ms}"]


WAYS = {way.name: way for way in (
    Way("dynamic", "classic protocol, cooperative-sticky"),
    Way("static", "classic protocol, cooperative-sticky, static membership", static=True),
    Way("kip-848", "the protocol of KIP-848", consumer_protocol=True),
    Way("kip-848 static", "the protocol of KIP-848, static membership", static=True, consumer_protocol=True),
)}

EVENTS = {
    "nothing": "no event: what the measurement itself shows",
    "join": "a second process starts",
    "leave": "it gets SIGTERM and goes",
    "restart": "it gets SIGTERM, and starts again under its name once it has ended",
    "crash": "it gets SIGKILL and stays away",
    "crash, restart": "it gets SIGKILL, and starts again under its name at once",
}


class Rig:
    """A context: topics, a group, the load; whatever happens, its processes end with it."""

    def __init__(self, suite, cluster, program, way, partitions, rate):
        self.cluster, self.program, self.way, self.partitions = cluster, program, way, partitions
        self.package, self.avro, self.delivery, self.session_ms = suite.package, suite.avro, suite.delivery, suite.session_ms
        base = f"stalls-{uuid.uuid4().hex[:8]}"
        self.group, self.started, self.results = f"{base}.group", 0, []
        self.topics = {key: f"{base}.{key}" for key in ("input", "outputs", "review", "dead_letters", "timeouts")}
        self.folder = suite.work / base
        self.folder.mkdir(parents=True)
        cluster.create({topic: {} if key == "input" else OUTCOMES for key, topic in self.topics.items()}, partitions)
        if way.consumer_protocol:
            cluster.set_group(self.group, {"consumer.session.timeout.ms": self.session_ms,
                                           "consumer.heartbeat.interval.ms": HEARTBEAT_MS})
        self.feed = Feed(cluster.bootstrap, self.topics["input"], partitions, suite.pool, 1, poison=0.0)
        self.members, self.rate, self.watch, self.begin_ms = [], rate, None, 0

    def __enter__(self):
        first = self.start("a")
        wait_until_owned([first], self.partitions)
        self.watch = Watch(self)
        self.feed.start(self.rate)
        return self

    def __exit__(self, *_failure):
        self.feed.ended.set()
        if self.watch:
            self.watch.close()
        for member in self.members:
            member.give_up()

    def start(self, name):
        self.members.append(Member(self, name))
        return self.members[-1]

    def settle(self, *members):
        """Until these own everything, and each partition's output goes on; answers how often the last one was refused."""
        members, refused = list(members), 0
        while wait_until_owned(members, self.partitions):
            refused += 1
            members[-1] = self.start(members[-1].name)
            time.sleep(0.2)
        since = now_ms()
        wait_for("not every partition goes on", SETTLE_S, lambda: self.watch.all_since(since))
        return members[-1], refused

    def event(self, name, act, stayed=("a",)):
        """Lets it be calm, carries out `act()`, which returns when it has settled, and notes the stalls."""
        calm_ms = now_ms()
        wait_for("not every partition flows", SETTLE_S, lambda: self.watch.all_since(calm_ms))
        time.sleep(CALM_S)
        self.begin_ms = now_ms()
        last, refused = act() or (None, 0)
        begin_ms = self.begin_ms
        end_ms = now_ms() + int(CALM_S * 1_000)
        wait_for("not every partition flows", SETTLE_S, lambda: self.watch.all_since(end_ms))
        usual = self.watch.usual_gap(calm_ms, begin_ms)
        stalls = self.watch.stalls(begin_ms, end_ms, set(stayed))
        self.results.append({
            "event": name, "usual_gap_ms": usual, "refused": refused, "settled_ms": end_ms - int(CALM_S * 1_000) - begin_ms,
            "kept_ms": [max(0.0, stall - usual) for stall, kept in stalls.values() if kept],
            "moved_ms": [max(0.0, stall - usual) for stall, kept in stalls.values() if not kept],
        })
        return last

    def round(self, wanted):
        """The events in an order in which each finds what it needs."""
        a = self.members[0]

        def join():
            b = self.start("b")
            # Until it knocks at the group it only takes the cores that both share: that is no stall of the group's.
            wait_for("b does not start", SETTLE_S, b.status, 0.01)
            self.begin_ms = now_ms()
            return self.settle(a, b)

        def leave(b):
            b.stop()
            return self.settle(a)

        def restart(b):
            b.stop()
            return self.settle(a, self.start("b"))

        def crash(b):
            b.kill()
            return self.settle(a)

        def crash_restart(b):
            b.kill()
            return self.settle(a, self.start("b"))
        if "nothing" in wanted:
            self.event("nothing", lambda: time.sleep(1.0))
        b = self.event("join", join)
        if "restart" in wanted:
            b = self.event("restart", lambda: restart(b))
        if "leave" in wanted:
            self.event("leave", lambda: leave(b))
            b = self.event("join", join)
        if "crash" in wanted:
            self.event("crash", lambda: crash(b))
            b = self.event("join", join)
        if "crash, restart" in wanted:
            self.event("crash, restart", lambda: crash_restart(b))
        self.feed.stop()
        for member in self.members:
            if member.is_running():
                member.stop()
        if any(member.process.returncode not in (0, -9) and not member.is_refused() for member in self.members):
            raise FaultError("a member failed")
        return self.results


__all__ = ["EVENTS", "WAYS", "Rig"]
