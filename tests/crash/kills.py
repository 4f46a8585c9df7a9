"""A worker is killed before and after the system calls of a commit: nothing partial is ever
visible, and whoever asks again gets the right bytes for one more download at most."""
import os
import signal
import threading

from lab import (Finding, Proxy, Registry, check_store, forget_all, left_overs, random_content,
                 require, wait_until)
from points import choose, describe, record
from tracer import Tracer

# What this is for hangs for ever; the machine may be slow.
REACHED_WITHIN = 20


def kill_at(proxy, registry, size, point):
    """Whether the point was reached."""
    content = registry.add(random_content(size))
    worker = proxy.worker()
    tracer = Tracer(worker, proxy.cache, point)
    client = threading.Thread(target=proxy.get, args=(content,), daemon=True)
    client.start()
    wait_until(lambda: tracer.reached.is_set() or proxy.committed(), REACHED_WITHIN)
    reached = tracer.reached.is_set()
    os.kill(worker, signal.SIGKILL)
    tracer.thread.join()
    check_store(proxy.cache)
    require(wait_until(lambda: proxy.get(content) == 200), "never served again")
    check_store(proxy.cache)
    require(proxy.worker() != worker, "the worker lives")
    gets = registry.gets[content.at_registry]
    require(gets <= 2, gets, "downloads")
    client.join()
    return reached


def one(proxy, registry, size, point):
    proxy.start()
    try:
        reached = kill_at(proxy, registry, size, point)
        proxy.stop()
    finally:
        proxy.kill()
    return reached


def await_clean(proxy):
    """A start clears what all the kills have left behind."""
    proxy.start()
    require(wait_until(lambda: not left_overs(proxy.cache)), "left behind:",
            left_overs(proxy.cache))
    proxy.stop()


def run(work, sizes, share):
    registry = Registry()
    proxy = Proxy(work, work, registry)
    findings, missed, tried = [], 0, 0
    try:
        for size in sizes:
            points = record(proxy, registry, random_content(size))
            for point in choose(points, share):
                tried += 1
                try:
                    missed += not one(proxy, registry, size, point)
                except Finding as finding:
                    findings.append("%d bytes, killed %s: %s" % (size, describe(point), finding))
            await_clean(proxy)
            forget_all(proxy.cache)
            print("%d bytes: %d points" % (size, len(points)))
    except Finding as finding:
        findings.append(str(finding))
    finally:
        proxy.kill()
    # How often the kernel hands over the body differs from run to run.
    if missed * 5 > tried:
        findings.append("%d of %d points were not reached" % (missed, tried))
    print("%d kills, %d of them after the end" % (tried, missed))
    return findings
