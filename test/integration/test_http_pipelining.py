"""Requests that do not wait for the answers before them."""

import pytest

from lib.messages import chunked, get, ok, post, read_request, read_response, refusal
from lib.recorder import Recorder

MIXED = [
    (get("/1"), "GET"),
    (post(b"a body", "/2"), "POST"),
    (b"HEAD /3 HTTP/1.1\r\nHost: main.test\r\n\r\n", "HEAD"),
    (b"POST /4 HTTP/1.1\r\nHost: main.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"GET /no", b"x" * 300),
     "POST"),
    (post(b"", "/5"), "POST"),
    (get("/6"), "GET"),
]


@pytest.fixture
def recorder(closing):
    return closing(Recorder())


@pytest.fixture
def proxy(start_proxy, recorder):
    return start_proxy(http_backend=recorder.address)


def read_all(client):
    """The answers to MIXED."""
    for n, (_, method) in enumerate(MIXED, 1):
        response = read_response(client, method)
        assert (response.status, response.body) == (200, b"" if method == "HEAD" else f"/{n}".encode())


def test_answers_come_in_the_order_of_the_requests(proxy, recorder, tls):
    """Sent as one."""
    client = proxy.connect(tls)
    client.send(b"".join(request for request, _ in MIXED))
    read_all(client)
    assert [request.target for request in recorder.requests] == [f"/{n}" for n in range(1, 7)]
    assert [request.body for request in recorder.requests][3] == b"GET /no" + b"x" * 300
    assert len(recorder.connections) == 1


def test_requests_in_single_bytes(proxy, recorder, any_tls):
    """Each a record of its own."""
    client = proxy.connect(any_tls)
    for byte in b"".join(request for request, _ in MIXED):
        client.send(bytes([byte]))
    read_all(client)
    assert recorder.faults == []


def test_a_thousand_at_once(proxy, recorder, any_tls):
    client = proxy.connect(any_tls)
    client.send(b"".join(get(f"/{n}") for n in range(1000)))
    for n in range(1000):
        assert read_response(client).body == f"/{n}".encode()
    assert len(recorder.connections) == 1


def test_a_bad_request_behind_a_good_one(proxy, recorder, any_tls):
    """The good one is answered, the bad one refused, what follows it ignored."""
    client = proxy.connect(any_tls)
    client.send(get("/good") + b"GET /bad\r\n\r\n" + get("/never"))
    assert read_response(client).body == b"/good"
    assert refusal(client) == 400
    assert [request.target for request in recorder.requests] == ["/good"]
    assert proxy.wait_for_session().end == "bad_request"


def test_a_request_behind_the_last(proxy, recorder, any_tls):
    """After Connection: close nothing is read any more."""
    client = proxy.connect(any_tls)
    client.send(get("/last", "Connection: close\r\n") + get("/never"))
    assert read_response(client).wants_close
    assert client.end() in ("close_notify", "reset")
    assert [request.target for request in recorder.requests] == ["/last"]


def test_the_client_ends_behind_its_requests(proxy, recorder, any_tls):
    """close_notify says that no more will come, not that nobody listens."""
    client = proxy.connect(any_tls)
    client.send(get("/1") + get("/2"))
    client.close_notify()
    assert [read_response(client).body for _ in range(2)] == [b"/1", b"/2"]
    assert client.end() == "close_notify"


def test_nothing_is_sent_ahead(start_proxy, backend, any_tls):
    """The next request goes to the backend when the answer before it is whole: its place is clear then."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    client.send(get("/1") + get("/2"))
    server = backend.accept()
    assert read_request(server).target == "/1"
    assert server.is_quiet(0.3)
    server.send(ok(b"xyz")[:-1])
    assert server.is_quiet(0.3)
    server.send(b"z")
    assert read_request(server).target == "/2"
