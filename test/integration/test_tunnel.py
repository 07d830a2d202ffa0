"""A tunnel passes any bytes, whoever speaks first."""

import os
import subprocess

import pytest

from lib.waiting import Stopwatch

MIB = 1 << 20


def test_the_server_may_speak_first(tunnel, tls, backend):
    """The backend is dialled after the handshake; its greeting reaches a client that has said nothing."""
    client = tunnel.connect(tls)
    backend.accept().send(b"220 ready\r\n")
    assert client.read(11) == b"220 ready\r\n"


def test_the_client_may_speak_first(tunnel, tls, backend):
    client = tunnel.connect(tls)
    client.send(b"\x00\xff\x16\x03")
    assert backend.accept().read(4) == b"\x00\xff\x16\x03"


def test_every_byte_value_passes(start_proxy, echo, tls):
    """No byte means anything to a tunnel, the first one neither."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address)
    for first in range(0, 256, 15):
        data = bytes((first + n) % 256 for n in range(256))
        client = proxy.connect(tls)
        client.send(data)
        assert client.read(256) == data
        client.close()


def test_both_directions_are_busy_at_once(start_proxy, echo, tls):
    """32 MiB each way through one session while both buffers are full."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address)
    data = os.urandom(32 * MIB)
    client = proxy.connect(tls)
    assert client.exchange(data) == data
    client.close_notify()
    assert client.end() == "close_notify"
    session = proxy.wait_for_session()
    assert (session.end, session.bytes_in, session.bytes_out) == ("client_closed", len(data), len(data))


@pytest.mark.skipif("KTLS" in os.environ, reason="the kernel cannot change keys: test_ktls.py")
def test_keys_are_updated_in_mid_stream(start_proxy, echo, start_program):
    """TLS 1.3: the client renews its keys and asks the proxy to do the same; a line "K" tells openssl so."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address)
    client = start_program("s_client", "openssl", "s_client", "-tls1_3", "-brief", "-connect",
                           f"127.0.0.1:{proxy.port()}", stdin=subprocess.PIPE)
    for typed, answer in [("before\n", "before\n"), ("K\n", "KEYUPDATE\n"), ("after\n", "after\n")]:
        client.type(typed)
        client.wait_for(answer)


def test_small_messages_are_not_held_back(start_proxy, echo, tls):
    """200 times one byte to and fro; Nagle's algorithm on either side would take 40 ms for each."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address)
    client = proxy.connect(tls)
    with Stopwatch() as watch:
        for _ in range(200):
            client.send(b"x")
            client.read(1)
    assert watch.seconds < 4
