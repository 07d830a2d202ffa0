"""What OpenMeetings says of itself is put right: it believes in http://, its users are on https://."""

import re

import pytest

from lib.messages import ask, chunked, get, ok, read_request, read_response
from lib.recorder import Recorder

ALL_OFF = {"rewrite_location": "off", "secure_cookies": "off", "rewrite_jnlp": "off", "rewrite_origin": "off",
           "rewrite_csp": "off"}


@pytest.fixture
def passing(start_proxy, closing, any_tls):
    """A response as the client gets it: `fields` are the backend's, with {host} and {backend} filled in."""
    def through(fields="", body=b"", asked="", wire=None, **keys):
        def answer(request):
            filled = fields.format(host=request.get("Host"), backend=recorder.address)
            return wire(request) if wire else ok(body, filled)

        recorder = closing(Recorder(answer))
        proxy = start_proxy(http_backend=recorder.address, **keys)
        through.host = f"main.test:{proxy.port()}"
        through.backend = recorder.address
        response = ask(proxy.connect(any_tls), fields=asked.format(host=through.host), host=through.host)
        through.request = recorder.requests[0]
        return response

    return through


LOCATIONS = [
    ("http://{host}/a?b#c", "https://{host}/a?b#c"),
    ("http://{host}", "https://{host}"),
    ("HTTP://{host}/", "https://{host}/"),
    ("http://{backend}/a", "https://{host}/a"),
    ("https://{host}/a", None),
    ("/a/b", None),
    ("a/b", None),
    ("//{host}/a", None),
    ("http://other.test/", None),
    ("http://{host}.evil.test/", None),
    ("http://{host}@evil.test/", None),
    ("http://{host}evil/", None),
    ("http://main.test/", None),
    ("ftp://{host}/", None),
]


@pytest.mark.parametrize("field", ["Location", "Content-Location"])
@pytest.mark.parametrize("said, heard", LOCATIONS, ids=[said for said, _ in LOCATIONS])
def test_places(passing, field, said, heard):
    """Where the authority is the request's Host or the backend's own, http becomes https; all else stays."""
    response = passing(f"{field}: {said}\r\n")
    assert response.get(field) == (heard or said).format(host=passing.host, backend=passing.backend)


@pytest.mark.parametrize("said, heard", [
    ("0;url=http://{host}/a", "0;url=https://{host}/a"),
    ("5; URL=http://{host}/a", "5; URL=https://{host}/a"),
    ("0; url=http://other.test/", None),
    ("5", None),
])
def test_refresh(passing, said, heard):
    response = passing(f"Refresh: {said}\r\n")
    assert response.get("Refresh") == (heard or said).format(host=passing.host)


COOKIES = [
    ("JSESSIONID=1; Path=/; HttpOnly", True),
    ("a=b", True),
    ("a=\"secure; value\"", True),
    ("secure=1", True),
    ("a=b; Path=/secure", True),
    ("a=b; Secure", False),
    ("a=b; secure; Path=/", False),
    ("a=b;SECURE", False),
]


@pytest.mark.parametrize("cookie, gains", COOKIES, ids=[cookie for cookie, _ in COOKIES])
def test_cookies_gain_secure(passing, cookie, gains):
    """Those that have it stay as they are; each of several is looked at by itself."""
    response = passing(f"Set-Cookie: {cookie}\r\nSet-Cookie: other=1\r\n")
    assert response.all("Set-Cookie") == [cookie + ("; Secure" if gains else ""), "other=1; Secure"]


ORIGINS = [
    ("https://{host}", "http://{host}"),
    ("HTTPS://{host}", "http://{host}"),
    ("https://other.test", "https://other.test"),
    ("https://{host}.evil.test", "https://{host}.evil.test"),
    ("https://main.test", "https://main.test"),
    ("null", "null"),
]


