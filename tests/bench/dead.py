"""Measurement 6: hits while requests hang on an upstream that accepts and never answers."""
import time

from content import digest_of, push_blob, warm
from load import Client, wrk
from peers import Running
from report import Row, median_aim

HANGING = 64
CONNECTIONS = 8


class Hanging:
    """Requests without an answer, from here to the end of the context."""

    def __init__(self, peer, count):
        paths = [peer.dead_path(digest_of(b"%d" % number)) for number in range(count)]
        self.clients = [Client(peer.port, path) for path in paths]
        time.sleep(0.5)

    def __enter__(self):
        return self

    def still(self):
        """How many have got no answer yet."""
        count = 0
        for client in self.clients:
            try:
                count += not client.receive(bytearray(1), 1) and not client.received
            except ConnectionError:
                continue
        return count

    def __exit__(self, *_):
        for client in self.clients:
            client.close()


def measure_peer(bench, peer, digest, rows):
    path = peer.path("blobs", digest)
    warm(peer, "blobs", digest)
    without = wrk(peer, path, CONNECTIONS, bench.seconds)["p99"]
    with Hanging(peer, HANGING) as hanging:
        during = wrk(peer, path, CONNECTIONS, bench.seconds)["p99"]
        if hanging.still() < HANGING:
            bench.skip("6 %s: %d of %d did not hang" % (
                peer.name, HANGING - hanging.still(), HANGING))
    for row, value in zip(rows, (without, during, during / without)):
        row.add(peer.name, value)


def measure(bench):
    title = "p99 of hits, %d hang" % HANGING
    rows = [Row(6, "p99 of hits, nothing hangs", "us", False, [], 1e6),
            Row(6, title, "us", False, [], 1e6),
            Row(6, title, "times that without", False, [median_aim("at most 2", 2)])]
    digest = push_blob(bench.upstream.port, b"y" * 1024)
    names = [name for name in bench.names if name != "docker-registry"]
    for _ in range(bench.rounds):
        with Running(bench.lab, bench.upstream.port, bench.dead, names) as peers:
            for peer in peers:
                bench.say("6 %s" % peer.name)
                measure_peer(bench, peer, digest, rows)
    return rows
