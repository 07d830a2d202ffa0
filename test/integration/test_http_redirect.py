"""Plain HTTP where HTTPS is spoken: the old links in mails lead on."""

import re

import pytest

from lib.messages import get, read_response
from lib.recorder import Recorder
from lib.waiting import Stopwatch


@pytest.fixture
def proxy(start_proxy, backend):
    return start_proxy(http_backend=backend.address, header_timeout="1s", max_header_bytes="1k")


@pytest.mark.parametrize("method, status", [("GET", 301), ("HEAD", 301), ("POST", 308), ("PUT", 308), ("OPTIONS", 308)])
def test_plain_http_on_a_tls_port(proxy, backend, method, status):
    """The same place with https, also for what must not become a GET; the backend is not bothered."""
    client = proxy.connect_plain()
    client.send(f"{method} /openmeetings/?a=b&c HTTP/1.1\r\nHost: cam.main.test:5443\r\n\r\n".encode())
    response = read_response(client, method)
    assert (response.status, response.get("Location")) == (status, "https://cam.main.test:5443/openmeetings/?a=b&c")
    assert response.wants_close
    assert client.end() == "fin"
    client.close()
    assert not backend.was_dialled()
    assert proxy.wait_for_session().end == "plain_http"


def test_an_upload_on_a_tls_port(proxy):
    """The answer is not destroyed by the body that still comes."""
    client = proxy.connect_plain()
    try:
        client.send(b"POST / HTTP/1.1\r\nHost: main.test\r\nContent-Length: 4000000\r\n\r\n" + bytes(4000000))
    except OSError:
        pass
    assert read_response(client).status == 308


BAD = {
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "no Host in 1.0": b"GET / HTTP/1.0\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: main.test\r\nHost: evil.test\r\n\r\n",
    "a Host that is none": get("/", host="main.test/evil"),
    "a Host with a user": get("/", host="user@main.test"),
    "a Host with a quote": get("/", host='main.test"><script>'),
    "an empty Host": get("/", host=""),
    "another authority": get("http://evil.test/"),
    "HTTP/0.9": b"GET /\r\n\r\n",
    "a split": b"GET /\rX HTTP/1.1\r\nHost: main.test\r\n\r\n",
    "nonsense": b"NONSENSE\r\n\r\n",
    "too long": get("/" + "a" * 2000),
}


@pytest.mark.parametrize("wire", BAD.values(), ids=BAD)
def test_what_leads_nowhere(proxy, wire):
    """Nothing of such a request is repeated in an answer."""
    client = proxy.connect_plain()
    client.send(wire)
    response = read_response(client)
    assert response.status in (400, 431, 501, 505) and response.get("Location") is None
    assert b"evil" not in response.raw and b"script" not in response.raw
    assert client.end() == "fin"
    client.close()
    assert proxy.wait_for_session().end == "plain_http"


def test_plain_http_cut_at_every_byte(proxy):
    client = proxy.connect_plain()
    for byte in get("/page"):
        client.send(bytes([byte]))
    assert read_response(client).get("Location") == "https://main.test/page"


def test_plain_http_that_takes_too_long(proxy):
    """header_timeout holds there too."""
    client = proxy.connect_plain()
    with Stopwatch() as watch:
        client.send(b"GET / HT")
        client.read_to_end()
    assert 0.9 < watch.seconds < 3
    client.close()
    proxy.wait_for_session()


def test_a_browser_is_led_to_the_page(start_proxy, closing, certificates, run_program):
    """From http:// to https:// on the same port."""
    proxy = start_proxy(http_backend=closing(Recorder()).address)
    text = run_program("curl", "curl", "--silent", "--location", "--cacert", certificates.root,
                       f"http://localhost:{proxy.port()}/page")
    assert text == "/page"


class TestListener:
    """A listener with redirect = https://..., without certificates and backends."""

    @pytest.fixture
    def proxy(self, start_proxy, backend):
        return start_proxy(listeners={"https": {"http_backend": backend.address},
                                      "plain": {"certificates": None, "redirect": "https://cam.main.test:5443"}})

    @pytest.mark.parametrize("method, status", [("GET", 301), ("HEAD", 301), ("POST", 308)])
    def test_it_sends_everybody_on(self, proxy, method, status):
        """To the place that proxy.ini names, whatever the Host."""
        client = proxy.connect_plain("plain")
        client.send(f"{method} /a?b HTTP/1.1\r\nHost: other.test\r\n\r\n".encode())
        response = read_response(client, method)
        assert (response.status, response.get("Location")) == (status, "https://cam.main.test:5443/a?b")

    @pytest.mark.parametrize("wire", [b"\x16\x03\x01\x00\xff" + bytes(255), b"\x03" + bytes(1536), b"NO\r\n\r\n"],
                             ids=["TLS", "RTMP", "nonsense"])
    def test_nothing_else_is_spoken(self, proxy, wire):
        client = proxy.connect_plain("plain")
        client.send(wire)
        assert not re.match(rb"HTTP/1\.1 [23]", client.read_to_end())
        client.close()
        proxy.wait_for_session()
