#!/bin/sh
# usage: run.sh [OPTION]...     (main.py --help lists them)
# Measures $OCIPROXY_BIN against nginx, varnish and docker-registry.
set -eu
: "${OCIPROXY_BIN:?is not set; use make bench}"

missing=
for program in python3 docker-registry wrk; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
    echo "bench: missing:$missing (make deps bench installs them)" >&2
    exit 1
fi
# -B: the tree may be read-only.
exec python3 -B "$(dirname -- "$0")/main.py" "$@"
