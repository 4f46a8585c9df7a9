"""Load: wrk for many small requests, pulls one after the other, and crowds of clients."""
import json
import os
import re
import selectors
import socket
import ssl
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CHUNK = 1 << 20
# The kernel throws away what was sent without copying it: the load must not be what is measured.
DISCARD = socket.MSG_TRUNC


def wrk(peer, path, connections, seconds, accept="*/*"):
    """wrk's figures, with the CPU time that the server took meanwhile."""
    before = peer.server.cpu_seconds()
    run = subprocess.run(
        ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--timeout", "20s",
         "-s", os.path.join(HERE, "wrk.lua"), "-H", "Accept: " + accept,
         "http://127.0.0.1:%d%s" % (peer.port, path)],
        stdout=subprocess.PIPE, check=True, text=True)
    figures = json.loads(run.stdout.rpartition("RESULT ")[2])
    if figures["errors"] or not figures["requests"]:
        raise RuntimeError("%s: %s: %s" % (peer.name, path, figures))
    figures["rate"] = figures["requests"] / figures["seconds"]
    figures["cpu"] = (peer.server.cpu_seconds() - before) / figures["requests"]
    return figures


def request_for(path):
    return b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n" % path.encode()


class Head:
    """The beginning of an answer, as far as it has come."""

    def __init__(self):
        self.data = b""
        self.length = None

    def feed(self, data):
        """None until the head is complete, then how many bytes of the body are to come."""
        self.data += data
        head, end, body = self.data.partition(b"\r\n\r\n")
        if not end:
            return None
        if not re.match(rb"HTTP/1\.1 200 ", head):
            raise ConnectionError("answered %r" % head[:60])
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        if not length:
            raise ConnectionError("no length in %r" % head)
        self.length = int(length.group(1))
        return self.length - len(body)


def connect(port, tls=False):
    plain = socket.create_connection(("127.0.0.1", port), 60)
    if not tls:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def pull(connection, path):
    """One GET on an idle connection, its body thrown away; gives seconds to the first byte, in
    total, and the bytes of the body."""
    start = time.monotonic()
    connection.sendall(request_for(path))
    head, left, first = Head(), None, None
    while left is None:
        data = connection.recv(4096)
        first = first or time.monotonic() - start
        if not data:
            raise ConnectionError("closed before the answer")
        left = head.feed(data)
    tls = isinstance(connection, ssl.SSLSocket)
    buffer = bytearray(1 << 14 if tls else CHUNK)
    while left > 0:
        want = min(left, len(buffer))
        got = connection.recv_into(buffer, want, *(() if tls else (DISCARD,)))
        if not got:
            raise ConnectionError("closed with %d bytes to come" % left)
        left -= got
    return first, time.monotonic() - start, head.length


def pull_parallel(port, path, connections, seconds, tls=False):
    """As many threads pull it again and again, each on one connection, and begin no further
    pull after those seconds; gives the bytes and the time of all."""
    moved, failures = [], []
    start = time.monotonic()

    def work():
        try:
            with connect(port, tls) as connection:
                while time.monotonic() - start < seconds:
                    moved.append(pull(connection, path)[2])
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(moved), time.monotonic() - start


class Client:
    """One of a crowd, on a socket that does not block: a GET whose body is thrown away."""

    def __init__(self, port, path, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(request_for(path))
        self.socket.setblocking(False)
        self.head, self.left, self.received = Head(), None, 0

    def receive(self, buffer, most):
        """Takes what is there, at most so much; True when everything has come."""
        try:
            if self.left is None:
                data = self.socket.recv(4096)
                got = len(data)
                self.left = self.head.feed(data)
            else:
                got = self.socket.recv_into(buffer, min(most, self.left), DISCARD)
                self.left -= got
        except BlockingIOError:
            return False
        if not got:
            raise ConnectionError("closed early")
        self.received += got
        return self.left == 0

    def close(self):
        self.socket.close()


def storm(port, path, count, limit):
    """Seconds until the last of that many clients has everything, None if that takes longer than
    the limit."""
    start = time.monotonic()
    clients = [Client(port, path) for _ in range(count)]
    buffer = bytearray(CHUNK)
    waiting = selectors.DefaultSelector()
    try:
        for client in clients:
            waiting.register(client.socket, selectors.EVENT_READ, client)
        left = count
        while left and time.monotonic() - start < limit:
            for key, _ in waiting.select(1):
                if key.data.receive(buffer, CHUNK):
                    waiting.unregister(key.fileobj)
                    left -= 1
        return None if left else time.monotonic() - start
    finally:
        waiting.close()
        for client in clients:
            client.close()


class SlowReaders:
    """Clients that read at a steady rate. errors: those that were cut, or got less."""

    TICK = 0.1

    def __init__(self, port, path, count, rate):
        self.rate = rate
        self.buffer = bytearray(CHUNK)
        self.clients = [Client(port, path, 32768) for _ in range(count)]
        self.errors = 0

    def run(self, seconds):
        start = time.monotonic()
        while (now := time.monotonic() - start) < seconds:
            for client in list(self.clients):
                self.catch_up(client, now)
            time.sleep(max(0.0, self.TICK - (time.monotonic() - start - now)))
        late = [client for client in self.clients if client.received < 0.9 * self.rate * seconds]
        self.errors += len(late)

    def catch_up(self, client, now):
        due = int(self.rate * now) - client.received
        try:
            while due > 0:
                before = client.received
                client.receive(self.buffer, due)
                due -= client.received - before
                if client.received == before:
                    return
        except OSError:
            self.errors += 1
            client.close()
            self.clients.remove(client)

    def close(self):
        for client in self.clients:
            client.close()
