"""Clients that send much of what costs a worker time and brings nobody any data: others must not notice."""

import pathlib
import subprocess
import threading
import time

import pytest

from lib.proxy import TOP, stat
from lib.waiting import PATIENCE, Stopwatch, meanwhile, until

NOTICED = 0.3  # seconds a byte may take there and back, where a millisecond is usual


class KeyUpdates:
    """A client that makes KeyUpdates; see key_updates.c for what it can be told."""

    def __init__(self, program, port):
        self.process = subprocess.Popen([program, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def tell(self, *lines):
        for line in lines:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == "done\n", line

    def close(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="session")
def key_updates(tmp_path_factory):
    program = tmp_path_factory.mktemp("programs") / "key_updates"
    subprocess.run(["cc", "-O2", "-o", program, TOP / "test/lib/key_updates.c", "-lssl", "-lcrypto"], check=True)
    return program


def slowest_echo(client, is_over):
    """The longest a byte took there and back, until the event."""
    slowest, total = 0, Stopwatch()
    with total:
        while not is_over.is_set() and total.so_far() < PATIENCE:
            with Stopwatch() as watch:
                client.send(b"x")
                client.read(1)
            slowest = max(slowest, watch.seconds)
    return slowest


@pytest.mark.long
def test_a_flood_of_key_updates_does_not_delay_others(start_proxy, echo, any_tls, key_updates, closing):
    """Four megabytes of them are nothing to deliver, so nothing else would end the worker's turn."""
    proxy = start_proxy(build="plain", protocols="tunnel", tunnel_backend=echo.address)
    client = proxy.connect(any_tls)
    flood, is_over = closing(KeyUpdates(key_updates, proxy.port())), threading.Event()
    flood.tell("made 150000", "byte")
    with meanwhile(lambda: flood.tell("send", "await"), is_over.set):
        assert slowest_echo(client, is_over) < NOTICED


def test_a_flood_of_one_byte_records_does_not_delay_others(start_proxy, echo, any_tls):
    """A turn that is measured in bytes alone would last for half a million records."""
    proxy = start_proxy(build="plain", protocols="tunnel", tunnel_backend=echo.address)
    client, flood, is_over = proxy.connect(any_tls), proxy.connect(any_tls), threading.Event()
    records = 200000
    wire = b"".join(flood.encode(b"x") for _ in range(records))
    with meanwhile(lambda: flood.sock.sendall(wire), lambda: flood.read(records), is_over.set):
        assert slowest_echo(client, is_over) < NOTICED


def queue_sizes(local, remote):
    """(bytes to send, bytes to read) of a socket."""
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, sizes, *_ = line.split()
        if (int(here[-4:], 16), int(there[-4:], 16)) == (local, remote):
            return [int(size, 16) for size in sizes.split(":")]


@pytest.mark.long
def test_answers_to_key_updates_that_wait_do_not_keep_a_worker_busy(start_proxy, key_updates, closing):
    """They fill the proxy's socket and a bit more, and then the client takes them, but says nothing any more."""
    proxy = start_proxy(build="plain", http_backend="127.0.0.1:1", first_byte_timeout="30s")
    client, (worker,) = closing(KeyUpdates(key_updates, proxy.port())), proxy.workers()

    def unsent():
        return queue_sizes(proxy.port(), client.port)[0]

    def all_is_done():
        return (queue_sizes(client.port, proxy.port())[0] == queue_sizes(proxy.port(), client.port)[1] == 0
                and stat(worker)[0] == "S")

    before = -1
    while unsent() != before:
        before = unsent()
        client.tell("asked 2000", "send")
        until(all_is_done, "all KeyUpdates read")
    until(lambda: client.tell("drain") or unsent() == 0, "all answers taken")
    busy = proxy.cpu_seconds()
    time.sleep(0.5)
    assert proxy.cpu_seconds() - busy < 0.1
