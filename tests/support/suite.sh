#!/bin/bash
# Runs a test suite and keeps its count in the file test-results of the build directory.
#
#   suite.sh run NAME COMMAND [ARG...]   run it; its last line of the form
#                                        "NAME: N passed, N failed, N skipped" counts
#   suite.sh none NAME                   there is nothing to run yet
#   suite.sh sum TOTAL FILE NAME...      add the lines of these suites in FILE up
#
# A suite that dies before it prints its line, or ends badly after it, has failed.
set -u

count_line='^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$'

# record NAME PASSED FAILED SKIPPED: keep the line and print it.
record() {
    local line="$1: $2 passed, $3 failed, $4 skipped"
    { [ ! -f test-results ] || grep -v "^$1: " test-results; printf '%s\n' "$line"; } \
        >test-results.new
    mv test-results.new test-results
    printf '%s\n' "$line"
}

# counts FILE NAME: the three numbers of the last line of that suite, or nothing.
counts() {
    sed -n "s/^$2: //p" "$1" 2>/dev/null | grep -E "$count_line" | tail -n 1 | tr -dc '0-9 \n'
}

# scratch_parent: TMPDIR if it is set, else a RAM disk with room, for the tests make and
# sync many thousand small files, else /tmp.
scratch_parent() {
    local kib
    kib=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
    if [ -z "${TMPDIR-}" ] && [ -w /dev/shm ] && [ "${kib:-0}" -ge 2097152 ]; then
        echo /dev/shm
    else
        echo "${TMPDIR:-/tmp}"
    fi
}

run_suite() {
    local name=$1 dir pid status passed failed skipped report
    shift
    # Hidden from the other users of /tmp, and gone after success.
    dir=$(mktemp -d --suffix=".ociproxy-$name" --tmpdir="$(scratch_parent)") || exit 1
    mkdir "$dir/tmp"
    # Tests in which root's proxy becomes somebody else: it has to find its way.
    [ "$(id -u)" -ne 0 ] || chmod 711 "$dir" "$dir/tmp"
    export TMPDIR=$dir/tmp

    # Reports of every process, also of one whose output nobody reads.
    [ -z "${ASAN_OPTIONS-}" ] || export ASAN_OPTIONS="$ASAN_OPTIONS:log_path=$dir/sanitizer"
    [ -z "${UBSAN_OPTIONS-}" ] || export UBSAN_OPTIONS="$UBSAN_OPTIONS:log_path=$dir/sanitizer"
    [ -z "${TSAN_OPTIONS-}" ] || export TSAN_OPTIONS="$TSAN_OPTIONS:log_path=$dir/sanitizer"

    # Output goes to a file, because a process left over by a test would keep a
    # pipe open.  Job control gives the suite a process group, so that what is
    # left over can be ended, and the default action of SIGINT.
    : >"$dir/output"
    set -m
    "$@" >>"$dir/output" 2>&1 </dev/null &
    pid=$!
    set +m
    trap 'kill -TERM -- -$pid; sleep 1; kill -KILL -- -$pid 2>/dev/null; rm -rf "$dir"; exit 130' INT TERM HUP
    tail -n +1 -s 0.1 -f --pid="$pid" "$dir/output"
    wait "$pid"
    status=$?
    kill -KILL -- "-$pid" 2>/dev/null

    read -r passed failed skipped <<<"$(counts "$dir/output" "$name")"
    if [ -z "${skipped:-}" ]; then
        printf '%s: ended with status %s before it could count\n' "$name" "$status"
        passed=0 failed=1 skipped=0
    elif [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        printf '%s: ended with status %s\n' "$name" "$status"
        failed=1
    fi
    for report in "$dir"/sanitizer.*; do
        [ -s "$report" ] || continue
        printf -- '--- %s\n' "$report"
        cat "$report"
        failed=$((failed + 1))
    done

    # What a failed test left behind may tell why.
    if [ "$failed" -eq 0 ] || rmdir "$dir/tmp" 2>/dev/null; then
        rm -rf "$dir"
    else
        printf '%s: its files are in %s\n' "$name" "$dir"
    fi
    if [ "$failed" -eq 0 ]; then
        record "$name" "$passed" "$failed" "$skipped" >/dev/null  # the suite has just said so
    else
        record "$name" "$passed" "$failed" "$skipped"
    fi
    [ "$failed" -eq 0 ]
}

sum_suites() {
    local total=$1 file=$2 name p f s passed=0 failed=0 skipped=0
    shift 2
    for name; do
        read -r p f s <<<"$(counts "$file" "$name")"
        if [ -z "${s:-}" ]; then
            printf '%s: the suite %s did not run\n' "$total" "$name"
            p=0 f=1 s=0
        fi
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done
    if [ $((passed + failed)) -eq 0 ]; then
        printf '%s: nothing ran\n' "$total"
        failed=1
    fi
    record "$total" "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}

case ${1-} in
run) shift; run_suite "$@" ;;
none) echo "$2: no tests yet"; record "$2" 0 0 0 ;;
sum) shift; sum_suites "$@" ;;
*) echo "usage: suite.sh run|none|sum NAME ..." >&2; exit 2 ;;
esac
