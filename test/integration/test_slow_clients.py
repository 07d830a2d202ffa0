"""Clients that take their time with the handshake or the first byte. Both timers are absolute: bytes that
drip in do not restart them."""

import pytest

from lib.waiting import Stopwatch


@pytest.fixture
def proxy(start_proxy, backend):
    return start_proxy(rtmp_backend=backend.address, handshake_timeout="1s", first_byte_timeout="1s")


def drip(client, wire):
    """A byte every 20 ms, until all is sent or the other side has ended."""
    for n in range(len(wire)):
        client.sock.sendall(wire[n:n + 1])
        if not client.is_quiet(0.02):
            return


def one_byte_records(hello):
    """The same ClientHello, each byte of it in a TLS record of its own."""
    return b"".join(hello[:3] + b"\x00\x01" + bytes([byte]) for byte in hello[5:])


@pytest.mark.parametrize("reshape", [bytes, one_byte_records])
def test_a_hello_in_single_bytes_is_a_hello(start_proxy, backend, tls, reshape):
    """A handshake is not judged by its pieces."""
    proxy = start_proxy(rtmp_backend=backend.address)
    client = proxy.connect_silently(tls)
    for byte in reshape(client.hello()):
        client.sock.sendall(bytes([byte]))
    client.handshake()
    client.send(b"\x03hello")
    assert backend.accept().read(6) == b"\x03hello"


@pytest.mark.parametrize("said", ["nothing", "one byte", "half the hello", "the hello, dripping"])
def test_a_handshake_that_takes_too_long(proxy, any_tls, said):
    """Cut handshake_timeout after the connection was accepted, whatever arrived since."""
    client = proxy.connect_silently(any_tls)
    hello = client.hello()
    with Stopwatch() as watch:
        if said == "the hello, dripping":
            drip(client, hello)
        else:
            client.sock.sendall({"nothing": b"", "one byte": hello[:1], "half the hello": hello[:100]}[said])
        assert proxy.wait_for_session().end == "handshake_timeout"
    assert 0.9 < watch.seconds < 3


def test_a_handshake_that_stops_half_way(proxy, tls):
    """The client never answers the server's half."""
    client = proxy.connect_silently(tls)
    with Stopwatch() as watch:
        client.sock.sendall(client.hello())
        assert proxy.wait_for_session().end == "handshake_timeout"
    assert 0.9 < watch.seconds < 3


@pytest.mark.parametrize("said", ["nothing", "a record, dripping"])
def test_a_client_that_says_nothing_after_the_handshake(proxy, backend, tls, said):
    """A record counts when it can be decrypted, not when it begins."""
    client = proxy.connect(tls)
    with Stopwatch() as watch:
        drip(client, b"" if said == "nothing" else client.encode(bytes(1000)))
        assert proxy.wait_for_session().end == "first_byte_timeout"
    assert 0.9 < watch.seconds < 3
    assert not backend.was_dialled()


def test_a_tunnel_has_no_first_byte_to_wait_for(start_proxy, backend, any_tls):
    """Nobody need speak, until idle_timeout."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, idle_timeout="2s")
    client = proxy.connect(any_tls)
    backend.accept()
    with Stopwatch() as watch:
        assert proxy.wait_for_session().end == "idle_timeout"
    assert 1.9 < watch.seconds < 5
    client.read_to_end()


def test_bytes_either_way_keep_an_idle_session_alive(start_proxy, backend, any_tls):
    """A player that only listens is not idle."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, idle_timeout="1s")
    client, server = proxy.connect(any_tls), backend.accept()
    for talking, listening in [(server, client), (client, server)]:
        for _ in range(5):
            talking.send(b"x")
            assert listening.read(1) == b"x"
            assert listening.is_quiet(0.4)
    assert not proxy.sessions()


def test_an_http_answer_that_does_not_come(start_proxy, backend, any_tls):
    """It is waited for as long as response_timeout says, and the client is told."""
    proxy = start_proxy(http_backend=backend.address, response_timeout="1s")
    client = proxy.connect(any_tls)
    client.send(b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n")
    with Stopwatch() as watch:
        backend.accept()
        assert client.read_to_end().startswith(b"HTTP/1.1 504 ")
        assert proxy.wait_for_session().end == "response_timeout"
    assert 0.9 < watch.seconds < 3
