#!/bin/bash
# A pull through HAProxy, which tells by PROXY protocol who the client is: in both versions and
# with a checksum over TCP, and through a unix socket. Its health checks (LOCAL) are answered.
# needs: haproxy docker-registry skopeo jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
start_registry
push_app
# HAProxy takes no path longer than some 90 bytes.
socket=$short_dir/proxied.sock
# shellcheck disable=SC2034  # of lib.sh
proxy_settings="listen = 127.0.0.1:0 proxy_protocol
listen = unix:$socket proxy_protocol
trusted_proxies = 127.0.0.1
admin_listen = unix:$work/admin.sock"
start_proxy
direct_port=$proxy_port
header_port=$(sed -n 's/.*listening on [^,]*, 127\.0\.0\.1:\([0-9]*\),.*/\1/p' "$work/proxy.log")

# free_port: one that nobody has at the moment.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The client's address is one that nothing else here has.
fetch_through() {
    fetch --interface 127.0.0.9 -o /dev/null -w '%{http_code}' \
        "http://127.0.0.1:$proxy_port/$1" 2>"$work/curl.log"
}

haproxy_answers() {
    kill -0 "$haproxy_pid" 2>/dev/null || fail "HAProxy: $(tail -n 3 "$work/haproxy.log")"
    [ "$(fetch_through v2/)" = 200 ]
}

logged() { grep -q "$1" "$work/access.log"; }

# start_haproxy SERVER-LINE
haproxy_pid=
start_haproxy() {
    proxy_port=$(free_port)
    cat >"$work/haproxy.cfg" <<END
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen front
    bind 127.0.0.1:$proxy_port
    server s $1
END
    haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
    haproxy_pid=$!
    wait_until 20 haproxy_answers || fail "HAProxy does not serve"
}

stop_haproxy() {
    stop_process "$haproxy_pid"
    haproxy_pid=
}
trap 'status=$?; stop_haproxy; stop_everything $status' EXIT

# expect_pull WHAT SERVER-LINE
expect_pull() {
    : >"$work/access.log"
    start_haproxy "$2"
    pull demo.test/app:v1 "$work/$1"
    expect_same_image "$1" "$work/image" "$work/$1"
    wait_until 5 logged ' 127\.0\.0\.9:[0-9]* "GET /v2/" 200' || fail "$1: no line for 127.0.0.9"
    ! logged ' unix: ' || fail "$1: HAProxy itself is in the log"
    stop_haproxy
}

expect_pull v2 "127.0.0.1:$header_port send-proxy-v2 check check-send-proxy inter 100ms"
expect_pull v1 "127.0.0.1:$header_port send-proxy check check-send-proxy inter 100ms"
expect_pull checksum "127.0.0.1:$header_port send-proxy-v2 proxy-v2-options crc32c,unique-id"
expect_pull unix "unix@$socket send-proxy-v2"

# Without the header it is refused there, and counted.
proxy_port=$header_port
! fetch -o /dev/null "http://127.0.0.1:$header_port/v2/" 2>"$work/curl.log" \
    || fail "served without a header"
fetch --unix-socket "$work/admin.sock" http://localhost/metrics >"$work/metrics"
grep -q '^ociproxy_connections_refused_total{reason="proxy_header"} 1$' "$work/metrics" \
    || fail "the refusal is not counted: $(grep refused "$work/metrics")"

# shellcheck disable=SC2034  # of lib.sh
proxy_port=$direct_port
stop_proxy
[ ! -e "$socket" ] || fail "the socket outlived the proxy"
