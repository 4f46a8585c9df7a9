"""A registry that can be switched off, a proxy in front of it, and what must hold of its cache
whatever happened."""
import collections
import hashlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
PATIENCE = 30


class Finding(Exception):
    """A promise that was broken."""


class NotHere(Exception):
    """Why this machine does not let us do this."""


def require(holds, *what):
    if not holds:
        raise Finding(" ".join(map(str, what)))


def wait_until(holds, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Content:
    """Bytes under their digest, as a blob or as a manifest."""

    def __init__(self, data, kind="blobs"):
        self.data = data
        self.hex = hashlib.sha256(data).hexdigest()
        # In a repository of its own, so that this is new to the cache as well.
        path = "app-%s/%s/sha256:%s" % (self.hex[:12], kind, self.hex)
        self.at_registry, self.at_proxy = "/v2/" + path, "/v2/up.test/" + path
        self.is_manifest = kind == "manifests"


def random_content(size):
    return Content(os.urandom(size))


def random_manifest():
    config = random_content(20)
    descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json",
                  "digest": "sha256:" + config.hex, "size": 20}
    return Content(json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_TYPE,
                               "config": descriptor, "layers": []}).encode(), "manifests")


class Registry(http.server.ThreadingHTTPServer):
    """Knows what it is given.  Off, it closes every connection without a word."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), RegistryHandler)
        self.contents = {}
        self.gets = collections.Counter()
        self.off = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def add(self, content):
        self.contents[content.at_registry] = content
        return content

    def handle_error(self, request, client_address):
        pass                    # who asked was killed


class RegistryHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.server.gets[self.path] += 1
        self.answer(True)

    def answer(self, with_body):
        content = self.server.contents.get(self.path)
        if self.server.off:
            self.close_connection = True
            return
        first = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        first = int(first[1]) if first else 0
        if content is None:
            self.reply(404, b"", {})
        elif first and first >= len(content.data):
            self.reply(416, b"", {"Content-Range": "bytes */%d" % len(content.data)})
        else:
            fields = {"Docker-Content-Digest": "sha256:" + content.hex, "Content-Type":
                      MANIFEST_TYPE if content.is_manifest else "application/octet-stream"}
            size = len(content.data)
            if first:
                fields["Content-Range"] = "bytes %d-%d/%d" % (first, size - 1, size)
            self.reply(206 if first else 200, content.data[first:], fields, with_body)

    def reply(self, status, body, fields, with_body=True):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Proxy:
    """One worker on the cache `directory`/cache; files of its own in `work`."""

    def __init__(self, work, directory, registry, settings=""):
        self.work, self.cache = work, os.path.join(directory, "cache")
        self.admin = os.path.join(work, "admin.sock")
        self.log = os.path.join(work, "log")
        self.configuration = os.path.join(work, "conf")
        with open(self.configuration, "w") as out:
            out.write("listen = 127.0.0.1:0\nworkers = 1\ncache_dir = %s\nadmin_listen = unix:%s\n"
                      "access_log = off\n%s%s\n[upstream up.test]\nurl = http://127.0.0.1:%d\n"
                      % (self.cache, self.admin, "user = root\n" if os.geteuid() == 0 else "",
                         settings, registry.server_port))
        self.process = None

    def configure(self, old, new):
        with open(self.configuration) as file:
            text = file.read()
        with open(self.configuration, "w") as file:
            file.write(text.replace(old, new, 1))

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [os.environ["OCIPROXY_BIN"], "-c", self.configuration], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True)
        ready = wait_until(lambda: self.process.poll() is not None or self.listening_port())
        require(ready and self.process.poll() is None, "the proxy does not start:", self.said())
        self.port = self.listening_port()
        require(wait_until(lambda: self.worker() is not None), "no worker:", self.said())

    def said(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-3000:]

    def listening_port(self):
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)", self.said())
        return int(found[1]) if found else None

    def children(self):
        path = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        with open(path) as children:
            return list(map(int, children.read().split()))

    def worker(self):
        for child in self.children():
            try:
                with open("/proc/%d/cmdline" % child, "rb") as title:
                    if title.read().startswith(b"ociproxy: worker"):
                        return child
            except OSError:
                pass
        return None

    def get(self, content, seconds=PATIENCE):
        """The status, or None when no complete answer came.  Wrong bytes are a finding."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request("GET", content.at_proxy)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        if response.status == 200:
            require(body == content.data, "a complete 200 with wrong bytes for", content.hex)
        return response.status

    def committed(self):
        """How many fills have been announced as committed."""
        connection = UnixConnection(self.admin)
        try:
            connection.request("GET", "/metrics")
            page = connection.getresponse().read().decode()
        finally:
            connection.close()
        return int(re.search(r"^ociproxy_fills_committed_total (\d+)$", page, re.M)[1])

    def stop(self):
        self.process.terminate()
        require(self.process.wait(PATIENCE) == 0, "the proxy ended badly:", self.said())
        self.process = None

    def kill(self):
        """All of it at once, as the machine would."""
        if self.process is None:
            return
        victims = [self.process.pid] + self.children()
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None
        for victim in victims[1:]:
            require(wait_until(lambda v=victim: not os.path.exists("/proc/%d/fd" % v) or
                               is_dead(v)), "process", victim, "does not die")


def is_dead(pid):
    try:
        with open("/proc/%d/stat" % pid) as status:
            return status.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def files_below(directory):
    for path, _, names in os.walk(directory):
        for name in names:
            yield os.path.join(path, name)


def left_overs(cache):
    """Temporary files, and those of writes that were cut."""
    return [path for path in files_below(cache)
            if os.path.dirname(path) == cache + "/tmp" or os.path.basename(path).startswith(".")]


def check_store(cache, durable=True):
    """What is visible hashes to its name, and its metadata is there and fits; if it was never
    synced it may be missing."""
    for path in files_below(cache + "/blobs"):
        with open(path, "rb") as file:
            data = file.read()
        name = os.path.relpath(path, cache + "/blobs")
        require(hashlib.sha256(data).hexdigest() == os.path.basename(path),
                "visible and damaged:", name, "with", len(data), "bytes")
        try:
            with open("%s/meta/%s.json" % (cache, name)) as file:
                size = json.load(file)["size"]
        except (OSError, ValueError) as error:
            if not durable:
                continue
            raise Finding("no metadata of %s: %s" % (name, error)) from None
        require(size == len(data), "metadata of", name, "says", size, "bytes, not", len(data))


def forget_all(cache):
    """So that no check takes longer than the one before."""
    for top in ("blobs", "meta", "tmp", "quarantine"):
        for path in files_below(os.path.join(cache, top)):
            os.unlink(path)
