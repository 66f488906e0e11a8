"""What befalls the brokers: restarted, frozen, killed; the coordinators of the group and of the transactions."""

import time

from checker.history import EXACTLY_ONCE
from cluster import GROUP, TRANSACTIONS

from .run import loaded, scenario

FREEZES_S = (5, 30, 120)


@scenario("broker restart", 0, 1, 20)
def broker_restart(run):
    """The only broker is stopped and started again under load; the job waits for it."""
    def bounce():
        run.cluster.stop()
        run.cluster.start()
    with run.job() as job:
        job.supervised = True
        loaded(job)
        for _ in range(run.rounds):
            run.strike(job, "broker restart", bounce)
        run.end(job)


@scenario("broker frozen", 1, 1, 3)
def broker_frozen(run):
    """SIGSTOP of the only broker for 5 s (whole: 5, 30 and 120 s), then SIGCONT."""
    with run.job() as job:
        job.supervised = True
        loaded(job)
        for turn in range(run.rounds):
            def freeze(seconds=FREEZES_S[turn % 3]):
                run.cluster.freeze()
                try:
                    time.sleep(seconds)
                finally:
                    run.cluster.thaw()
            run.strike(job, "broker frozen", freeze)
        run.end(job)


def crashed(run, job, kind, victim_of):
    """In each round one broker of three is killed, and back with all its copies before the next."""
    job.supervised = True
    loaded(job)
    for turn in range(run.rounds):
        def crash(turn=turn):
            run.cluster.crash(victim_of(turn))

        def back():
            for node in set(run.cluster.pids) - set(run.cluster.alive()):
                run.cluster.start(node)
            run.cluster.wait_until_in_sync()
        run.strike(job, kind(turn), crash, after=back)
    run.end(job)


@scenario("broker of three", 0, 2, 10, brokers=3)
def broker_of_three(run):
    """kill -9 of one broker of three (three copies, two in sync): in turn the group's coordinator and another one."""
    with run.job() as job:
        def victim_of(turn):
            coordinator = run.cluster.coordinator(job.group)
            others = [node for node in run.cluster.pids if node != coordinator]
            return coordinator if turn % 2 == 0 else run.chance.choice(others)
        crashed(run, job, lambda _: "kill -9 of a broker", victim_of)


@scenario("transaction coordinator", 0, 2, 10, brokers=3, modes=(EXACTLY_ONCE,))
def transaction_coordinator(run):
    """kill -9 of the broker that coordinates the lane's transactions and, in turn, of the one that coordinates the group."""
    with run.job() as job:
        def victim_of(turn):
            kind, name = (TRANSACTIONS, job.transactional_id()) if turn % 2 == 0 else (GROUP, job.group)
            victim = run.cluster.coordinator(name, kind)
            run.notes.append(f"broker {victim}")
            return victim
        crashed(run, job, lambda turn: ("transactions'", "group's")[turn % 2] + " coordinator", victim_of)
