# shellcheck shell=bash
# What the scripts here and contrib/demo.sh are made of: a real registry, images made by hand,
# the proxy, clients with a storage of their own, and what can be counted about a pull.
# Everything lives below one directory, $work, and all addresses are on loopback with ports
# chosen by the kernel.  Sourced by bash.

work=                  # set by prepare
short_dir=
registry_port=         # of the registry that is the proxy's upstream
registry_pid=
link_port=             # of a slow line to that registry
link_pid=
registry_mark=0        # lines of its access log that are not counted
proxy_port=
proxy_pid=
proxy_settings=        # further lines of its configuration
settled=0

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

skip() {
    echo "$*"
    exit 77
}

# wait_until SECONDS COMMAND...: repeats COMMAND until it succeeds.
wait_until() {
    local end=$((SECONDS + $1 + 1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

expect_equal() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# ----- surroundings

# prepare: a directory for everything, and nothing of the user's own configuration.
prepare() {
    work=$(mktemp -d)
    # podman and containerd refuse longer paths for their sockets.
    short_dir=$(mktemp -d /tmp/ociproxy.XXXXXX)
    trap 'stop_everything $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir -p "$work/home/.config/containers/registries.conf.d" "$short_dir/user"
    chmod 700 "$short_dir/user"
    export HOME=$work/home XDG_RUNTIME_DIR=$short_dir/user CONTAINERS_CONF=$work/containers.conf
    unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME REGISTRY_AUTH_FILE DOCKER_CONFIG \
        CONTAINER_HOST CONTAINERS_REGISTRIES_CONF CONTAINERS_STORAGE_CONF \
        http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
    : >"$HOME/.config/containers/registries.conf"
    echo '{"default":[{"type":"insecureAcceptAnything"}]}' \
        >"$HOME/.config/containers/policy.json"
    # No systemd, journal or shared memory: this has to work in a chroot.
    cat >"$CONTAINERS_CONF" <<END
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
END
}

stop_everything() {
    local status=$1
    trap - EXIT
    stop_process "$proxy_pid"
    stop_process "$link_pid"
    stop_process "$registry_pid"
    # What podman leaves running when it is not run by root.
    stop_process "$(cat "$work/podman/tmp/pause.pid" 2>/dev/null)"
    case $status in
    0 | 77 | 130 | 143) ;;
    *) show_logs ;;
    esac
    rm -rf "$work" "$short_dir"
    exit "$status"
}

stop_process() {
    [ -n "$1" ] && kill "$1" 2>/dev/null || return 0
    wait "$1" 2>/dev/null || :
}

show_logs() {
    local log
    for log in proxy.log access.log; do
        [ -s "$work/$log" ] || continue
        echo "--- the end of $log"
        tail -n 40 "$work/$log"
    done
    [ -s "$work/registry.access" ] || return 0
    echo "--- what the registry was asked"
    tail -n "+$((registry_mark + 1))" "$work/registry.access" | tail -n 40
}

podman() {
    local enter=()
    root_is_complete || enter=(unshare --mount --propagation unchanged sh -c "$complete_root" sh)
    "${enter[@]}" env podman --root "$work/podman/root" --runroot "$short_dir" \
        --tmpdir "$work/podman/tmp" --storage-driver vfs "$@"
}

# What podman cannot do without, even to pull, and what a chroot may lack: control groups below
# /sys, and a root that is a mount.
root_is_complete() {
    [ -d /sys/fs/cgroup ] && awk '$5 == "/" { found = 1 } END { exit !found }' /proc/self/mountinfo
}

# For a mount namespace of its own.  What is mounted below a private mount stays in there, and
# /proc is the one mount that there is.
complete_root='
    mount --make-private /proc && mount --rbind / /proc/fs && mount --make-rslave /proc/fs || exit
    [ -d /sys/fs/cgroup ] || mount -t sysfs -o ro sysfs /proc/fs/sys || exit
    exec chroot /proc/fs "$@"'

# podman_works: whether this machine lets this user run podman at all.
podman_works() {
    ! podman info >"$work/podman.log" 2>&1 || return 0
    # Whoever may do this has no excuse.
    ! unshare --mount --propagation unchanged true 2>/dev/null \
        || fail "podman: $(tail -n 1 "$work/podman.log")"
    return 1
}

fetch() {
    curl --silent --show-error --max-time 60 --noproxy '*' "$@"
}

# ----- registry

# start_registry: docker-registry; started again it has its old port and content.
start_registry() {
    cat >"$work/registry.yml" <<END
version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:${registry_port:-0}"}
END
    : >"$work/registry.log"
    # Its access log is what it writes to standard output.
    env -i PATH="$PATH" docker-registry serve "$work/registry.yml" \
        >>"$work/registry.access" 2>"$work/registry.log" &
    registry_pid=$!
    wait_until 20 registry_listens || { cat "$work/registry.log"; fail "no registry"; }
    registry_port=$(listening_port "$work/registry.log")
}

registry_listens() { [ -n "$(listening_port "$work/registry.log")" ]; }

listening_port() { sed -n 's/.*listening on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$1"; }

stop_registry() {
    stop_process "$registry_pid"
    registry_pid=
}

# start_link RATE: a line to the registry that carries RATE bytes per second.
start_link() {
    : >"$work/link.log"
    python3 "${BASH_SOURCE[0]%/*}/slow-link.py" "$registry_port" "$1" >"$work/link.log" &
    link_pid=$!
    wait_until 20 link_listens || fail "no line to the registry"
    link_port=$(listening_port "$work/link.log")
}

link_listens() { [ -n "$(listening_port "$work/link.log")" ]; }

# A request is logged when it has ended, perhaps a moment after the client saw the end.  So a
# request of our own has to show up first.
settle_registry_log() {
    [ -n "$registry_pid" ] || return 0
    settled=$((settled + 1))
    fetch -o /dev/null "http://127.0.0.1:$registry_port/v2/?settled=$settled"
    wait_until 10 grep -q "?settled=$settled " "$work/registry.access" \
        || fail "the registry does not log"
}

# From here on requests are counted.
mark_registry_log() {
    settle_registry_log
    registry_mark=$(wc -l <"$work/registry.access")
}

# upstream_requests METHOD KIND: the reference of each request for KIND (blobs or manifests)
# since the mark, sorted.
upstream_requests() {
    settle_registry_log
    tail -n "+$((registry_mark + 1))" "$work/registry.access" \
        | sed -n "s|^.*\"$1 /v2/[^ ?]*/$2/\\([^ ?/]*\\)[ ?].*|\\1|p" | sort
}

count_upstream() { upstream_requests "$@" | grep -c . || :; }

expect_no_blob_requests() {
    expect_equal "upstream blob requests, $1" 0 \
        "$(($(count_upstream GET blobs) + $(count_upstream HEAD blobs)))"
}

# expect_each_fetched_once WHAT LAYOUT: that the blobs of the image were fetched, none twice.
expect_each_fetched_once() {
    local wanted
    wanted=$(image_blobs "$2")
    # The lines of requests that ran at the same time may still be on their way.
    wait_until 5 enough_fetched "$(wc -l <<<"$wanted")" || :
    expect_equal "blobs fetched from upstream, $1" "$wanted" "$(upstream_requests GET blobs)"
}

enough_fetched() { [ "$(count_upstream GET blobs)" -ge "$1" ]; }

# ----- images: OCI layouts written by hand

native_architecture() {
    case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) dpkg --print-architecture ;;
    esac
}

# make_layer FILE BYTES: FILE.tar.gz with one file of random bytes, and its diff id in FILE.id.
make_layer() {
    local dir=$1.tree
    mkdir -p "$dir"
    head -c "$2" /dev/urandom >"$dir/${1##*/}"
    tar -C "$dir" --owner=0 --group=0 -cf "$1.tar" .
    sha256sum <"$1.tar" | cut -d ' ' -f 1 >"$1.id"
    gzip -n -1 "$1.tar"
    rm -r "$dir"
}

# put_blob LAYOUT FILE: copies FILE into the layout; prints the members of its descriptor.
put_blob() {
    local hex
    hex=$(sha256sum <"$2")
    hex=${hex%% *}
    mkdir -p "$1/blobs/sha256"
    cp "$2" "$1/blobs/sha256/$hex"
    printf '"digest":"sha256:%s","size":%s' "$hex" "$(stat -c %s "$2")"
}

# make_manifest LAYOUT ARCHITECTURE LAYER...: prints the members of the manifest's descriptor.
make_manifest() {
    local layout=$1 arch=$2 layer ids='' layers='' comma='' config
    shift 2
    for layer; do
        ids+="$comma\"sha256:$(cat "$layer.id")\""
        layers+="$comma{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\","
        layers+="$(put_blob "$layout" "$layer.tar.gz")}"
        comma=,
    done
    printf '{"architecture":"%s","os":"linux","config":{"Cmd":["/bin/true"]},%s}' "$arch" \
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[$ids]}" >"$layout.json"
    config=$(put_blob "$layout" "$layout.json")
    printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s",%s},"layers":[%s]}' \
        application/vnd.oci.image.manifest.v1+json \
        application/vnd.oci.image.config.v1+json "$config" "$layers" >"$layout.json"
    put_blob "$layout" "$layout.json"
}

