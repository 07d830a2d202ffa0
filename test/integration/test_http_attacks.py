"""What attacks on the HTTP mode have found, by its symptom: each was a fault once."""

import fcntl
import os
import signal
import struct
import termios
import threading

import pytest

from lib import messages
from lib.recorder import Recorder
from lib.waiting import until

MIB = 1 << 20
EARLY = b"POST /upload HTTP/1.1\r\nHost: main.test\r\nContent-Length: 100000\r\n\r\n" + bytes(1000)


@pytest.fixture
def start_front(start_proxy, backend):
    """A proxy before `backend`, which the test plays."""
    return lambda **keys: start_proxy(http_backend=backend.address, **keys)


def unsent(peer):
    """Bytes that the other side's kernel has not acknowledged."""
    return struct.unpack("i", fcntl.ioctl(peer.sock, termios.TIOCOUTQ, bytes(4)))[0]


def answer(peer, response):
    """Read one request and answer it."""
    request = messages.read_request(peer)
    peer.send(response)
    return request


def wait_until_stuck(proxy, looks=40):
    """Until no time was spent between so many looks."""
    seen = []
    until(lambda: seen.append(proxy.cpu_seconds()) or len(seen) > looks and seen[-looks] == seen[-1], "the workers quiet")


class Asleep:
    """The proxy's workers do nothing while the lines of a `with` run: for them, all of it happens at once."""

    def __init__(self, proxy):
        self.workers = proxy.workers()

    def __enter__(self):
        for pid in self.workers:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_):
        for pid in self.workers:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("size", [40, 900, 3333, 7000])
def test_a_head_is_cut_by_the_end_of_the_buffer(start_proxy, closing, any_tls, size):
    """Half a megabyte of requests sent at once: each has its answer, in order. (The head that the buffer's end cut was
    never read on, and answered 408.)"""
    proxy = start_proxy(http_backend=closing(Recorder()).address)
    client = proxy.connect(any_tls)
    targets = [b"/%d" % n for n in range(MIB // 2 // (size + 50))]
    wire = client.encode(b"".join(messages.get(target.decode(), f"X: {size * 'y'}\r\n") for target in targets))
    threading.Thread(target=client.sock.sendall, args=[wire], daemon=True).start()
    assert [messages.read_response(client).body for _ in targets] == targets


def test_interim_responses_without_end(start_front, backend, any_tls):
    """More of them than a buffer holds, and no read ends where one of them does. (They stalled.)"""
    client = start_front().connect(any_tls)
    client.send(messages.get())
    peer = backend.accept()
    messages.read_request(peer)
    interim = b"HTTP/1.1 102 Processing\r\nX: " + 777 * b"z" + b"\r\n\r\n"

    def flood():
        data = 600 * interim
        for start in range(0, len(data), 1001):
            peer.send(data[start:start + 1001])
        peer.send(messages.ok(b"at last"))

    threading.Thread(target=flood, daemon=True).start()
    assert [messages.read_response(client).status for _ in range(600)] == 600 * [102]
    assert messages.read_response(client).body == b"at last"


def test_an_answer_stands_before_the_reset(start_front, backend, any_tls):
    """A server refuses an upload in the middle and closes, which resets what it has not read. (The 413 was lost: 502.)"""
    proxy = start_front()
    client = proxy.connect(any_tls)
    client.send(EARLY)
    peer = backend.accept()
    messages.read_request_head(peer)
    with Asleep(proxy):
        peer.send(messages.ok(b"too big", "Connection: close\r\n", "413 Content Too Large"))
        peer.reset()
    response = messages.read_response(client)
    assert (response.status, response.body) == (413, b"too big")


def test_a_reset_behind_a_whole_response(start_front, backend, any_tls):
    """What the proxy's kernel has acknowledged is delivered. (The client was reset.)"""
    proxy = start_front()
    client = proxy.connect(any_tls)
    client.send(messages.get())
    peer = backend.accept()
    messages.read_request(peer)
    with Asleep(proxy):
        peer.send(messages.ok(bytes(30_000)))
        until(lambda: unsent(peer) == 0, "all of it in the proxy's socket")
        peer.reset()
    assert len(messages.read_response(client).body) == 30_000


@pytest.mark.parametrize("end", ["fin", "bytes"])
def test_the_backend_ends_while_a_file_of_ours_goes_out(start_front, backend, any_tls, tmp_path, end):
    """To a client that does not read, and the kept connection of the backend has something to say. (100 % CPU.)"""
    (tmp_path / "big.xml").write_bytes(bytes(MIB))
    proxy = start_front(override="/big.xml big.xml")
    client = proxy.connect(any_tls, receive_buffer=4096)
    client.send(messages.get())
    peer = backend.accept()
    answer(peer, messages.ok())
    messages.read_response(client)
    client.send(6 * messages.get("/big.xml"))
    wait_until_stuck(proxy)
    peer.fin() if end == "fin" else peer.send(b"unasked")
    before = proxy.cpu_seconds()
    assert peer.is_quiet(2)
    assert proxy.cpu_seconds() - before < 0.3


def test_a_fresh_connection_that_ends_is_no_reason_to_ask_again(start_front, backend, any_tls):
    """Only on a kept connection can the backend have gone before it saw the request. (It was sent twice.)"""
    client = start_front().connect(any_tls)
    client.send(messages.get("/1"))
    peer = backend.accept()
    answer(peer, messages.ok())
    messages.read_response(client)
    peer.fin()
    assert peer.end() == "fin"
    client.send(messages.get("/2"))
    assert answer(fresh := backend.accept(), b"").target == "/2"
    fresh.close()
    assert messages.read_response(client).status == 502
    assert not backend.was_dialled()


def test_a_fault_behind_a_head_request_has_its_text(start_front, backend, any_tls):
    """(Its length was given, but no text, as if it were a HEAD as well.)"""
    client = start_front().connect(any_tls)
    client.send(messages.get().replace(b"GET", b"HEAD"))
    answer(backend.accept(), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert messages.read_response(client, "HEAD").status == 200
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    response = messages.read_response(client)
    assert (response.status, len(response.body) > 0) == (400, True)
