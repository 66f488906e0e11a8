"""What befalls the process: it is killed, stopped, replaced, frozen, or ends at a named moment."""

from .run import PARTITIONS, RATE, killed, loaded, scenario


@scenario("kill", 2, 5, 100)
def kill(run):
    """kill -9 at a random moment, and a new process in its place."""
    with run.job() as job:
        killed(run, job)


@scenario("sigterm", 2, 5, 20)
def sigterm(run):
    """SIGTERM under load: it drains, commits and leaves; a new process goes on. Nothing twice."""
    with run.job() as job:
        loaded(job)
        for _ in range(run.rounds):
            run.strike(job, "SIGTERM", lambda: job.nodes[-1].stop(), mend=job.start, may_double=False)
        run.end(job)


@scenario("rolling", 2, 4, 20)
def rolling(run):
    """Two nodes, each replaced in turn under load. Nothing twice."""
    with run.job() as job:
        nodes = loaded(job, 2)
        for turn in range(run.rounds):
            def stop(place=turn % 2):
                nodes[place].stop()

            def replace(place=turn % 2):
                nodes[place] = job.start().wait_until_assigned(PARTITIONS // 2)
            run.strike(job, "rolling restart", stop, mend=replace, may_double=False)
        run.end(job)


@scenario("zombie", 1, 2, 10)
def zombie(run):
    """SIGSTOP for longer than the session, so that the other node takes over; then SIGCONT."""
    with run.job() as job:
        # One that stands for as long as a transaction may last is fenced: another one takes its place.
        job.supervised = True
        nodes = loaded(job, 2)
        for turn in range(run.rounds):
            sleeper, other = nodes[turn % 2], nodes[1 - turn % 2]

            def wake(sleeper=sleeper, other=other, place=turn % 2):
                other.wait_until_assigned(PARTITIONS)
                job.wait_until_scored()
                run.moment()
                sleeper.resume()
                nodes[place] = job.share(other, sleeper)
            run.strike(job, "SIGSTOP", sleeper.pause, mend=wake)
        run.end(job)


@scenario("come and go", 1, 2, 10)
def come_and_go(run):
    """A second node joins and leaves again: the first one gets back the very partitions that it gave away."""
    with run.job() as job:
        (first,) = loaded(job)
        for _ in range(run.rounds):
            run.strike(job, "SIGTERM", lambda: job.nodes[-1].stop(), may_double=False,
                       before=lambda: first.wait_until_shared(job.start(), PARTITIONS))
        run.end(job)


POINTS = ("after_receive", "after_score", "after_produce", "after_ack", "after_commit", "in_revoke")
# Passages of a moment before the end: some seconds of work. Commits are ten a second, the others some hundred.
PASSAGES = {"after_commit": (10, 40), "in_revoke": (1, 1)}


@scenario("points", 0, 6, 30)
def points(run):
    """kill -9 at named moments: after receipt, scoring, producing, acknowledgement and commit, and in a revoke."""
    with run.job() as job:
        job.feed.start(RATE)
        for turn in range(run.rounds):
            point = POINTS[turn % len(POINTS)]
            passage = run.chance.randint(*PASSAGES.get(point, (100, 600)))
            doomed = job.start(environment={"SCOREWIRE_TEST_FAILPOINT": f"{point}@{passage}"})
            other = None
            if point == "in_revoke":
                doomed.wait_until_assigned(PARTITIONS)
                other = job.start()
            mark = job.strike_itself(point, doomed)
            other = other or job.start()
            run.recovered(job, mark)
            if turn + 1 < run.rounds:
                # A clean stop between two faults: the next one finds the doomed process alone.
                other.stop()
        run.end(job)
