"""Bodies pass as they came: counted, never cut anew, never taken for something else; and what is cut short never
looks complete."""

import os

import pytest

from lib.messages import (chunked, get, ok, post, read_request, read_request_head, read_response, read_response_head,
                          refusal)
from lib.waiting import meanwhile

KIB, MIB = 1 << 10, 1 << 20
CHUNKED = b"POST / HTTP/1.1\r\nHost: main.test\r\nTransfer-Encoding: chunked\r\n\r\n"

# The oddities that RFC 9112, 7.1, allows; but no quoted pairs, which are refused.
ODD_CHUNKS = (b"5\r\nhello\r\n" b"0000000A;name=value\r\n0123456789\r\n" b"a;q=\"quoted; text\"\r\n0123456789\r\n"
              b"1\r\n\r\r\n" b"2\r\n\r\n\r\n" b"0;last\r\nX-Trailer: one\r\nX-Other: two\r\n\r\n")


@pytest.fixture
def proxy(start_proxy, backend):
    return start_proxy(http_backend=backend.address)


@pytest.fixture
def exchange(proxy, backend, any_tls):
    """Client and backend after a request was sent and read."""
    def begin(request=get()):
        client = proxy.connect(any_tls)
        client.send(request)
        server = backend.accept()
        read_request(server)
        return client, server

    return begin


@pytest.mark.parametrize("size", [0, 1, 100, 16 * KIB, 128 * KIB + 1, 3 * MIB])
def test_lengths_both_ways(proxy, backend, tls, size):
    """Twice on the same connection."""
    client, server, data = proxy.connect(tls), None, os.urandom(size)
    for _ in range(2):
        with meanwhile(lambda: client.send(post(data))):
            server = server or backend.accept()
            assert read_request(server).body == data
        with meanwhile(lambda: server.send(ok(data))):
            assert read_response(client).body == data


@pytest.mark.parametrize("pieces", [1, 7, 1000], ids=["byte by byte", "in sevens", "at once"])
def test_chunks_arrive_as_they_were_cut(proxy, backend, any_tls, pieces):
    """With their extensions and trailers, in both directions, however the network cuts them."""
    def parts(wire):
        return [wire[n:n + pieces] for n in range(0, len(wire), pieces)]

    client = proxy.connect(any_tls)
    for part in parts(CHUNKED + ODD_CHUNKS):
        client.send(part)
    server = backend.accept()
    request = read_request(server)
    assert request.raw.endswith(b"\r\n\r\n" + ODD_CHUNKS)
    assert request.trailers == [("X-Trailer", "one"), ("X-Other", "two")]
    for part in parts(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + ODD_CHUNKS):
        server.send(part)
    response = read_response(client)
    assert response.raw.endswith(b"\r\n\r\n" + ODD_CHUNKS)
    client.send(get("/next"))
    assert read_request(server).target == "/next"


def test_many_chunks(proxy, backend, any_tls):
    """Sizes around every power of two, and a crowd of small ones."""
    wire = chunked(*(os.urandom((1 << bits) + more) for bits in range(1, 18) for more in (-1, 0, 1)),
                   *[b"x" * 10] * 1000, os.urandom(MIB))
    client = proxy.connect(any_tls)
    with meanwhile(lambda: client.send(CHUNKED + wire)):
        server = backend.accept()
        assert read_request(server).raw.endswith(wire)
    with meanwhile(lambda: server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + wire)):
        assert read_response(client).raw.endswith(wire)


def test_a_request_without_body_is_not_given_one(proxy, backend, any_tls):
    """Neither a length nor chunks."""
    client = proxy.connect(any_tls)
    client.send(get())
    assert not {"content-length", "transfer-encoding"} & read_request(backend.accept()).names()


@pytest.mark.parametrize("answer", [
    "204 No Content\r\n", "304 Not Modified\r\nETag: \"x\"\r\n", "304 Not Modified\r\nContent-Length: 100\r\n",
], ids=["204", "304", "304 with a length"])
def test_an_answer_that_has_no_body(exchange, answer):
    """What follows it is the next answer."""
    client, server = exchange()
    server.send(f"HTTP/1.1 {answer}\r\n".encode())
    assert read_response(client).status in (204, 304)
    client.send(get("/next"))
    assert read_request(server).target == "/next"
    server.send(ok(b"next"))
    assert read_response(client).body == b"next"


