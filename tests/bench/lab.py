"""The laboratory: one directory and the processes in it, all of which end with it."""
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stat_fields(pid):
    """The fields of /proc/PID/stat from the state on (man 5 proc, number 3 is first)."""
    with open("/proc/%d/stat" % pid, encoding="latin-1") as stat:
        return stat.read().rpartition(")")[2].split()


class Server:
    """A server under test: its first process and all that descend from it."""

    def __init__(self, argv, directory, port, out=None):
        self.port = port
        self.log = os.path.join(directory, "log")
        with open(self.log, "ab") as log, open(out or self.log, "ab") as stdout:
            self.process = subprocess.Popen(
                argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=stdout, stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": directory}, start_new_session=True)

    def await_port(self, seconds=30):
        end = time.monotonic() + seconds
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("does not start: " + self.tail()) from None
                time.sleep(0.02)

    def tail(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-2000:]

    def pids(self):
        children = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                children.setdefault(int(stat_fields(int(name))[1]), []).append(int(name))
            except OSError:
                continue
        found = [self.process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_seconds(self):
        """User and system time of all processes, those that ended included."""
        return sum(sum(map(int, stat_fields(pid)[11:15])) for pid in self.pids()) / TICKS

    def threads(self):
        return sum(int(stat_fields(pid)[17]) for pid in self.pids())

    def pss(self):
        """Bytes of memory: private ones, and its share of what it has in common with others."""
        total = 0
        for pid in self.pids():
            with open("/proc/%d/smaps_rollup" % pid) as maps:
                total += sum(int(line.split()[1]) for line in maps if line.startswith("Pss:"))
        return total * 1024

    def stop(self):
        """Ends all processes: by TERM, and what has not gone after 5 s by KILL."""
        pids = self.pids()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in pids[1:]:
            self.end_orphan(pid)

    def end_orphan(self, pid):
        try:
            if int(stat_fields(pid)[3]) == self.process.pid:
                os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


class Lab:
    """A temporary directory and the servers in it; leaving the context ends and removes all."""

    def __init__(self, root):
        self.root = tempfile.mkdtemp(prefix="ociproxy-bench.", dir=root)
        self.servers = []
        self.count = 0

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: exit(143))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return self

    def __exit__(self, *_):
        for server in list(self.servers):
            self.stop(server)
        shutil.rmtree(self.root, ignore_errors=True)

    def directory(self, name):
        self.count += 1
        path = os.path.join(self.root, "%s.%d" % (name, self.count))
        os.mkdir(path)
        return path

    def spawn(self, argv, directory, port, out=None):
        server = Server(argv, directory, port, out)
        self.servers.append(server)
        return server

    def start(self, argv, directory, port, out=None):
        """As spawn(), and waits until it listens."""
        server = self.spawn(argv, directory, port, out)
        server.await_port()
        return server

    def stop(self, server):
        server.stop()
        self.servers.remove(server)