@pytest.mark.parametrize("said, heard", ORIGINS, ids=[said for said, _ in ORIGINS])
def test_origin(passing, said, heard):
    """Our own origin becomes what the backend believes itself to be."""
    passing(asked=f"Origin: {said}\r\nReferer: {said}/page?a\r\n")
    assert passing.request.get("Origin").lower() == heard.format(host=passing.host)
    assert passing.request.get("Referer").lower() == heard.format(host=passing.host) + "/page?a"


@pytest.mark.parametrize("field", ["Origin", "Referer"])
@pytest.mark.parametrize("path", ["", "/page"])
@pytest.mark.parametrize("scheme", ["http", "HTTP", "hTtP"])
def test_a_plain_origin_never_passes_for_ours(passing, field, path, scheme):
    """http://<Host> would be the backend's own; a page from there is a stranger."""
    passing(asked=f"{field}: {scheme}://{{host}}{path if field == 'Referer' else ''}\r\n")
    assert not re.match(f"http://{re.escape(passing.host)}(/|$)", passing.request.get(field) or "", re.I)


def test_wicket_is_content(start_proxy, tomcat, any_tls):
    """Its rule lets our own pages through, and nobody else's."""
    proxy = start_proxy(http_backend=tomcat.address)
    client, host = proxy.connect(any_tls), f"main.test:{proxy.port()}"

    def status(*fields):
        return ask(client, "/wicket/form", "POST", "".join(f"{field}\r\n" for field in fields), b"x", host).status

    assert status(f"Origin: https://{host}") == 200
    assert status(f"Referer: https://{host}/openmeetings/?1") == 200
    assert status(f"Origin: https://{host}", "Referer: https://other.test/") == 200
    assert status() == 400
    assert status("Origin: null") == 400
    assert status("Origin: https://other.test") == 400
    assert status(f"Origin: http://{host}") == 400
    assert status(f"Referer: http://{host}/page") == 400
    assert status("Origin: https://main.test") == 400
    assert status("Origin: https://other.test", f"Referer: https://{host}/") == 400


def test_redirects_of_a_tomcat(start_proxy, tomcat, any_tls):
    """Absolute as those of Tomcat 6 and 7, and relative as those of today."""
    proxy = start_proxy(http_backend=tomcat.address)
    client, host = proxy.connect(any_tls), f"main.test:{proxy.port()}"

    def location(path, to):
        return ask(client, f"{path}?to={to}", host=host).get("Location")

    assert location("/redirect", "/next") == f"https://{host}/next"
    assert location("/redirect", "next") == f"https://{host}/next"
    assert location("/redirect", "http://other.test/") == "http://other.test/"
    assert location("/relative/redirect", "/next") == "/next"


@pytest.mark.parametrize("said, heard", [
    ("connect-src 'self' ws://{host};", "connect-src 'self' wss://{host};"),
    ("connect-src ws://{host}/a WS://{host} 'self'", "connect-src wss://{host}/a wss://{host} 'self'"),
    ("connect-src ws://other.test ws:;", None),
    ("connect-src ws://{host}.evil.test;", None),
    ("default-src 'self'", None),
])
@pytest.mark.parametrize("field", ["Content-Security-Policy", "Content-Security-Policy-Report-Only"])
def test_the_policy_of_a_page(passing, field, said, heard):
    """ws: of our Host becomes wss:, so that the page may open its own WebSocket."""
    response = passing(f"{field}: {said}\r\n")
    assert response.get(field).replace("WSS", "wss") == (heard or said).format(host=passing.host)


@pytest.mark.parametrize("keys, heard", [
    ({}, ["max-age=31536000; includeSubDomains; preload"]),
    ({"hsts": "pass"}, ["max-age=31536000; includeSubDomains; preload"]),
    ({"hsts": "strip"}, []),
    ({"hsts": "max-age=300"}, ["max-age=300"]),
])
def test_hsts(passing, keys, heard):
    response = passing("Strict-Transport-Security: max-age=31536000; includeSubDomains; preload\r\n", **keys)
    assert response.all("Strict-Transport-Security") == heard


def test_hsts_that_the_backend_does_not_know(passing):
    """A value is set on every answer."""
    assert passing(hsts="max-age=300").all("Strict-Transport-Security") == ["max-age=300"]


