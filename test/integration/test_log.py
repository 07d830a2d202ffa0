"""The log: one line for every session, which needs no other line."""

import pytest


def test_a_session_is_one_line_with_everything_in_it(start_proxy, backend, any_tls):
    """Who, where to, what, how it was encrypted, how it ended, how long, how much."""
    proxy = start_proxy(listeners={"rtmps": {"rtmp_backend": backend.address}})
    client = proxy.connect(any_tls, sni="cam.screen.test")
    client_address = f"127.0.0.1:{client.port}"
    client.send(b"\x03" + bytes(999))
    server = backend.accept()
    server.read(1000)
    server.send(bytes(200))
    client.read(200)
    assert not proxy.sessions()
    client.close_notify()
    assert server.end() == "fin"
    server.close()
    client.read_to_end()
    session = proxy.wait_for_session()
    assert session._replace(number="", ms=0) == (
        "", "rtmps", client_address, backend.address, "rtmp", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "cam.screen.test",
        "screen", "client_closed", 0, 1000, 200, None, None, None, None, None)


def test_unknown_values_are_dashes(tunnel):
    """Nothing is known of a client that left before the handshake."""
    tunnel.connect_plain().close()
    session = tunnel.wait_for_session()
    assert (session.backend, session.protocol, session.tls, session.cipher, session.sni, session.certificate,
            session.bytes_in, session.bytes_out, session.error) == ("-", "-", "-", "-", "-", "-", 0, 0, None)


def test_session_numbers_are_never_used_twice(start_proxy, backend, any_tls):
    """Over all workers."""
    proxy = start_proxy(proxy={"workers": 2}, rtmp_backend=backend.address)
    for _ in range(20):
        proxy.connect(any_tls).close()
    numbers = [session.number for session in proxy.wait_for_sessions(20)]
    assert len(set(numbers)) == 20


@pytest.mark.parametrize("name", [
    "a b", 'a"b', "a\nsession 1 forged", "a\tb", "end=client_closed", "caf\xe9", "\x1b[31m", "x" * 255], ids=ascii)
def test_a_name_from_the_network_cannot_forge_a_line(start_proxy, name, run_program):
    """An SNI may hold any bytes; in the log it is one word."""
    proxy = start_proxy(rtmp_backend="127.0.0.1:1")
    run_program("s_client", "openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-servername", name)
    session = proxy.wait_for_session()
    assert session.sni.isprintable() and session.sni.isascii()
    assert session.end == "no_request"


def test_every_listener_says_where_it_listens(start_proxy, backend):
    """All addresses of `listen`, with the port that the kernel chose."""
    proxy = start_proxy(listen="127.0.0.1:0 127.0.0.2:0", rtmp_backend=backend.address)
    assert len(proxy.find(r"listening on 127\.0\.0\.[12]:[1-9]\d* for \[listener front\]")) == 2