@pytest.mark.parametrize("fields", ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n", ""])
def test_an_answer_to_head_has_no_body(exchange, fields):
    """Whatever its head says."""
    client, server = exchange(b"HEAD / HTTP/1.1\r\nHost: main.test\r\n\r\n")
    server.send(f"HTTP/1.1 200 OK\r\n{fields}\r\n".encode())
    assert read_response(client, "HEAD").status == 200
    client.send(get("/next"))
    assert read_request(server).target == "/next"
    server.send(ok(b"next"))
    assert read_response(client).body == b"next"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("size", [0, 1, 3 * MIB])
def test_an_answer_that_ends_by_close(proxy, exchange, version, size):
    """The client is told, and gets its end with close_notify."""
    client, server = exchange()
    data = os.urandom(size)
    with meanwhile(lambda: server.send(f"HTTP/{version} 200 OK\r\n\r\n".encode() + data), server.fin):
        response = read_response(client)
    assert response.body == data and response.wants_close
    assert client.ended == "close_notify"
    assert proxy.wait_for_session().end in ("backend_closed", "client_closed")


BROKEN_OFF = {
    "length, nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "length, the last byte missing": ok(bytes(100000))[:-1],
    "chunks, in a size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1",
    "chunks, in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello",
    "chunks, between two": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "chunks, in the trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n",
}


@pytest.mark.parametrize("manner", ["fin", "reset"])
@pytest.mark.parametrize("wire", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_a_backend_that_breaks_off(proxy, exchange, wire, manner):
    """The client is reset: a clean end would make half a file look like a whole one."""
    client, server = exchange()
    server.send(wire)
    read_response_head(client)
    server.fin() if manner == "fin" else server.reset()
    client.read_to_end()
    assert client.ended == "reset"
    assert proxy.wait_for_session().end in ("backend_truncated", "backend_reset")[:1 if manner == "fin" else 2]


def test_a_backend_that_resets_where_the_end_is_the_close(exchange):
    """Without a length a reset is all that tells half a file from a whole one."""
    client, server = exchange()
    server.send(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1000))
    read_response_head(client)
    server.reset()
    client.read_to_end()
    assert client.ended == "reset"


@pytest.mark.parametrize("begun", [post(bytes(100000))[:-1], CHUNKED + b"5\r\nhello\r\n"], ids=["length", "chunks"])
@pytest.mark.parametrize("manner", ["close_notify", "fin", "reset"])
def test_a_client_that_breaks_off(proxy, backend, any_tls, begun, manner):
    """The backend is reset, and never takes half an upload for a whole one."""
    client = proxy.connect(any_tls)
    client.send(begun)
    server = backend.accept()
    read_request_head(server)
    getattr(client, manner)()
    server.read_to_end()
    assert server.ended == "reset"
    proxy.wait_for_session()


@pytest.mark.parametrize("extra", [b"X", b"\r\n", ok(b"not asked for"), b"HTTP/1.1 100 Continue\r\n\r\n"],
                         ids=["a byte", "CRLF", "a response", "100"])
@pytest.mark.parametrize("when", ["at once", "later"])
def test_bytes_behind_an_answer(proxy, exchange, extra, when):
    """Nobody asked for them, nobody gets them, and nobody is served on that connection any more."""
    client, server = exchange()
    server.send(ok(b"whole") + (extra if when == "at once" else b""))
    assert read_response(client).body == b"whole"
    if when == "later":
        server.send(extra)
    client.read_to_end()
    assert client.unread == b""
    assert proxy.wait_for_session().end == "bad_response"


def test_bytes_behind_an_answer_do_not_answer_the_next_request(proxy, exchange, backend):
    """The classical desynchronisation: two answers to the first, and a second request already waiting."""
    client, server = exchange(get("/first") + get("/second"))
    server.send(ok(b"first") + ok(b"not asked for"))
    assert read_response(client).body == b"first"
    assert b"not asked for" not in client.read_to_end()
    assert proxy.wait_for_session().end == "bad_response"


def test_an_answer_in_the_middle_of_an_upload(proxy, backend, any_tls):
    """It reaches the client while that is still sending, and the rest of the upload still arrives."""
    client = proxy.connect(any_tls)
    body = os.urandom(2 * MIB)
    client.send(post(body)[:-MIB])
    server = backend.accept()
    read_request_head(server)
    server.read(1000)
    server.send(ok(b"early"))
    assert read_response(client).body == b"early"
    with meanwhile(lambda: client.send(body[-MIB:])):
        assert server.read(2 * MIB - 1000) == body[1000:]
    client.send(get("/next"))
    assert read_request(server).target == "/next"


def test_an_upload_that_is_refused_half_way(proxy, backend, any_tls):
    """The backend answers and closes, as Tomcat does; the client still learns why."""
    client = proxy.connect(any_tls)
    client.send(post(bytes(20 * MIB))[:-19 * MIB])
    server = backend.accept()
    read_request_head(server)
    server.send(ok(b"too big", "Connection: close\r\n", "413 Content Too Large"))
    server.close()
    response = read_response(client)
    assert (response.status, response.body) == (413, b"too big")
    assert response.wants_close
    client.close()
    proxy.wait_for_session()


class TestMaxBodyBytes:
    """max_body_bytes = 1k."""

    @pytest.fixture
    def client(self, start_proxy, backend, any_tls):
        self.proxy = start_proxy(http_backend=backend.address, max_body_bytes="1k")
        return self.proxy.connect(any_tls)

    def test_as_much_as_allowed(self, client, backend):
        client.send(post(bytes(1024)))
        assert read_request(backend.accept()).body == bytes(1024)

    def test_a_length_that_is_too_much(self, client, backend):
        """Refused before the backend is bothered, and before the body comes."""
        client.send(post(bytes(1025))[:-1025])
        assert refusal(client) == 413
        assert not backend.was_dialled()
        assert self.proxy.wait_for_session().end == "bad_request"

    def test_chunks_that_become_too_much(self, client, backend):
        client.send(CHUNKED + chunked(bytes(1000))[:-5])
        server = backend.accept()
        read_request_head(server)
        client.send(chunked(bytes(1000)))
        assert refusal(client) == 413
        server.read_to_end()
        assert server.ended == "reset"

    def test_an_answer_may_be_longer(self, client, backend):
        client.send(get())
        server = backend.accept()
        read_request(server)
        server.send(ok(bytes(5000)))
        assert read_response(client).body == bytes(5000)

    def test_chunks_that_become_too_much(self, client, backend):
        client.send(CHUNKED + chunked(bytes(1000))[:-5])
        server = backend.accept()
        read_request_head(server)
        client.send(chunked(bytes(1000)))
        assert refusal(client) == 413
        server.read_to_end()
        assert server.ended == "reset"
