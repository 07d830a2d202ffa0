"""Kernel TLS and splice(2). These tests run in a guest that has it: see lib/guest.py; `make test-ktls` and
`make test-ktls-qemu`.

Each situation is played twice, once with the kernel and once without: what client and backend see must be the same,
and so must the line of the log, but for `ktls` and `spliced`.
"""

import contextlib
import hashlib
import os
import random
import subprocess
import time

import pytest

from lib import guest
from lib.proxy import open_files
from lib.waiting import meanwhile, until

MB = 1 << 20
BIG = os.urandom(8 * MB)

pytestmark = pytest.mark.skipif(not guest.is_here(), reason="runs in a guest, with make test-ktls")


def digest(data):
    return len(data), hashlib.sha256(data).hexdigest()


@pytest.fixture
def start_tunnel(start_proxy, backend):
    """Starts a tunnel and gives (proxy, client, the backend's side)."""

    def start(context, ktls="on", receive_buffer=None, **keys):
        proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, ktls=ktls, **keys)
        client = proxy.connect(context, receive_buffer=receive_buffer)
        return proxy, client, backend.accept()

    return start


def pipes(proxy):
    return len({name for pid in proxy.workers() for name in open_files(pid) if name.startswith("pipe:")})


def test_the_kernel_encrypts_and_moves_a_download(start_tunnel, tls):
    """8 MB are exact, the end is a close_notify, and it was the kernel: its counter says so."""
    before = guest.counters().get("TlsTxSw", 0)
    proxy, client, server = start_tunnel(tls)
    client.send(b"request")
    assert server.read(7) == b"request"
    with meanwhile(lambda: server.send(BIG), server.fin):
        assert digest(client.read_to_end()) == digest(BIG)
    assert client.ended == "close_notify"
    client.close_notify()
    session = proxy.wait_for_session()
    assert (session.end, session.bytes_out, session.ktls, session.spliced) == ("backend_closed", len(BIG), "tx", "out")
    counters = guest.counters()
    assert counters["TlsTxSw"] == before + 2  # the trial at start, and this session
    assert counters["TlsRxSw"] == 0


@pytest.mark.parametrize("version, cipher, expected", [
    ("TLSv1.3", "TLS_AES_128_GCM_SHA256", "tx"),
    ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "tx"),
    ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", "tx"),
    ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", "tx"),
    ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", "tx"),
    ("TLSv1.2", "ECDHE-RSA-CHACHA20-POLY1305", "tx"),
    ("TLSv1.2", "ECDHE-RSA-AES128-SHA", None),
])
def test_ciphers(start_tunnel, certificates, version, cipher, expected):
    """What the kernel knows it does; the others are served as ever."""
    listener = {"ciphersuites": cipher} if version == "TLSv1.3" else {"ciphers": cipher, "tls": "legacy"}
    context = certificates.context(version)
    if version == "TLSv1.2":
        context.set_ciphers(cipher + ":@SECLEVEL=0")
    proxy, client, server = start_tunnel(context, **listener)
    with meanwhile(lambda: server.send(BIG[:MB]), server.fin):
        assert digest(client.read_to_end()) == digest(BIG[:MB])
    assert client.ended == "close_notify"
    client.close_notify()
    session = proxy.wait_for_session()
    assert (session.cipher, session.ktls) == (cipher, expected)


# ---- situations, with and without ----


def slow_client(client, server):
    """A kilobyte at a time for a while, into a small window."""
    with meanwhile(lambda: server.send(BIG[:3 * MB]), server.fin):
        start = b"".join(client.read(1000) for _ in range(500))
        return digest(start + client.read_to_end()), client.ended


def client_half_closes_first(client, server):
    client.send(b"request")
    client.close_notify()
    request = server.read_to_end(), server.ended
    with meanwhile(lambda: server.send(BIG), server.fin):
        return request, digest(client.read_to_end()), client.ended


def backend_half_closes_first(client, server):
    server.send(BIG[:MB])
    server.fin()
    down = digest(client.read_to_end()), client.ended
    with meanwhile(lambda: client.send(BIG), client.close_notify):
        return down, digest(server.read_to_end()), server.ended


def send_what_is_taken(server):
    """More than anybody will read."""
    with contextlib.suppress(OSError):
        for _ in range(8):
            server.send(BIG)


