#!/bin/bash
# An index with two platforms that share a layer: each platform and then all of it through the
# proxy.  What is cached already is not fetched again.
# needs: docker-registry skopeo jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

index_type=application/vnd.oci.image.index.v1+json
manifest_type=application/vnd.oci.image.manifest.v1+json

# make_index LAYOUT: an index of one image for amd64 and one for arm64.
make_index() {
    local arch comma='' manifests=''
    make_layer "$work/base" 1000000
    for arch in amd64 arm64; do
        make_layer "$work/$arch" 200000
        manifests+="$comma{\"mediaType\":\"$manifest_type\","
        manifests+="$(make_manifest "$1" $arch "$work/base" "$work/$arch"),"
        manifests+="\"platform\":{\"os\":\"linux\",\"architecture\":\"$arch\"}}"
        comma=,
    done
    printf '{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}' $index_type "$manifests" \
        >"$1.json"
    name_image "$1" $index_type "$(put_blob "$1" "$1.json")"
}

# platform_digest ARCHITECTURE: of the manifest that the index has for it.
platform_digest() {
    jq -r --arg arch "$1" '.manifests[] | select(.platform.architecture == $arch).digest' \
        "$work/index.json"
}

prepare
start_registry
make_index "$work/image"
push "$work/image" app:v1
index=$(image_digest "$work/image")
cp "$work/image/blobs/sha256/${index#sha256:}" "$work/index.json"
start_proxy

mark_registry_log
pull demo.test/app:v1 "$work/pull-arm64" --override-arch arm64
expect_equal "arm64 by tag" "$(platform_digest arm64)" "$(image_digest "$work/pull-arm64")"
expect_hashes "$work/pull-arm64/blobs"
expect_each_fetched_once "arm64" "$work/pull-arm64"

pull demo.test/app:v1 "$work/pull-amd64" --override-arch amd64
expect_equal "amd64 by tag" "$(platform_digest amd64)" "$(image_digest "$work/pull-amd64")"
expect_equal "blobs fetched for both" "$(
    { image_blobs "$work/pull-arm64"; image_blobs "$work/pull-amd64"; } | sort -u
)" "$(upstream_requests GET blobs)"

mark_registry_log
pull demo.test/app:v1 "$work/all" --all
expect_same_image "all platforms" "$work/image" "$work/all"
expect_no_blob_requests "all platforms, after each of them"
expect_equal "index as served" "$(cat "$work/index.json")" "$(fetch \
    -H "Accept: $index_type" "http://127.0.0.1:$proxy_port/v2/demo.test/app/manifests/v1")"
stop_proxy
