#!/bin/bash
# The power fails at system calls of a commit, on an ext4 of its own: what was announced is served
# afterwards without the registry, nothing visible is damaged, nobody has to repair anything.  That
# this finds what it looks for is tried on three mutants.  Here at some calls; with
# OCIPROXY_TORTURE_COMMITS set at all.
# needs: python3 mkfs.ext4 mount umount
set -euo pipefail

export PYTHONDONTWRITEBYTECODE=1
harness=$(dirname -- "$0")/../crash/main.py
if [ -n "${OCIPROXY_TORTURE_COMMITS-}" ]; then
    exec python3 "$harness" cuts 1 0 1 65536 5242880
else
    exec python3 "$harness" cuts 20 5242880
fi
