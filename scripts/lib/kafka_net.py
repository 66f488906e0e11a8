"""Network helper of scripts/kafka: free loopback ports, and a probe that asks a broker over its own protocol.

    kafka_net.py ports N             prints N free ports, one a line
    kafka_net.py probe PORT BROKERS  succeeds when the broker at PORT knows an active controller and BROKERS brokers
"""

import random
import socket
import struct
import sys

# Below Linux's range for outgoing connections (from 32768), so that no client takes the port before the broker does.
PORTS = range(20_000, 32_000)
TIMEOUT_S = 2.0
METADATA, METADATA_VERSION = 3, 1


def is_free(port):
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_ports(count):
    found = []
    for port in random.sample(PORTS, len(PORTS)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise SystemExit(f"no {count} free ports between {PORTS.start} and {PORTS.stop}")


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise OSError("the broker closed the connection")
        data += chunk
    return data


def metadata(port):
    """One Metadata request without topics: (number of unfenced brokers, controller id or -1)."""
    client = b"scorewire-probe"
    header = struct.pack(">hhih", METADATA, METADATA_VERSION, 1, len(client)) + client
    request = header + struct.pack(">i", 0)
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", read_exactly(connection, 4))
        answer = read_exactly(connection, size)
    _correlation, brokers = struct.unpack_from(">ii", answer, 0)
    at = 8
    for _ in range(brokers):
        (host_length,) = struct.unpack_from(">h", answer, at + 4)
        at += 4 + 2 + host_length + 4  # node id, host, port
        (rack_length,) = struct.unpack_from(">h", answer, at)
        at += 2 + max(rack_length, 0)
    (controller,) = struct.unpack_from(">i", answer, at)
    return brokers, controller


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "ports":
        print("\n".join(map(str, free_ports(int(sys.argv[2])))))
    elif len(sys.argv) == 4 and sys.argv[1] == "probe":
        try:
            brokers, controller = metadata(int(sys.argv[2]))
        except (OSError, struct.error) as error:
            raise SystemExit(f"no answer: {error}")
        if controller < 0 or brokers < int(sys.argv[3]):
            raise SystemExit(f"{brokers} brokers, controller {controller}")
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
