#!/bin/bash
# With the registry stopped a pull by digest succeeds from the cache, one by tag is refused with
# an error that says what is wrong, and with the registry back the tag is there again.
# needs: docker-registry skopeo jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
start_registry
push_app
start_proxy
digest=$(image_digest "$work/image")

pull demo.test/app:v1 "$work/cold"
stop_registry

pull "demo.test/app@$digest" "$work/stopped"
expect_same_image "registry stopped" "$work/image" "$work/stopped"

expect_refusal() {
    local status
    status=$(fetch -o "$work/error.json" -w '%{http_code} %{content_type}' \
        "http://127.0.0.1:$proxy_port/v2/demo.test/app/manifests/$1")
    case $status in
    50[24]" application/json"*) ;;
    *) fail "$2 with the registry stopped: $status" ;;
    esac
    jq -e '.errors[0] | (.code | test("^[A-Z_]+$")) and (.message | length > 10)' \
        "$work/error.json" >/dev/null || fail "no OCI error: $(cat "$work/error.json")"
}
expect_refusal v1 "a known tag"
expect_refusal v2 "an unknown tag"
expect_refusal "sha256:$(printf %064d 0)" "an unknown digest"
! pull demo.test/app:v1 "$work/refused" 2>/dev/null || fail "skopeo pulled a tag"

# A failure may be remembered for a moment.
start_registry
tag=http://127.0.0.1:$proxy_port/v2/demo.test/app/manifests/v1
wait_until 5 fetch --fail -o /dev/null "$tag" 2>/dev/null \
    || fail "a tag is refused with the registry back for five seconds"
pull demo.test/app:v1 "$work/back"
expect_same_image "registry back" "$work/image" "$work/back"
stop_proxy