def client_resets_in_the_middle(client, server):
    with meanwhile(lambda: send_what_is_taken(server)):
        client.read(MB)
        client.reset()
    server.read_to_end()
    return server.ended


def backend_resets_in_the_middle(client, server):
    server.send(BIG[:MB])
    client.read(MB)
    server.reset()
    return client.read_to_end(), client.ended


def client_asks_for_more_and_more(client, server):
    """Each answer ends with a small piece, which must not wait for the next."""
    sizes = [1, 100, 40000, 3, 70000, 16384, 16385, 150, 200000, 7]
    for size in sizes:
        client.send(b"?")
        assert server.read(1) == b"?"
        server.send(BIG[:size])
        assert client.read(size) == BIG[:size]
    client.close_notify()
    assert server.end() == "fin"
    server.fin()
    return client.end()


def pieces_of_any_size(client, server):
    chance = random.Random(5)
    cuts = sorted(chance.randrange(len(BIG)) for _ in range(200))

    def send():
        for start, end in zip([0, *cuts], [*cuts, len(BIG)]):
            server.send(BIG[start:end])
            if chance.random() < 0.2:
                time.sleep(0.002)

    with meanwhile(send, server.fin):
        return digest(client.read_to_end()), client.ended


def both_directions_at_once(client, server):
    with meanwhile(lambda: server.send(BIG), server.fin):
        with meanwhile(lambda: server.read(4 * MB)):
            exchanged = client.exchange(BIG[:4 * MB])
        return digest(exchanged + client.read_to_end()), client.ended


SITUATIONS = [slow_client, client_half_closes_first, backend_half_closes_first, client_resets_in_the_middle,
              backend_resets_in_the_middle, client_asks_for_more_and_more, pieces_of_any_size, both_directions_at_once]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda f: f.__name__)
def test_kernel_and_copy_agree(start_tunnel, tls, situation):
    seen = []
    for ktls in "off", "on":
        window = 8192 if situation is slow_client else None
        proxy, client, server = start_tunnel(tls, ktls=ktls, receive_buffer=window)
        outcome = situation(client, server)
        client.close()
        server.close()
        session = proxy.wait_for_session()
        assert session.ktls == ("tx" if ktls == "on" else None)
        assert not session.spliced or ktls == "on"
        bytes_out = None if "reset" in situation.__name__ else session.bytes_out
        seen.append((outcome, session.end, session.bytes_in, bytes_out, session.error))
        proxy.close()
    assert seen[0] == seen[1]


# ---- HTTP ----


def read_head(end):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += end.read(1)


@pytest.fixture
def start_http(start_proxy, backend):
    def start(context, ktls="on"):
        proxy = start_proxy(http_backend=backend.address, ktls=ktls)
        client = proxy.connect(context)
        client.send(b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n")
        server = backend.accept()
        read_head(server)
        return proxy, client, server

    return start


def test_responses_follow_each_other(start_http, tls):
    """A body of known length is spliced, and not a byte more: the next head is read and judged."""
    proxy, client, server = start_http(tls)
    for size in 300_000, 0, 5, 2_000_000, 70_000:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
        with meanwhile(lambda: server.send(head + BIG[:size])):
            read_head(client)
            assert client.read(size) == BIG[:size]
        client.send(b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n")
        read_head(server)
    client.close()
    session = proxy.wait_for_session()
    assert (session.requests, session.ktls, session.spliced) == (6, "tx", "out")
    assert proxy.find("bad_response") == []


@pytest.mark.parametrize("sent", [0, 100, 300_000])
def test_a_body_that_is_cut_short_is_no_clean_end(start_http, any_tls, sent):
    seen = []
    for ktls in "off", "on":
        proxy, client, server = start_http(any_tls, ktls)
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + BIG[:sent])
        server.fin()
        client.read_to_end()
        session = proxy.wait_for_session()
        seen.append((client.ended, session.end))
        proxy.close()
    assert seen == [("reset", "backend_truncated")] * 2


def test_a_ticket_comes_before_the_body(start_http, certificates):
    """TLS 1.3: the kernel sends the ticket, with the right type, and it is good for another session."""
    context = certificates.context("TLSv1.3")
    proxy, client, server = start_http(context)
    with meanwhile(lambda: server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + BIG[:1_000_000])):
        while not client.read(1_000) == BIG[999_000:1_000_000][:1000] and client.tickets == 0:
            pass
    assert client.tickets == 1
    again = proxy.connect(context, session=client.tls.session)
    assert again.tls.session_reused


