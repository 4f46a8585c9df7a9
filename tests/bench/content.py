"""What is pulled: blobs and a manifest, pushed to the upstream over its API."""
import hashlib
import http.client
import json
import os

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def request(port, method, path, body=None, headers=None, expect=200):
    """One exchange; gives (headers, body) and insists on the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        data = response.read()
        if response.status != expect:
            raise RuntimeError("%s %s: status %d: %r" % (method, path, response.status, data[:300]))
        return response.headers, data
    finally:
        connection.close()


def push_blob(port, data):
    digest = digest_of(data)
    headers, _ = request(port, "POST", "/v2/app/blobs/uploads/", expect=202)
    place = headers["Location"].split("//", 1)[1].partition("/")[2]
    request(port, "PUT", "/%s%sdigest=%s" % (place, "&" if "?" in place else "?", digest), data,
            {"Content-Type": "application/octet-stream"}, expect=201)
    return digest


def push_manifest(port, config, layers, size):
    """A manifest of that many bytes, which names blobs that are there."""
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": config[0], "size": config[1]},
        "layers": [{"mediaType": LAYER_TYPE, "digest": digest, "size": length}
                   for digest, length in layers],
        "annotations": {"filling": ""}}
    manifest["annotations"]["filling"] = "x" * (size - len(json.dumps(manifest)))
    data = json.dumps(manifest).encode()
    digest = digest_of(data)
    request(port, "PUT", "/v2/app/manifests/" + digest, data, {"Content-Type": MANIFEST_TYPE},
            expect=201)
    return digest


class Blobs:
    """Large blobs, none like another: random bytes with a count in front."""

    def __init__(self, upstream):
        self.port = upstream.port
        self.count = 0
        self.random = os.urandom(1 << 20)

    def push(self, size):
        self.count += 1
        data = b"%-16d" % self.count + (self.random * (size // len(self.random) + 1))
        return push_blob(self.port, memoryview(data)[:size])

    def remove(self, digest):
        """Frees the upstream's disk; what cached it keeps it."""
        request(self.port, "DELETE", "/v2/app/blobs/" + digest, expect=202)


def warm(peer, kind, digest):
    """Has the peer cache it: the second answer must be the right bytes too."""
    for _ in range(2):
        headers = {"Accept": MANIFEST_TYPE}
        _, data = request(peer.port, "GET", peer.path(kind, digest), headers=headers)
        if digest_of(data) != digest:
            raise RuntimeError("%s: wrong bytes for %s" % (peer.name, digest))
