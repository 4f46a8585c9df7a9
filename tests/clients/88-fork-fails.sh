#!/bin/bash
# A worker dies and the kernel gives the master no new process (strace says EAGAIN in its
# place): the others serve, the master says so and tries again with back-off, and the worker is
# there when the kernel is willing again.
# needs: strace docker-registry skopeo jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

# worker_count COUNT
worker_count() { [ "$(pgrep -c -P "$proxy_pid" -f 'ociproxy: worker')" -eq "$1" ]; }
refusals() { grep -c 'INJECTED' "$work/strace" || :; }
refused_twice() { [ "$(refusals)" -ge 2 ]; }
ping() { expect_equal "ping" '{}' "$(fetch --fail "http://127.0.0.1:$proxy_port/v2/")"; }

prepare
start_registry
push_app
start_proxy
pull demo.test/app:v1 "$work/cold"
wait_until 10 worker_count 4 || fail "there are not four workers"
: >"$work/strace.err"
strace -o "$work/strace" -e trace=clone,clone3,fork,vfork \
    -e inject=clone,clone3,fork,vfork:error=EAGAIN -p "$proxy_pid" 2>"$work/strace.err" &
tracer=$!
wait_until 10 grep -q attached "$work/strace.err" \
    || skip "strace cannot attach to the master: $(cat "$work/strace.err")"

kill -KILL "$(pgrep -P "$proxy_pid" -f 'ociproxy: worker 1')"
wait_until 20 refused_twice || fail "the master did not try again: $(cat "$work/strace")"
worker_count 3 || fail "there are not three workers"
for _ in 1 2 3 4 5 6 7 8; do ping; done
grep -qi 'cannot start worker 1\|fork' "$work/proxy.log" || fail "the log does not say so"
# With back-off: not a storm of attempts.
[ "$(refusals)" -lt 50 ] || fail "$(refusals) attempts"

kill "$tracer"
wait "$tracer" || :
wait_until 20 worker_count 4 || fail "the worker does not come back"
ping
stop_proxy
