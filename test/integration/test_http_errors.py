"""Requests that are refused: a small, complete answer, the end, and nothing that reaches a backend."""

import pytest

from lib.backends import Refuses
from lib.messages import get, ok, read_request, read_request_head, read_response, refusal

HOST = b"Host: main.test\r\n"
REFUSED = {
    "nonsense": (b"GARBAGE\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 501, 505)),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", 505),
    "CONNECT": (b"CONNECT main.test:443 HTTP/1.1\r\n" + HOST + b"\r\n", (400, 501)),
    "an unknown method": (b"FROBNICATE / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "a coding": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "a target with a space": (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "too long a target": (get("/" + "a" * 20000), 431),
    "too long a field": (get("/", "X: " + "a" * 20000 + "\r\n"), 431),
    "too many fields": (get("/", "X: a\r\n" * 3000), 431),
    "a head without end": (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 3000, 431),
}


@pytest.mark.parametrize("wire, status", REFUSED.values(), ids=REFUSED)
def test_a_request_that_is_refused(start_proxy, backend, tls, wire, status):
    """Length and Connection: close, then close_notify: no client is left guessing."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(tls)
    client.send(wire)
    assert refusal(client) in (status if isinstance(status, tuple) else (status,))
    assert not backend.was_dialled()
    assert proxy.wait_for_session().end == "bad_request"


def test_an_error_has_no_body_for_head(start_proxy, closing, any_tls):
    proxy = start_proxy(http_backend=closing(Refuses()).address, connect_timeout="100ms")
    client = proxy.connect(any_tls)
    client.send(b"HEAD / HTTP/1.1\r\nHost: main.test\r\n\r\n")
    assert refusal(client, "HEAD") == 502


@pytest.mark.parametrize("wire, status", [
    (b"HEAD / HTTP/1.1\r\n\r\n", 400), (b"HEAD / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    (b"HEAD /" + b"a" * 20000, 431), (b"HEAD / HT", 408)], ids=["no Host", "HTTP/2.0", "too long", "not all of it"])
def test_nor_for_one_that_is_malformed(start_proxy, backend, any_tls, wire, status):
    """Its method is clear, whatever is wrong with the rest."""
    proxy = start_proxy(http_backend=backend.address, header_timeout="300ms")
    client = proxy.connect(any_tls)
    client.send(wire)
    assert refusal(client, "HEAD") == status


def test_the_answer_to_a_fault_in_a_body(start_proxy, backend, any_tls):
    """While no answer has begun, 400; the backend is reset."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    server = backend.accept()
    read_request_head(server)
    client.send(b"nonsense\r\n")
    assert refusal(client) == 400
    server.read_to_end()
    assert server.ended == "reset"
    assert proxy.wait_for_session().end == "bad_request"


def test_a_client_that_keeps_sending_gets_its_answer(start_proxy, backend, any_tls):
    """What still comes does not destroy the 431 on its way."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    try:
        client.send(get("/", "X: " + "a" * (4 << 20) + "\r\n"))
    except OSError:
        pass
    assert read_response(client).status == 431
    assert not backend.was_dialled()


def head_of(size):
    """A request head of exactly so many bytes."""
    return get("/", "X: " + "a" * (size - len(get("/", "X: \r\n"))) + "\r\n")


@pytest.mark.parametrize("limit, size, status", [
    ("1k", 500, 200), ("1k", 1025, 431), ("8k", 7700, 200), ("8k", 8193, 431), ("16k", 12000, 200), ("16k", 16385, 431),
])
def test_max_header_bytes(start_proxy, backend, any_tls, limit, size, status):
    """What is added to a head needs some of it."""
    proxy = start_proxy(http_backend=backend.address, max_header_bytes=limit)
    client = proxy.connect(any_tls)
    client.send(head_of(size))
    if status != 200:
        assert refusal(client) == status
        return
    server = backend.accept()
    read_request(server)
    server.send(ok())
    assert read_response(client).status == 200


def test_a_head_that_would_outgrow_the_backend(start_proxy, backend, any_tls):
    """Red5 takes 8192 bytes: what is more than 8000 with our fields is refused here."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    client.send(head_of(8000))
    assert refusal(client) == 431
    assert proxy.wait_for_session().end == "bad_request"


@pytest.mark.parametrize("size", range(7600, 8200, 50))
def test_what_reaches_the_backend_has_at_most_8000_bytes(start_proxy, backend, any_tls, size):
    """With everything that is added."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    client.send(head_of(size))
    response = None
    while response is None:
        if backend.was_dialled():
            server = backend.accept()
            assert len(read_request(server).raw) <= 8000
            server.send(ok())
            response = read_response(client)
        elif client.has_unread() or not client.is_quiet(0.01):
            response = read_response(client)
            assert response.status == 431
