#!/bin/sh
# Installs the Debian packages that building or testing ociproxy needs, as far as they are
# missing.  No service is started, neither now nor at the next boot.
set -eu

usage() {
    cat <<'END'
usage: install-deps.sh [--dry-run | --print] [GROUP]...

Groups: build (the default) to build and run, test to run the tests too, bench to measure
against other servers, fuzz to fuzz.
--dry-run, --print   say what would be done, and do nothing
END
}

# ca-certificates: registries are reached over https.
build_packages="g++ make libpoco-dev libssl-dev libboost-dev ca-certificates"

# netavark and crun are what podman prefers where it has the choice; it needs uidmap when the
# tests are not run as root.
test_packages="libcppunit-dev shellcheck universal-ctags
    docker-registry skopeo podman crun netavark uidmap
    curl openssl procps jq python3 iproute2 strace slowhttptest faketime wrk"
# As a load balancer in front.
test_packages="$test_packages haproxy"
# For a disk whose power fails.
test_packages="$test_packages e2fsprogs mount"
# For its promtool.
test_packages="$test_packages prometheus"
# Debian's would drive out another vendor's containerd and what depends on that.
command -v containerd >/dev/null || test_packages="$test_packages containerd"
# gcc is what varnish compiles its configuration with.
bench_packages="docker-registry nginx-light varnish gcc libc6-dev wrk python3 openssl
    iproute2"

# For make fuzz and make fuzz-coverage.
fuzz_packages="clang llvm libclang-rt-14-dev"

policy=/usr/sbin/policy-rc.d
policy_mark="ociproxy: no service starts while its packages are installed"

dry_run=
packages=
for arg do
    case $arg in
    --dry-run | --print) dry_run=yes ;;
    --help | -h) usage; exit 0 ;;
    build) packages="$packages $build_packages" ;;
    test) packages="$packages $test_packages" ;;
    bench) packages="$packages $bench_packages" ;;
    fuzz) packages="$packages $fuzz_packages" ;;
    *) usage >&2; exit 2 ;;
    esac
done
[ -n "$packages" ] || packages=$build_packages

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install-deps.sh knows Debian only; what it would install there:" >&2
    # shellcheck disable=SC2086
    echo $packages >&2
    exit 1
fi

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for package in $packages; do
    installed "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "install-deps.sh: nothing is missing"
    exit 0
fi

run() {
    echo "+ $*"
    [ -n "$dry_run" ] || "$@"
}

deny_services() {
    # An administrator's own policy stays in force; one of ours was left by a run that was killed.
    if [ -e $policy ] && ! grep -q "$policy_mark" $policy; then
        return
    fi
    echo "+ create $policy for the time of the installation"
    [ -z "$dry_run" ] || return 0
    trap 'rm -f $policy' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" >$policy
    chmod 755 $policy
}

if [ -z "$dry_run" ] && [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-deps.sh: run as root: apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    exec sudo sh "$0" "$@"
fi

DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
deny_services
run apt-get update -q
# shellcheck disable=SC2086
run apt-get install -q -y --no-install-recommends $missing

# disable SERVICE PACKAGE: what the package has enabled for the next boot, if it is new here.
disable() {
    case "$missing " in
    *" $2 "*)
        [ ! -e "/etc/init.d/$1" ] || run update-rc.d "$1" disable
        run env DPKG_MAINTSCRIPT_PACKAGE="$2" deb-systemd-helper disable "$1.service" ;;
    esac
}

for service in containerd docker-registry haproxy prometheus varnish; do
    disable $service $service
done
disable varnishncsa varnish
disable nginx nginx-light
