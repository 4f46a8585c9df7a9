"""Measurement 4: two hundred clients that all want what nobody has yet."""
from line import Line
from load import connect, pull, storm
from peers import Running
from report import Row, value_aim

CLIENTS = 200
# Of the line to the upstream, in bytes per second: 100 Mbit/s. Without it everything would be on
# one machine, and the copies for 200 clients what takes the time.
RATE = 12500000


class Rows:
    def __init__(self, size):
        title = "storm of %d, cold %d MiB" % (CLIENTS, size >> 20)
        self.gets = Row(4, title, "upstream GETs", False, [value_aim("1 upstream GET", 1)])
        self.times = Row(4, title + " over 100 Mbit/s", "last client/one alone", False,
                         [value_aim("at most 1.2", 1.2)])
        self.cpu = Row(4, title + " over 100 Mbit/s", "CPU s", False)
        self.free = Row(4, title + ", no slow line", "s to the last", False)

    def all(self):
        return [self.gets, self.times, self.cpu, self.free]


def pull_alone(bench, peer, size):
    digest = bench.blobs.push(size)
    with connect(peer.port) as connection:
        seconds = pull(connection, peer.path("blobs", digest))[1]
    bench.blobs.remove(digest)
    return seconds


def pull_all(bench, peer, size, limit):
    """Seconds to the last, upstream GETs, CPU time."""
    digest = bench.blobs.push(size)
    cpu = peer.server.cpu_seconds()
    seconds = storm(peer.port, peer.path("blobs", digest), CLIENTS, limit)
    cpu = peer.server.cpu_seconds() - cpu
    gets = bench.upstream.gets(digest)
    bench.blobs.remove(digest)
    return seconds, gets, cpu


def over_line(bench, peer, size, rows):
    bench.say("4 %s over the slow line" % peer.name)
    alone = pull_alone(bench, peer, size)
    seconds, gets, cpu = pull_all(bench, peer, size, 4 * alone)
    if not seconds:
        bench.skip("4 %s over the slow line: not done after 4 times the time of one" % peer.name)
        return
    rows.gets.add(peer.name, gets)
    rows.cpu.add(peer.name, cpu)
    rows.times.add(peer.name, seconds / alone)


def without_line(bench, peer, size, rows):
    bench.say("4 %s" % peer.name)
    seconds, _, _ = pull_all(bench, peer, size, 60)
    if seconds:
        rows.free.add(peer.name, seconds)
    else:
        bench.skip("4 %s without the line: not done after 60 s" % peer.name)


def measure(bench):
    size = 64 << 20 if not bench.quick else 16 << 20
    rows = Rows(size)
    # That one fetches the blob once for each client: over the line it would take minutes.
    names = [name for name in bench.names if name != "docker-registry"]
    for _ in range(min(bench.rounds, 2)):
        with Line(bench, RATE) as line:
            with Running(bench.lab, line.port, bench.dead, names) as peers:
                for peer in peers:
                    over_line(bench, peer, size, rows)
        with Running(bench.lab, bench.upstream.port, bench.dead, bench.names) as peers:
            for peer in peers:
                without_line(bench, peer, size, rows)
    return rows.all()
