"""The servers that are compared, each with its best reasonable settings, and their upstream."""
import os
import shutil
import subprocess
import time

from lab import free_port

OCIPROXY = "ociproxy"
HOST = "127.0.0.1"

REGISTRY_YML = """version: 0.1
log: {{level: error, accesslog: {{disabled: {quiet}}}}}
storage:
  filesystem: {{rootdirectory: {directory}/data, maxthreads: 1000}}
  cache: {{blobdescriptor: inmemory}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""

NGINX_CONF = """
{user}
pid {directory}/pid;
error_log stderr error;
daemon off;
worker_processes 2;
worker_rlimit_nofile {files};
events {{ worker_connections 16384; }}
http {{
    access_log off;
    server_tokens off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    reset_timedout_connection on;
    open_file_cache max=10000 inactive=600s;
    open_file_cache_valid 600s;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/temp;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    proxy_cache_path {directory}/cache levels=1:2 keys_zone=bench:32m max_size=100g
        inactive=1d use_temp_path=off;
    upstream registry {{ server 127.0.0.1:{upstream}; keepalive 32; }}
    upstream dead {{ server 127.0.0.1:{dead}; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_cache bench;
    proxy_cache_key $uri;
    proxy_cache_valid 200 1d;
    proxy_cache_lock on;
    proxy_cache_lock_age 10m;
    proxy_cache_lock_timeout 10m;
    ssl_session_cache shared:tls:8m;
    server {{
        listen 127.0.0.1:{port} reuseport backlog=4096;
        {tls}
        location / {{ proxy_pass http://registry; }}
        location /v2/dead/ {{ proxy_pass http://dead; }}
    }}
}}
"""

NGINX_TLS = """listen 127.0.0.1:{tls_port} ssl reuseport backlog=4096;
        ssl_certificate {certificate}; ssl_certificate_key {key};"""

VARNISH_VCL = """vcl 4.1;
backend registry {{ .host = "127.0.0.1"; .port = "{upstream}"; }}
backend dead {{ .host = "127.0.0.1"; .port = "{dead}"; }}
sub vcl_recv {{
    if (req.url ~ "^/v2/dead/") {{ set req.backend_hint = dead; }}
    else {{ set req.backend_hint = registry; }}
    return (hash);
}}
sub vcl_backend_response {{ set beresp.ttl = 1d; }}
"""

OCIPROXY_CONF = """listen = 127.0.0.1:{port}
{tls}
cache_dir = {directory}/cache
workers = 2
max_connections_per_client = off
access_log = off
{user}
[upstream bench.test]
url = http://127.0.0.1:{upstream}
public = yes
[upstream dead.test]
url = http://127.0.0.1:{dead}
public = yes
"""

OCIPROXY_TLS = """listen = 127.0.0.1:{tls_port} tls
tls_certificate = {certificate}
tls_key = {key}"""


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write(text)
    return path


class Peer:
    """A running server. path(): how it is asked for something of the upstream's repository."""

    name = program = None
    alive_prefix = "/v2/app/"
    dead_prefix = "/v2/dead/"
    tls = False

    def __init__(self, lab, upstream, dead, tls=None):
        self.directory = lab.directory(self.name)
        self.port, self.tls_port = free_port(), free_port()
        values = dict(directory=self.directory, port=self.port, upstream=upstream, dead=dead,
                      tls_port=self.tls_port, user="", tls="", files=20000)
        self.tls = bool(tls) and self.tls
        if self.tls:
            values.update(tls)
        self.server = lab.start(self.command(values), self.directory, self.port)

    def command(self, values):
        raise NotImplementedError

    def path(self, kind, digest):
        return "%s%s/%s" % (self.alive_prefix, kind, digest)

    def dead_path(self, digest):
        return "%sblobs/%s" % (self.dead_prefix, digest)

    @classmethod
    def available(cls):
        return shutil.which(cls.program) is not None


class Ociproxy(Peer):
    name = OCIPROXY
    alive_prefix = "/v2/bench.test/app/"
    dead_prefix = "/v2/dead.test/app/"
    program = os.environ.get("OCIPROXY_BIN", "ociproxy")
    tls = True

    def command(self, values):
        if os.getuid() == 0:
            values["user"] = "user = root"
        if self.tls:
            values["tls"] = OCIPROXY_TLS.format(**values)
        conf = write(self.directory, "conf", OCIPROXY_CONF.format(**values))
        return [self.program, "-c", conf]

    @classmethod
    def speaks_tls(cls, lab, tls):
        """Whether this binary has a TLS listener."""
        conf = write(lab.directory("check"), "conf", OCIPROXY_TLS.format(tls_port=1, **tls) + "\n")
        return subprocess.run([cls.program, "-t", "-c", conf], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0


class Nginx(Peer):
    name = program = "nginx"
    tls = True

    def command(self, values):
        if os.getuid() == 0:
            values["user"] = "user root;"
        if self.tls:
            values["tls"] = NGINX_TLS.format(**values)
        return [self.program, "-p", self.directory, "-e", "stderr",
                "-c", write(self.directory, "conf", NGINX_CONF.format(**values))]


class Varnish(Peer):
    name = "varnish"
    program = "varnishd"

    def command(self, values):
        vcl = write(self.directory, "vcl", VARNISH_VCL.format(**values))
        return [self.program, "-F", "-j", "none", "-n", self.directory + "/n", "-f", vcl,
                "-a", "%s:%d" % (HOST, self.port), "-s", "malloc,3G",
                "-p", "thread_pools=2", "-p", "thread_pool_min=100",
                "-p", "thread_pool_max=2500", "-p", "timeout_idle=600",
                "-p", "listen_depth=4096"]


class DockerRegistry(Peer):
    name = program = "docker-registry"

    def command(self, values):
        yml = REGISTRY_YML.format(quiet="true", **values)
        yml += "proxy: {remoteurl: http://127.0.0.1:%d}\n" % values["upstream"]
        return [self.program, "serve", write(self.directory, "yml", yml)]


class Upstream:
    """The registry that all of them fetch from; its access log says what they asked."""

    def __init__(self, lab):
        directory = lab.directory("upstream")
        self.port = free_port()
        yml = REGISTRY_YML.format(quiet="false", directory=directory, port=self.port)
        self.access = os.path.join(directory, "access")
        self.server = lab.start(["docker-registry", "serve", write(directory, "yml", yml)],
                                directory, self.port, out=self.access)

    def path(self, kind, digest):
        return "/v2/app/%s/%s" % (kind, digest)

    def gets(self, digest):
        """How often that digest was fetched; a line appears a moment after the answer."""
        time.sleep(0.3)
        with open(self.access, errors="replace") as log:
            return sum('"GET ' in line and digest in line for line in log)


ALL = [Ociproxy, Nginx, Varnish, DockerRegistry]


class Running:
    """The peers that are installed, running from here to the end of the context."""

    def __init__(self, lab, upstream, dead, names, tls=None):
        self.lab = lab
        self.peers = []
        try:
            for kind in ALL:
                if kind.name in names:
                    self.peers.append(kind(lab, upstream, dead, tls))
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self.peers

    def __exit__(self, *_):
        for peer in self.peers:
            self.lab.stop(peer.server)
            shutil.rmtree(peer.directory, ignore_errors=True)
