"""Backends that do not answer as HTTP wants it: 502, never what they said."""

import random

import pytest

from lib.backends import NeverAnswers, Refuses
from lib.messages import End, Fault, chunked, get, ok, post, read_request, read_response, refusal
from lib.recorder import Recorder
from lib.waiting import Stopwatch

BAD = {
    "a banner": b"220 mail.test ESMTP\r\n",
    "an RTMP handshake": b"\x03" + bytes(1536),
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46" + bytes(100),
    "HTTP/0.9": b"<html>hello</html>\n",
    "HTTP/0.9 with a line": b"hello\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "another letter case": b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a bare LF in the end": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
    "a bare CR": b"HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "a field without a name": b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "the same length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    "a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a hexadecimal length": b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
    "a length over 2^64": b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
    "an empty length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "two codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "too long a line": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100000 + b"\r\n\r\n",
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 20000 + b"\r\n",
    "a request": get(),
}


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


@pytest.mark.parametrize("wire", BAD.values(), ids=BAD)
def test_an_answer_that_is_no_http(proxy, exchange, wire):
    """Nothing of it reaches the client."""
    client, server = exchange()
    try:
        server.send(wire)
    except OSError:
        pass  # it was refused before all was sent
    assert refusal(client) == 502
    assert proxy.wait_for_session().end == "bad_response"


@pytest.mark.parametrize("count", [0, 1, 8, 17, 37])
@pytest.mark.parametrize("manner", ["fin", "reset"])
def test_an_answer_that_ends_within_its_head(proxy, exchange, count, manner):
    client, server = exchange()
    server.send(ok(b"answer")[:count])
    if count:
        assert client.is_quiet(0.1)
    server.fin() if manner == "fin" else server.reset()
    assert refusal(client) == 502
    assert proxy.wait_for_session().end == {"fin": "backend_closed", "reset": "backend_reset"}[manner]


def test_an_answer_cut_at_every_byte(exchange):
    """However its head arrives, it is one."""
    client, server = exchange()
    for byte in ok(b"answer", "X-Field: value\r\n"):
        server.send(bytes([byte]))
    assert read_response(client).body == b"answer"


