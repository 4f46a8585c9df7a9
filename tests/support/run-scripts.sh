#!/bin/bash
# usage: run-scripts.sh SUITE SCRIPT...
# Runs each script in order with a temporary directory of its own and counts.  Exit status 0 is
# a pass, 77 a skip (the last line on standard output says why), everything else a failure, whose
# output is shown.  A script may name the programs it cannot do without in a comment:
#   # needs: podman skopeo
# OCIPROXY_TEST_TIMEOUT is the number of seconds that one script may take.
set -u

suite=$1
shift
top=$(mktemp -d) || exit 1
pid=
trap 'rm -rf "$top"' EXIT
trap '[ -z "$pid" ] || kill -TERM -- "-$pid"; exit 143' INT TERM
passed=0 failed=0 skipped=0

missing_program() {
    local program programs
    read -r -a programs <<<"$(sed -n 's/^# needs: *//p' "$1" | tr '\n' ' ')"
    for program in "${programs[@]}"; do
        command -v "$program" >/dev/null 2>&1 || { echo "$program"; return 0; }
    done
    return 1
}

for script; do
    name=${script##*/}
    name=${name%.sh}
    [ -x "$script" ] || continue
    if program=$(missing_program "$script"); then
        echo "SKIP $name: $program is not installed"
        skipped=$((skipped + 1))
        continue
    fi
    dir=$top/$name
    mkdir -p "$dir/tmp"
    start=$SECONDS
    # Job control gives the script a process group, so that nothing it started outlives it.
    set -m
    TMPDIR=$dir/tmp timeout -k 10 "${OCIPROXY_TEST_TIMEOUT:-300}" "$script" \
        >"$dir/stdout" 2>"$dir/stderr" </dev/null &
    pid=$!
    set +m
    wait "$pid"
    status=$?
    kill -KILL -- "-$pid" 2>/dev/null
    took=$((SECONDS - start))
    case $status in
    0)
        echo "PASS $name (${took} s)"
        passed=$((passed + 1)) ;;
    77)
        echo "SKIP $name: $(tail -n 1 "$dir/stdout")"
        skipped=$((skipped + 1)) ;;
    *)
        sed 's/^/  | /' "$dir/stdout" "$dir/stderr"
        [ $status -ne 124 ] || echo "  | stopped after $took s"
        echo "FAIL $name (status $status, $took s)"
        failed=$((failed + 1)) ;;
    esac
    rm -rf "$dir"
done

echo "$suite: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
