#!/bin/bash
# podman pulls through the proxy, removes the image and pulls again: the image is the one that
# the registry has, and the second time the registry is asked for no blob.
# needs: docker-registry skopeo podman jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
podman_works || skip "podman does not work for this user: $(tail -n 1 "$work/podman.log")"
start_registry
push_app
start_proxy

# podman_pull REFERENCE: prints the id of the image.  What is left of an earlier pull goes
# first, or podman would fetch nothing.
podman_pull() {
    podman image rm --all --force >/dev/null
    podman pull --quiet --tls-verify=false "$1"
}

direct=$(podman_pull "127.0.0.1:$registry_port/app:v1")

mark_registry_log
expect_equal "image id, cold" "$direct" "$(podman_pull "127.0.0.1:$proxy_port/demo.test/app:v1")"
expect_each_fetched_once "cold" "$work/image"

mark_registry_log
expect_equal "image id, warm" "$direct" "$(podman_pull "127.0.0.1:$proxy_port/demo.test/app:v1")"
expect_no_blob_requests "warm"
stop_proxy
