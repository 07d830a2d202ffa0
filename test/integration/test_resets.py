"""A reset, or a fault in the TLS stream, ends both sides at once."""

import os
import socket
import ssl

import pytest

from conftest import TLS
from lib.backends import AcceptsAndResets, NeverAnswers
from lib.waiting import Stopwatch


@pytest.fixture
def ends(tunnel, tls, backend):
    client, server = tunnel.connect(tls), backend.accept()
    client.send(b"request")
    assert server.read(7) == b"request"
    server.send(b"answer")
    assert client.read(6) == b"answer"
    return client, server


def test_a_client_that_resets_in_its_hello(tunnel, tls, backend):
    """Half a ClientHello, then RST."""
    client = tunnel.connect_silently(tls)
    client.sock.sendall(client.hello()[:100])
    client.reset()
    assert tunnel.wait_for_session().end == "handshake_closed"
    assert not backend.was_dialled()


def test_a_client_that_resets_after_the_handshake(start_proxy, backend, certificates):
    """RST before the first byte: no backend is dialled. With TLS 1.2 the server has the last word of the handshake."""
    proxy = start_proxy(rtmp_backend=backend.address)
    proxy.connect(certificates.context("TLSv1.2")).reset()
    assert proxy.wait_for_session().end == "client_reset"
    assert not backend.was_dialled()


def test_a_client_that_resets_while_the_backend_is_dialled(start_proxy, closing, any_tls):
    """The dial is given up at once, not after connect_timeout."""
    proxy = start_proxy(rtmp_backend=closing(NeverAnswers()).address, connect_timeout="10s")
    client = proxy.connect(any_tls)
    client.send(b"\x03")
    assert client.is_quiet(0.3)
    with Stopwatch() as watch:
        client.reset()
        assert proxy.wait_for_session().end == "client_reset"
    assert watch.seconds < 3


def test_a_client_that_resets_in_mid_transfer(tunnel, ends):
    client, server = ends
    client.reset()
    assert server.end() == "reset"
    assert tunnel.wait_for_session().end == "client_reset"


def test_a_backend_that_resets_in_mid_transfer(tunnel, ends):
    client, server = ends
    server.reset()
    assert client.end() == "reset"
    assert tunnel.wait_for_session().end == "backend_reset"


def test_a_backend_that_accepts_and_resets(start_proxy, closing, tls):
    """That is an answer: it is passed on, and not asked for again, however soon it comes."""
    backend = closing(AcceptsAndResets())
    proxy = start_proxy(rtmp_backend=backend.address)
    for _ in range(20):
        client = proxy.connect(tls)
        client.send(b"\x03hello")
        assert client.end() == "reset"
    assert {session.end for session in proxy.wait_for_sessions(20)} == {"backend_reset"}
    assert len(backend.peers) == 20


def test_a_backend_that_resets_instead_of_the_answer(tunnel, ends):
    """The client had half-closed and waits: it is reset."""
    client, server = ends
    client.close_notify()
    assert server.end() == "fin"
    server.reset()
    assert client.end() == "reset"
    assert tunnel.wait_for_session().end == "backend_reset"


def test_a_client_that_resets_when_it_has_the_answer(tunnel, ends):
    """The backend had ended and is reset; that it ended remains the reason."""
    client, server = ends
    server.fin()
    assert client.end() == "close_notify"
    client.reset()
    assert server.end() == "reset"
    assert tunnel.wait_for_session().end == "backend_closed"


def test_a_client_that_resets_while_its_bytes_are_stuck(tunnel, any_tls, backend):
    """The backend does not read, so the proxy does not read either, and must see the RST all the same."""
    client, server = tunnel.connect(any_tls), backend.accept()
    client.send_until_stuck()
    client.reset()
    assert tunnel.wait_for_session().end == "client_reset"
    server.read_to_end()
    assert server.ended == "reset"


def test_a_backend_that_resets_while_its_bytes_are_stuck(tunnel, any_tls, backend):
    """The client does not read."""
    client, server = tunnel.connect(any_tls), backend.accept()
    server.send_until_stuck()
    server.reset()
    assert tunnel.wait_for_session().end == "backend_reset"
    client.read_to_end()
    assert client.ended == "reset"


@pytest.mark.parametrize("record", [
    b"\x17\x03\x03\x00\x20" + os.urandom(32),  # application data that was not encrypted with the session's key
    b"\x17\x03\x03\xff\xff" + os.urandom(32),  # longer than a record can be
    b"GET / HTTP/1.1\r\n\r\n",
], ids=["forged", "too_long", "no_record"])
def test_a_fault_in_the_tls_stream(tunnel, ends, record):
    """The backend is told by a reset that the stream is not whole."""
    client, server = ends
    client.sock.sendall(record)
    assert server.end() == "reset"
    assert tunnel.wait_for_session().end == "tls_error"


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_client_that_refuses_the_certificate_and_leaves_at_once(start_proxy, backend, version):
    """Its reset follows right behind its alert; the log says what it refused all the same."""
    proxy = start_proxy(http_backend=backend.address)
    context = ssl.create_default_context()  # which does not know our root
    context.minimum_version = context.maximum_version = TLS[version]
    for count in range(1, 41):
        client = proxy.connect_silently(context, sni="main.test")
        client.sock.sendall(client.hello())
        flight = client.sock.recv(1 << 16, socket.MSG_PEEK)  # what is left there makes the close a reset
        client.incoming.write(flight)
        with pytest.raises(ssl.SSLCertVerificationError):
            client.tls.do_handshake()
        client.sock.sendall(client.outgoing.read())
        client.close()
        proxy.wait_for_sessions(count)
    assert {session.end for session in proxy.sessions()} == {"handshake_failed"}
    assert all("unknown ca" in session.error for session in proxy.sessions())
