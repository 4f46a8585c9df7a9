"""Load: wrk for many small requests."""
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def wrk(peer, path, connections, seconds, accept):
    """wrk's figures, with the CPU time that the server took meanwhile."""
    before = peer.server.cpu_seconds()
    run = subprocess.run(
        ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--timeout", "20s",
         "-s", os.path.join(HERE, "wrk.lua"), "-H", "Accept: " + accept,
         "http://127.0.0.1:%d%s" % (peer.port, path)],
        stdout=subprocess.PIPE, check=True, text=True)
    figures = json.loads(run.stdout.rpartition("RESULT ")[2])
    if figures["errors"] or not figures["requests"]:
        raise RuntimeError("%s: %s: %s" % (peer.name, path, figures))
    figures["rate"] = figures["requests"] / figures["seconds"]
    figures["cpu"] = (peer.server.cpu_seconds() - before) / figures["requests"]
    return figures