# name_image LAYOUT MEDIA-TYPE MEMBERS: makes the descriptor the image v1 of the layout.
name_image() {
    echo '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s",%s,"annotations":{"%s":"v1"}}]}' \
        "$2" "$3" org.opencontainers.image.ref.name >"$1/index.json"
    rm "$1.json"
}

# make_image LAYOUT BYTES...: an image for this machine with a layer of each size.
make_image() {
    local layout=$1 size layers=()
    shift
    for size; do
        layers+=("$layout.layer${#layers[@]}")
        make_layer "${layers[-1]}" "$size"
    done
    name_image "$layout" application/vnd.oci.image.manifest.v1+json \
        "$(make_manifest "$layout" "$(native_architecture)" "${layers[@]}")"
}

# push LAYOUT NAME:TAG: into the registry, past the proxy.
push() {
    skopeo copy --quiet --all --preserve-digests --dest-tls-verify=false \
        "oci:$1:v1" "docker://127.0.0.1:$registry_port/$2"
}

# push_app: the image of most tests, as app:v1.  One of its three layers is smaller than what the
# proxy holds back until the digest is verified, one a good deal larger.
push_app() {
    make_image "$work/image" 3000000 500000 5000
    push "$work/image" app:v1
}

# image_digest LAYOUT: of its first image.
image_digest() { jq -r '.manifests[0].digest' "$1/index.json"; }