JNLP = b'<?xml version="1.0" encoding="utf-8"?>\n<jnlp spec="1.0+" codebase="http://%b/openmeetings/screen">\n' \
       b'<argument>http://%b/stays</argument><argument>rtmp://main.test:1935/x</argument></jnlp>\n'
JNLP_TYPE = "Content-Type: application/x-java-jnlp-file;charset=UTF-8\r\n"


def jnlp(host, scheme=b"http"):
    host = host.encode()
    return (JNLP % (host, host)).replace(b'"http', b'"' + scheme)


@pytest.mark.parametrize("framing", ["length", "chunked", "chunked in single bytes"])
def test_a_jnlp(passing, framing):
    """Java Web Start fetches the jars from the codebase: that becomes https, the arguments stay."""
    def wire(request):
        body = jnlp(request.get("Host"))
        if framing == "length":
            return ok(body, JNLP_TYPE)
        pieces = [bytes([byte]) for byte in body] if "single" in framing else [body[:50], body[50:]]
        return f"HTTP/1.1 200 OK\r\n{JNLP_TYPE}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked(*pieces)

    response = passing(wire=wire, asked="Accept-Encoding: gzip, br\r\n")
    assert response.body == jnlp(passing.host, b"https")
    assert response.get("Content-Length") == str(len(response.body))
    assert response.get("Transfer-Encoding") is None


def test_a_jnlp_that_ends_by_close(start_proxy, backend, any_tls):
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    client.send(get("/ScreenRequestHandler"))
    server = backend.accept()
    read_request(server)
    server.send(f"HTTP/1.1 200 OK\r\n{JNLP_TYPE}\r\n".encode() + jnlp("main.test"))
    server.fin()
    assert read_response(client).body == jnlp("main.test", b"https")


@pytest.mark.parametrize("target", ["/openmeetings/ScreenRequestHandler?a=b", "/openmeetings/public.jnlp"])
def test_where_a_jnlp_may_come(start_proxy, closing, any_tls, target):
    recorder = closing(Recorder())
    ask(start_proxy(http_backend=recorder.address).connect(any_tls), target, fields="Accept-Encoding: gzip, br\r\n")
    assert (recorder.requests[0].get("Accept-Encoding") or "identity") == "identity"


@pytest.mark.parametrize("size, rewritten", [(1 << 20, True), (5 << 20, False)])
def test_a_jnlp_of_a_megabyte(passing, size, rewritten):
    """What is larger passes as it is."""
    def pad(text):
        return text + b" " * (size - len(jnlp(passing.request_host)))

    def wire(request):
        passing.request_host = request.get("Host")
        return ok(pad(jnlp(request.get("Host"))), JNLP_TYPE)

    response = passing(wire=wire)
    assert response.body == pad(jnlp(passing.host, b"https" if rewritten else b"http"))


def test_what_is_no_jnlp_stays(passing):
    """The same words in a page."""
    assert passing("Content-Type: text/html\r\n", jnlp("main.test")).body == jnlp("main.test")


def test_a_jnlp_cut_short(start_proxy, backend, any_tls):
    """Half of it is not sent as a whole one."""
    proxy = start_proxy(http_backend=backend.address)
    client = proxy.connect(any_tls)
    client.send(get("/a.jnlp"))
    server = backend.accept()
    read_request(server)
    server.send(ok(jnlp("main.test"), JNLP_TYPE)[:-20])
    server.fin()
    assert b" 502 " in client.read_to_end() or client.ended == "reset"
    client.close()
    assert proxy.wait_for_session().end in ("backend_closed", "backend_truncated")


def test_keep_alive_behind_a_jnlp(start_proxy, tomcat, any_tls):
    """Tomcat's, several times on one connection."""
    proxy = start_proxy(http_backend=tomcat.address)
    client, host = proxy.connect(any_tls), f"main.test:{proxy.port()}"
    for _ in range(3):
        text = ask(client, "/ScreenRequestHandler?x", host=host).body.decode()
        assert f'codebase="https://{host}/openmeetings/screen"' in text
        assert "rtmp://main.test:1935/" in text


