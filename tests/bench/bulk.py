"""Measurements 2 and 3: a large blob, warm and cold."""
import subprocess

from content import digest_of, request
from load import connect, pull, pull_parallel
from peers import Ociproxy, Running
from report import Row, best_aim, ratio_aim

GIB = 1 << 30
CONNECTIONS = 4


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

    def measure(self, peer, path, size, times, tls):
        cpu = peer.server.cpu_seconds()
        seconds = pull_parallel(peer.tls_port if tls else peer.port, path, CONNECTIONS, times, tls)
        moved = size * CONNECTIONS * times
        self.rate.add(peer.name, moved / seconds)
        self.cpu.add(peer.name, (peer.server.cpu_seconds() - cpu) / moved * GIB)


def warm_up(peer, digest):
    for _ in range(2):
        if digest_of(request(peer.port, "GET", peer.path("blobs", digest))[1]) != digest:
            raise RuntimeError("%s: wrong bytes for %s" % (peer.name, digest))


def measure_warm(bench):
    size = bench.large
    digest = bench.blobs.push(size)
    tls = tls_settings(bench)
    plain, secure = WarmRows(""), WarmRows(", TLS")
    with Running(bench.lab, bench.upstream.port, bench.dead, bench.names, tls) as peers:
        for peer in peers:
            warm_up(peer, digest)
        for _ in range(bench.rounds):
            for peer in peers:
                bench.say("2 %s" % peer.name)
                plain.measure(peer, peer.path("blobs", digest), size, 4, False)
                if tls and peer.tls:
                    secure.measure(peer, peer.path("blobs", digest), size, 1, True)
    bench.blobs.remove(digest)
    return [plain.rate, plain.cpu] + ([secure.rate, secure.cpu] if tls else [])


def settle(lab):
    """What is still to be written would be written while somebody is measured."""
    subprocess.run(["sync", "-f", lab.root], check=True)


def measure_cold(bench):
    total = Row(3, "cold 256 MiB", "s", False, [ratio_aim("direct", 1.05, False)])
    first = Row(3, "cold 256 MiB, first byte", "ms", False, [], 1000)
    with Running(bench.lab, bench.upstream.port, bench.dead, bench.names) as peers:
        for _ in range(bench.rounds):
            digest = bench.blobs.push(bench.large)
            sources = [("direct", bench.upstream)] + [(peer.name, peer) for peer in peers]
            for name, source in sources:
                settle(bench.lab)
                bench.say("3 %s" % name)
                with connect(source.port) as connection:
                    times = pull(connection, source.path("blobs", digest))
                if times[2] != bench.large:
                    raise RuntimeError("%s: %d bytes" % (name, times[2]))
                first.add(name, times[0])
                total.add(name, times[1])
            bench.blobs.remove(digest)
    return [total, first]
