"""What operators ask of a node, and kill -9 around that: records that are passed over, and records that are done again."""

import re
import tempfile

from checker import read
from checker.history import BACK, OVER, SKIPPED, Order
from waits import FaultError, now_ms, wait_for

from .inputs import mend, refuse_until_all_stop
from .outage import Trouble, of_lane
from .run import PARTITIONS, RATE, loaded, scenario

# How many records an order passes over, and goes back over.
OVER_SOME, BACK_OVER = (20, 60), (50, 200)
# From the node's word that an order comes to the kill: it takes some hundredths of a second.
SOON_S = 0.1
HEARD, BEGUN, MOVED = "an operator asks", "an operator moves the partition", "goes on where an operator moved it"
# Exit code of an order that is not done: nothing is moved, unless the answer leaves that open.
NOT_DONE = 1
OPEN = re.compile("is not moved within|dead letter may be written")


class Asked:
    """An order as somebody types it beside a node. The checker knows of it before the node does."""

    def __init__(self, job, node, command, order, *flags):
        self.job, self.node, self.order = job, node, order
        is_ahead = command == "seek" and order.kind == OVER
        at = f"{job.topics['input']}:{order.partition}:{order.last + 1 if is_ahead else order.first}"
        self.lines = {words: node.lines_with(words) for words in (HEARD, BEGUN)}
        job.orders.append(order)
        self.process = node.ask(command, at, *flags)

    def wait_until(self, words):
        """The node says so in its log."""
        wait_for(f"no log of {words!r}", self.job.suite.settle_s, lambda: self.node.lines_with(words) > self.lines[words], 0.005)

    def answer(self):
        """Exit code and words, and what the checker has to know: nobody has asked for what was refused."""
        words, _ = self.process.communicate(timeout=self.job.suite.settle_s)
        code, order = self.process.returncode, self.order
        self.job.orders.remove(order)
        if code != NOT_DONE or OPEN.search(words):
            back = re.search(r"goes back from (\d+) to", words)
            last = int(back[1]) - 1 if back else order.last
            self.order = Order(order.kind, order.partition, order.first, last, order.at_ms, done=code == 0)
            self.job.orders.append(self.order)
        return code, words

    def done(self):
        code, words = self.answer()
        if code != 0:
            raise FaultError(f"an order was not carried out: {words}")


def over(partition, first, count=1):
    return Order(OVER, partition, first, first + count - 1, now_ms())


def skip_at_last(job, node, order):
    """The broker may know the topic's new setting a moment later."""
    wait_for("no dead letter is taken", job.suite.settle_s, lambda: Asked(job, node, "skip", order).answer()[0] == 0)


def with_state(run):
    """Where nodes hear operators."""
    return (f"node.state_directory={tempfile.mkdtemp(prefix='state-', dir=run.suite.work)}",)


def stand_still(run, job):
    """Each partition before its next poison. Returns the mark of that: at-least-once, what was sent behind the poison by then is
    sent again when its partition goes on."""
    mark = job.strike("dead letters refused", lambda: refuse_until_all_stop(run, job))
    mark.upper = job.input_ends()
    mend(run, job)
    return mark


def stopped_at(node):
    """Next offsets of its stopped partitions."""
    return {stopped["partition"]: stopped["next_offset"]
            for lane in node.status()["lanes"] for stopped in lane["partitions"]["stopped"]}


def seek_ahead(run, job, node, partition, first):
    """Past some records that are in the input."""
    count = run.chance.randint(*OVER_SOME)
    wait_for("too little is sent", run.suite.settle_s, lambda: job.input_ends()[partition] >= first + count)
    return Asked(job, node, "seek", over(partition, first, count))


def kill_behind_the_answer(run, job, node, at):
    skip_at_last(job, node, over(0, at[0]))
    seek_ahead(run, job, node, 1, at[1]).done()
    node.kill()


def kill_before_the_answer(run, job, node, at):
    skip_at_last(job, node, over(0, at[0]))
    asked = seek_ahead(run, job, node, 1, at[1])
    asked.wait_until(HEARD)
    run.moment(SOON_S)
    node.kill()
    asked.answer()


def kill_with_the_letter_under_way(run, job, node, at):
    """The broker has it and does not say so; exactly-once, it has been asked to take it."""
    run.cluster.freeze()
    try:
        asked = Asked(job, node, "skip", over(2, at[2]))
        asked.wait_until(HEARD)
        run.moment()
        node.kill()
    finally:
        run.cluster.thaw()
    asked.answer()


def kill_behind_one_that_was_given_up(run, job, node, at):
    """Its caller waits no longer than a frozen broker; asked again, it is not done again."""
    run.cluster.freeze()
    try:
        code, words = Asked(job, node, "skip", over(2, at[2]), "--wait", "1").answer()
    finally:
        run.cluster.thaw()
    if code == 0:
        raise FaultError(f"an order was carried out without a broker: {words}")
    wait_for("an order that was given up is not finished", run.suite.settle_s, lambda: node.lines_with(MOVED))
    code, words = Asked(job, node, "skip", over(2, at[2])).answer()
    if code == 0:
        raise FaultError(f"an order was carried out twice: {words}")
    node.kill()


