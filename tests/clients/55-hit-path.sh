#!/bin/bash
# What a hit on a keep-alive connection costs in system calls, counted by strace: for content
# that is answered from memory one receive, one look at the file and one send, for what is
# larger and resident a sendfile more; no thread is woken and epoll is told nothing.
# needs: strace docker-registry skopeo jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

hits=200
# Calls that are not the hits': of the connection's begin and end, acceptors, timers.
slack=40

# attached FILE COUNT: whether strace says so of so many processes.
attached() { [ "$(grep -c attached "$1")" -ge "$2" ]; }

# count_calls FILE TARGET: what the workers do for so many GETs on one connection.
count_calls() {
    local tracer workers
    mapfile -t workers < <(pgrep -P "$proxy_pid" -f 'ociproxy: worker')
    : >"$1.err"
    strace -f -c -o "$1" "${workers[@]/#/-p}" 2>"$1.err" &
    tracer=$!
    wait_until 10 attached "$1.err" ${#workers[@]} \
        || skip "strace cannot attach to the workers: $(cat "$1.err")"
    # Fragments are the client's own: one target, so many requests.
    fetch "http://127.0.0.1:$proxy_port$2#[1-$hits]" -o /dev/null -w '%{num_connects}\n' \
        | sort | uniq -c >"$1.connects"
    kill -INT "$tracer"
    wait "$tracer" || :
    expect_equal "connections of $hits requests" 1 \
        "$(awk '$2 == 1 { print $1 }' "$1.connects")"
}

# calls FILE NAME...: how often these were made in all.
calls() {
    local file=$1
    shift
    awk -v names=" $* " 'index(names, " " $NF " ") { sum += $4 } END { print sum + 0 }' "$file"
}

# expect_at_most WHAT LIMIT COUNT
expect_at_most() {
    [ "$3" -le "$2" ] || { cat "$trace" >&2; fail "$1: $3 for $hits hits, expected at most $2"; }
}

# expect_cheap WHAT TARGET SENDFILES
expect_cheap() {
    trace=$work/strace
    local target=$2
    for _ in 1 2; do
        fetch --fail "http://127.0.0.1:$proxy_port$target" -o /dev/null
    done
    count_calls "$trace" "$target"
    expect_at_most "receives of $1" $((hits + slack)) "$(calls "$trace" recvfrom read recvmsg)"
    expect_at_most "sends of $1" $((hits + slack)) "$(calls "$trace" sendto sendmsg write writev)"
    expect_at_most "sendfiles of $1" $((hits * $3 + slack)) "$(calls "$trace" sendfile)"
    expect_at_most "looks at files of $1" $((hits + slack)) \
        "$(calls "$trace" fstat newfstatat statx openat openat2 close fcntl)"
    expect_at_most "wakes of $1" $slack "$(calls "$trace" futex)"
    expect_at_most "changes of epoll of $1" $slack "$(calls "$trace" epoll_ctl)"
    [ "$(calls "$trace" recvfrom)" -ge "$hits" ] || fail "strace saw too little of $1"
}

prepare
start_registry
make_image "$work/image" 1000 100000
push "$work/image" app:v1
start_proxy

digest=$(image_digest "$work/image")
expect_cheap "a manifest" "/v2/demo.test/app/manifests/$digest" 0
size_of() { jq ".layers[$1].size" "$work/image/blobs/sha256/${digest#sha256:}"; }
digest_of() { jq -r ".layers[$1].digest" "$work/image/blobs/sha256/${digest#sha256:}"; }
[ "$(size_of 0)" -lt 16384 ] || fail "the first layer is not small: $(size_of 0)"
expect_cheap "a small blob" "/v2/demo.test/app/blobs/$(digest_of 0)" 0
expect_cheap "a larger blob" "/v2/demo.test/app/blobs/$(digest_of 1)" 3
stop_proxy
