"""One side ends, the other goes on: close_notify becomes FIN and FIN becomes close_notify."""

import contextlib
import os
import socket
import time

import pytest

from lib.backends import StandIn, listening_socket
from lib.waiting import Stopwatch, meanwhile

MB = 1 << 20
BIG = os.urandom(8 * MB)


@pytest.fixture
def ends(tunnel, tls, backend):
    return tunnel.connect(tls), backend.accept()


def test_a_client_that_half_closes_gets_the_whole_answer(tunnel, ends):
    """A big answer that begins after the client's close_notify arrives complete, and ends with close_notify."""
    client, server = ends
    client.send(b"request")
    client.close_notify()
    assert (server.read_to_end(), server.ended) == (b"request", "fin")
    with meanwhile(lambda: server.send(BIG), server.fin):
        assert (client.read_to_end(), client.ended) == (BIG, "close_notify")
    assert tunnel.wait_for_session().end == "client_closed"


def test_a_fin_behind_the_close_notify_changes_nothing(tunnel, ends):
    """Many clients shut the socket down as well."""
    client, server = ends
    client.send(b"request")
    client.close_notify()
    client.fin()
    assert (server.read_to_end(), server.ended) == (b"request", "fin")
    with meanwhile(lambda: server.send(BIG), server.fin):
        assert (client.read_to_end(), client.ended) == (BIG, "close_notify")
    assert tunnel.wait_for_session().end == "client_closed"


def test_a_backend_that_half_closes_gets_all_the_rest(tunnel, ends):
    """What the client sends after it was told of the backend's end arrives complete."""
    client, server = ends
    server.send(b"greeting")
    server.fin()
    assert (client.read_to_end(), client.ended) == (b"greeting", "close_notify")
    with meanwhile(lambda: client.send(BIG), client.close_notify):
        assert (server.read_to_end(), server.ended) == (BIG, "fin")
    assert tunnel.wait_for_session().end == "backend_closed"


def test_the_close_notify_waits_for_the_bytes_before_it(ends):
    """A close_notify right behind a lot of data."""
    client, server = ends
    with meanwhile(lambda: client.send(BIG), client.close_notify):
        assert (server.read_to_end(), server.ended) == (BIG, "fin")
    server.fin()
    assert client.end() == "close_notify"


def test_a_fin_without_close_notify_delivers_and_ends(tunnel, ends):
    """Truncation: what was decrypted arrives, then both sides end; it is no error."""
    client, server = ends
    client.send(b"the last words")
    client.fin()
    assert (server.read_to_end(), server.ended) == (b"the last words", "fin")
    client.read_to_end()
    assert client.ended in ("close_notify", "fin")
    assert tunnel.wait_for_session().end == "client_truncated"


def test_a_truncation_before_all_is_delivered_is_one(start_proxy, backend, any_tls):
    """Though the backend was first to end: backend_closed would say that the client got everything."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address)
    client, server = proxy.connect(any_tls, receive_buffer=4096), backend.accept()
    server.send_until_stuck(quiet=0.2)
    server.fin()
    client.fin()
    assert proxy.wait_for_session().end == "client_truncated"


@pytest.mark.parametrize("side", ["client", "backend"])
def test_a_half_closed_session_without_progress_is_cut(start_proxy, backend, any_tls, side):
    """half_close_timeout is for the side that neither sends nor ends."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, half_close_timeout="1s")
    client, server = proxy.connect(any_tls), backend.accept()
    with Stopwatch() as watch:
        client.close_notify() if side == "client" else server.fin()
        assert proxy.wait_for_session().end == "half_close_timeout"
    assert 0.9 < watch.seconds < 4


def test_a_half_closed_session_with_progress_goes_on(start_proxy, backend, any_tls):
    """The answer takes three times half_close_timeout, but never pauses for that long."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, half_close_timeout="1s")
    client, server = proxy.connect(any_tls), backend.accept()
    client.close_notify()
    for _ in range(10):
        server.send(b"x")
        assert client.read(1) == b"x"
        assert client.is_quiet(0.3)
    server.fin()
    assert client.end() == "close_notify"


def read_while_talking(reader):
    """What comes until the end, in small pieces, each answered: on a closed socket the answers cause a reset."""
    parts = []
    while data := reader.receive():
        parts.append(data)
        with contextlib.suppress(OSError):
            reader.send(b"ping")
    return b"".join(parts)


def test_no_byte_before_a_truncation_is_lost_to_a_backend_that_talks(start_proxy, closing, any_tls):
    """The session is over when the kernel has all the bytes; a slow backend that sends pings still gets them."""
    listener = listening_socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    backend = closing(StandIn(listener))
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address)
    client, server = proxy.connect(any_tls), backend.accept()
    client.send(BIG[:MB])
    client.fin()
    assert proxy.wait_for_sessions(1)[0].end == "client_truncated"
    assert read_while_talking(server) == BIG[:MB]


def test_no_byte_before_a_timeout_is_lost_to_a_client_that_talks(start_proxy, backend, any_tls):
    """half_close_timeout ends the session when the kernel has all the bytes; a client that wakes up then gets them."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, half_close_timeout="1s")
    client, server = proxy.connect(any_tls, receive_buffer=4096), backend.accept()
    server.send(BIG[:MB // 5])
    server.fin()
    assert proxy.wait_for_sessions(1)[0].end == "half_close_timeout"
    assert read_while_talking(client) == BIG[:MB // 5]


@pytest.mark.long
def test_slow_progress_is_progress(start_proxy, backend, any_tls):
    """A client that takes 100 kB a second for longer than half_close_timeout, while the proxy's socket is too full for
    more, gets everything."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, half_close_timeout="1s")
    client, server = proxy.connect(any_tls, receive_buffer=4096), backend.accept()
    client.close_notify()
    assert server.end() == "fin"
    with meanwhile(lambda: server.send(BIG), server.fin), Stopwatch() as watch:
        start = b""
        while watch.so_far() < 2.5:
            start += client.read(1000)
            time.sleep(0.01)
        assert start + client.read_to_end() == BIG
    assert client.ended == "close_notify"
    assert proxy.wait_for_session().end == "client_closed"


def test_slow_progress_is_progress_after_the_end_too(start_proxy, closing, any_tls):
    """The session is over, its last bytes are in the kernel, and the backend takes longer than half_close_timeout."""
    listener = listening_socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    backend = closing(StandIn(listener))
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, half_close_timeout="1s")
    client, server = proxy.connect(any_tls), backend.accept()
    client.send(BIG[:MB])
    client.fin()
    assert proxy.wait_for_sessions(1)[0].end == "client_truncated"
    start = b""
    with Stopwatch() as watch:
        while watch.so_far() < 1.5:
            start += server.read(1000)
            time.sleep(0.005)
    assert start + server.read_to_end() == BIG[:MB]
