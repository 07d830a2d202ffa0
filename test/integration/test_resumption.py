"""Resumed sessions: where a ticket is good, where not, and what it costs."""

import os
import re
import signal
import ssl
import subprocess

import pytest

from lib import guest


def ticket(proxy, backend, context, **keywords):
    """A client's session with the ticket that it got; TLS 1.3 sends one to HTTP clients alone."""
    client = proxy.connect(context, **keywords)
    client.send(b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n")
    server = backend.accept()
    server.read(1)
    server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    assert client.read(8) == b"HTTP/1.1"
    session = client.tls.session
    client.close()
    assert session.has_ticket
    return session


def is_resumed(proxy, context, session, **keywords):
    client = proxy.connect(context, session=session, **keywords)
    client.close()
    return client.tls.session_reused


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def context(request, certificates):
    return certificates.context(request.param)


def reload(proxy):
    done = len(proxy.find("reload done"))
    proxy.signal(signal.SIGHUP)
    proxy.wait_for_log("reload done", count=done + 1)


def test_after_a_reload_in_all_workers(start_proxy, backend, context):
    proxy = start_proxy(proxy={"workers": 3}, http_backend=backend.address)
    session = ticket(proxy, backend, context)
    reload(proxy)
    assert all(is_resumed(proxy, context, session) for _ in range(12))


def test_not_after_a_restart(start_proxy, backend, context):
    """Own keys are nowhere but in memory."""
    proxy = start_proxy(http_backend=backend.address)
    session = ticket(proxy, backend, context)
    proxy.close()
    assert not is_resumed(start_proxy(http_backend=backend.address), context, session)


def test_with_the_same_keys_on_two_machines_and_with_the_next_ones(start_proxy, backend, context, tmp_path):
    """As an administrator would: a new key in front, the old one behind; first here, then there."""
    keys = tmp_path / "ticket.keys"
    old, new = os.urandom(80), os.urandom(80)
    keys.write_bytes(old)
    keys.chmod(0o600)
    proxy = start_proxy(proxy={"ticket_keys": keys, "workers": 2}, http_backend=backend.address)
    first = ticket(proxy, backend, context)
    keys.write_bytes(new + old)
    reload(proxy)
    assert is_resumed(proxy, context, first)
    second = ticket(proxy, backend, context)
    proxy.close()
    proxy = start_proxy(proxy={"ticket_keys": keys}, http_backend=backend.address)  # the other machine
    assert is_resumed(proxy, context, first) and is_resumed(proxy, context, second)
    keys.write_bytes(new)
    reload(proxy)
    assert not is_resumed(proxy, context, first)
    assert is_resumed(proxy, context, second)


@pytest.mark.parametrize("content, mode, complaint", [
    (os.urandom(79), 0o600, "has 79 bytes"), (bytes(80), 0o600, "key 1 of .* is zeros"),
    (os.urandom(80), 0o644, "can be read by everybody"), (b"", 0o600, "has 0 bytes")],
    ids=["too short", "zeros", "readable", "empty"])
def test_bad_keys_stop_the_start(start_proxy, backend, tmp_path, content, mode, complaint):
    keys = tmp_path / "ticket.keys"
    keys.write_bytes(content)
    keys.chmod(mode)
    with pytest.raises(AssertionError):
        start_proxy(proxy={"ticket_keys": keys}, http_backend=backend.address)
    assert re.search(rf"proxy\.ini:\d+: \[proxy\] ticket_keys: .*{complaint}", (tmp_path / "proxy.log").read_text())


def test_not_for_another_name(start_proxy, backend, context):
    proxy = start_proxy(http_backend=backend.address)
    session = ticket(proxy, backend, context, sni="cam.main.test")
    assert is_resumed(proxy, context, session, sni="cam.main.test")
    assert is_resumed(proxy, context, session, sni="CAM.Main.Test")
    client = proxy.connect(context, session=session, sni="screen.test")
    assert not client.tls.session_reused and "screen.test" in client.certificate_names()
    assert not is_resumed(proxy, context, session)


def test_a_ticket_does_not_help_who_asks_for_an_unknown_name(start_proxy, backend, context):
    proxy = start_proxy(http_backend=backend.address, unknown_sni="reject")
    session = ticket(proxy, backend, context, sni="main.test")
    client = proxy.connect_silently(context, session=session, sni="unknown.test")
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        client.handshake()
    assert proxy.wait_for_session_of(client).error.startswith("no certificate has the name that the client asked for")
    assert is_resumed(proxy, context, session, sni="main.test")


def test_not_on_another_listener(start_proxy, backend, context):
    proxy = start_proxy(listeners={name: {"http_backend": backend.address} for name in ("one", "two")})
    session = ticket(proxy, backend, context, listener="one")
    assert is_resumed(proxy, context, session, listener="one")
    assert not is_resumed(proxy, context, session, listener="two")


def test_not_under_another_policy(start_proxy, backend, certificates):
    """The policy changes in a reload, and with it what old tickets are good for."""
    context = certificates.context("TLSv1.3")
    proxy = start_proxy(http_backend=backend.address)
    session = ticket(proxy, backend, context)
    proxy.ini.write_text(proxy.ini.read_text().replace("http_backend", "tls = modern\nhttp_backend"))
    reload(proxy)
    assert not is_resumed(proxy, context, session)


def handshakes(proxy, seconds, *options):
    """How many `openssl s_time` made; it does nothing else."""
    done = subprocess.run(["openssl", "s_time", "-connect", f"127.0.0.1:{proxy.port()}", "-time", str(seconds),
                           *options], capture_output=True, text=True, timeout=60)
    return int(re.findall(r"^(\d+) connections in \d+ real seconds", done.stdout, re.M)[0])


@pytest.mark.long
def test_memory_is_bounded(start_proxy, echo):
    """Nothing is remembered of a session: the ticket is with the client."""
    proxy = start_proxy(build="plain", rtmp_backend=echo.address)
    handshakes(proxy, 2, "-reuse", "-tls1_2")
    memory = proxy.memory()
    count = handshakes(proxy, 5, "-new", "-tls1_2")
    while count < 20000:
        count += handshakes(proxy, 5, "-reuse", "-tls1_2")
    assert proxy.memory() - memory < 1 << 20


@pytest.mark.long
@pytest.mark.skipif(guest.is_here(), reason="system calls of a guest cost more than what is compared")
def test_a_resumed_handshake_is_cheaper(start_proxy, echo):
    proxy = start_proxy(build="plain", rtmp_backend=echo.address)
    costs = {}
    for kind in ("-new", "-reuse"):
        before = proxy.cpu_seconds()
        made = handshakes(proxy, 4, kind, "-tls1_2")
        costs[kind] = (proxy.cpu_seconds() - before) / made
    assert costs["-reuse"] < costs["-new"] / 2, costs
