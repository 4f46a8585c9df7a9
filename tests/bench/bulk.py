"""Measurements 2 and 3: a large blob, warm and cold."""
import subprocess

from content import digest_of, request
from line import Line
from load import connect, pull, pull_parallel
from peers import Ociproxy, Running
from report import Row, best_aim, ratio_aim

GIB = 1 << 30
CONNECTIONS = 4
LINE_RATE = 125000000  # bytes per second


def make_certificate(lab):
    """The settings for a TLS listener, or None if there is no way to make a certificate."""
    directory = lab.directory("tls")
    names = {"certificate": directory + "/cert", "key": directory + "/key"}
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2", "-keyout", names["key"],
               "-out", names["certificate"]]
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return names


def tls_settings(bench):
    tls = make_certificate(bench.lab)
    if not tls:
        bench.skip("2 over TLS: openssl cannot make a certificate")
    elif not Ociproxy.speaks_tls(bench.lab, tls):
        bench.skip("2 over TLS: this ociproxy has no TLS listener")
    else:
        return tls
    return None


class WarmRows:
    def __init__(self, how):
        title = "warm 256 MiB, %d connections%s" % (CONNECTIONS, how)
        self.rate = Row(2, title, "MiB/s", True, [best_aim(1.0)], 1 / (1 << 20))
        self.cpu = Row(2, title, "CPU s/GiB", False, [best_aim(1.0)])

    def measure(self, bench, peer, path, tls):
        bench.say("2 %s%s" % (peer.name, " TLS" if tls else ""))
        cpu = peer.server.cpu_seconds()
        port = peer.tls_port if tls else peer.port
        moved, seconds = pull_parallel(port, path, CONNECTIONS, bench.seconds, tls)
        self.rate.add(peer.name, moved / seconds)
        self.cpu.add(peer.name, (peer.server.cpu_seconds() - cpu) / moved * GIB)


def warm_up(peer, digest):
    for _ in range(2):
        if digest_of(request(peer.port, "GET", peer.path("blobs", digest))[1]) != digest:
            raise RuntimeError("%s: wrong bytes for %s" % (peer.name, digest))


def measure_warm(bench):
    digest = bench.blobs.push(bench.large)
    tls = tls_settings(bench)
    plain, secure = WarmRows(""), WarmRows(", TLS")
    with Running(bench.lab, bench.upstream.port, bench.dead, bench.names, tls) as peers:
        for peer in peers:
            warm_up(peer, digest)
        for _ in range(bench.rounds):
            for peer in peers:
                path = peer.path("blobs", digest)
                plain.measure(bench, peer, path, False)
                if peer.tls:
                    secure.measure(bench, peer, path, True)
    bench.blobs.remove(digest)
    return [plain.rate, plain.cpu] + ([secure.rate, secure.cpu] if tls else [])


def settle(lab):
    """What is still to be written would be written while somebody is measured."""
    subprocess.run(["sync", "-f", lab.root], check=True)


class ColdRows:
    def __init__(self, how):
        self.total = Row(3, "cold 256 MiB" + how, "s", False, [ratio_aim("direct", 1.05, False)])
        self.first = Row(3, "cold 256 MiB%s, first byte" % how, "ms", False, [], 1000)

    def measure(self, bench, name, port, path):
        settle(bench.lab)
        bench.say("3 %s" % name)
        with connect(port) as connection:
            first, total, size = pull(connection, path)
        if size != bench.large:
            raise RuntimeError("%s: %d bytes" % (name, size))
        self.first.add(name, first)
        self.total.add(name, total)


def measure_cold_from(bench, port, rows):
    """port: of the upstream, or of a line to it."""
    with Running(bench.lab, port, bench.dead, bench.names) as peers:
        for _ in range(bench.rounds):
            digest = bench.blobs.push(bench.large)
            rows.measure(bench, "direct", port, bench.upstream.path("blobs", digest))
            for peer in peers:
                rows.measure(bench, peer.name, peer.port, peer.path("blobs", digest))
            bench.blobs.remove(digest)
    return [rows.total, rows.first]


def measure_cold(bench):
    with Line(bench, LINE_RATE) as line:
        far = measure_cold_from(bench, line.port, ColdRows(" over 1 Gbit/s"))
    return far + measure_cold_from(bench, bench.upstream.port, ColdRows(", upstream here"))
