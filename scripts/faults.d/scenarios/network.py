"""What befalls the connections: a proxy between the job and its broker behaves like a bad network, loses just the
requests and answers that end transactions, or lets the broker know no broker."""

import time

from checker.history import EXACTLY_ONCE
from ends import EndOfTransactions
from unknown import UnknownBrokers
from waits import wait_for

from .run import loaded, scenario


def behind(run, job):
    job.node_bootstrap = f"127.0.0.1:{run.cluster.proxy_port}"
    loaded(job)


@scenario("network", 0, 5, 20, proxied=True)
def network(run):
    """The job's connections through a proxy: in turn slow, reset, cut, swallowed and narrow for 3 to 8 s."""
    with run.job() as job, run.cluster.proxy() as proxy:
        behind(run, job)
        for turn in range(run.rounds):
            kind = proxy.KINDS[turn % len(proxy.KINDS)]

            def spoil(kind=kind, seconds=run.chance.uniform(3, 8)):
                proxy.spoil(kind)
                time.sleep(seconds)
                proxy.heal()
            run.strike(job, f"network: {kind}", spoil)
        run.end(job)
        run.notes.append(f"{proxy.passed} bytes through the proxy")


# The late request is the one that has done harm elsewhere.
TURNS = ("request late", "answer lost", "request late", "answer late", "request late", "answer swallowed")


@scenario("lost end of transaction", 0, 6, 24, proxied=True, modes=(EXACTLY_ONCE,))
def lost_end_of_transaction(run):
    """Of one EndTxn in each round the request comes late (in the middle of the next transaction), or its answer is
    lost with the connection, late, or lost with nobody told."""
    with run.job() as job, run.cluster.proxy(EndOfTransactions) as proxy:
        behind(run, job)
        for turn in range(run.rounds):
            def lose(kind=TURNS[turn % len(TURNS)]):
                proxy.lose(kind)
                wait_for(f"no end of a transaction with its {kind}", run.suite.settle_s, lambda: not proxy.is_losing())
            run.strike(job, f"EndTxn: {TURNS[turn % len(TURNS)]}", lose)
        run.end(job)
        run.notes.append(f"{proxy.lost} ends lost or late of {proxy.ends}; the broker's word on late ones: {proxy.words}")


@scenario("brokers unknown", 0, 3, 10, proxied=True)
def brokers_unknown(run):
    """For 3 to 8 s the broker names no broker to the job's clients, itself included, as one does that its controller has
    fenced; it answers everything else."""
    often = ("kafka.properties.topic.metadata.refresh.interval.ms=1000",)
    with run.job(settings=often) as job, run.cluster.proxy(UnknownBrokers) as proxy:
        behind(run, job)
        for _ in range(run.rounds):
            def unknown(seconds=run.chance.uniform(3, 8)):
                before = proxy.emptied
                proxy.forget()
                wait_for("no client asks for brokers", run.suite.settle_s, lambda: proxy.emptied > before)
                time.sleep(seconds)
                proxy.remember()
            run.strike(job, "brokers unknown", unknown)
        run.end(job)
        run.notes.append(f"{proxy.emptied} answers without a broker")
