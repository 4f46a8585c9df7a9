"""Measures ociproxy against its peers, in rounds that alternate between them."""
import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import time

import bulk
import content
import crowd
import dead
import idle
import lab
import peers
import plot
import report
import small

MEASUREMENTS = {1: small.measure, 2: bulk.measure_warm, 3: bulk.measure_cold, 4: crowd.measure,
                5: idle.measure, 6: dead.measure}


class Bench:
    """What a measurement is given."""

    def __init__(self, options, laboratory):
        self.lab = laboratory
        self.quick = options.quick
        self.rounds = options.rounds or (1 if options.quick else 3)
        self.seconds = 1 if options.quick else 3
        self.large = 256 << 20
        self.names = [kind.name for kind in peers.ALL if kind.available()]
        self.skipped = ["%s: not installed" % kind.name
                        for kind in peers.ALL if not kind.available()]
        # Connections to it are made, and nobody ever reads what they bring.
        self.dead_listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.dead = self.dead_listener.getsockname()[1]
        self.upstream = peers.Upstream(laboratory)
        self.blobs = content.Blobs(self.upstream)

    def skip(self, what):
        if what not in self.skipped:
            self.skipped.append(what)

    def say(self, what):
        print("%s %s" % (time.strftime("%H:%M:%S"), what), file=sys.stderr, flush=True)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="numbers of measurements, as 1,3", default="")
    parser.add_argument("--rounds", type=int, help="3; 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="shorter and less exact")
    parser.add_argument("--root", help="where caches and content go while it runs (TMPDIR)")
    parser.add_argument("--output", default=".", help="directory for bench.json and bench.svg")
    options = parser.parse_args(arguments)
    options.only = [int(text) for text in options.only.split(",") if text] or list(MEASUREMENTS)
    if not set(options.only) <= set(MEASUREMENTS):
        parser.error("measurements are %s" % ", ".join(map(str, MEASUREMENTS)))
    return options


def cpu_model():
    with open("/proc/cpuinfo") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return names[0] if names else platform.machine()


def congestion_control():
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as setting:
        return setting.read().strip()


def machine(root):
    kind = subprocess.run(["stat", "-f", "-c", "%T", root], stdout=subprocess.PIPE, text=True,
                          check=False).stdout.strip()
    return {"cpu": cpu_model(), "cores": os.cpu_count(), "kernel": platform.release(),
            "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            "filesystem": kind, "congestion_control": congestion_control(),
            "load": os.getloadavg()}


def save(options, name, text):
    path = os.path.join(options.output, name)
    with open(path, "w") as file:
        file.write(text)
    print("written: " + path)


def finish(options, bench, about, rows):
    title = "%(cores)d x %(cpu)s, Linux %(kernel)s, caches on %(filesystem)s, %(congestion_control)s" % about
    print(title)
    report.print_table(rows, bench.skipped)
    save(options, "bench.json", json.dumps({
        "machine": about, "rounds": bench.rounds, "quick": bench.quick,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "skipped": bench.skipped, "rows": [row.as_json() for row in rows]}, indent=1) + "\n")
    save(options, "bench.svg", plot.draw(rows, title))


def main():
    options = parse(sys.argv[1:])
    with lab.Lab(options.root) as laboratory:
        about = machine(laboratory.root)
        bench = Bench(options, laboratory)
        rows = [row for which in options.only for row in MEASUREMENTS[which](bench)]
    finish(options, bench, about, rows)


main()
