#!/bin/bash
# The wall clock jumps by hours and years, forward and back, while the proxy serves: no worker
# is taken for dead, hits are hits, misses are filled, and no request waits for it.
# needs: faketime docker-registry skopeo jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
library=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
[ -n "$library" ] || skip "there is no libfaketimeMT.so.1"
real_binary=$OCIPROXY_BIN
clock=$work/clock
OCIPROXY_BIN=$work/faked
cat >"$OCIPROXY_BIN" <<END
#!/bin/sh
LD_PRELOAD=$library FAKETIME_TIMESTAMP_FILE=$clock FAKETIME_NO_CACHE=1
FAKETIME_DONT_FAKE_MONOTONIC=1
export LD_PRELOAD FAKETIME_TIMESTAMP_FILE FAKETIME_NO_CACHE FAKETIME_DONT_FAKE_MONOTONIC
exec $real_binary "\$@"
END
chmod 755 "$OCIPROXY_BIN"

# jump OFFSET: from the true time, in one step.
jump() {
    echo "$1" >"$clock.new"
    mv "$clock.new" "$clock"
}

# expect_served BLOB CACHE: at once, from where is said.
expect_served() {
    local said
    said=$(fetch --fail --max-time 10 -D "$work/head" -o "$work/body" -w '%{time_total}' \
        "http://127.0.0.1:$proxy_port/v2/demo.test/app/blobs/$1")
    expect_equal "a blob after a jump by $offset" "${1#sha256:}" \
        "$(sha256sum <"$work/body" | cut -c 1-64)"
    grep -qi "^cache-status: ociproxy; $2" "$work/head" \
        || fail "a jump by $offset: no $2 but $(grep -i cache-status "$work/head")"
    awk -v s="$said" 'BEGIN { exit !(s < 5) }' || fail "a jump by $offset: it took $said s"
}

# seconds OFFSET: as libfaketime counts them.
seconds() {
    local number=${1%[hdy]}
    case $1 in
    *h) echo $((number * 3600)) ;;
    *d) echo $((number * 86400)) ;;
    *y) echo $((number * 365 * 86400)) ;;
    *) echo 0 ;;
    esac
}

workers() { pgrep -P "$proxy_pid" -f 'ociproxy: worker' | sort; }

start_registry
make_image "$work/image" 1000 2000 3000 4000 5000 6000 7000 8000
push "$work/image" app:v1
jump +0
start_proxy
before=$(workers)
mapfile -t blobs < <(image_blobs "$work/image")
offset=nothing
expect_served "${blobs[0]}" 'fwd=uri-miss'
i=0
for offset in +2h -3h +30d -30d +10y -10y +0; do
    jump "$offset"
    i=$((i + 1))
    expect_served "${blobs[$i]}" 'fwd=uri-miss'
    expect_served "${blobs[$i]}" hit
    # Confirmed at another time: asked again or not, it is served.
    expect_served "${blobs[0]}" '.'
    expect_equal "workers after a jump by $offset" "$before" "$(workers)"
    # Whether the proxy saw the jump at all.
    seen=$(date -u -d "@$(($(date +%s) + $(seconds "$offset")))" +%Y-%m-)
    wait_until 5 grep -q "^$seen" "$work/access.log" || fail "no line is of $seen: no jump by $offset"
done
if grep -E ' (error|warning) .*(shown life|died|killed)' "$work/proxy.log"; then
    fail "somebody was taken for dead"
fi
stop_proxy
