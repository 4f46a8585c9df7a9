#!/bin/bash
# Prometheus' own promtool finds nothing to say about /metrics, neither before the first pull
# nor after two, and as many requests are counted as the access log has lines.
# needs: promtool docker-registry skopeo jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
start_registry
push_app
# shellcheck disable=SC2034  # of lib.sh
proxy_settings="admin_listen = unix:$work/admin.sock"
start_proxy

scrape() {
    fetch --fail --unix-socket "$work/admin.sock" "http://localhost/$1"
}

# expect_clean WHEN
expect_clean() {
    local said
    scrape metrics >"$work/metrics"
    said=$(promtool check metrics <"$work/metrics" 2>&1) || fail "promtool, $1: $said"
    expect_equal "what promtool says, $1" "" "$said"
}

counted() { awk '/^ociproxy_requests_total\{/ { sum += $2 } END { print sum }' "$work/metrics"; }

all_counted() {
    scrape metrics >"$work/metrics"
    [ "$(counted)" = "$(wc -l <"$work/access.log")" ]
}

expect_clean "before the first pull"
pull demo.test/app:v1 "$work/cold"
pull demo.test/app:v1 "$work/warm"
expect_clean "after two pulls"
wait_until 5 all_counted \
    || fail "$(counted) requests are counted, the access log has $(wc -l <"$work/access.log")"
for result in hit miss; do
    grep -q "^ociproxy_requests_total{result=\"$result\"} [1-9]" "$work/metrics" \
        || fail "no $result is counted"
done
expect_equal "/healthz" ok "$(scrape healthz)"
expect_equal "/readyz" ready "$(scrape readyz)"

stop_proxy
[ ! -e "$work/admin.sock" ] || fail "the socket outlived the proxy"