BAD_CHUNKS = {
    "no size": b"\r\nhello", "no number": b"xyz\r\n", "a sign": b"+5\r\nhello\r\n", "0x": b"0x5\r\nhello\r\n",
    "a space": b" 5\r\nhello\r\n", "a bare LF": b"5\nhello\r\n", "too long a chunk": b"5\r\nhello!\r\n",
    "LF behind a chunk": b"5\r\nhello\n0\r\n\r\n", "over 2^64": b"10000000000000005\r\nhello\r\n",
    "NUL in an extension": b"5;\0\r\nhello\r\n", "an endless extension": b"5;" + b"a" * 20000,
    "a folded trailer": b"0\r\nX: a\r\n b\r\n\r\n", "a length as a trailer": b"0\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_chunks_that_are_none(proxy, exchange, chunks):
    """The head is gone already: what tells the client is the reset."""
    client, server = exchange()
    server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert client.read(1) == b"H"
    server.send(chunks)
    client.read_to_end()
    assert client.ended == "reset"
    assert proxy.wait_for_session().end == "bad_response"


def test_an_answer_that_nobody_asked_for(proxy, exchange, backend):
    """Sent before the second request: it is not the second request's answer."""
    client, server = exchange()
    server.send(ok(b"first"))
    assert read_response(client).body == b"first"
    server.send(ok(b"not asked for"))
    client.read_to_end()
    assert client.unread == b""
    assert proxy.wait_for_session().end == "bad_response"


def test_an_answer_before_the_request_is_read(start_proxy, backend, any_tls):
    """A backend that talks first: its bytes are the answer to the request that made the connection, if they are one."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    client.send(get())
    backend.accept().send(b"220 ready\r\n")
    assert refusal(client) == 502
    assert proxy.wait_for_session().end == "bad_response"


@pytest.fixture
def hasty(start_proxy, backend):
    return start_proxy(http_backend=backend.address, response_timeout="2s")


def test_a_backend_that_does_not_answer_in_time(hasty, backend, any_tls):
    client = hasty.connect(any_tls)
    client.send(get())
    read_request(backend.accept())
    with Stopwatch() as watch:
        assert refusal(client) == 504
    assert 1.9 < watch.seconds < 4
    assert hasty.wait_for_session().end == "response_timeout"


def test_half_a_head_is_no_answer(hasty, backend, any_tls):
    """It does not stop the clock."""
    client = hasty.connect(any_tls)
    client.send(post(b"body"))
    server = backend.accept()
    read_request(server)
    with Stopwatch() as watch:
        server.send(b"HTTP/1.1 200 OK\r\n")
        assert refusal(client) == 504
    assert 1.9 < watch.seconds < 4
    assert hasty.wait_for_session().end == "response_timeout"


def test_a_backend_that_is_down(start_proxy, closing, any_tls):
    """Told within connect_timeout."""
    proxy = start_proxy(http_backend=closing(Refuses()).address, connect_timeout="1s")
    client = proxy.connect(any_tls)
    with Stopwatch() as watch:
        client.send(get())
        assert refusal(client) == 502
    assert watch.seconds < 3
    session = proxy.wait_for_session()
    assert session.end == "connect_failed" and "while connecting to backend" in session.error


def test_a_backend_that_cannot_be_reached(start_proxy, closing, any_tls):
    proxy = start_proxy(http_backend=closing(NeverAnswers()).address, connect_timeout="1s")
    client = proxy.connect(any_tls)
    with Stopwatch() as watch:
        client.send(get())
        assert refusal(client) == 504
    assert 0.9 < watch.seconds < 3
    assert proxy.wait_for_session().end == "connect_timeout"


def test_a_backend_that_is_gone_when_the_next_request_comes(start_proxy, closing, any_tls):
    """Its restart costs a request, not a session that hangs."""
    refuses = closing(Refuses())
    backend = refuses.start_listening()
    proxy = start_proxy(http_backend=refuses.address, connect_timeout="1s")
    client = proxy.connect(any_tls)
    client.send(get())
    server = backend.accept()
    read_request(server)
    server.send(ok())
    read_response(client)
    backend.close()
    client.send(get("/second"))
    assert refusal(client) == 502
    assert proxy.wait_for_session().end == "connect_failed"


def test_a_backend_that_is_slow_to_come_up(start_proxy, closing, any_tls):
    """Within connect_timeout nobody notices."""
    refuses = closing(Refuses())
    proxy = start_proxy(http_backend=refuses.address, connect_timeout="10s")
    client = proxy.connect(any_tls)
    client.send(get())
    assert client.is_quiet(0.5)
    server = closing(refuses.start_listening()).accept()
    read_request(server)
    server.send(ok(b"at last"))
    assert read_response(client).body == b"at last"


PIECES = [text.encode().decode("unicode_escape").encode("latin-1") for text in r"""
\r \n \r\n \r\n\r\n \0 \x20 \t : ; , \x0b \xff HTTP/1.0 HTTP/0.9 100 101 204 304 99 0\r\n\r\n
5\r\nhello\r\n ffffffffffffffff\r\n
Content-Length:\x205\r\n Content-Length:\x200\r\n Content-Length:3\r\n Content-Length:-1\r\n Content_Length:3\r\n
Transfer-Encoding:\x20chunked\r\n Transfer-Encoding:gzip\r\n Transfer-Encoding\x20:\x20chunked\r\n Connection:close\r\n
Connection:Content-Length\r\n Connection:upgrade\r\nUpgrade:websocket\r\n X:y\r\n\x20z\r\n
HTTP/1.1\x20100\x20Continue\r\n\r\n
HTTP/1.1\x20200\x20OK\r\nContent-Length:8\r\n\r\nsmuggled
""".split()]
BASES = [
    ok(b"first"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"fir", b"st", trailers="X-T: 1\r\n"),
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(b"first"),
    b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
]


def mutant(seed):
    """A response with one to three faults."""
    dice = random.Random(seed)
    wire = dice.choice(BASES)
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(wire) + 1)
        if dice.random() < 0.5:  # where a line begins
            place = dice.choice([n + 2 for n in range(len(wire)) if wire[n:n + 2] == b"\r\n"] or [0])
        if dice.random() < 0.7:
            wire = wire[:place] + dice.choice(PIECES) + wire[place:]
        else:
            wire = wire[:place] + wire[place + dice.randint(1, 4):]
    return wire


@pytest.mark.long
@pytest.mark.parametrize("batch", range(5))
def test_mutants(start_proxy, closing, any_tls, batch):
    """Sixty each: a client whose parser forgives nothing gets an answer, an error or a reset; and what answers its
    second request was made for it."""
    answers = {}
    recorder = closing(Recorder(lambda request: answers.get(request.target, ok(request.target.encode()))))
    proxy = start_proxy(http_backend=recorder.address, response_timeout="1s", idle_timeout="1s")
    for seed in range(60 * batch, 60 * (batch + 1)):
        answers["/first"] = mutant(seed)
        client = proxy.connect(any_tls)
        client.send(get("/first"))
        try:
            response = read_response(client)
            while response.status < 200:
                assert response.status != 101, f"mutant {seed} {answers['/first']!r}"
                response = read_response(client)
            client.send(get("/second"))
            assert read_response(client).body == b"/second", f"mutant {seed} {answers['/first']!r}"
        except (End, BrokenPipeError, ConnectionResetError):
            pass
        except Fault as fault:
            assert client.ended == "reset", f"mutant {seed} {answers['/first']!r}: {fault}"
        client.close()
    assert recorder.faults == []
