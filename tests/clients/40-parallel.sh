#!/bin/bash
# Eight clients pull the same cold image at once: each gets it, and each blob is fetched from
# the registry exactly once, whichever worker a client came to.
# needs: docker-registry skopeo jq curl pgrep python3
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
start_registry
# Three seconds over this line: the clients meet while it is being downloaded, and those who
# wait are sent what there is before the end.
start_link 8000000
make_image "$work/image" 20000000 6000000 5000
push "$work/image" app:v1
start_proxy
mark_registry_log

clients=()
for i in 1 2 3 4 5 6 7 8; do
    pull demo.test/app:v1 "$work/pull$i" &
    clients+=($!)
done
for client in "${clients[@]}"; do
    wait "$client" || fail "a client could not pull"
done

for i in 1 2 3 4 5 6 7 8; do
    expect_same_image "client $i" "$work/image" "$work/pull$i"
done
expect_each_fetched_once "eight clients" "$work/image"
grep -q ' collapsed' "$work/access.log" || fail "no request shared another one's download"
stop_proxy
