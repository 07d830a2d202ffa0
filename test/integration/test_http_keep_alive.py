"""One client connection, one backend connection, request after request; and what happens when the backend has
enough just then."""

import signal

import pytest

from lib.messages import ask, get, ok, post, read_request, read_response, refusal
from lib.proxy import refuses_new_connections
from lib.recorder import Recorder
from lib.waiting import Stopwatch, until


@pytest.fixture
def recorder(closing):
    return closing(Recorder())


def test_requests_share_a_backend_connection(start_proxy, recorder, tls):
    """And each client has its own."""
    proxy = start_proxy(http_backend=recorder.address)
    clients = [proxy.connect(tls) for _ in range(3)]
    for n in range(10):
        for client in clients:
            assert ask(client, f"/{client.port}/{n}").body == f"/{client.port}/{n}".encode()
    assert sorted({request.target.split("/")[1] for request in connection.requests}
                  for connection in recorder.connections) == sorted({str(client.port)} for client in clients)
    for client in clients:
        client.close_notify()
        assert client.end() == "close_notify"
    assert {(s.end, s.requests) for s in proxy.wait_for_sessions(3)} == {("client_closed", 10)}


@pytest.mark.parametrize("request_", [
    b"GET / HTTP/1.1\r\nHost: main.test\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: main.test\r\nConnection: x, Close\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: main.test\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
], ids=["1.1 close", "1.1 in a list", "1.0", "1.0 without Host"])
def test_a_request_that_is_the_last(start_proxy, backend, any_tls, request_):
    """The client is told so too, and the connection ends in order."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    client.send(request_)
    server = backend.accept()
    read_request(server)
    server.send(ok(b"answer"))
    response = read_response(client)
    assert response.body == b"answer" and response.wants_close
    assert client.end() == "close_notify"


@pytest.mark.parametrize("announced", [True, False], ids=["with Connection: close", "without a word"])
def test_a_backend_that_closes_between_requests(start_proxy, backend, any_tls, announced):
    """That is its right, and no business of the client's: the next request goes to a new connection."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    for n in range(3):
        client.send(get(f"/{n}"))
        server = backend.accept()
        assert read_request(server).target == f"/{n}"
        server.send(ok(b"answer", "Connection: close\r\n" if announced else ""))
        server.fin()
        response = read_response(client)
        assert response.body == b"answer" and not response.wants_close
        assert server.end() == "fin"
        server.close()
    assert not proxy.sessions()


def answered_once(proxy, backend, context):
    """A client and a backend connection that have one request behind them."""
    client = proxy.connect(context)
    client.send(get("/first"))
    server = backend.accept()
    read_request(server)
    server.send(ok())
    read_response(client)
    return client, server


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("close", ["fin", "reset"])
def test_a_backend_that_closes_as_the_next_request_comes(start_proxy, backend, any_tls, method, close):
    """What changes nothing is sent once more, on a new connection, and never a third time."""
    proxy = start_proxy(http_backend=backend.address)
    client, server = answered_once(proxy, backend, any_tls)
    client.send(f"{method} /second HTTP/1.1\r\nHost: main.test\r\n\r\n".encode())
    assert read_request(server).target == "/second"
    server.reset() if close == "reset" else server.close()
    again = backend.accept()
    assert read_request(again).target == "/second"
    again.send(ok())
    assert read_response(client, method).status == 200

    client.send(f"{method} /third HTTP/1.1\r\nHost: main.test\r\n\r\n".encode())
    for server in (again, backend.accept):
        server = server if server is again else server()
        assert read_request(server).target == "/third"
        server.reset() if close == "reset" else server.close()
    assert refusal(client, method) == 502
    assert not backend.was_dialled()
    assert proxy.wait_for_session().end == {"fin": "backend_closed", "reset": "backend_reset"}[close]


@pytest.mark.parametrize("request_", [
    post(b"body", "/second"), post(b"", "/second"),
    b"DELETE /second HTTP/1.1\r\nHost: main.test\r\n\r\n",
    b"GET /second HTTP/1.1\r\nHost: main.test\r\nContent-Length: 4\r\n\r\nbody",
], ids=["POST", "empty POST", "DELETE", "GET with a body"])
def test_what_may_change_something_is_never_sent_twice(start_proxy, backend, any_tls, request_):
    """The client is told; what becomes of it, it must decide."""
    proxy = start_proxy(http_backend=backend.address)
    client, server = answered_once(proxy, backend, any_tls)
    client.send(request_)
    assert read_request(server).target == "/second"
    server.close()
    assert refusal(client) == 502
    assert not backend.was_dialled()
    assert proxy.wait_for_session().end == "backend_closed"


