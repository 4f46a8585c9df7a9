#!/bin/bash
# A worker is killed before and after system calls of a commit: nothing partial is ever visible,
# and the next client gets the right bytes for one more download at most.  Here at some of them;
# with OCIPROXY_TORTURE_COMMITS set at all.
# needs: python3
set -euo pipefail

export PYTHONDONTWRITEBYTECODE=1
harness=$(dirname -- "$0")/../crash/main.py
if [ -n "${OCIPROXY_TORTURE_COMMITS-}" ]; then
    exec python3 "$harness" kills 1 0 1 65536 5242880
else
    exec python3 "$harness" kills 12 1 5242880
fi
