#!/bin/bash
# Thousands of connections at once that send heads slowly (-H), send bodies slowly (-B) and read
# slowly (-X): each is closed in time, and one honest client gets what is in the cache as if it
# were alone.
# needs: docker-registry skopeo jq curl pgrep slowhttptest ss
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

connections=5000  # of each kind
rate=2000         # new ones in a second
patience=60       # seconds in which all of a kind have come, gone, and noticed it
longest=5         # seconds that the honest client may wait for one answer

# How long the proxy may have borne with one of them: its deadlines, 10 s for a head and 30 s
# for a rate that is too low, and what a machine that is busy with all this adds.
longest_head=20
longest_reader=40

# Each side needs a descriptor for a connection.
ulimit -Sn "$(ulimit -Hn)"
room=$(ulimit -n)
if [ "$room" != unlimited ] && [ "$room" -lt $((3 * connections + 500)) ]; then
    connections=$(((room - 500) / 3))
    echo "only $connections connections of each kind: no more than $room descriptors"
    [ "$connections" -ge 100 ] || skip "no more than $room descriptors"
fi

# attack NAME OPTION...: until no connection is left.
attack() {
    local name=$1
    shift
    slowhttptest -c "$connections" -r "$rate" -l "$patience" -v 1 "$@" >"$work/$name.log" 2>&1 || :
    # Its log is coloured.
    sed -i 's/\x1b\[[0-9;]*m//g' "$work/$name.log"
    if ! grep -q 'No open connections left' "$work/$name.log"; then
        tail -n 25 "$work/$name.log"
        fail "$name: connections are open after $patience s"
    fi
}

# honest_client URL FILE: asks again and again until it is killed; a line for each answer.
honest_client() {
    local result
    while :; do
        result=$(fetch --max-time "$longest" -o "$work/canary" -w '%{http_code} %{time_total}' \
            "$1" 2>>"$work/canary.errors") || result="failed $result"
        cmp -s "$2" "$work/canary" || result="other bytes: $result"
        echo "$result"
        sleep 0.05
    done >"$work/canary.log"
}

open_connections() {
    ss -Htn state established "( sport = :$proxy_port )" | grep -c . || :
}

none_open() { [ "$(open_connections)" -eq 0 ]; }

blob_url() { echo "http://127.0.0.1:$proxy_port/v2/demo.test/app/blobs/sha256:$1"; }

prepare
start_registry
make_image "$work/image" 20000000 5000
push "$work/image" app:v1
start_proxy
pull demo.test/app:v1 "$work/pulled"
large=$(find "$work/image/blobs" -size +10M -printf '%f\n')
small=$(find "$work/image/blobs" -size +4k -size -20k -printf '%f\n')

honest_client "$(blob_url "$small")" "$work/image/blobs/sha256/$small" &
canary_pid=$!
started=$SECONDS
attacks=()
attack heads -H -i 5 -x 24 -u "http://127.0.0.1:$proxy_port/v2/" &
attacks+=($!)
attack bodies -B -i 5 -s 8192 -u "http://127.0.0.1:$proxy_port/v2/demo.test/app/blobs/uploads/" &
attacks+=($!)
attack readers -X -k 3 -w 512 -y 1024 -n 1 -z 512 -u "$(blob_url "$large")" &
attacks+=($!)
status=0
for pid in "${attacks[@]}"; do wait "$pid" || status=1; done
took=$((SECONDS - started))
kill "$canary_pid"
wait "$canary_pid" 2>/dev/null || :
[ $status -eq 0 ] || fail "an attack did not end"

# Their ends as the proxy sees them.
wait_until 10 none_open || fail "$(open_connections) connections are still open"
awk -v connections="$connections" -v took="$took" '
    $1 != "200" { print "the honest client: " $0; failed = 1 }
    $2 > slowest { slowest = $2 }
    END {
        print 3 * connections " slow connections in " took " s; honest: " NR \
            " answers, the slowest after " slowest " s"
        exit failed || NR < 20
    }' "$work/canary.log" || { cat "$work/canary.errors"; fail "the honest client suffered"; }
stop_proxy

# What became of them: 408, 405, and replies that were cut.
awk -v least=$((connections * 9 / 10)) -v head=$longest_head -v reader=$longest_reader '
    function seconds(    i) { for (i = NF; i > 0; i--) if ($i ~ /^[0-9]+[.][0-9]+$/) return $i }
    / 408 [0-9]+ / { heads++; if (seconds() > slowest_head) slowest_head = seconds() }
    / 405 [0-9]+ / { bodies++ }
    / cut$/ { readers++; if (seconds() > slowest_reader) slowest_reader = seconds() }
    END {
        print heads " heads, the last ended after " slowest_head " s; " bodies " bodies; " \
            readers " readers, the last cut after " slowest_reader " s"
        exit heads < least || bodies < least || readers < least || \
            slowest_head > head || slowest_reader > reader
    }' "$work/access.log" || fail "not every slow connection was ended in time"
