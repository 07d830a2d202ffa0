"""Expect: 100-continue, and other answers that come before the answer."""

import pytest

from lib.messages import get, ok, read_request, read_request_head, read_response

EXPECTING = b"POST /upload HTTP/1.1\r\nHost: main.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"


@pytest.fixture
def ends(start_proxy, backend, any_tls):
    """A proxy, and a client whose request is given."""
    proxy = start_proxy(http_backend=backend.address)

    def open_ends(request):
        client = proxy.connect(any_tls)
        client.send(request)
        return proxy, client, backend.accept()

    return open_ends


def test_the_backend_says_continue(ends):
    """Its 100 is what makes the client send the body."""
    _, client, server = ends(EXPECTING)
    head = read_request_head(server)
    assert head.get("Expect").lower() == "100-continue"
    assert client.is_quiet(0.2)  # nobody says it in the backend's place
    server.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert read_response(client).status == 100
    client.send(b"12345")
    assert server.read(5) == b"12345"
    server.send(ok(b"thanks"))
    assert read_response(client).body == b"thanks"
    client.send(get("/next"))
    assert read_request(server).target == "/next"


def test_the_client_does_not_wait(ends):
    """A body may come without the 100."""
    _, client, server = ends(EXPECTING + b"12345")
    assert read_request(server).body == b"12345"
    server.send(b"HTTP/1.1 100 Continue\r\n\r\n" + ok())
    assert [read_response(client).status for _ in range(2)] == [100, 200]


@pytest.mark.parametrize("answer", [
    ok(b"too big", "Connection: close\r\n", "413 Content Too Large"), ok(b"no", "", "417 Expectation Failed"),
], ids=["413", "417"])
def test_the_backend_wants_no_body(ends, answer):
    """The client gets the answer; whether its body follows is not known, so nothing else is read."""
    proxy, client, server = ends(EXPECTING)
    read_request_head(server)
    server.send(answer)
    response = read_response(client)
    assert response.status in (413, 417) and response.wants_close
    assert client.end() == "close_notify"
    assert server.read_to_end() == b""
    client.close()
    proxy.wait_for_session()


def test_a_request_instead_of_the_body_is_no_request(ends):
    """The backend has refused; what looks like a request may be the body."""
    _, client, server = ends(EXPECTING.replace(b"5\r\n", b"500\r\n"))
    read_request_head(server)
    server.send(ok(b"", "", "417 Expectation Failed"))
    assert read_response(client).status == 417
    client.send(get("/smuggled"))
    client.read_to_end()
    assert b"smuggled" not in server.read_to_end()


def test_several_answers_before_the_answer(ends):
    """Each 1xx passes, with its fields, in order."""
    _, client, server = ends(get())
    read_request(server)
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    server.send(b"HTTP/1.1 102 Processing\r\n\r\n" + hint + hint + ok(b"final"))
    responses = [read_response(client) for _ in range(4)]
    assert [response.status for response in responses] == [102, 103, 103, 200]
    assert responses[1].get("Link") == "</a.css>; rel=preload"
    assert responses[3].body == b"final"


def test_an_old_client_gets_only_the_answer(ends):
    """HTTP/1.0 knows no 1xx (RFC 9110, 15.2)."""
    _, client, server = ends(b"GET / HTTP/1.0\r\nHost: main.test\r\n\r\n")
    read_request(server)
    server.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + ok(b"final"))
    assert read_response(client).body == b"final"
