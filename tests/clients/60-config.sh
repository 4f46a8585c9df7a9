#!/bin/bash
# The snippet of configuration that README.md gives for podman, CRI-O, buildah and skopeo makes
# them pull demo.test/app:v1 through the proxy, as does ?ns= on a plain request.
# needs: docker-registry skopeo podman jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
start_registry
push_app
start_proxy

readme_snippet registries.conf.d/50-ociproxy.conf \
    >"$HOME/.config/containers/registries.conf.d/50-ociproxy.conf"
skopeo copy --quiet --preserve-digests docker://demo.test/app:v1 "oci:$work/mirrored:v1"
expect_same_image "skopeo with a mirror" "$work/image" "$work/mirrored"
grep -q '"GET /v2/demo.test/app/manifests/v1" 200 ' "$work/access.log" \
    || fail "skopeo did not ask the proxy"

mark_registry_log
if podman_works; then
    lines=$(wc -l <"$work/access.log")
    id=$(podman pull --quiet demo.test/app:v1)
    expect_equal "image podman made" "$id" \
        "$(podman image inspect --format '{{.Id}}' demo.test/app:v1)"
    tail -n "+$((lines + 1))" "$work/access.log" \
        | grep -q '"GET /v2/demo.test/app/blobs/[^ ]*" 200 ' || fail "podman did not ask the proxy"
fi

# By ?ns=, as containerd names the registry.
digest=$(image_digest "$work/image")
for reference in v1 "$digest"; do
    expect_equal "manifest $reference with ?ns=" "$digest" "sha256:$(
        fetch "http://127.0.0.1:$proxy_port/v2/app/manifests/$reference?ns=demo.test" \
            -H 'Accept: application/vnd.oci.image.manifest.v1+json, */*' | sha256sum | cut -c 1-64
    )"
done
for blob in $(image_blobs "$work/image"); do
    expect_equal "blob with ?ns=" "$blob" "sha256:$(
        fetch "http://127.0.0.1:$proxy_port/v2/app/blobs/$blob?ns=demo.test" \
            | sha256sum | cut -c 1-64
    )"
done
expect_no_blob_requests "with the mirror and ?ns=, after the first pull"
stop_proxy
