"""WebSocket, and everything else that begins with Upgrade: a tunnel after the backend's 101, and not before."""

import os

import pytest

from lib.messages import get, ok, post, read_request, read_response, refusal
from lib.waiting import Stopwatch, meanwhile

FIELDS = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" \
         "Sec-WebSocket-Version: 13\r\n"
ASKED = get("/socket", FIELDS)
SWITCHED = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")


@pytest.fixture
def proxy(start_proxy, backend):
    return start_proxy(http_backend=backend.address, idle_timeout="2s")


@pytest.fixture
def exchange(proxy, backend, any_tls):
    """Client and backend after a request was sent and read."""
    def begin(wire=ASKED):
        client = proxy.connect(any_tls)
        client.send(wire)
        server = backend.accept()
        begin.request = read_request(server)
        return client, server

    return begin


@pytest.fixture
def tunnel(exchange):
    """Client and backend of an upgraded connection."""
    client, server = exchange()
    server.send(SWITCHED)
    assert read_response(client).status == 101
    return client, server


def test_what_was_asked_for_and_agreed_to(exchange):
    """Both heads say what an upgrade needs, once."""
    client, server = exchange()
    request = exchange.request
    assert (request.get("Connection").lower(), request.get("Upgrade")) == ("upgrade", "websocket")
    assert request.get("Sec-WebSocket-Key") == "dGhlIHNhbXBsZSBub25jZQ=="
    server.send(SWITCHED)
    response = read_response(client)
    assert (response.get("Connection").lower(), response.get("Upgrade")) == ("upgrade", "websocket")
    assert response.status == 101
    assert response.get("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_bytes_right_behind_the_101(exchange):
    """They belong to the tunnel."""
    client, server = exchange()
    server.send(SWITCHED + b"first words")
    assert read_response(client).status == 101
    assert client.read(11) == b"first words"


def test_anything_passes_both_ways(tunnel):
    """What looks like HTTP as well."""
    client, server = tunnel
    data = get("/not-a-request") + b"\r\n" + os.urandom(4 << 20) + ok()
    with meanwhile(lambda: client.send(data)):
        assert server.read(len(data)) == data
    with meanwhile(lambda: server.send(data)):
        assert client.read(len(data)) == data


def test_each_side_may_end_first(tunnel):
    """Half-close is carried across, as in every tunnel."""
    client, server = tunnel
    client.close_notify()
    assert server.end() == "fin"
    server.send(b"last words")
    server.fin()
    assert client.read(10) == b"last words"
    assert client.end() == "close_notify"


def test_an_idle_tunnel(proxy, tunnel):
    """idle_timeout holds, and a byte either way starts it anew."""
    client, server = tunnel
    for one, other in [tunnel, (server, client)]:
        for _ in range(2):
            one.send(b"x")
            assert other.read(1) == b"x"
            assert other.is_quiet(0.8)
    with Stopwatch() as watch:
        client.read_to_end()
    assert 0.9 < watch.seconds < 4
    assert proxy.wait_for_session().end == "idle_timeout"


def test_the_client_does_not_wait_for_the_101(exchange):
    """What it sends ahead stays here until the backend has agreed."""
    client, server = exchange(ASKED + b"ahead")
    assert server.is_quiet(0.3)
    server.send(SWITCHED)
    assert server.read(5) == b"ahead"
    assert read_response(client).status == 101


def test_what_was_sent_ahead_of_a_refusal_is_the_next_request(exchange):
    """A client that hoped in vain goes on with HTTP."""
    client, server = exchange(ASKED + get("/next"))
    server.send(ok(b"no"))
    assert read_response(client).body == b"no"
    assert read_request(server).target == "/next"
    server.send(ok(b"next"))
    assert read_response(client).body == b"next"


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "426 Upgrade Required"])
def test_a_refusal_is_an_ordinary_answer(exchange, status):
    client, server = exchange()
    server.send(ok(b"no", "Upgrade: websocket\r\nConnection: Upgrade\r\n", status))
    assert read_response(client).body == b"no"
    client.send(get("/next"))
    assert read_request(server).target == "/next"


def test_a_tunnel_only_after_the_answer(exchange):
    """Between request and 101 nothing of the client's reaches the backend as HTTP either."""
    client, server = exchange(ASKED)
    client.send(get("/smuggled"))
    assert server.is_quiet(0.3)
    server.send(ok(b"no"))
    assert read_response(client).body == b"no"
    assert read_request(server).target == "/smuggled"  # an ordinary request by now: judged, and answered in order


NOT_ASKED = {
    "without Upgrade": get(),
    "without Connection": get("/", "Upgrade: websocket\r\n"),
    "in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: main.test\r\n" + FIELDS.encode() + b"\r\n",
    "with a body": post(b"body", "/", FIELDS),
    "HTTP/2 in the clear": get("/", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                    "HTTP2-Settings: AAMAAABkAAQ\r\n"),
}


@pytest.mark.parametrize("wire", NOT_ASKED.values(), ids=NOT_ASKED)
def test_a_101_that_was_not_asked_for(proxy, exchange, wire):
    """Such a request reaches the backend without its Upgrade; a backend that says 101 all the same is not believed."""
    client, server = exchange(wire)
    assert not {"upgrade", "http2-settings"} & exchange.request.names()
    assert "upgrade" not in (exchange.request.get("Connection") or "").lower()
    server.send(SWITCHED + ok(b"smuggled"))
    assert refusal(client) == 502
    assert proxy.wait_for_session().end == "bad_response"


def test_a_101_to_something_else(proxy, exchange):
    """Another protocol than the client asked for."""
    client, server = exchange()
    server.send(SWITCHED.replace(b"Upgrade: websocket", b"Upgrade: h2c"))
    assert refusal(client) == 502
    assert proxy.wait_for_session().end == "bad_response"
