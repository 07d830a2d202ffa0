"""Requests made to be understood in two ways. What the backend saw is compared with what the proxy believed: a
parser that is stricter than any server's reads every byte that reaches the backend."""

import os
import random
import socket

import pytest

from lib.backends import Peer
from lib.hostile import CASES
from lib.messages import End, Fault, chunked, get, read_response
from lib.proxy import Proxy
from lib.recorder import Recorder
from lib.waiting import until

CANARY = get("/echo?canary")
CUT = [case for case in CASES if case[2] != "waits" and len(case[1]) < 1500]  # those that are sent in single bytes


class Front:
    """One proxy for all cases; each has a client of its own, and leaves new connections at the recorder."""

    def __init__(self, directory, certificates):
        self.recorder = Recorder()
        self.context = certificates.context()
        user = {"user": "root"} if os.geteuid() == 0 else {}
        self.proxy = Proxy(directory, {
            "proxy": {"workers": 1, "stop_timeout": "5s", **user}, **certificates.sections(),
            **{f"listener {name}": {"listen": "127.0.0.1:0", "certificates": "main", "idle_timeout": "10s",
                                    "http_backend": self.recorder.address, "header_timeout": timeout}
               for name, timeout in [("patient", "30s"), ("hasty", "1s")]}})

    def connect(self, listener="patient"):
        """A client, and the connections of others before it."""
        self.before = len(self.recorder.connections)
        self.sessions_before = len(self.proxy.sessions())
        self.client = self.proxy.connect(self.context, listener=listener)
        return self.client

    def seen(self):
        """The connections of this client at the backend, once the session has ended."""
        [self.session] = until(lambda: self.proxy.sessions()[self.sessions_before:], "the end of the session")
        self.client.close()
        self.proxy.clients.remove(self.client)
        recorder = self.recorder
        until(lambda: not recorder.was_dialled() and len(recorder.peers) == len(recorder.connections), "all accepted")
        connections = recorder.connections[self.before:]
        until(lambda: all(connection.is_over for connection in connections), "the end of the backend's connections")
        return connections

    def close(self):
        self.proxy.close()
        self.recorder.close()


@pytest.fixture(scope="module")
def shared_front(tmp_path_factory, certificates):
    front = Front(tmp_path_factory.mktemp("front"), certificates)
    yield front
    front.close()


@pytest.fixture
def front(shared_front, tmp_path):
    (tmp_path / "proxy.log").symlink_to(shared_front.proxy.log_file)
    return shared_front


def send(client, wire, piece):
    """In pieces of so many bytes; the rest is not sent when the other side has said enough."""
    try:
        for n in range(0, len(wire), piece):
            client.send(wire[n:n + piece])
    except OSError:
        pass


def read_responses(client):
    """All of them to the end, each whole."""
    responses = []
    try:
        while True:
            responses.append(read_response(client))
    except End:
        return responses


def check(front, wire, expectation, piece):
    client = front.connect("hasty" if expectation == "waits" else "patient")
    if expectation == "waits":
        send(client, wire, piece)
        assert [response.status for response in read_responses(client)] == [408]
        assert front.seen() == []
        assert front.session.end == "header_timeout"
        return
    send(client, wire + CANARY, piece)
    if expectation == "closed":
        assert read_responses(client) == []
        assert front.seen() == []
        assert front.session.end == "unknown_protocol"
        return
    if expectation == "passes":
        method = wire.split(b" ")[0].decode()
        first = read_response(client, method)
        assert first.status == 200
        if first.wants_close:
            client.read_to_end()
            client.close()  # nothing can be said any more: the proxy may have closed it by now
        else:
            assert read_response(client).body == b"/echo?canary"
            client.close_notify()
        [connection] = front.seen()
        are_canaries = [request.target == "/echo?canary" for request in connection.requests]
        assert are_canaries == ([False] if first.wants_close else [False, True])
        assert connection.faults == []
    else:
        [response] = read_responses(client)
        assert response.status == expectation and response.wants_close
        assert [connection.requests for connection in front.seen()] in ([], [[]])
        assert front.session.end == "bad_request"


