#!/bin/bash
# Reloads while wrk keeps connections busy with a hit and a canary asks on connections of its
# own: not one request fails.  OCIPROXY_RELOADS says how many reloads.
# needs: wrk docker-registry skopeo jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

reloads=${OCIPROXY_RELOADS:-20}

# canary: until the file `done` is there; a line for each request that failed.
canary() {
    while [ ! -e "$work/done" ]; do
        [ "$(fetch --fail "$url" 2>>"$work/canary.err" | sha256sum | cut -c 1-64)" = "$hex" ] \
            || echo failed >>"$work/canary.failed"
        echo asked >>"$work/canary.asked"
    done
}

# generations COUNT: whether so many have become ready, the first one included.
generations() { [ "$(grep -c 'reloaded: ' "$work/proxy.log")" -ge "$1" ]; }

prepare
start_registry
push_app
start_proxy
pull demo.test/app:v1 "$work/cold"
blob=$(image_blobs "$work/image" | head -n 1)
hex=${blob#sha256:}
url=http://127.0.0.1:$proxy_port/v2/demo.test/app/blobs/$blob

: >"$work/canary.asked"
canary &
canary_pid=$!
wrk -t 1 -c 16 -d 3600 "$url" >"$work/wrk" 2>&1 &
wrk_pid=$!
wait_until 10 test -s "$work/canary.asked" || fail "the canary does not sing"
for reload in $(seq "$reloads"); do
    kill -HUP "$proxy_pid"
    wait_until 30 generations "$reload" || fail "reload $reload does not end"
done
# INT makes wrk say what it saw.
kill -INT "$wrk_pid"
wait "$wrk_pid" || :
touch "$work/done"
wait "$canary_pid"

grep -q '^Requests/sec' "$work/wrk" || fail "wrk: $(cat "$work/wrk")"
if grep -E 'Socket errors|Non-2xx' "$work/wrk"; then fail "wrk met errors"; fi
[ ! -s "$work/canary.failed" ] \
    || fail "$(wc -l <"$work/canary.failed") requests of the canary failed: $(cat "$work/canary.err")"
echo "$reloads reloads, $(awk '/requests in/ { print $1 }' "$work/wrk") requests of wrk and" \
    "$(wc -l <"$work/canary.asked") of the canary, none failed"
stop_proxy
