#!/bin/bash
# Shows the proxy at work: one image, pulled twice.  All that is written lies in a temporary
# directory; no service, storage or configuration of the user is touched.
set -euo pipefail

usage() {
    cat <<'END'
usage: demo.sh [--dir DIR] [--upstream IMAGE]

Pulls an image twice through ociproxy with podman, and shows the log of the proxy, the files in
its cache and how often the registry was asked for a blob.

--dir DIR         keep cache, configuration and logs in DIR, which must be empty or not exist
--upstream IMAGE  pull IMAGE, as docker.io/library/alpine:latest, instead of one made for this
                  and served by a docker-registry of the demo's own
--help            this text

OCIPROXY_BIN names the program; ./ociproxy if not set.
END
}

# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/../tests/clients/lib.sh"

dir=
image=          # as the clients name it behind the address of the proxy
own_registry=yes
log_lines=0     # lines of both logs that were shown already
access_lines=0

parse_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
        --dir) dir=${2:?--dir needs a directory}; shift ;;
        --dir=*) dir=${1#*=} ;;
        --upstream) image=${2:?--upstream needs an image}; shift ;;
        --upstream=*) image=${1#*=} ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
        esac
        shift
    done
    case $image in
    '') ;;
    *.*/*) own_registry= ;;
    *) fail "--upstream $image: name the registry too, as in docker.io/library/alpine:latest" ;;
    esac
}

check_programs() {
    local program
    for program in podman ${own_registry:+docker-registry skopeo curl python3}; do
        command -v "$program" >/dev/null \
            || fail "$program is not installed; contrib/install-deps.sh test does it"
    done
    [ -x "$OCIPROXY_BIN" ] || fail "there is no program $OCIPROXY_BIN; OCIPROXY_BIN names it"
    podman_works || fail "podman does not work for this user: $(tail -n 1 "$work/podman.log")"
}

# prepare_dir: what is to be kept goes there.
prepare_dir() {
    local log
    [ -n "$dir" ] || { dir=$work/kept; mkdir "$dir"; }
    mkdir -p "$dir"
    [ -z "$(ls -A "$dir")" ] || fail "$dir is not empty; the demo begins with an empty cache"
    dir=$(cd "$dir" && pwd)
    for log in ociproxy.conf proxy.log access.log; do
        ln -s "$dir/$log" "$work/$log"
    done
}

heading() { printf '\n=== %s\n\n' "$*"; }

# show COMMAND...: as somebody would type it, then its output.
show() {
    echo "  \$ $*"
    "$@" 2>&1 | sed 's/^/  /'
}

# show_new_log: what the proxy logged since the last time, with short digests.
show_new_log() {
    echo
    {
        tail -n "+$((log_lines + 1))" "$work/proxy.log" | sed '/^[^ ]* trace /d'
        [ ! -e "$work/access.log" ] || tail -n "+$((access_lines + 1))" "$work/access.log"
    } | sed -e 's/\(sha256:[0-9a-f]\{12\}\)[0-9a-f]*/\1.../g' -e 's/^/  log: /'
    log_lines=$(wc -l <"$work/proxy.log")
    [ ! -e "$work/access.log" ] || access_lines=$(wc -l <"$work/access.log")
}

make_own_image() {
    heading "A registry, and in it an image with three layers of 8 MiB"
    start_registry
    make_image "$work/image" 8388608 8388608 8388608
    show skopeo copy --quiet --dest-tls-verify=false "oci:$work/image:v1" \
        "docker://127.0.0.1:$registry_port/app:v1"
    image=demo.test/app:v1
    # From loopback both pulls would take as long as podman needs to unpack them.
    start_link 10000000
    echo "  It listens on port $registry_port.  Registries are elsewhere, so there is a line" \
        "to it, port $link_port, that carries 10 MB/s."
}

write_configuration() {
    cat >"$work/ociproxy.conf" <<END
listen = 127.0.0.1:0
cache_dir = $dir/cache
workers = 4
access_log = $dir/access.log
log_level = trace
$(user_line)
END
    if [ -n "$own_registry" ]; then
        cat >>"$work/ociproxy.conf" <<END

[upstream demo.test]
url = http://127.0.0.1:$link_port
END
        return
    fi
    # A registry that is not on the list of well-known ones was meant all the same.
    echo "allow_upstreams = ${image%%/*}" >>"$work/ociproxy.conf"
}

start_demo_proxy() {
    heading "The proxy, with an empty cache"
    write_configuration
    sed 's/^/  /' "$work/ociproxy.conf"
    run_proxy
    show_new_log
}

# blob_requests: how often the registry was asked for a blob until now.  Our own registry says so
# itself; else it is what the proxy logged of its requests.
blob_requests() {
    if [ -n "$own_registry" ]; then
        echo $(($(count_upstream GET blobs) + $(count_upstream HEAD blobs)))
    else
        grep -Ec ' > (GET|HEAD) [^ ]*/blobs/[a-z0-9]+:' "$work/proxy.log" || :
    fi
}

# timed_pull NAME: what it cost goes to NAME_requests and NAME_seconds.
timed_pull() {
    local before start took
    before=$(blob_requests)
    start=${EPOCHREALTIME/[.,]/}
    show podman image pull --tls-verify=false "127.0.0.1:$proxy_port/$image"
    took=$((${EPOCHREALTIME/[.,]/} - start))
    printf -v "$1_seconds" '%d.%02d' $((took / 1000000)) $((took % 1000000 / 10000))
    printf -v "$1_requests" '%d' $(($(blob_requests) - before))
    show_new_log
}

show_cache() {
    heading "The cache: blobs and manifests by digest"
    (cd "$dir/cache" && find blobs -type f -printf '%s %p\n' | sort -k 2 \
        | awk '{ printf "  %10d  %s\n", $1, $2 }')
}

show_numbers() {
    local row='  %-6s %22s %10s\n'
    heading "What each pull cost"
    # shellcheck disable=SC2059,SC2154
    {
        printf "$row" pull "upstream blob requests" seconds
        printf "$row" cold "$cold_requests" "$cold_seconds"
        printf "$row" warm "$warm_requests" "$warm_seconds"
    }
    echo
}

judge() {
    # shellcheck disable=SC2154
    [ "$cold_requests" -gt 0 ] || fail "the first pull did not come from the registry"
    [ "$warm_requests" -eq 0 ] || fail "the second pull asked the registry for blobs"
    expect_hashes "$dir/cache/blobs"
    echo "  The second pull asked the registry for no blob."
    case $dir in "$work"/*) ;; *) echo "  Cache, configuration and logs are in $dir." ;; esac
}

parse_arguments "$@"
OCIPROXY_BIN=${OCIPROXY_BIN:-./ociproxy}
prepare
check_programs
prepare_dir
[ -z "$own_registry" ] || make_own_image
start_demo_proxy
heading "The first pull: from the registry, through the proxy, into the cache"
timed_pull cold
echo "  (What is refused with 400 is podman asking whether this port speaks TLS.)"
show_cache
heading "The second pull, after the image was removed: from the cache"
show podman image rm --all
timed_pull warm
show_numbers
judge
