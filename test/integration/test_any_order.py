"""Both ends do anything, in any order: every session still ends, once, for a known reason, and leaves nothing."""

import contextlib
import random
import ssl

import pytest

from lib.beside import Stream

SESSIONS = 60

CLIENT = {
    "send": lambda client: client.send(b"x" * 5000),
    "send a lot": lambda client: client.send_until_stuck(quiet=0),
    "close_notify": lambda client: client.close_notify(),
    "fin": lambda client: client.fin(),
    "garbage": lambda client: client.sock.sendall(b"\x17\x03\x03\x00\x20" + bytes(32)),
    "half a record": lambda client: client.sock.sendall(client.encode(b"x" * 5000)[:2000]),
    "reset": lambda client: client.reset(),
    "close": lambda client: client.close(),
}
BACKEND = {name: CLIENT[name] for name in ("send", "send a lot", "fin", "reset", "close")}


def act(end, action):
    if end.sock.fileno() < 0:
        return
    end.sock.settimeout(0.05)
    with contextlib.suppress(OSError, ssl.SSLError):  # it is stuck, or has ended in one way or another
        action(end)


def events_in_any_order(proxy, backend, context, seed):
    """Three things happen at each end, none of them in a fixed order."""
    chance = random.Random(seed)
    for _ in range(SESSIONS):
        client, server = proxy.connect(context), backend.accept()
        events = [(client, CLIENT[name]) for name in chance.choices(list(CLIENT), k=3)]
        events += [(server, BACKEND[name]) for name in chance.choices(list(BACKEND), k=3)]
        for event in chance.sample(events, len(events)):
            act(*event)
        client.close()
        server.close()
    proxy.wait_for_sessions(SESSIONS)


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_events(start_proxy, backend, any_tls, seed):
    proxy = start_proxy(proxy={"workers": 2}, protocols="tunnel", tunnel_backend=backend.address)
    events_in_any_order(proxy, backend, any_tls, seed)
    proxy.wait_for_idle_descriptors()


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_events_beside_a_stream(start_proxy, backend, any_tls, seed):
    """Whatever new sessions do waits for its turn then; nothing of it is forgotten."""
    proxy = start_proxy(proxy={"workers": 1}, protocols="tunnel", tunnel_backend=backend.address)
    client, server = proxy.connect(any_tls), backend.accept()
    with contextlib.closing(Stream(client, server)) as stream:
        stream.wait(7)
        events_in_any_order(proxy, backend, any_tls, seed)
        stream.wait(2)
    client.close()
    server.close()
    proxy.wait_for_idle_descriptors()


@pytest.mark.parametrize("seed", range(4))
def test_any_fault_in_the_hello(start_proxy, backend, any_tls, seed):
    """Some bytes of a ClientHello are others; it may even work."""
    chance = random.Random(seed)
    proxy = start_proxy(rtmp_backend=backend.address)
    for _ in range(SESSIONS):
        client = proxy.connect_silently(any_tls, sni="cam.screen.test")
        hello = bytearray(client.hello())
        for place in chance.sample(range(len(hello)), chance.randint(1, 4)):
            hello[place] = chance.randrange(256)
        client.sock.sendall(hello)
        client.fin()
        while client.sock.recv(65536):
            pass
        client.close()
    proxy.wait_for_sessions(SESSIONS)
    proxy.wait_for_idle_descriptors()
