#!/bin/bash
# usage: run.sh fuzz|fuzz-merge BUILD-DIRECTORY TARGET...
# fuzz runs each target for $FUZZ_SECONDS, beginning with its corpus here and what earlier
# runs have found; fuzz-merge replaces the corpus here by the smallest inputs that reach the
# same code.  New inputs are kept in BUILD-DIRECTORY/corpus, findings in BUILD-DIRECTORY/findings.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
goal=$1
cd "$2" || exit 1
shift 2
[ $# -gt 0 ] || { echo "$goal: no target" >&2; exit 2; }

# The run-time libraries fail where addresses are spread over more than 28 bits.
fixed=()
! setarch -R true 2>/dev/null || fixed=(setarch -R)
export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1

# One input that takes longer than this many seconds is a finding.
options=(-timeout=20 -rss_limit_mb=2560 -print_final_stats=1)

counter() { sed -n "s/^stat::$1: *//p" "$2"; }

# Longer inputs of the corpora, there to reach limits, are cut: they make all that begins
# with them slow.
fuzz() {
    local target=$1 log=findings/$1.log dictionary=()
    [ ! -f "$here/$target.dict" ] || dictionary=("-dict=$here/$target.dict")
    if "${fixed[@]}" "./fuzz_$target" "${options[@]}" "${dictionary[@]}" \
        -max_len=8192 -max_total_time="${FUZZ_SECONDS:-60}" -artifact_prefix="$PWD/findings/$target-" \
        "corpus/$target" "$here/corpus/$target" >"$log" 2>&1
    then
        printf 'ok   %-16s %s inputs, %s/s, %s new\n' "$target" \
            "$(counter number_of_executed_units "$log")" "$(counter average_exec_per_sec "$log")" \
            "$(counter new_units_added "$log")"
        return 0
    fi
    tail -n 60 "$log"
    printf 'FAIL %s: %s\n' "$target" \
        "$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)"
    return 1
}

# Counters of how often code runs are left out, so that the corpus stays small.
merge() {
    local target=$1 merged=merged/$1 log=findings/$1.log
    rm -rf "$merged"
    mkdir -p "$merged"
    if ! "${fixed[@]}" "./fuzz_$target" -merge=1 -use_counters=0 "${options[@]}" "$merged" \
        "$here/corpus/$target" "corpus/$target" >"$log" 2>&1
    then
        tail -n 20 "$log"
        echo "FAIL $target"
        return 1
    fi
    rm -rf "$here/corpus/$target"
    cp -r "$merged" "$here/corpus/$target"
    printf '%-16s %s inputs, %s bytes\n' "$target" "$(find "$merged" -type f | wc -l)" \
        "$(cat "$merged"/* | wc -c)"
}

failed=0
for target; do
    mkdir -p "corpus/$target" "$here/corpus/$target" findings
    case $goal in
    fuzz) fuzz "$target" || failed=1 ;;
    fuzz-merge) merge "$target" || failed=1 ;;
    esac
done
exit $failed
