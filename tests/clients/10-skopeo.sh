#!/bin/bash
# skopeo copies an image through the proxy, cold and warm: the same image, and the second time
# the registry is asked for no blob.
# needs: docker-registry skopeo jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
start_registry
push_app
start_proxy

mark_registry_log
pull demo.test/app:v1 "$work/cold"
expect_same_image "cold" "$work/image" "$work/cold"
expect_each_fetched_once "cold" "$work/image"

mark_registry_log
pull demo.test/app:v1 "$work/warm"
expect_same_image "warm" "$work/image" "$work/warm"
pull demo/app:v1 "$work/alias"
expect_same_image "by alias" "$work/image" "$work/alias"
expect_equal "digest by skopeo inspect" "$(image_digest "$work/image")" \
    "$(skopeo inspect --tls-verify=false --no-tags --format '{{.Digest}}' \
        "docker://127.0.0.1:$proxy_port/demo.test/app:v1")"
expect_no_blob_requests "warm"
expect_equal "manifests fetched from upstream, warm" 0 "$(count_upstream GET manifests)"

stop_proxy
run_proxy
mark_registry_log
pull demo.test/app:v1 "$work/restarted"
expect_same_image "after a restart" "$work/image" "$work/restarted"
expect_no_blob_requests "after a restart"
stop_proxy
