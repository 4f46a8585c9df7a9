#!/usr/bin/env python3
"""usage: slow-link.py PORT RATE

Carries connections to PORT on loopback with at most RATE bytes per second for all of them
together: a registry that is somewhere else.  Says on standard output where it listens.
"""
import socket
import sys
import threading
import time

PORT, RATE = int(sys.argv[1]), int(sys.argv[2])
# A hundredth of a second, within reason.
PIECE = min(max(RATE // 100, 4096), 1 << 18)
# What sleeping too long costs is made up for, as far as this.
LATENESS = 0.01
turns = threading.Lock()
free_at = 0.0


def take_turn(size):
    global free_at
    with turns:
        free_at = max(free_at, time.monotonic() - LATENESS) + size / RATE
        wait = free_at - time.monotonic()
    time.sleep(max(0.0, wait))


def carry(source, sink):
    try:
        while data := source.recv(PIECE):
            take_turn(len(data))
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # What is broken on one side is broken on the other; this wakes the thread there.
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def connect(client):
    with client:
        try:
            registry = socket.create_connection(("127.0.0.1", PORT))
        except OSError:
            return
        with registry:
            back = threading.Thread(target=carry, args=(registry, client), daemon=True)
            back.start()
            carry(client, registry)
            back.join()


def main():
    with socket.create_server(("127.0.0.1", 0)) as server:
        print("listening on 127.0.0.1:%d" % server.getsockname()[1], flush=True)
        while True:
            client = server.accept()[0]
            threading.Thread(target=connect, args=(client,), daemon=True).start()


main()
