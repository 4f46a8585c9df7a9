#!/bin/bash
# contrib/demo.sh shows what it promises and leaves its directory, and nothing else, behind.
# needs: docker-registry skopeo podman jq curl pgrep python3
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
podman_works || skip "podman does not work for this user: $(tail -n 1 "$work/podman.log")"
demo=$(dirname -- "$0")/../../contrib/demo.sh

"$demo" --help | grep -q -- --upstream || fail "demo.sh --help does not help"

mkdir "$work/tmp"
TMPDIR=$work/tmp "$demo" --dir "$work/demo" >"$work/demo.out" 2>&1 \
    || { cat "$work/demo.out"; fail "the demo failed"; }
grep -Eq '^ *cold +[1-9][0-9]* ' "$work/demo.out" || { cat "$work/demo.out"; fail "no cold pull"; }
grep -Eq '^ *warm +0 ' "$work/demo.out" || { cat "$work/demo.out"; fail "no warm pull"; }
expect_hashes "$work/demo/cache/blobs"
expect_equal "left in TMPDIR" "" "$(ls "$work/tmp")"
! pgrep -f "$work/demo" >/dev/null || fail "the demo left a process behind"