# image_blobs LAYOUT: the digests of config and layers of its image, sorted.
image_blobs() {
    local manifest
    manifest=$(image_digest "$1")
    jq -r '.config.digest, .layers[].digest' "$1/blobs/sha256/${manifest#sha256:}" | sort
}

# expect_same_image WHAT LAYOUT LAYOUT: same image, same blobs, each with the bytes it should have.
expect_same_image() {
    expect_equal "manifest digest, $1" "$(image_digest "$2")" "$(image_digest "$3")"
    expect_equal "blobs, $1" "$(ls "$2/blobs/sha256")" "$(ls "$3/blobs/sha256")"
    expect_hashes "$3/blobs/sha256"
}

# expect_hashes DIR: that every file below DIR hashes to its name.
expect_hashes() {
    local file hex count=0
    while read -r file; do
        hex=$(sha256sum <"$file")
        expect_equal "SHA-256 of $file" "${file##*/}" "${hex%% *}"
        count=$((count + 1))
    done < <(find "$1" -type f)
    [ "$count" -gt 0 ] || fail "there is nothing in $1"
}

# readme_snippet FILE: the indented lines that README.md gives for FILE, with this proxy and
# demo.test in place of localhost:8080 and docker.io.
readme_snippet() {
    awk -v file="$1" '
        found && /^ *$/ && lines { exit }
        found && /^      / { lines++; print substr($0, 7) }
        index($0, file) { found = 1 }
    ' "$(dirname -- "${BASH_SOURCE[0]}")/../../README.md" \
        | sed -e "s/localhost:8080/127.0.0.1:$proxy_port/" -e 's/docker\.io/demo.test/' \
        | grep . || fail "README.md says nothing about $1"
}

# ----- proxy

# start_proxy: ociproxy in front of the registry, or of the line to it, which it calls demo.test.
start_proxy() {
    cat >"$work/ociproxy.conf" <<END
listen = 127.0.0.1:0
cache_dir = $work/cache
workers = 4
access_log = $work/access.log
$(user_line)
$proxy_settings

[upstream demo.test]
url = http://127.0.0.1:${link_port:-$registry_port}
aliases = demo
END
    run_proxy
}

# user_line: the configuration of a proxy that root runs on files that only root may reach.
user_line() { [ "$(id -u)" -ne 0 ] || echo "user = root"; }

# run_proxy: with the configuration as it is.
run_proxy() {
    : >"$work/proxy.log"
    "$OCIPROXY_BIN" -c "$work/ociproxy.conf" >"$work/proxy.out" 2>"$work/proxy.log" &
    proxy_pid=$!
    wait_until 20 proxy_listens || fail "the proxy does not start"
    proxy_port=$(listening_port "$work/proxy.log")
}

proxy_listens() {
    kill -0 "$proxy_pid" 2>/dev/null || fail "the proxy has ended"
    [ -n "$(listening_port "$work/proxy.log")" ]
}

# stop_proxy: it has to end in order, in time and with nothing left behind.
stop_proxy() {
    local status=0 children
    children=$(pgrep -P "$proxy_pid") || :
    kill "$proxy_pid"
    wait "$proxy_pid" || status=$?
    proxy_pid=
    expect_equal "exit status of the proxy" 0 "$status"
    for child in $children; do
        ! kill -0 "$child" 2>/dev/null || fail "process $child outlived the proxy"
    done
    expect_hashes "$work/cache/blobs"
    expect_equal "files left in tmp/" "" "$(ls "$work/cache/tmp")"
}

# pull NAME LAYOUT [OPTION]...: with skopeo through the proxy.
pull() {
    local name=$1 layout=$2
    shift 2
    skopeo copy --quiet --preserve-digests --src-tls-verify=false "$@" \
        "docker://127.0.0.1:$proxy_port/$name" "oci:$layout:v1"
}
