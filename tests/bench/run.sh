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

# Where it may, it makes a network of its own: nobody else's connections, and no pacing. With
# bbr a timer for each piece that is sent costs several times what sending it does, on loopback,
# and would be what is measured.
own_network='
    ip link set lo up
    echo reno >/proc/sys/net/ipv4/tcp_congestion_control
    exec "$@"'
# -B: the tree may be read-only.
set -- python3 -B "$(dirname -- "$0")/main.py" "$@"
if unshare --net ip link set lo up 2>/dev/null; then
    set -- unshare --net sh -euc "$own_network" sh "$@"
fi
exec "$@"
