"""Measurement 1: requests per second for what is small and cached."""
from content import MANIFEST_TYPE, push_blob, push_manifest, warm
from load import wrk
from peers import Running
from report import Row, ratio_aim

CONNECTIONS = (32, 256)


def push_small(upstream, blobs):
    config = push_blob(upstream.port, b'{"architecture":"amd64","os":"linux"}'.ljust(1024))
    layer = blobs.push(5000)
    manifest = push_manifest(upstream.port, (config, 1024), [(layer, 5000)], 1536)
    return [("1.5 KB manifest", "manifests", manifest), ("1 KiB blob", "blobs", config)]


class Rows:
    """What one wrk run tells: rate, CPU time, latencies."""

    def __init__(self, title):
        self.rate = Row(1, title, "requests/s", True,
                        [ratio_aim("nginx", 1.0), ratio_aim("docker-registry", 50)])
        self.cpu = Row(1, title, "CPU us/request", False, [], 1e6)
        self.p50 = Row(1, title, "p50 us", False, [], 1e6)
        self.p99 = Row(1, title, "p99 us", False, [], 1e6)

    def add(self, who, figures):
        self.rate.add(who, figures["rate"])
        self.cpu.add(who, figures["cpu"])
        self.p50.add(who, figures["p50"])
        self.p99.add(who, figures["p99"])

    def all(self):
        return [self.rate, self.cpu, self.p50, self.p99]


def measure(bench):
    cases = [(what, count, Rows("%s, %d connections" % (what[0], count)))
             for what in push_small(bench.upstream, bench.blobs) for count in CONNECTIONS]
    with Running(bench.lab, bench.upstream.port, bench.dead, bench.names) as peers:
        for (_, kind, digest), _, _ in cases:
            for peer in peers:
                warm(peer, kind, digest)
        for _ in range(bench.rounds):
            for (_, kind, digest), count, rows in cases:
                for peer in peers:
                    bench.say("1 %s %s" % (rows.rate.title, peer.name))
                    path = peer.path(kind, digest)
                    rows.add(peer.name, wrk(peer, path, count, bench.seconds, MANIFEST_TYPE))
    return [row for case in cases for row in case[2].all()]
