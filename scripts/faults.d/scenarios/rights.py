"""What befalls a job's user: a right that is taken away, a password that is changed."""

import time
import urllib.error
import urllib.request

from confluent_kafka.admin import AclOperation, ResourceType

from waits import FaultError, wait_for

from .run import PARTITIONS, RATE, scenario

UNAVAILABLE = 69
# From the revoked right to the end of the process; the watchdog would take a minute.
ENDS_S = 30.0
# Lines of a log in which the client says that it is locked out, from one rotation to its end: it says so twice a minute.
LINES_MAX = 60


class User:
    """Somebody whom the brokers know, with a password in a file of its own and the rights that a node needs."""

    def __init__(self, cluster, job, name):
        self.cluster, self.job, self.name, self.count = cluster, job, name, 0
        self.file = job.folder / f"{name}.password"
        self.change_password()
        self.write_password()
        base = job.topics["input"].removesuffix("input")
        for operation in (AclOperation.WRITE, AclOperation.READ):
            for key in ("outputs", "review", "dead_letters", "timeouts"):
                cluster.allow(name, operation, ResourceType.TOPIC, job.topics[key])
        cluster.allow(name, AclOperation.READ, ResourceType.GROUP, base, prefixed=True)
        for operation in (AclOperation.WRITE, AclOperation.DESCRIBE):
            cluster.allow(name, operation, ResourceType.TRANSACTIONAL_ID, base, prefixed=True)
        self.may_read()

    def may_write_dead_letters(self):
        self.cluster.allow(self.name, AclOperation.WRITE, ResourceType.TOPIC, self.job.topics["dead_letters"])

    def may_not_write_dead_letters(self):
        self.cluster.forbid(self.name, AclOperation.WRITE, ResourceType.TOPIC, self.job.topics["dead_letters"])

    def may_read(self):
        self.cluster.allow(self.name, AclOperation.READ, ResourceType.TOPIC, self.job.topics["input"])

    def may_not_read(self):
        self.cluster.forbid(self.name, AclOperation.READ, ResourceType.TOPIC, self.job.topics["input"])

    def change_password(self):
        self.count += 1
        self.cluster.set_password(self.name, self.password())

    def password(self):
        return f"{self.name}-{self.count}"

    def write_password(self):
        """As an operator or Kubernetes does: another file takes the place of the old one."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(self.password() + "\n")
        fresh.chmod(0o600)
        fresh.rename(self.file)

    def start(self, settings=()):
        properties = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256",
                      "sasl.username": self.name, "sasl.password_file": self.file}
        return self.job.start([*(f"kafka.properties.{name}={value}" for name, value in properties.items()), *settings])


def ready(node):
    """`(code, body)` of `/readyz`."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.port}/readyz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None, ""


def lines_of(node):
    return len(node.log_path.read_text().splitlines())


def behind(run, job, names):
    job.node_bootstrap = run.cluster.behind_proxy
    return [User(run.cluster, job, f"{name}-{job.group}") for name in names]


@scenario("right revoked", 0, 2, 6, guarded=True)
def right_revoked(run):
    """One of two nodes may not read the input any more: it ends at once with its reason, and the other one, with a user of its
    own, takes over. With the right back it starts again."""
    with run.job() as job:
        poor, rich = behind(run, job, ("poor", "rich"))
        node, other = poor.start(), rich.start()
        job.feed.start(RATE)
        node.wait_until_shared(other, PARTITIONS)
        for _ in range(run.rounds):
            def revoke():
                nonlocal node
                started = time.monotonic()
                poor.may_not_read()
                node.wait(UNAVAILABLE)
                took_s = time.monotonic() - started
                if took_s > ENDS_S:
                    raise FaultError(f"{node.name} took {took_s:.0f} s to end")
                named = f"READ on topic {job.topics['input']} is denied to User:{poor.name}"
                first = next((line for line in node.log_path.read_text().splitlines() if "fatal:" in line), "nothing")
                if named not in first:
                    raise FaultError(f"{node.name} did not say at first that {named!r}, but:\n{node.tail()}")
                run.notes.append(f"ended after {took_s:.1f} s")

            def allow():
                nonlocal node
                poor.may_read()
                node = poor.start()
                node.wait_until_shared(other, PARTITIONS)
            run.strike(job, "right revoked", revoke, mend=allow)
        if not other.is_running():
            raise FaultError(f"{other.name} ended too:\n{other.tail()}")
        run.end(job)


@scenario("password rotated", 0, 3, 10, proxied=True, guarded=True)
def password_rotated(run):
    """The user's password is changed and all connections are reset; the node's secret file follows at once, or when it has been
    refused for longer than its session (then it is not ready, and says why), in turn. The node comes back by itself."""
    with run.job() as job, run.cluster.proxy() as proxy:
        (user,) = behind(run, job, ("clerk",))
        job.node_bootstrap = f"127.0.0.1:{run.cluster.proxy_port}"
        node = user.start()
        job.feed.start(RATE)
        node.wait_until_assigned(PARTITIONS)
        for turn in range(run.rounds):
            def rotate(late=turn % 2 == 1):
                user.change_password()
                proxy.spoil("reset")
                if late:
                    def says_why():
                        code, body = ready(node)
                        return code == 503 and "nothing was heard from the group" in body and "SASL" in body
                    wait_for("a node that is locked out does not say so", run.suite.settle_s, says_why)
                user.write_password()
            before = lines_of(node)
            run.strike(job, "password rotated", rotate)
            said = lines_of(node) - before
            if said > LINES_MAX:
                raise FaultError(f"{said} lines of log for one rotation:\n{node.tail()}")
            run.notes.append(f"{said} lines of log")
            wait_for("the node is not ready again", run.suite.settle_s, lambda: ready(node)[0] == 200)
            if not node.is_running() or len(job.nodes) > 1:
                raise FaultError("the node did not come back by itself")
        run.end(job)


@scenario("refused for a while", 0, 2, 10, guarded=True)
def refused_for_a_while(run):
    """The user may not write dead letters for a moment: the process lives on, goes back and tries again (exactly-once: its
    transactions are aborted), until it may."""
    with run.job() as job:
        (user,) = behind(run, job, ("writer",))
        node = user.start(("limits.delivery_failures_max=1000000",))
        job.feed.start(RATE)
        node.wait_until_assigned(PARTITIONS)
        for _ in range(run.rounds):
            def refused():
                before = node.delivery_failures()
                user.may_not_write_dead_letters()
                wait_for("nothing is refused", run.suite.settle_s,
                         lambda: (node.delivery_failures() or 0) >= before + 3)
            run.strike(job, "refused for a while", refused, mend=user.may_write_dead_letters)
        run.end(job)
