"""ALPN: http/1.1 where there is HTTP, and no client is refused for what it offers."""

import ssl

import pytest

OFFERS = [  # what the client offers, what a listener with HTTP answers
    (["http/1.1"], "http/1.1"),
    (["h2", "http/1.1"], "http/1.1"),
    (["http/1.1", "h2"], "http/1.1"),
    (["h2"], None),
    (["http/1.0", "http/1.1x", "http/1."], None),
    (["x" * 255, "http/1.1"], "http/1.1"),
    ([], None),
]


@pytest.mark.parametrize("offer, answer", OFFERS, ids=lambda value: str(value)[:30])
def test_a_listener_with_http(start_proxy, echo, tls, offer, answer):
    proxy = start_proxy(http_backend=echo.address, rtmp_backend=echo.address)
    if offer:
        tls.set_alpn_protocols(offer)
    client = proxy.connect(tls)
    assert client.tls.selected_alpn_protocol() == answer
    assert client.exchange(b"\x03rtmp") == b"\x03rtmp"


@pytest.mark.parametrize("backend_key", ["rtmp_backend", "tunnel_backend"])
def test_a_listener_without_http(start_proxy, echo, tls, backend_key):
    """It promises nothing."""
    protocols = {"protocols": "tunnel"} if backend_key == "tunnel_backend" else {}
    proxy = start_proxy(**{backend_key: echo.address}, **protocols)
    tls.set_alpn_protocols(["h2", "http/1.1"])
    client = proxy.connect(tls)
    assert client.tls.selected_alpn_protocol() is None
    assert client.exchange(b"\x03") == b"\x03"


def test_an_empty_name_in_the_list(start_proxy, echo, certificates):
    """A malformed list ends the handshake, and nothing else."""
    proxy = start_proxy(http_backend=echo.address)
    context = certificates.context("TLSv1.2")
    context.set_alpn_protocols(["http/1.1"])
    client = proxy.connect_silently(context)
    client.sock.sendall(client.hello().replace(b"\x08http/1.1", b"\x00http/1.1"))
    client.feed()
    with pytest.raises(ssl.SSLError):
        client.tls.do_handshake()
    assert proxy.connect(certificates.context("TLSv1.2")).tls.version() == "TLSv1.2"
