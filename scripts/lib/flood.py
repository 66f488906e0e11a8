"""Connections that send nothing, or half of a request, to one port:

    python3 flood.py HOST:PORT COUNT

Opens COUNT of them as fast as they are taken and says `there`. From then on it opens each that was closed again, AGAIN in a
second at most, until its input ends; then it says as JSON how many it opened and how many of those were closed by the other
side."""

import errno
import json
import os
import resource
import selectors
import socket
import sys
import time

HALF = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
# Being opened at the same time: not more than a kernel keeps for who takes them.
OPENING_MAX = 500
AGAIN = 1_000
BEAT_S = 0.05


class Flood:
    def __init__(self, address, count):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < count + 100:
            raise SystemExit(f"flood: {count} connections need as many descriptors, and the hard limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, count + 100), hard))
        self.address, self.count = address, count
        self.poller = selectors.DefaultSelector()
        self.opening, self.open = set(), set()
        self.opened = self.closed = 0

    def run(self, said):
        """Until `said()`; with `there` on the way."""
        there, since, again = False, 0.0, 0
        while not said():
            if not there and self.opened >= self.count:
                print("there", flush=True)
                there, since, again = True, time.monotonic(), 0
            while len(self.opening) < OPENING_MAX and len(self.opening) + len(self.open) < self.count:
                if there and again >= (time.monotonic() - since) * AGAIN:
                    break
                if not there and self.opened + len(self.opening) >= self.count:
                    break
                again += 1
                self.begin()
            for key, _ in self.poller.select(BEAT_S):
                if key.fileobj in self.opening:
                    self.begun(key.fileobj)
                elif key.fileobj in self.open:
                    self.heard(key.fileobj)

    def begin(self):
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        if connection.connect_ex(self.address) not in (0, errno.EINPROGRESS):
            connection.close()
            return
        self.opening.add(connection)
        self.poller.register(connection, selectors.EVENT_WRITE)

    def begun(self, connection):
        self.opening.discard(connection)
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0:
            self.forget(connection)
            return
        self.opened += 1
        self.open.add(connection)
        self.poller.modify(connection, selectors.EVENT_READ)
        if self.opened % 2:
            try:
                connection.send(HALF)
            except OSError:
                self.lost(connection)

    def heard(self, connection):
        try:
            if connection.recv(4_096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.lost(connection)

    def lost(self, connection):
        self.open.discard(connection)
        self.closed += 1
        self.forget(connection)

    def forget(self, connection):
        self.poller.unregister(connection)
        connection.close()


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    flood = Flood((host, int(port)), int(sys.argv[2]))
    os.set_blocking(0, False)

    def ended():
        try:
            return os.read(0, 1) == b""
        except BlockingIOError:
            return False
    flood.run(ended)
    print(json.dumps({"opened": flood.opened, "closed": flood.closed}), flush=True)


if __name__ == "__main__":
    main()
