"""TLS session tickets: to HTTP clients only, unless a tunnel asks for them; librtmp takes one for a failed read, also
where it tunnels RTMP in HTTP."""

import os
import signal

import pytest

from lib.messages import post, read_request

REQUEST = b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
QUIET = 0.3  # seconds in which a ticket would have come


def fetch(proxy, backend, context, session=None):
    """A request and its response, on a connection of its own."""
    client = proxy.connect(context, session=session)
    client.send(REQUEST)
    server = backend.accept()
    assert read_request(server).target == "/"
    server.send(RESPONSE)
    assert client.read(len(RESPONSE)) == RESPONSE
    return client


def test_no_ticket_comes_with_the_handshake(start_proxy, backend, certificates):
    """TLS 1.3: before the first byte nobody knows whether the client can bear one."""
    proxy = start_proxy(http_backend=backend.address, rtmp_backend=backend.address)
    client = proxy.connect(certificates.context("TLSv1.3"))
    assert client.is_quiet(QUIET)


def test_an_http_client_gets_one_ticket_and_resumes_with_it(start_proxy, backend, certificates):
    """TLS 1.3: exactly one, with the first response."""
    proxy = start_proxy(http_backend=backend.address)
    context = certificates.context("TLSv1.3")
    client = fetch(proxy, backend, context)
    assert client.tickets == 1
    assert client.is_quiet(QUIET)
    assert fetch(proxy, backend, context, client.tls.session).tls.session_reused


@pytest.mark.parametrize("target", ["/open/1", "/fcs/ident2"])
def test_a_client_of_rtmp_inside_http_gets_no_ticket(start_proxy, backend, certificates, target):
    """TLS 1.3: librtmp would take it for a failed read, and crashes."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(certificates.context("TLSv1.3"))
    client.send(post(b"\0", target))
    server = backend.accept()
    assert read_request(server).target == target
    for _ in range(2):  # neither with the first answer nor later
        server.send(RESPONSE)
        assert client.read(len(RESPONSE)) == RESPONSE
        client.send(post(b"\0", "/other"))
        read_request(server)
    assert client.tickets == 0


def test_an_rtmp_client_gets_no_ticket(start_proxy, backend, certificates):
    """TLS 1.3: neither before nor after the server's answer."""
    proxy = start_proxy(rtmp_backend=backend.address)
    client = proxy.connect(certificates.context("TLSv1.3"))
    client.send(b"\x03hello")
    backend.accept().send(b"\x03hello")
    assert client.read(6) == b"\x03hello"
    assert client.is_quiet(QUIET)
    assert client.tickets == 0


@pytest.mark.parametrize("keys, tickets", [({}, 0), ({"tickets": "off"}, 0), ({"tickets": "on"}, 1)])
def test_a_tunnel_gives_a_ticket_if_told_to(start_proxy, backend, certificates, keys, tickets):
    """TLS 1.3: after the handshake, without waiting for a byte."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, **keys)
    context = certificates.context("TLSv1.3")
    client = proxy.connect(context)
    backend.accept().send(b"hello")
    assert client.read(5) == b"hello"
    assert client.is_quiet(QUIET)
    assert client.tickets == tickets
    if tickets:
        assert proxy.connect(context, session=client.tls.session).tls.session_reused


def test_tls_1_2_resumes_as_ever(start_proxy, backend, certificates):
    """There a ticket is part of the handshake, and every client knows it."""
    proxy = start_proxy(rtmp_backend=backend.address)
    context = certificates.context("TLSv1.2")
    client = proxy.connect(context)
    assert client.tickets == 1
    assert proxy.connect(context, session=client.tls.session).tls.session_reused


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_ticket_is_good_at_another_worker(start_proxy, backend, certificates, version):
    """The worker that gave it is gone; the other one and the new one take it."""
    proxy = start_proxy(proxy={"workers": 2}, http_backend=backend.address)
    context = certificates.context(version)
    client = fetch(proxy, backend, context)
    os.kill(proxy.worker_of(client), signal.SIGKILL)
    proxy.wait_for_log("replaced in")
    for _ in range(8):
        assert fetch(proxy, backend, context, client.tls.session).tls.session_reused


def test_a_resumed_tls_1_2_session_is_logged_with_its_name(start_proxy, backend, certificates):
    """The name that was asked for, and the certificate that stands for it."""
    proxy = start_proxy(rtmp_backend=backend.address)
    context = certificates.context("TLSv1.2")
    first = proxy.connect(context, sni="cam.screen.test")
    second = proxy.connect(context, sni="cam.screen.test", session=first.tls.session)
    assert second.tls.session_reused
    for client in (first, second):
        client.close()
    assert [(session.sni, session.certificate) for session in proxy.wait_for_sessions(2)] == [
        ("cam.screen.test", "screen")] * 2
