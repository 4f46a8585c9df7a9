"""A line to the upstream that carries only so much: a registry that is somewhere else."""
import os
import re
import sys
import time

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../clients/slow-link.py")


class Line:
    """rate: bytes per second. It is there until the end of the context."""

    def __init__(self, bench, rate):
        self.lab = bench.lab
        directory = bench.lab.directory("line")
        out = os.path.join(directory, "out")
        command = [sys.executable, "-B", SCRIPT, str(bench.upstream.port), str(rate)]
        self.server = bench.lab.spawn(command, directory, None, out)
        self.port = self.await_port(out)

    def await_port(self, out):
        while self.server.process.poll() is None:
            with open(out) as said:
                found = re.search(r"on 127\.0\.0\.1:(\d+)\n", said.read())
            if found:
                return int(found.group(1))
            time.sleep(0.02)
        raise RuntimeError("no line: " + self.server.tail())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.stop(self.server)
