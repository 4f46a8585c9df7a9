#!/bin/bash
# With the registry stopped podman pulls by digest from the cache.
# needs: docker-registry skopeo podman jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
podman_works || skip "podman does not work for this user: $(tail -n 1 "$work/podman.log")"
start_registry
push_app
start_proxy
digest=$(image_digest "$work/image")

pull demo.test/app:v1 "$work/cold"
stop_registry

podman pull --quiet --tls-verify=false "127.0.0.1:$proxy_port/demo.test/app@$digest" \
    || fail "podman cannot pull by digest with the registry stopped"
stop_proxy
