"""One scoring job of the suite: topics, nodes, input, the marks of its faults, and its verdict."""

import json
import threading
import time
import uuid
from pathlib import Path

from confluent_kafka import KafkaException

from checker import properties, read
from checker.history import DEAD, Counters, Mark
from cluster import OUTCOMES
from feed import Feed, log_to
from node import Node
from waits import FaultError, now_ms, wait_for

SAMPLE_PER_MILLION = 20_000
# Exit codes of a node whose brokers did not answer, and of one whose transaction timed out meanwhile. A lane that hangs (70) is
# never taken for that.
GAVE_UP = (69, 74)
# Records of a run that are scored again by the reference.
SAMPLE = 500


class Watched(threading.Thread):
    """A context: asks again and again, so that the answer just before a moment is known that nobody knew of before."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.answers, self.ended = ask, [], threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_failure):
        self.ended.set()
        self.join()

    def run(self):
        while not self.ended.is_set():
            answer = self.ask()
            self.answers.append((now_ms(), answer))

    def last_before(self, at_ms, otherwise):
        return next((answer for was_ms, answer in reversed(self.answers) if was_ms <= at_ms), otherwise)


class Job:
    """A context: whatever happens, its processes end with it."""

    def __init__(self, suite, cluster, name, seed, partitions=4, settings=(), package=None, outcome_configs=None,
                 sample_per_million=SAMPLE_PER_MILLION):
        self.suite, self.cluster, self.seed, self.partitions = suite, cluster, seed, partitions
        self.name = name
        base = f"{name.replace(' ', '-')}-{seed}-{uuid.uuid4().hex[:6]}"
        self.group, self.delivery = f"{base}.group", suite.delivery
        self.topics = {key: f"{base}.{key}" for key in ("input", "outputs", "review", "dead_letters", "timeouts", "retry_later")}
        self.folder = Path(suite.work) / base
        self.folder.mkdir(parents=True)
        self.package = package or suite.package_folder
        self.node_bootstrap = cluster.bootstrap
        self.keeps_partition, self.sample, self.since_ms, self.retried = True, SAMPLE, 0, False
        # Where a group that begins at the end began, by partition: what lies before is not its business.
        self.start_at, self.starts = "earliest", {}
        self.sample_per_million = sample_per_million
        self.settings = [f"review.sample_per_million={sample_per_million}", *settings]
        self.nodes, self.marks, self.counters, self.orders, self.ends, self.seen_live = [], [], [], [], {}, None
        configs = {topic: {} if key == "input" else OUTCOMES | (outcome_configs or {}).get(key, {})
                   for key, topic in self.topics.items()}
        cluster.create(configs, partitions)
        self.feed_log = log_to(self.folder / "feed.log")
        self.feed, self.live = self.new_feed(), None
        # Whether a node that gives its brokers up is started again, as by its supervisor.
        self.supervised, self.started_again = False, 0

    def __enter__(self):
        if self.delivery == "exactly_once":
            self.live = read.LiveReader(self.cluster.bootstrap, self.topics)
            self.live.start()
        return self

    def __exit__(self, failure, *_):
        self.feed.ended.set()
        if failure is FaultError:
            for node in self.running():
                (Path(self.folder) / f"{node.name}.status.json").write_text(json.dumps(node.status(), indent=1))
        if failure is FaultError and self.nodes and not self.ends:
            # The checker still says what is missing.
            try:
                self.finish(stop=False)
            except (FaultError, KafkaException):
                pass
        if self.live:
            self.live.ended.set()
        for node in self.nodes:
            node.give_up()
        self.cluster.stop_asking(self.group)

    def start(self, settings=(), environment=None, **how):
        environment = (environment or {}) | self.suite.environment
        node = Node(self.suite.program, self, f"n{len(self.nodes) + 1}", settings, environment, **how)
        self.nodes.append(node)
        return node

    def new_feed(self, **how):
        return Feed(self.cluster.bootstrap, self.topics["input"], self.partitions, self.suite.pool, self.seed,
                    self.feed_log, **how)

    def use_transactional_feed(self):
        self.feed = self.new_feed(transactional=True)

    def recreate_input(self):
        """Another topic of the same name; what was in the first one and its offsets are gone."""
        self.feed.stop()
        topic = self.topics["input"]
        self.cluster.delete([topic])
        wait_for("a deleted topic is still there", self.suite.settle_s, lambda: not self.cluster.knows(topic))
        self.since_ms = now_ms()
        self.cluster.create({topic: {}}, self.partitions)
        self.feed = self.new_feed()

    def add_partitions(self, more):
        self.partitions += more
        self.cluster.add_partitions(self.topics["input"], self.partitions)
        self.feed.spread_over(self.partitions)
        wait_for("nothing is sent to the new partitions", self.suite.settle_s, lambda: all(self.input_ends().values()))

    def note_starts(self, before):
        """Where the group began, by its own log of commits: each partition of `before`, the ends of the input when nobody had
        started yet, and none of them later than now."""
        first = {}
        for commit in read.commits(self.cluster.bootstrap, self.group, self.topics["input"]):
            first.setdefault(commit.partition, commit.offset)
        now = self.input_ends()
        wrong = [partition for partition, end in before.items() if not end <= first.get(partition, -1) <= now[partition]]
        if wrong:
            raise FaultError(f"partitions {wrong} began at {first}: the input ended at {before}, and ends at {now}")
        self.starts = {partition: first[partition] for partition in before}

    def transactional_id(self):
        """Of the newest node's only lane, as the product names it."""
        return f"{self.group}/{self.nodes[-1].name}/0"

    def running(self):
        return [node for node in self.nodes if node.is_running()]

    # --- faults -------------------------------------------------------------------------------------------------------

    def committed(self):
        """0 where nothing is, or as long as nobody can say."""
        known = self.cluster.committed(self.group, self.topics["input"], self.partitions) or {}
        return {partition: known.get(partition, 0) for partition in range(self.partitions)}

    def surely_committed(self):
        return wait_for("the committed offsets are not known", self.suite.settle_s,
                        lambda: self.cluster.committed(self.group, self.topics["input"], self.partitions))

    def input_ends(self):
        return self.cluster.ends(self.topics["input"])

    def backlog_max(self, partitions, seconds):
        """The most records of one of these partitions that were in the input and not committed, for so long."""
        until, most = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            committed, ends = self.surely_committed(), self.input_ends()
            most = max(most, *(ends[partition] - committed.get(partition, 0) for partition in partitions))
        return most

    def wait_until_scored(self, more=300):
        """Until the group has committed some records more than now, so that the fault comes in the middle."""
        before = sum(self.committed().values())

        def look():
            self.supervise()
            for node in self.nodes[-2:]:
                if not node.is_running() and not node.ended_as_expected and node.process.returncode not in (0, -9):
                    raise FaultError(f"{node.name} ended with {node.process.returncode}:\n{node.tail()}")
            return sum(self.committed().values()) >= before + more
        wait_for("nothing is scored", self.suite.settle_s, look)

    def strike(self, kind, fault, may_double=True, dead=False, overtaken=False, kills_last=False):
        """Carries out `fault()` and marks it; `dead`: who could commit is gone afterwards; `kills_last`: it does something else
        for a while, and then kills the newest node. Its proof is 0 when nothing was in flight: it showed nothing then."""
        # The ends last: whatever else is asked takes time in which all that was there then would be finished.
        begin_ms, committed, ends = now_ms(), self.surely_committed(), self.input_ends()
        if kills_last:
            doomed = self.nodes[-1]
            with Watched(self.input_ends) as seen:
                fault()
            ends = seen.last_before(doomed.killed_ms, ends)
        else:
            fault()
        if dead:
            committed = self.last_words()
        return self.keep(Mark(kind, begin_ms, committed, ends, may_double=may_double, overtaken=overtaken))

    def keep(self, mark):
        """Even one that struck nothing has happened."""
        mark.proof = mark.in_flight
        self.marks.append(mark)
        return mark

    def last_words(self):
        """What is committed when nobody commits any more: a dead process's last request may still be under way."""
        seen = []

        def look():
            seen.append(self.surely_committed())
            return len(seen) > 3 and seen[-1] == seen[-4]
        wait_for("a dead process still commits", self.suite.settle_s, look, 0.1)
        return seen[-1]

    def strike_itself(self, kind, doomed):
        """Waits until a process ends itself, and marks that: with what was in the input while it still ran."""
        def look():
            ends, begin_ms = self.input_ends(), now_ms()
            # Asked in this order: what is in the input was there before its end.
            if doomed.is_running():
                last[:] = [ends, begin_ms]
                doomed.note_memory()
            return not doomed.is_running()
        last = []
        wait_for(f"{kind} is never passed", self.suite.settle_s, look, 0.01)
        if doomed.process.returncode != -9 or not last:
            raise FaultError(f"{doomed.name} ended with {doomed.process.returncode}, not by itself:\n{doomed.tail()}")
        mark = Mark(kind, last[1], self.last_words(), last[0])
        return self.keep(mark)

    def recovered(self, mark, limit_s=None):
        """Waits until everything that is in the input by now is committed, so that whoever took over has worked; closes
        the mark's window."""
        target = self.input_ends()

        def look():
            self.supervise()
            have = self.committed()
            return all(have[partition] >= end for partition, end in target.items())
        wait_for(f"not recovered from {mark.kind}", limit_s or self.suite.settle_s, look)
        mark.end_ms, mark.upper = now_ms(), self.input_ends()
        return (mark.end_ms - mark.begin_ms) / 1_000

    def supervise(self):
        """A new process, with a name of its own, for each that ended since its brokers were away for too long."""
        for node in self.nodes:
            if self.supervised and not node.ended_as_expected and node.process.poll() in GAVE_UP:
                node.ended_as_expected = True
                self.started_again += 1
                self.start()

    def share(self, node, other):
        """Waits until both own some partitions, and together all. Returns who the other one is by then."""
        def look():
            self.supervise()
            partner = other if other.is_running() else self.nodes[-1]
            own, others = node.assigned(), partner.assigned()
            return partner if own and others and own + others == self.partitions else None
        return wait_for(f"{node.name} and {other.name} do not share", self.suite.settle_s, look)

    # --- the end ------------------------------------------------------------------------------------------------------

    def finish(self, stop=True):
        """Stops the input, waits until all of it is committed, and stops the nodes in order."""
        self.feed.stop()
        self.ends = self.input_ends()

        def settled():
            have = self.committed()
            if not self.running():
                raise FaultError(f"no node runs any more; the last one said:\n{self.nodes[-1].tail()}")
            return all(have[partition] >= end for partition, end in self.ends.items())
        try:
            wait_for("the rest is not finished", self.suite.settle_s, settled, 0.1)
            # While records move, the numbers of one answer are of different moments.
            self.count()
        except FaultError:
            # A verdict all the same: the checker says what is missing.
            pass
        if stop:
            for node in self.running():
                node.stop()
        if self.live:
            self.wait_for_live_reader()
            self.seen_live = self.live.finish()

    def wait_for_live_reader(self):
        size, since = -1, time.monotonic()
        while time.monotonic() - since < 2:
            if len(self.live.seen) != size:
                size, since = len(self.live.seen), time.monotonic()
            time.sleep(0.1)

    def count(self):
        """The nodes' own accounts, now that nothing moves."""
        for node in self.running():
            status = node.status()
            if status:
                total = {name: sum(lane["records"][name] for lane in status["lanes"])
                         for name in ("received", "scored", "rejected", "handed_back", "in_flight", "deferred")}
                total["fallbacks"] = sum(sum(lane["fallbacks"].values()) for lane in status["lanes"])
                self.counters.append(Counters(node=node.name, **total))

    def peak_bytes(self):
        for node in self.running():
            node.note_memory()
        return max(node.peak_bytes for node in self.nodes)

    def dead_letters(self):
        """As they are now."""
        return [read.rejected(message, DEAD, aborted=False)
                for message in read.read_topic(self.cluster.bootstrap, self.topics["dead_letters"])]

    def dead_letters_of(self, reason):
        return [letter for letter in self.dead_letters() if letter.reason == reason]

    def verdict(self):
        """`(findings, figures)` by the checker, which reads everything anew."""
        package = self.suite.package_of(self.package)
        return properties.check(read.history(self.cluster.bootstrap, self, package, self.suite.avro, self.seed))
