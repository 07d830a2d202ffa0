"""What the backend is told of the client, and that a client cannot say it."""

import re
import socket

import pytest

from lib.ends import TlsClient
from lib.messages import ask, ok
from lib.recorder import Recorder

OURS = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded"]
LIES = ["X-Forwarded-For: 10.9.8.7", "x-forwarded-for: 10.9.8.7", "X_Forwarded_For: 10.9.8.7",
        "X-FORWARDED_FOR: 10.9.8.7", "X-Forwarded-Proto: lie", "X_FORWARDED-PROTO: lie", "X-Forwarded-Host: lie.test",
        "x_forwarded_host: lie.test", "X-Forwarded-Port: 99", "X-Forwarded-Server: lie.test", "X-Forwarded-Ssl: lie",
        "X-Forwarded-Prefix: /lie", "X-Real-IP: 10.9.8.7", "x_real_ip: 10.9.8.7", "Forwarded: for=10.9.8.7;proto=lie",
        "FORWARDED: for=10.9.8.7", "X-SSL-Client-Verify: SUCCESS", "X_SSL_Client_Subject: CN=lie"]


@pytest.fixture
def recorder(closing):
    return closing(Recorder())


@pytest.fixture
def seen(start_proxy, recorder, any_tls):
    """What a backend sees of a request with these fields, through a proxy with these keys."""
    def see(fields=(), **keys):
        see.proxy = start_proxy(http_backend=recorder.address, **keys)
        see.client = see.proxy.connect(any_tls)
        ask(see.client, "/", fields="".join(f"{field}\r\n" for field in fields), host=f"main.test:{see.proxy.port()}")
        return recorder.requests[-1]

    return see


def test_what_the_backend_is_told(seen):
    """Host with its port, and who asked, by which name, on which port, how."""
    request = seen()
    port = seen.proxy.port()
    assert request.get("Host") == request.get("X-Forwarded-Host") == f"main.test:{port}"
    assert request.get("X-Forwarded-For") == "127.0.0.1"
    assert request.get("X-Forwarded-Proto") == "https"
    assert request.get("X-Forwarded-Port") == str(port)
    parts = dict(part.split("=", 1) for part in request.get("Forwarded").split(";"))
    assert {name.lower(): value.strip('"') for name, value in parts.items()} == \
        {"for": "127.0.0.1", "host": f"main.test:{port}", "proto": "https"}


@pytest.mark.parametrize("lie", LIES)
def test_a_client_cannot_say_it_itself(seen, lie):
    """In no case and with no underscore (CGI and servlets take it for a hyphen)."""
    request = seen([lie, "X-Fine: stays"])
    text = request.raw.decode().lower()
    assert not re.search(r"10\.9\.8\.7|\blie\b|success|: 99\r", text)
    assert all(len(request.all(name)) == 1 for name in OURS)
    assert request.get("X-Fine") == "stays"
    assert request.get("X-Forwarded-For") == "127.0.0.1"


def test_all_lies_at_once(seen):
    request = seen(LIES)
    assert not re.search(r"10\.9\.8\.7|\blie\b|success", request.raw.decode().lower())


@pytest.mark.parametrize("nominated", [
    "X-Forwarded-For, Forwarded, X-Forwarded-Proto, X-Forwarded-Host", "close, X-Forwarded-For",
    "keep-alive,x-forwarded-for , Host",
])
def test_connection_takes_nothing_of_ours_away(seen, nominated):
    """What Connection names is dropped before ours is added, and is never passed on; Host is not its to take."""
    request = seen([f"Connection: {nominated}"])
    assert all(len(request.all(name)) == 1 for name in OURS + ["host"])
    assert "forwarded" not in (request.get("Connection") or "").lower()


def test_hop_by_hop_fields_end_here(seen):
    """Those of the standard, and those that Connection names."""
    request = seen(["Connection: keep-alive, X-Mine", "Connection: X-Also-Mine", "X-Mine: 1", "X-Also-Mine: 2",
                    "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: trailers", "X-Fine: 3"])
    assert not {"x-mine", "x-also-mine", "keep-alive", "proxy-connection", "te", "upgrade"} & request.names()
    assert request.get("X-Fine") == "3"
    assert not re.search("mine", request.get("Connection") or "", re.I)


def test_of_an_answer_as_well(start_proxy, closing, any_tls):
    fields = "Connection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nX-Fine: 3\r\n"
    backend = closing(Recorder(lambda _: ok(b"", fields)))
    response = ask(start_proxy(http_backend=backend.address).connect(any_tls))
    assert not {"x-mine", "keep-alive", "proxy-connection"} & response.names()
    assert response.get("X-Fine") == "3"


def test_off(seen):
    """Nothing is added; what the client said is still removed."""
    request = seen(LIES, forwarded="off")
    assert not set(OURS) & request.names()
    assert not re.search(r"10\.9\.8\.7|\blie\b", request.raw.decode().lower())


class TestAppend:
    """forwarded = append: those in trusted_proxies are believed."""

    FIELDS = ["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: http", "X-Forwarded-Host: cam.example.org",
              "X-Forwarded-Port: 80", "Forwarded: for=203.0.113.9;proto=http", "X-SSL-Client-Verify: SUCCESS"]

    @pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.0/8", "192.0.2.1 127.0.0.0/30"])
    def test_from_a_trusted_proxy(self, seen, trusted):
        request = seen(self.FIELDS, forwarded="append", trusted_proxies=trusted)
        assert request.get("X-Forwarded-For").replace(" ", "") == "203.0.113.9,127.0.0.1"
        assert request.get("X-Forwarded-Proto") == "http"
        assert request.get("X-Forwarded-Host") == "cam.example.org"
        assert request.get("Forwarded").startswith("for=203.0.113.9;proto=http,")
        assert "x-ssl-client-verify" not in request.names()

    @pytest.mark.parametrize("trusted", ["192.0.2.1", "128.0.0.0/8", "127.0.0.2"])
    def test_from_somebody_else(self, seen, trusted):
        request = seen(self.FIELDS, forwarded="append", trusted_proxies=trusted)
        assert request.get("X-Forwarded-For") == "127.0.0.1"
        assert request.get("X-Forwarded-Proto") == "https"
        assert "203.0.113.9" not in request.get("Forwarded")

    def test_replace_believes_nobody(self, seen):
        """The default."""
        request = seen(self.FIELDS, forwarded="replace")
        assert request.get("X-Forwarded-For") == "127.0.0.1"


def test_over_ipv6(start_proxy, recorder, any_tls):
    """RFC 7239, 6: with brackets and quotes in Forwarded, without in the others."""
    proxy = start_proxy(listen="[::1]:0", http_backend=recorder.address)
    client = TlsClient(socket.create_connection(("::1", proxy.port())), any_tls).handshake()
    ask(client)
    client.close()
    [request] = recorder.requests
    assert request.get("X-Forwarded-For") == "::1"
    assert 'for="[::1]"' in request.get("Forwarded")