def test_a_new_connection_is_not_tried_twice(start_proxy, backend, any_tls):
    """It was not idle: who closes that one means it."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    client.send(get())
    server = backend.accept()
    read_request(server)
    server.close()
    assert refusal(client) == 502
    assert not backend.was_dialled()
    assert proxy.wait_for_session().end == "backend_closed"


def test_an_answer_that_has_begun_is_not_asked_for_again(start_proxy, backend, any_tls):
    """One byte is enough."""
    proxy = start_proxy(http_backend=backend.address)
    client, server = answered_once(proxy, backend, any_tls)
    client.send(get("/second"))
    read_request(server)
    server.send(b"H")
    server.close()
    assert refusal(client) == 502
    assert not backend.was_dialled()
    assert proxy.wait_for_session().end == "backend_closed"


@pytest.mark.parametrize("asked", [True, False], ids=["after an answer", "never asked"])
def test_an_idle_connection_is_closed_silently(start_proxy, backend, any_tls, asked):
    """keepalive_timeout counts from the last answer."""
    proxy = start_proxy(http_backend=backend.address, keepalive_timeout="1s", first_byte_timeout="1s")
    client = answered_once(proxy, backend, any_tls)[0] if asked else proxy.connect(any_tls)
    with Stopwatch() as watch:
        assert client.end() == "close_notify"
    assert 0.9 < watch.seconds < 3
    assert proxy.wait_for_session().end == ("keepalive_timeout" if asked else "first_byte_timeout")


def test_an_answer_that_takes_longer_than_keepalive_timeout(start_proxy, backend, any_tls):
    """While an answer is awaited only response_timeout runs."""
    proxy = start_proxy(http_backend=backend.address, keepalive_timeout="1s", header_timeout="1s",
                        idle_timeout="1s")
    client, server = answered_once(proxy, backend, any_tls)
    client.send(get("/slow"))
    read_request(server)
    assert client.is_quiet(2.5)
    server.send(ok(b"at last"))
    assert read_response(client).body == b"at last"


def test_term_ends_idle_connections_at_once(start_proxy, backend, any_tls):
    """A browser that keeps its connection open holds nothing up."""
    proxy = start_proxy(proxy={"stop_timeout": "60s"}, http_backend=backend.address)
    idle = [answered_once(proxy, backend, any_tls)[0] for _ in range(3)]
    with Stopwatch() as watch:
        proxy.signal(signal.SIGTERM)
        assert {client.end() for client in idle} == {"close_notify"}
        assert proxy.wait_for_exit() == 0
    assert watch.seconds < 5


def test_term_lets_an_answer_in_flight_be_the_last(start_proxy, backend, any_tls):
    """It carries Connection: close."""
    proxy = start_proxy(proxy={"stop_timeout": "60s"}, http_backend=backend.address)
    client, server = answered_once(proxy, backend, any_tls)
    client.send(get("/second"))
    read_request(server)
    proxy.signal(signal.SIGTERM)
    until(lambda: refuses_new_connections(proxy), "no listener any more: the worker has been told")
    server.send(ok(b"whole"))
    response = read_response(client)
    assert response.body == b"whole" and response.wants_close
    assert client.end() == "close_notify"
    assert proxy.wait_for_exit() == 0


def test_term_lets_a_body_in_flight_arrive(start_proxy, backend, any_tls):
    """Its head is gone already; after it the connection ends."""
    proxy = start_proxy(proxy={"stop_timeout": "60s"}, http_backend=backend.address)
    client, server = answered_once(proxy, backend, any_tls)
    client.send(get("/second"))
    read_request(server)
    body = bytes(1 << 20)
    server.send(ok(body)[:1000])
    client.unread = client.receive()
    proxy.signal(signal.SIGTERM)
    until(lambda: refuses_new_connections(proxy), "no listener any more: the worker has been told")
    server.send(ok(body)[1000:])
    assert read_response(client).body == body
    assert client.end() == "close_notify"
    assert proxy.wait_for_exit() == 0


@pytest.mark.long
def test_a_connection_that_is_kept_costs_little(start_proxy, recorder, any_tls):
    """Between requests no buffer is held: OpenSSL's connection, some 12 kB, and our own state."""
    proxy = start_proxy(build="plain", http_backend=recorder.address)

    def keep(count):
        for _ in range(count):
            client = proxy.connect(any_tls)
            for _ in range(3):
                ask(client, "/", "POST", body=bytes(30000))

    keep(20)
    memory = proxy.memory()
    keep(200)
    assert (proxy.memory() - memory) / 200 < 20 * 1024
