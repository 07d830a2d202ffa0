"""Clients and backends that take their time with a request, an answer, or a body."""

import pytest

from lib.messages import get, ok, post, read_request, read_request_head, read_response, read_response_head, refusal
from lib.waiting import Stopwatch


@pytest.fixture
def proxy(start_proxy, backend):
    return start_proxy(http_backend=backend.address, header_timeout="1s", idle_timeout="1s", response_timeout="3s",
                       keepalive_timeout="3s")


def drip(client, wire, pause=0.1):
    """A byte every so often, until all is sent or the other side has said something."""
    for n in range(len(wire)):
        client.send(wire[n:n + 1])
        if not client.is_quiet(pause):
            return


@pytest.mark.parametrize("said", ["half a head", "half a head, dripping", "a line every now and then"])
def test_a_head_that_takes_too_long(proxy, backend, tls, said):
    """header_timeout counts from the first byte, whatever follows: 408, and the end."""
    client = proxy.connect(tls)
    head = get("/", "X: " + "a" * 100 + "\r\n")
    with Stopwatch() as watch:
        if said == "half a head":
            client.send(head[:20])
        else:
            drip(client, head if "dripping" in said else b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 20)
        assert refusal(client) == 408
    assert 0.9 < watch.seconds < 3
    assert not backend.was_dialled()
    assert proxy.wait_for_session().end == "header_timeout"


def test_a_second_head_that_takes_too_long(proxy, backend, any_tls):
    """It has a header_timeout of its own."""
    client = proxy.connect(any_tls)
    client.send(get("/first"))
    server = backend.accept()
    read_request(server)
    server.send(ok())
    read_response(client)
    assert client.is_quiet(1.5)  # keepalive_timeout is longer
    with Stopwatch() as watch:
        client.send(b"GET /second")
        assert refusal(client) == 408
    assert 0.9 < watch.seconds < 2.5
    assert proxy.wait_for_session().end == "header_timeout"


@pytest.mark.parametrize("begun", [post(bytes(1000))[:-500],
                                   b"POST / HTTP/1.1\r\nHost: main.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"])
def test_an_upload_that_stops(proxy, backend, any_tls, begun):
    """While no answer has begun, the client is told; the backend never takes it for whole."""
    client = proxy.connect(any_tls)
    with Stopwatch() as watch:
        client.send(begun)
        server = backend.accept()
        read_request_head(server)
        assert refusal(client) == 408
    assert 0.9 < watch.seconds < 3
    server.read_to_end()
    assert server.ended == "reset"
    assert proxy.wait_for_session().end == "idle_timeout"


def test_an_upload_that_trickles(proxy, backend, any_tls):
    """It is progress that counts, not the whole time."""
    client = proxy.connect(any_tls)
    client.send(post(b"12345678")[:-8])
    server = backend.accept()
    read_request_head(server)
    for byte in b"12345678":
        client.send(bytes([byte]))
        assert server.read(1) == bytes([byte])
        assert client.is_quiet(0.4)
    server.send(ok(b"thanks"))
    assert read_response(client).body == b"thanks"


def test_a_download_that_stops(proxy, backend, any_tls):
    """Half of it is there: a reset tells."""
    client = proxy.connect(any_tls)
    client.send(get())
    server = backend.accept()
    read_request(server)
    with Stopwatch() as watch:
        server.send(ok(bytes(1000))[:-500])
        client.read_to_end()
    assert client.ended == "reset"
    assert 0.9 < watch.seconds < 3
    assert proxy.wait_for_session().end == "idle_timeout"


def test_a_download_that_trickles(proxy, backend, any_tls):
    client = proxy.connect(any_tls)
    client.send(get())
    server = backend.accept()
    read_request(server)
    server.send(ok(b"12345678")[:-8])
    read_response_head(client)
    for byte in b"12345678":
        server.send(bytes([byte]))
        assert client.read(1) == bytes([byte])
        assert client.is_quiet(0.4)
    client.send(get("/next"))
    assert read_request(server).target == "/next"


def test_a_download_that_nobody_reads(proxy, backend, any_tls):
    """A client that stops reading is a body without progress."""
    client = proxy.connect(any_tls)
    client.send(get())
    server = backend.accept()
    read_request(server)
    server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    server.send_until_stuck(0.3)
    assert proxy.wait_for_session().end == "idle_timeout"
    server.read_to_end()


def test_the_time_until_an_answer_begins_behind_the_body(proxy, backend, any_tls):
    """An upload may take longer than response_timeout: that counts from its end."""
    client = proxy.connect(any_tls)
    client.send(post(b"12345678")[:-8])
    server = backend.accept()
    read_request_head(server)
    for byte in b"12345678":
        client.send(bytes([byte]))
        assert client.is_quiet(0.5)
    assert client.is_quiet(1.5)
    server.send(ok(b"thanks"))
    assert read_response(client).body == b"thanks"