# ---- keys ----


@pytest.fixture
def talk(start_program):
    """An openssl s_client that is typed to: "K" asks for new keys of both sides, "k" changes its own."""
    def start(proxy):
        return start_program("s_client", "openssl", "s_client", "-tls1_3", "-brief", "-connect",
                             f"127.0.0.1:{proxy.port()}", stdin=subprocess.PIPE)

    return start


def test_a_client_that_asks_for_new_keys_is_closed(start_proxy, echo, talk):
    """The kernel cannot change them; what was said before has arrived, and the end is a clean one."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address, ktls="on")
    client = talk(proxy)
    client.type("before\n")
    client.wait_for("before\n")
    client.type("K\n")
    session = proxy.wait_for_session()
    assert (session.end, session.ktls, session.bytes_out) == ("key_update", "tx", len("before\n"))
    assert client.process.wait(10) == 0
    assert "error" not in client.log.read_text().partition("KEYUPDATE")[2]


def test_a_client_that_changes_its_own_keys_goes_on(start_proxy, echo, talk):
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address, ktls="on")
    client = talk(proxy)
    for typed, answer in [("before\n", "before\n"), ("k\n", "KEYUPDATE\n"), ("after\n", "after\n")]:
        client.type(typed)
        client.wait_for(answer)


def test_keys_are_asked_for_in_the_middle_of_a_stream(start_proxy, backend, talk):
    """While bytes are spliced: the session ends at once, and no byte comes under keys that are no longer right."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, ktls="on")
    client = talk(proxy)
    server = backend.accept()
    with meanwhile(lambda: send_what_is_taken(server)):
        until(lambda: client.log.stat().st_size > MB, "a stream that flows")
        client.type("K\n")
        session = proxy.wait_for_session()
    assert (session.end, session.spliced) == ("key_update", "out")
    client.process.wait(10)
    assert b"bad record mac" not in client.log.read_bytes()


# ---- pipes ----


def test_a_session_owns_a_pipe_only_while_bytes_are_in_it(start_tunnel, any_tls):
    """And where it ends with bytes in it, nobody else gets that pipe."""
    proxy, client, server = start_tunnel(any_tls, receive_buffer=8192)
    before = pipes(proxy)
    sent = server.send_until_stuck(quiet=0.5)
    assert pipes(proxy) == before + 1
    while sent > 0:
        sent -= len(client.receive())
    assert pipes(proxy) == before + 1, "the pool keeps an empty one"
    server.send_until_stuck(quiet=0.5)
    client.reset()
    assert proxy.wait_for_session().spliced == "out"
    assert pipes(proxy) == before


def test_small_messages_are_not_spliced(start_tunnel, tls):
    """They cost less when they are copied; the kernel encrypts them all the same."""
    proxy, client, server = start_tunnel(tls)
    for _ in range(200):
        server.send(b"m" * 1500)
        client.read(1500)
    client.close()
    session = proxy.wait_for_session()
    assert (session.ktls, session.spliced) == ("tx", None)


def test_more_blocked_clients_than_pipes(start_proxy, backend, any_tls):
    """Some of them are copied for; all get every byte."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, ktls="on", descriptors=160)
    before = pipes(proxy)
    ends = [(proxy.connect(any_tls, receive_buffer=8192), backend.accept()) for _ in range(10)]
    with contextlib.ExitStack() as stack:
        for _, server in ends:
            stack.enter_context(meanwhile(lambda server=server: server.send(BIG[:4 * MB]), server.fin))
        until(lambda: pipes(proxy) == before + 160 // 32, "all pipes taken")
        for client, _ in ends:
            assert digest(client.read_to_end()) == digest(BIG[:4 * MB])


@pytest.mark.skipif(guest.name() == "qemu", reason="emulated, either may be the faster one")
def test_auto_is_off_where_the_kernel_is_slow(start_proxy, backend):
    """User Mode Linux knows no AES instructions: OpenSSL is several times as fast."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address, ktls="auto")
    proxy.wait_for_log(r"kernel TLS \(ktls = auto\) is off: it takes \d+\.\d times as long as OpenSSL here")