def test_a_head_for_a_jnlp(start_proxy, tomcat, any_tls):
    """HEAD has no body to wait for."""
    proxy = start_proxy(http_backend=tomcat.address)
    client = proxy.connect(any_tls)
    assert ask(client, "/ScreenRequestHandler", "HEAD").status == 200
    assert ask(client, "/login.html").status == 200


SAID = "Location: http://{host}/a\r\nSet-Cookie: a=b\r\nContent-Security-Policy: connect-src ws://{host}\r\n"


@pytest.mark.parametrize("keys", [ALL_OFF, {"backend_scheme": "https"}], ids=["all off", "backend_scheme = https"])
def test_nothing_is_rewritten(passing, keys):
    """Switched off one by one, or because the backend knows that it is reached by https."""
    response = passing(SAID, asked="Origin: https://{host}\r\nReferer: https://{host}/a\r\n", **keys)
    host = passing.host
    assert response.get("Location") == f"http://{host}/a"
    assert response.get("Set-Cookie") == "a=b"
    assert response.get("Content-Security-Policy") == f"connect-src ws://{host}"
    assert passing.request.get("Origin") == f"https://{host}"
    assert passing.request.get("Referer") == f"https://{host}/a"


@pytest.mark.parametrize("key, field", [("rewrite_location", "Location"), ("secure_cookies", "Set-Cookie"),
                                        ("rewrite_csp", "Content-Security-Policy")])
def test_each_has_its_switch(passing, key, field):
    """The others stay on."""
    response = passing(SAID, **{key: "off"})
    untouched = {name: response.get(name) == text.format(host=passing.host) for name, text in
                 [("Location", "http://{host}/a"), ("Set-Cookie", "a=b"),
                  ("Content-Security-Policy", "connect-src ws://{host}")]}
    assert untouched == {name: name == field for name in untouched}


class TestOverride:
    """override = PATH FILE: the config.xml that sends Flash to the new ports."""

    @pytest.fixture
    def client(self, start_proxy, closing, any_tls, tmp_path):
        (tmp_path / "config.xml").write_bytes(b"<config>ours</config>\n")
        (tmp_path / "big.xml").write_bytes(bytes(300000))
        self.recorder = closing(Recorder())
        proxy = start_proxy(http_backend=self.recorder.address,
                            override="/openmeetings/public/config.xml config.xml\n  /big.xml big.xml")
        return proxy.connect(any_tls)

    @pytest.mark.parametrize("target", ["/openmeetings/public/config.xml", "/openmeetings/public/config.xml?t=1"])
    def test_our_file(self, client, target):
        """With or without a query, which Flash adds against caches; the backend is not asked."""
        for _ in range(2):
            response = ask(client, target)
            assert (response.status, response.body) == (200, b"<config>ours</config>\n")
            assert "xml" in response.get("Content-Type")
        assert self.recorder.requests == []

    def test_head(self, client):
        response = ask(client, "/openmeetings/public/config.xml", "HEAD")
        assert response.get("Content-Length") == "22"
        assert ask(client, "/next").body == b"/next"

    def test_a_large_file(self, client):
        assert ask(client, "/big.xml").body == bytes(300000)
        assert ask(client, "/next").body == b"/next"

    @pytest.mark.parametrize("target", ["/openmeetings/public/config.xml/", "/openmeetings/public/", "/config.xml",
                                        "/x/openmeetings/public/config.xml", "/openmeetings/public/config.xmlx"])
    def test_exactly_one_path(self, client, target):
        assert ask(client, target).body == target.encode()

    def test_among_others(self, client):
        """Pipelined with requests of the backend's."""
        client.send(get("/1") + get("/openmeetings/public/config.xml") + get("/2"))
        assert [read_response(client).body for _ in range(3)] == [b"/1", b"<config>ours</config>\n", b"/2"]
