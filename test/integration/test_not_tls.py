"""What reaches a TLS port and is no TLS handshake, or none that can be finished."""

import ssl

import pytest


@pytest.fixture
def proxy(start_proxy, backend):
    return start_proxy(http_backend=backend.address, rtmp_backend=backend.address)


@pytest.mark.parametrize("first_bytes, end", [
    (b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n", "plain_http"),
    (b"POST /fcs/ident2 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "plain_http"),
    (b"\x03" + bytes(1536), "plain_rtmp"),
    (b"\x00\xff\x00\xff", "not_tls"),
    (b"\n", "not_tls"),
    (b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", "not_tls"),  # the hello of SSL 2
    (b"\x16\x03\x01\x00\x05hello", "handshake_failed"),
    (b"\x16GET / HTTP/1.1\r\n\r\n", "handshake_failed"),
    (b"\x16\x03\x01\xff\xff" + bytes(64), "handshake_failed"),
])
def test_bytes_that_are_no_client_hello(proxy, backend, first_bytes, end):
    """Closed with the reason that fits; the backend hears nothing of it."""
    client = proxy.connect_plain()
    client.send(first_bytes)
    client.read_to_end()
    session = proxy.wait_for_session()
    assert (session.end, session.backend) == (end, "-")
    assert not backend.was_dialled()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_client_that_is_too_old(proxy, certificates):
    """TLS 1.1 is the best it can: it is told so by an alert."""
    context = certificates.context()
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="(?i)alert protocol version"):
        proxy.connect(context)
    assert proxy.wait_for_session().end == "handshake_failed"


def test_a_client_that_does_not_trust_the_certificate(proxy):
    """Its alert ends the handshake."""
    context = ssl.create_default_context()
    context.check_hostname = False
    with pytest.raises(ssl.SSLCertVerificationError):
        proxy.connect(context)
    assert proxy.wait_for_session().end == "handshake_failed"


def test_a_client_that_connects_and_leaves(proxy):
    """As port scanners and load balancers' checks do."""
    proxy.connect_plain().close()
    assert proxy.wait_for_session().end == "handshake_closed"


def test_a_client_that_leaves_in_mid_hello(proxy, any_tls):
    client = proxy.connect_silently(any_tls)
    client.sock.sendall(client.hello()[:50])
    client.close()
    assert proxy.wait_for_session().end == "handshake_closed"


def test_a_client_that_leaves_before_its_last_flight(proxy, tls):
    """It has the server's half of the handshake, and goes."""
    client = proxy.connect_silently(tls)
    client.sock.sendall(client.hello())
    assert client.sock.recv(5)
    client.close()
    assert proxy.wait_for_session().end == "handshake_closed"


def test_a_client_that_leaves_after_the_handshake(proxy, backend, tls):
    """Without a byte there was no request, and nobody to dial."""
    client = proxy.connect(tls)
    client.close_notify()
    client.read_to_end()
    assert proxy.wait_for_session().end == "no_request"
    assert not backend.was_dialled()


@pytest.mark.parametrize("first_byte", [b"\x00", b"\x16", b"g", b"\xff"])
def test_a_first_byte_of_no_known_protocol(proxy, backend, any_tls, first_byte):
    client = proxy.connect(any_tls)
    client.send(first_byte)
    client.read_to_end()
    assert proxy.wait_for_session().end == "unknown_protocol"
    assert not backend.was_dialled()


@pytest.mark.parametrize("keys, first_bytes", [
    ({"rtmp_backend": "127.0.0.1:1"}, b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n"),
    ({"http_backend": "127.0.0.1:1"}, b"\x03" + bytes(1536)),
])
def test_a_protocol_the_listener_does_not_offer(start_proxy, any_tls, keys, first_bytes):
    """A listener with one backend has one protocol."""
    proxy = start_proxy(**keys)
    client = proxy.connect(any_tls)
    client.send(first_bytes)
    client.read_to_end()
    session = proxy.wait_for_session()
    assert (session.end, session.backend) == ("wrong_protocol", "-")
