"""The points of a commit: before and after each system call that a worker makes in the cache
for one download."""
from lab import require, wait_until
from tracer import Tracer

# Where nothing changes, nothing can be half done.  They are there for the time between.
QUIET = ("close", "fstat", "newfstatat", "flock")


def record(proxy, registry, content):
    """All points of a download of `content`, in order."""
    registry.add(content)
    proxy.start()
    try:
        before = proxy.committed()
        tracer = Tracer(proxy.worker(), proxy.cache)
        require(proxy.get(content) == 200, "the download that is recorded fails")
        require(wait_until(lambda: proxy.committed() > before), "never committed")
        calls = list(tracer.calls)
    finally:
        proxy.kill()
    names = {name for name, _, _ in calls}
    require({"fsync", "renameat"} & names, "no commit was seen, only", *sorted(names))
    return [(name, nth, when) for name, nth, _ in calls for when in ("before", "after")]


def choose(points, share):
    """One of `share` of them, spread evenly, without the calls that change nothing when some
    have to go."""
    if share == 1:
        return points
    telling = [point for point in points if point[0] not in QUIET]
    return telling[share // 2::share]


def describe(point):
    if point is None:
        return "after all"
    return "%s call %d of %s" % (point[2], point[1], point[0])
