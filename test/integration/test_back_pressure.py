"""One side is slower than the other: the proxy stops reading, keeps little, and loses nothing."""

import re
import subprocess

import pytest

from lib.backends import Flood
from lib.beside import stuck_viewer
from lib.waiting import Stopwatch, meanwhile

MIB = 1 << 20
SOME = 8  # sessions at once
KERNEL = 32 * MIB  # more than all the kernel's buffers along one session may hold


def numbered(size):
    """Bytes in which every four say where they are."""
    return b"".join(n.to_bytes(4, "big") for n in range(size // 4))


def test_a_backend_that_accepts_and_never_reads(start_proxy, backend, any_tls):
    """The client gets stuck, the proxy does not grow, and idle_timeout ends it."""
    proxy = start_proxy(build="plain", protocols="tunnel", tunnel_backend=backend.address, idle_timeout="3s")
    before = proxy.memory()
    for _ in range(SOME):
        client = proxy.connect(any_tls)
        backend.accept()
        assert client.send_until_stuck(quiet=0.2) < KERNEL
    assert proxy.memory() - before < SOME * MIB
    assert {session.end for session in proxy.wait_for_sessions(SOME)} == {"idle_timeout"}


def test_a_client_that_never_reads(start_proxy, backend, any_tls):
    """The backend gets stuck, the proxy does not grow, and other sessions do not notice."""
    proxy = start_proxy(build="plain", protocols="tunnel", tunnel_backend=backend.address)
    client, server = proxy.connect(any_tls), backend.accept()
    before = proxy.memory()
    for _ in range(SOME):
        proxy.connect(any_tls)
        assert backend.accept().send_until_stuck(quiet=0.2) < KERNEL
    assert proxy.memory() - before < SOME * MIB

    data = numbered(4 * MIB)
    with meanwhile(lambda: server.send(data), server.fin):
        assert client.read_to_end() == data


def test_a_browser_that_stops_to_read_holds_little(start_proxy, backend, any_tls):
    """Amid a body of known length, a buffer for one record each way is enough for who takes nothing."""
    proxy = start_proxy(build="plain", proxy={"workers": 1}, http_backend=backend.address)
    stuck_viewer(proxy, backend, any_tls)
    before = proxy.memory()
    for _ in range(SOME):
        stuck_viewer(proxy, backend, any_tls)
    assert proxy.memory() - before < SOME * 80 * 1024


def receive_buffer_of(server):
    """Bytes that the kernel may hold of what this backend has sent, at the proxy's end of the connection."""
    host, port = server.sock.getsockname()[:2]
    line = subprocess.run(["ss", "-HOtnm", "state", "established", "dst", f"{host}:{port}"],
                          check=True, capture_output=True, text=True).stdout
    return int(re.search(r"skmem:\(r\d+,rb(\d+),", line)[1])


def test_a_near_backend_waits_with_what_a_client_does_not_take(start_proxy, backend, any_tls):
    """While bytes flow the kernel would let the queue in front of the proxy grow to many megabytes."""
    proxy = start_proxy(build="plain", protocols="tunnel", tunnel_backend=backend.address)
    client, server = proxy.connect(any_tls), backend.accept()
    with meanwhile(lambda: server.send(bytes(32 * MIB))):
        for _ in range(32):
            client.read(MIB)
    server.send_until_stuck(quiet=0.2)
    assert receive_buffer_of(server) < MIB / 2


def test_streams_at_full_speed_do_not_starve_a_small_exchange(start_proxy, closing, echo, any_tls, start_program):
    """Four downloads that never pause, and one client that wants an answer to every byte, in one worker."""
    proxy = start_proxy(listeners={
        "flood": {"protocols": "tunnel", "tunnel_backend": closing(Flood()).address},
        "echo": {"protocols": "tunnel", "tunnel_backend": echo.address}})
    reader = f"exec openssl s_client -quiet -connect 127.0.0.1:{proxy.port('flood')} >/dev/null"
    for n in range(4):
        start_program(f"reader-{n}", "sh", "-c", reader)
    client = proxy.connect(any_tls, listener="echo")
    with Stopwatch() as watch:
        for _ in range(50):
            client.send(b"x")
            client.read(1)
    assert watch.seconds < 5


@pytest.mark.parametrize("direction", ["to the client", "to the backend"])
def test_a_slow_reader_gets_every_byte_in_order(tunnel, tls, backend, direction):
    """A reader with a small window takes a kilobyte at a time."""
    client, server = tunnel.connect(tls, receive_buffer=4096), backend.accept()
    sender, reader = (server, client) if direction == "to the client" else (client, server)
    data = numbered(4 * MIB)
    with meanwhile(lambda: sender.send(data), sender.fin if sender is server else sender.close_notify):
        received = [reader.read(1024) for _ in range(len(data) // 1024)]
    assert b"".join(received) == data
    assert reader.end() == ("close_notify" if reader is client else "fin")
    server.close()