@pytest.mark.parametrize("wire, expectation", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_hostile_request(front, wire, expectation):
    """With an innocent one right behind it."""
    check(front, wire, expectation, len(wire) + len(CANARY))


@pytest.mark.long
@pytest.mark.parametrize("wire, expectation", [case[1:] for case in CUT], ids=[case[0] for case in CUT])
def test_a_hostile_request_cut_at_every_byte(front, wire, expectation):
    """Where it is cut makes no difference."""
    check(front, wire, expectation, 1)


def test_there_are_enough_of_them():
    assert len(CASES) >= 150 and len({name for name, *_ in CASES}) == len(CASES)
    assert {expectation for *_, expectation in CASES} >= {400, 431, 501, 505, "passes", "waits"}


@pytest.mark.parametrize("name, wire", [(name, wire) for name, wire, expectation in CASES if expectation == "passes"],
                         ids=[name for name, _, expectation in CASES if expectation == "passes"])
def test_tomcat_understands_the_same(front, tomcat, name, wire):
    """The very bytes that reached the backend are two requests to a real Tomcat too."""
    client = front.connect()
    client.send(wire + CANARY)
    client.close_notify()
    client.read_to_end()
    [connection] = front.seen()
    method = wire.split(b" ")[0].decode()
    host, _, port = tomcat.address.rpartition(":")
    peer = Peer(socket.create_connection((host, int(port))))
    try:
        peer.send(bytes(connection.raw))
        assert b"canary" not in read_response(peer, method).body
        try:
            assert b"target GET /echo?canary" in read_response(peer).body
            assert peer.is_quiet(0.05)
        except End:
            pass  # it understands less, and closes: no harm
    finally:
        peer.close()


PIECES = [text.encode().decode("unicode_escape").encode("latin-1") for text in r"""
\r \n \r\n \r\n\r\n \0 \x20 \t : ; , \x0b \x7f \x80 \xff # %00 // http://evil.test/ hello POST CONNECT
HTTP/1.1 HTTP/1.0 HTTP/0.9 0\r\n\r\n 5\r\nhello\r\n -1\r\n ffffffffffffffff\r\n 0x5\r\n
Content-Length:\x205\r\n Content-Length:\x200\r\n content-length:6\r\n Content-Length:\x20+5\r\n
Content-Length:\x205,\x205\r\n Content_Length:5\r\n Transfer-Encoding:\x20chunked\r\n TE:chunked\r\n
Transfer-Encoding:\x0bchunked\r\n Transfer-Encoding:chunked,identity\r\n Transfer-Encoding:xchunked\r\n
Transfer-Encoding\x20:\x20chunked\r\n Host:evil.test\r\n Connection:Content-Length\r\n
Connection:upgrade\r\nUpgrade:websocket\r\n Expect:100-continue\r\n Expect:x\r\n X:y\r\n\x20z\r\n
GET\x20/smuggled\x20HTTP/1.1\r\nHost:main.test\r\n\r\n
""".split()]
BASES = [
    get("/one") + get("/two"),
    b"POST /one HTTP/1.1\r\nHost: main.test\r\nContent-Length: 5\r\n\r\nhello" + get("/two"),
    b"POST /one HTTP/1.1\r\nHost: main.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunked(b"hello", trailers="X-T: 1\r\n") + get("/two"),
    b"GET /one HTTP/1.0\r\nHost: main.test\r\nConnection: keep-alive\r\n\r\n" + get("/two"),
    b"GET /one HTTP/1.1\r\nHost: main.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + get("/two"),
]


def mutant(seed):
    """A request or two with one to three faults."""
    dice = random.Random(seed)
    wire = dice.choice(BASES)
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(wire) + 1)
        if dice.random() < 0.5:  # where a line begins
            place = dice.choice([n + 2 for n in range(len(wire)) if wire[n:n + 2] == b"\r\n"] or [0])
        kind = dice.random()
        if kind < 0.6:
            wire = wire[:place] + dice.choice(PIECES) + wire[place:]
        elif kind < 0.8:
            wire = wire[:place] + wire[place + dice.randint(1, 4):]
        else:
            wire = wire[:place] + bytes([dice.randrange(256)]) + wire[place + 1:]
    return wire


@pytest.mark.long
@pytest.mark.parametrize("batch", range(10))
def test_mutants(front, batch):
    """A hundred each: whatever reaches the backend is clear beyond doubt, and there are as many answers as
    requests, in their order."""
    for seed in range(100 * batch, 100 * (batch + 1)):
        wire = mutant(seed)
        client = front.connect()
        send(client, wire + CANARY, len(wire) + len(CANARY))
        client.close_notify()
        answers = []
        try:
            answers = [response.body.decode("latin-1") for response in read_responses(client) if response.status == 200]
        except Fault as fault:
            assert client.ended == "reset", f"mutant {seed} {wire!r}: {fault}"
        connections = front.seen()
        targets = [request.target for connection in connections for request in connection.requests]
        assert all(target.encode("latin-1") in wire + CANARY for target in targets), \
            f"mutant {seed} {wire!r}: {targets}"
        assert targets[:len(answers)] == answers, f"mutant {seed} {wire!r}: {targets} answered with {answers}"
        for connection in connections:
            assert all("reset in" in fault for fault in connection.faults), \
                f"mutant {seed} {wire!r}: {connection.faults} in {bytes(connection.raw)!r}"
