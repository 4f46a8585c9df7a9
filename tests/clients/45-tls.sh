#!/bin/bash
# skopeo and podman pull through TLS, verifying the proxy's certificate, and with a certificate
# of their own where it demands one; openssl takes its session up again, whichever worker it
# meets and after a reload.
# needs: docker-registry skopeo podman openssl jq curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

# issue NAME EXTENSION: $pki/NAME.cert and $pki/NAME.key, by the authority in $pki/ca.crt.
issue() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
        -keyout "$pki/$1.key" -out "$pki/$1.csr" 2>"$work/openssl.log"
    openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -days 2 \
        -extfile <(echo "$2") -out "$pki/$1.cert" 2>"$work/openssl.log"
}

tls_listens() {
    tls_port=$(sed -n 's/.*listening on 127[^,]*, 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/proxy.log" \
        | tail -n 1)
    [ -n "$tls_port" ]
}

# start_tls_proxy LINE...: with further lines of configuration.
start_tls_proxy() {
    proxy_settings=$(printf '%s\n' "listen = 127.0.0.1:0 tls" "tls_certificate = $pki/server.cert" \
        "tls_key = $pki/server.key" "log_level = debug" "$@")
    start_proxy
    tls_listens || fail "there is no second port"
}

# tls_pull LAYOUT [OPTION]...: with skopeo, as who trusts the authority.
tls_pull() {
    local layout=$1
    shift
    skopeo copy --quiet --preserve-digests --src-tls-verify=true "$@" \
        "docker://127.0.0.1:$tls_port/demo.test/app:v1" "oci:$layout:v1"
}

# connect_with OPTION...: one connection and one request; prints "New" or "Reused".
connect_with() {
    printf 'GET /v2/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' \
        | openssl s_client -connect "127.0.0.1:$tls_port" -CAfile "$pki/ca.crt" \
            -verify_return_error -ign_eof "$@" 2>"$work/s_client.log" \
        | sed -n 's/^\(New\|Reused\), .*/\1/p' | head -n 1
}

prepare
pki=$work/pki
mkdir -m 700 "$pki"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj "/CN=Test Authority" -keyout "$pki/ca.key" -out "$pki/ca.crt" 2>"$work/openssl.log"
issue server "subjectAltName=IP:127.0.0.1"
issue client "extendedKeyUsage=clientAuth"
mkdir "$work/trusting" "$work/known"
cp "$pki/ca.crt" "$work/trusting/"
cp "$pki/ca.crt" "$pki/client.cert" "$pki/client.key" "$work/known/"
start_registry
push_app

start_tls_proxy
mark_registry_log
tls_pull "$work/cold" --src-cert-dir "$work/trusting"
expect_same_image "through TLS, cold" "$work/image" "$work/cold"
expect_each_fetched_once "through TLS" "$work/image"
mark_registry_log
tls_pull "$work/warm" --src-cert-dir "$work/trusting"
expect_same_image "through TLS, warm" "$work/image" "$work/warm"
! tls_pull "$work/never" 2>"$work/refused.log" || fail "skopeo trusts anybody"
if podman_works; then
    id=$(podman pull --quiet --cert-dir "$work/trusting" "127.0.0.1:$tls_port/demo.test/app:v1")
    expect_equal "image podman made" "sha256:$id" \
        "$(jq -r .config.digest "$work/image/blobs/sha256/$(image_digest "$work/image" | cut -c 8-)")"
fi
expect_no_blob_requests "through TLS, warm"

# Tickets of TLS 1.3 come after the handshake, so the first connection has to last.
for version in -tls1_2 -tls1_3; do
    expect_equal "first connection, $version" New "$(connect_with $version -sess_out "$work/session")"
    for _ in 1 2 3 4 5 6 7 8; do
        expect_equal "taken up again, $version" Reused \
            "$(connect_with $version -sess_in "$work/session")"
    done
    before=$(grep -c " reloaded: " "$work/proxy.log") || :
    kill -HUP "$proxy_pid"
    reloaded() { [ "$(grep -c " reloaded: " "$work/proxy.log")" -gt "$before" ]; }
    wait_until 20 reloaded || fail "not reloaded"
    expect_equal "after a reload, $version" Reused \
        "$(connect_with $version -sess_in "$work/session")"
done
stop_proxy

start_tls_proxy "tls_client_ca = $pki/ca.crt"
tls_pull "$work/known-client" --src-cert-dir "$work/known"
expect_same_image "with a certificate" "$work/image" "$work/known-client"
! tls_pull "$work/never" --src-cert-dir "$work/trusting" 2>"$work/refused.log" \
    || fail "a client without certificate is served"
grep -q 'TLS handshake with .* failed: peer did not return a certificate' "$work/proxy.log" \
    || fail "the refusal is not logged"
stop_proxy
