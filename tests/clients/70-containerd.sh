#!/bin/bash
# containerd pulls demo.test/app:v1 through the proxy with the hosts.toml that README.md gives.
# needs: docker-registry skopeo containerd ctr jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] || skip "containerd has to be started by root"

containerd_pid=
# start_containerd: with state and socket of its own and without what needs a kernel module or a
# cgroup.
start_containerd() {
    cat >"$work/containerd.toml" <<END
version = 2
root = "$work/containerd/root"
state = "$work/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt",
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "$short_dir/containerd.sock"
[ttrpc]
  address = "$short_dir/containerd.ttrpc"
END
    containerd --config "$work/containerd.toml" >"$work/containerd.log" 2>&1 &
    containerd_pid=$!
    wait_until 20 containerd_answers
}

containerd_answers() {
    kill -0 $containerd_pid 2>/dev/null && ctr_ version >/dev/null 2>&1
}

ctr_() { ctr --address "$short_dir/containerd.sock" --namespace t "$@"; }

stop_all() {
    local status=$?
    stop_process "$containerd_pid"
    stop_everything $status
}

prepare
trap stop_all EXIT
start_containerd || skip "containerd does not start here: $(tail -n 1 "$work/containerd.log")"
start_registry
push_app
start_proxy

mkdir -p "$work/certs.d/_default"
readme_snippet certs.d/_default/hosts.toml >"$work/certs.d/_default/hosts.toml"

# containerd_pull: the content; unpacking it would need mounts and is nobody's business here.
containerd_pull() {
    ctr_ content fetch --hosts-dir "$work/certs.d" demo.test/app:v1 >"$work/ctr.log" 2>&1 \
        || { cat "$work/ctr.log"; fail "containerd cannot pull, $1"; }
    ctr_ image ls | grep -q "^demo.test/app:v1 .* $(image_digest "$work/image") " \
        || fail "another image, $1"
}

mark_registry_log
containerd_pull "cold"
expect_each_fetched_once "cold" "$work/image"
for blob in $(image_blobs "$work/image"); do
    expect_equal "content that containerd has" "$blob" \
        "sha256:$(ctr_ content get "$blob" | sha256sum | cut -c 1-64)"
done
grep -q '"HEAD /v2/app/manifests/v1?ns=demo.test" 200 ' "$work/access.log" \
    || fail "containerd did not ask the proxy by ?ns="

ctr_ image rm --sync demo.test/app:v1 >/dev/null
mark_registry_log
containerd_pull "warm"
expect_no_blob_requests "warm"
stop_proxy