KILLS = (kill_behind_the_answer, kill_before_the_answer, kill_with_the_letter_under_way, kill_behind_one_that_was_given_up)


@scenario("skipped", 0, 4, 20)
def skipped(run):
    """No dead letter is taken, each partition stops before its next poison; that is mended, an operator passes over a record or a
    range of some partitions, and kill -9 behind the answer, before it, with the dead letter under way, or behind an order that
    its caller gave up and asked again, in turn. Another node goes on, and tries what nobody has passed over."""
    with run.job(settings=with_state(run)) as job:
        loaded(job)
        for turn in range(run.rounds):
            job.wait_until_scored()
            run.moment()
            stopped, node = stand_still(run, job), job.nodes[-1]
            at, kill = stopped_at(node), KILLS[turn % len(KILLS)]
            mark = job.strike("kill -9", lambda: kill(run, job, node, at), dead=True)
            job.start()
            run.recovered(job, mark)
            stopped.end_ms = mark.end_ms
        ended(run, job)


def ended(run, job):
    run.end(job)
    letters = [letter.source for letter in job.dead_letters_of(SKIPPED)]
    done = [order for order in job.orders if order.done]
    left = sum(any(order.covers(*source) for source in letters) for order in job.orders if order not in done)
    run.notes.append(f"{len(job.orders)} orders, {len(done)} answered as done, {left} others left a dead letter; "
                     f"{run.figures['skipped']} records passed over, {run.figures['repeated']} gone back over")


def first_waiting(job, node):
    """`(partition, offset)` of a record that waits for its model, as a refused order says."""
    for partition in range(PARTITIONS):
        _, words = Asked(job, node, "skip", over(partition, 0)).answer()
        found = re.search(r"stands before offset (\d+), not before 0", words)
        if found:
            return partition, int(found[1])
    raise FaultError(f"no record waits: {words}")


@scenario("skipped while paused", 0, 2, 10)
def skipped_while_paused(run):
    """The model fails and the lane stands still; an operator passes over the first record that waits, and kill -9 while it waits
    for the others, or when the model is well and the order is answered, in turn. Another node goes on."""
    with run.job(settings=("fallback.on=failed", "fallback.then=pause", *with_state(run))) as job:
        trouble = Trouble(job)

        def start():
            job.start(environment=trouble.environment)
        start()
        job.feed.start(RATE)
        for turn in range(run.rounds):
            def kill(is_answered=turn % 2 == 1):
                node = job.nodes[-1]
                trouble.begin()
                wait_for("the lane does not stand still", run.suite.settle_s, lambda: of_lane(node, "model_paused_seconds") > 0)
                asked = Asked(job, node, "skip", over(*first_waiting(job, node)))
                asked.wait_until(HEARD)
                run.moment()
                if is_answered:
                    trouble.end()
                    asked.done()
                node.kill()
                if not is_answered:
                    asked.answer()
                    trouble.end()
            run.strike(job, "kill -9", kill, mend=start, dead=True, kills_last=True)
        ended(run, job)


def most_committed(job, partition):
    """By the group's own log."""
    commits = read.commits(job.cluster.bootstrap, job.group, job.topics["input"])
    return max(commit.offset for commit in commits if commit.partition == partition)


@scenario("gone back", 0, 4, 20)
def gone_back(run):
    """An operator goes back over some records of a partition that flows, and kill -9 behind the answer, or before it, in turn.
    Another node goes on: these records are done twice, and no others but those that a kill doubles."""
    with run.job(settings=with_state(run)) as job:
        loaded(job)
        for turn in range(run.rounds):
            def kill(is_answered=turn % 2 == 0, partition=turn // 2 % PARTITIONS):
                node = job.nodes[-1]
                to = max(0, job.surely_committed()[partition] - run.chance.randint(*BACK_OVER))
                # Nobody has done more than that by then.
                order = Order(BACK, partition, to, job.input_ends()[partition], now_ms())
                asked = Asked(job, node, "seek", order, "--force", "--repeat")
                if is_answered:
                    asked.done()
                else:
                    asked.wait_until(BEGUN)
                    run.moment(SOON_S)
                node.kill()
                if not is_answered:
                    asked.answer()

            def go_on():
                # One that was not answered went back from where the group was, at most.
                order = job.orders.pop()
                last = order.last if order.done else most_committed(job, order.partition) - 1
                job.orders.append(Order(order.kind, order.partition, order.first, last, order.at_ms, order.done))
                job.start()
            run.strike(job, "kill -9", kill, mend=go_on, dead=True, kills_last=True)
        ended(run, job)
