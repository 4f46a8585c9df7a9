#!/usr/bin/env python3
"""usage: OCIPROXY_BIN=... main.py kills|cuts SHARE SIZE...

Breaks off downloads of SIZE bytes at one of SHARE of the points of their commits, by killing the
worker or by a power cut.  Exit status 77: not on this machine, and the last line says why.
"""
import platform
import sys
import tempfile

import cuts
import kills
from lab import NotHere


def main():
    what = {"kills": kills, "cuts": cuts}[sys.argv[1]]
    share, sizes = int(sys.argv[2]), list(map(int, sys.argv[3:]))
    try:
        if platform.machine() != "x86_64":
            raise NotHere("the system calls of x86_64 are known, not those here")
        with tempfile.TemporaryDirectory() as work:
            findings = what.run(work, sizes, share)
    except PermissionError as error:
        print("not permitted: %s" % error)
        return 77
    except NotHere as reason:
        print(reason)
        return 77
    for finding in findings:
        print("FINDING:", finding, file=sys.stderr)
    return 1 if findings else 0


sys.exit(main())
