"""Measurement 5: what connections cost that do little or nothing."""
import time

from content import push_blob, warm
from load import SlowReaders, connect, pull
from peers import Running
from report import Row, value_aim

IDLE = 10000
READERS = 1000
READER_RATE = 100000
MIB = 1 << 20


class Rows:
    def __init__(self):
        scale = 1 / MIB
        self.start = Row(5, "memory at start", "MiB", False, [], scale)
        self.idle = Row(5, "memory, %d idle connections" % IDLE, "MiB", False,
                        [value_aim("at most 20 MiB", 20 * MIB)], scale)
        no_thread = [value_aim("no thread per connection", 100)]
        self.idle_threads = Row(5, "%d idle connections" % IDLE, "threads more", False, no_thread)
        what = "%d readers at %d KB/s" % (READERS, READER_RATE // 1000)
        self.slow = Row(5, "memory, " + what, "MiB", False, [], scale)
        self.slow_threads = Row(5, what, "threads more", False, no_thread)
        self.slow_cpu = Row(5, what, "CPU s/GB", False)
        self.errors = Row(5, what, "errors", False, [value_aim("0 errors", 0)])

    def all(self):
        return [self.start, self.idle, self.idle_threads, self.slow, self.slow_threads,
                self.slow_cpu, self.errors]


def hold_idle(peer, path, rows):
    threads = peer.server.threads()
    connections = []
    try:
        for _ in range(IDLE):
            connections.append(connect(peer.port))
            pull(connections[-1], path)
        time.sleep(0.5)
        rows.idle.add(peer.name, peer.server.pss())
        rows.idle_threads.add(peer.name, peer.server.threads() - threads)
    finally:
        for connection in connections:
            connection.close()


def read_slowly(peer, path, seconds, rows):
    threads = peer.server.threads()
    cpu = peer.server.cpu_seconds()
    readers = SlowReaders(peer.port, path, READERS, READER_RATE)
    try:
        readers.run(seconds)
        rows.slow.add(peer.name, peer.server.pss())
        rows.slow_threads.add(peer.name, peer.server.threads() - threads)
        moved = READERS * READER_RATE * seconds
        rows.slow_cpu.add(peer.name, (peer.server.cpu_seconds() - cpu) / moved * 1e9)
        rows.errors.add(peer.name, readers.errors)
    finally:
        readers.close()


def measure_peer(bench, kind, small, large, rows):
    """Twice started, for what the one load leaves behind is not the other's."""
    for load in (lambda peer: hold_idle(peer, peer.path("blobs", small), rows),
                 lambda peer: read_slowly(peer, peer.path("blobs", large),
                                          4 if bench.quick else 10, rows)):
        with Running(bench.lab, bench.upstream.port, bench.dead, [kind]) as (peer,):
            warm(peer, "blobs", small)
            warm(peer, "blobs", large)
            load(peer)


def measure(bench):
    rows = Rows()
    small = push_blob(bench.upstream.port, b"x" * 1024)
    large = bench.blobs.push(64 * MIB)
    # The others take as long as all the rest.
    names = bench.names[:2] if bench.quick else bench.names
    for name in names:
        bench.say("5 %s" % name)
        with Running(bench.lab, bench.upstream.port, bench.dead, [name]) as (peer,):
            warm(peer, "blobs", small)  # it has started when it answers
            rows.start.add(name, peer.server.pss())
        measure_peer(bench, name, small, large, rows)
    return rows.all()
