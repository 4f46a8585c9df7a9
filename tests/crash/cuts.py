"""The power fails while a commit is at each of its system calls: what was announced is served
afterwards without the registry, and nothing that is visible is damaged.

The cache lies on an ext4 of its own, which is shut down as by the loss of power: with what its
journal holds (LOGFLUSH), or without even that (NOLOGFLUSH)."""
import fcntl
import os
import struct
import subprocess
import threading

from lab import (Finding, NotHere, Proxy, Registry, check_store, files_below, forget_all,
                 left_overs, random_content, random_manifest, require, wait_until)
from points import choose, describe, record
from tracer import Mutant, Tracer

FS_IOC_SHUTDOWN = 0x8004587D
LOGFLUSH, NOLOGFLUSH = 1, 2
MODES = {LOGFLUSH: "journal flushed", NOLOGFLUSH: "journal lost"}
DISK_SIZE = 128 << 20
REACHED_WITHIN = 20
MUTANT_TRIES = 3


class NoDisk(Exception):
    """This machine lends none."""


def command(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return "" if done.returncode == 0 else done.stdout.strip() or "status %d" % done.returncode


class Disk:
    """A file system in a file."""

    def __init__(self, work):
        self.image, self.path = os.path.join(work, "image"), os.path.join(work, "disk")
        os.mkdir(self.path)
        with open(self.image, "wb") as image:
            image.truncate(DISK_SIZE)
        said = command("mkfs.ext4", "-q", "-F", self.image) or self.try_mount()
        if said:
            raise NoDisk(said)
        self.unmount()

    def try_mount(self):
        return command("mount", "-o", "loop", self.image, self.path)

    def mount(self):
        said = self.try_mount()
        require(not said, "mount:", said)

    def unmount(self):
        # Whoever had files there may still be on the way out.
        require(wait_until(lambda: not command("umount", self.path)), "umount fails")

    def cut(self, mode):
        root = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(root, FS_IOC_SHUTDOWN, struct.pack("I", mode))
        finally:
            os.close(root)

    def remove(self):
        if os.path.ismount(self.path):
            command("umount", "-l", self.path)


class NoSync(Mutant):
    def __init__(self, of_directories):
        self.of_directories = of_directories

    def enters(self, call):
        return call.name == "fsync" and call.is_directory() == self.of_directories


class EarlyRename(Mutant):
    """Gives the file its last name when its first bytes come."""

    def enters(self, call):
        top, _, name = call.path.rpartition("/")
        if top.endswith("/tmp") and call.name == "pwrite64":
            self.link(call.path, top, name)
        return False

    def link(self, path, top, name):
        hex_digest = name.partition("-")[2].partition(".")[0]
        target = "%s/blobs/sha256/%s/%s" % (top[:-len("/tmp")], hex_digest[:2], hex_digest)
        try:
            os.link(path, target)
        except FileExistsError:
            pass


class Yard:
    """Where the cuts are made, one after the other on the same disk."""

    def __init__(self, work):
        self.disk = Disk(work)
        self.registry = Registry()
        self.proxy = Proxy(work, self.disk.path, self.registry)

    def record(self, content):
        self.registry.off = False
        self.disk.mount()
        try:
            return record(self.proxy, self.registry, content)
        finally:
            forget_all(self.proxy.cache)
            self.disk.unmount()

    def run_to_point(self, content, point, mutant):
        """Whether it was reached, and what has been announced when the power fails."""
        sure = [self.registry.add(random_content(1000)), self.registry.add(random_manifest())]
        self.proxy.start()
        tracer = Tracer(self.proxy.worker(), self.proxy.cache, None, mutant)
        for each in sure:
            require(self.proxy.get(each) == 200, "not served")
        require(wait_until(lambda: self.proxy.committed() == len(sure)), "not committed")
        tracer.counts.clear()
        tracer.point = point
        client = threading.Thread(target=self.proxy.get, args=(content,), daemon=True)
        client.start()
        wait_until(lambda: tracer.reached.is_set() or self.proxy.committed() > len(sure),
                   REACHED_WITHIN)
        if self.proxy.committed() > len(sure):
            sure.append(content)
        return point is None or tracer.reached.is_set(), sure

    def cut(self, content, point, mode, mutant=None):
        """One power cut and what comes after it; whether the point was reached."""
        self.registry.add(content)
        self.registry.off = False
        self.disk.mount()
        try:
            reached, sure = self.run_to_point(content, point, mutant)
            self.disk.cut(mode)
        finally:
            self.proxy.kill()
            self.disk.unmount()
        self.registry.off = True
        self.disk.mount()
        try:
            self.proxy.start()
            self.check(content, sure)
            self.proxy.stop()
        finally:
            self.proxy.kill()
            forget_all(self.proxy.cache)
            self.disk.unmount()
        return reached

    def check(self, content, sure):
        check_store(self.proxy.cache)
        for each in sure:
            status = self.proxy.get(each)
            require(status == 200, "announced and then not served: status", status)
        # Absent, or as good as any other.
        self.proxy.get(content)
        require(wait_until(lambda: not left_overs(self.proxy.cache)), "left behind:",
                left_overs(self.proxy.cache))


def all_cuts(yard, sizes, share):
    """Both ways of failing at each point, and after the last."""
    findings, made, missed = [], 0, 0
    makers = [lambda size=size: random_content(size) for size in sizes] + [random_manifest]
    for make in makers:
        points = choose(yard.record(make()), share) + [None]
        for point in points:
            for mode in MODES:
                made += 1
                content = make()
                try:
                    missed += not yard.cut(content, point, mode)
                except Finding as finding:
                    findings.append("%d bytes, %s, %s: %s" % (
                        len(content.data), describe(point), MODES[mode], finding))
    if missed * 5 > made:
        findings.append("%d of %d points were not reached" % (missed, made))
    print("%d power cuts, %d of them after the end" % (made, missed))
    return findings


# What is wrong with it, how, and a cut that shows it.
MUTANTS = (("without fsync of files", NoSync(False), None, NOLOGFLUSH),
           ("without fsync of directories", NoSync(True), None, NOLOGFLUSH),
           ("with rename before verification", EarlyRename(), ("pwrite64", 2, "after"), LOGFLUSH))


def living_mutants(yard):
    """Those that all cuts leave unseen.  The journal may have been written in time by itself."""
    findings = []
    for name, mutant, point, mode in MUTANTS:
        for _ in range(MUTANT_TRIES):
            try:
                yard.cut(random_content(600000), point, mode, mutant)
            except Finding as finding:
                print("mutant %s: %s" % (name, finding))
                break
        else:
            findings.append("nothing is found to be wrong with the mutant " + name)
    return findings


def weaker_levels(yard):
    """Those that promise less still show nothing damaged: what is visible hashes to its name, and
    what was on disk is served.  That is all after an orderly end with none."""
    findings = []
    for level in ("data", "none"):
        yard.proxy.configure("\n[", "durability = %s\n[" % level)
        for mode in MODES:
            try:
                weaker_cut(yard, mode, level)
            except Finding as finding:
                findings.append("durability %s, %s: %s" % (level, MODES[mode], finding))
        yard.proxy.configure("durability = %s\n" % level, "\n")
    return findings


def weaker_cut(yard, mode, level):
    old, new = random_content(300000), [random_content(size) for size in (0, 1000, 3000000)]
    yard.registry.off = False
    for each in [old] + new:
        yard.registry.add(each)
    yard.disk.mount()
    try:
        yard.proxy.start()
        require(yard.proxy.get(old) == 200, "not served")
        yard.proxy.stop()
        # Or what the next start drops could be this.
        age(yard.proxy.cache)
        if level == "data":
            command("sync", "-f", yard.disk.path)
        yard.proxy.start()
        for each in new:
            require(yard.proxy.get(each) == 200, "not served")
        require(wait_until(lambda: yard.proxy.committed() == len(new)), "not committed")
        yard.disk.cut(mode)
    finally:
        yard.proxy.kill()
        yard.disk.unmount()
    yard.registry.off = True
    yard.disk.mount()
    try:
        yard.proxy.start()
        check_store(yard.proxy.cache, durable=False)
        require(yard.proxy.get(old) == 200, "what was on disk is not served")
        for each in new:
            yard.proxy.get(each)
        yard.registry.off = False
        for each in new:
            require(wait_until(lambda e=each: yard.proxy.get(e) == 200), "not fetched again")
        yard.proxy.stop()
    finally:
        yard.proxy.kill()
        forget_all(yard.proxy.cache)
        yard.disk.unmount()


def age(cache):
    for path in files_below(cache + "/blobs"):
        then = os.stat(path).st_mtime - 60
        os.utime(path, (then, then))


def run(work, sizes, share):
    try:
        yard = Yard(work)
    except NoDisk as reason:
        raise NotHere("no ext4 can be mounted: %s" % reason) from None
    try:
        return living_mutants(yard) + weaker_levels(yard) + all_cuts(yard, sizes, share)
    finally:
        yard.disk.remove()
