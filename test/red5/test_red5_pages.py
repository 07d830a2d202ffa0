"""Red5's own Tomcat behind the proxy: pages, an upload, a redirect, a session, a WebSocket, RTMPT by hand."""

import hashlib
import os
import re
import ssl

import pytest
import websocket

from lib.browser import HOST, Browser
from lib.messages import ask

MIB = 1 << 20
FCS = "Content-Type: application/x-fcs\r\n"
C0_C1 = b"\3" + bytes(8) + bytes(1528)


@pytest.fixture
def client(proxy, any_tls):
    return proxy.connect(any_tls, listener="https")


def test_red5_believes_itself_to_be_where_the_client_asked(proxy, client):
    """The address as the client has it, but for the scheme; who the client is."""
    host = f"main.test:{proxy.port('https')}"
    said = ask(client, "/live/pages/request", host=host).body.decode()
    assert said.startswith(f"http://{host}/live/pages/request\n")
    assert "\nx-forwarded-for: 127.0.0.1\n" in said and "\nx-forwarded-proto: https\n" in said


def test_a_redirect_leads_back_to_the_proxy(proxy, client):
    """Red5 says http://; the cookie that comes with it is Secure, and holds a session."""
    host = f"main.test:{proxy.port('https')}"
    first = ask(client, "/live/pages/visit", host=host)
    name, attributes = first.get("Set-Cookie").split(";", 1)
    assert name.startswith("JSESSIONID=") and re.search(r";\s*Secure\b", ";" + attributes)
    response = ask(client, "/live/pages/redirect", host=host, fields=f"Cookie: {name}\r\n")
    assert (response.status, response.get("Location")) == (302, f"https://{host}/live/pages/visit")
    assert ask(client, "/live/pages/visit", host=host, fields=f"Cookie: {name}\r\n").body == b"2\n"


@pytest.mark.parametrize("size", [0, 1, 8 * MIB])
def test_an_upload_arrives_whole(client, size):
    """Its length is announced to Red5, too."""
    data = os.urandom(size)
    response = ask(client, "/live/pages/upload", "POST", "Content-Type: application/octet-stream\r\n", data)
    assert response.body.decode() == f"{size} {hashlib.sha256(data).hexdigest()}\n"


def test_a_page_and_its_websocket_in_a_browser(red5, proxy, certificates, tmp_path, closing):
    """The page comes over https, so its WebSocket is wss; nothing is complained of."""
    browser = closing(Browser(tmp_path, certificates.root))
    browser.open(proxy.port("https"), "/live/index.html")
    browser.wait_for_text("[hello]")
    browser.script("socket.send('still here')")
    browser.wait_for_text("[still here]")
    assert "[closed]" not in browser.text() and browser.driver.current_url.startswith(f"https://{HOST}:")
    assert [line for line in browser.complaints() if "favicon" not in line] == []


@pytest.mark.parametrize("listener", ["https", "rtmps"])
def test_a_websocket(proxy, certificates, listener):
    """Texts of every length class that Red5 sends back. (Red5 1.1 wants to know the user agent.)"""
    socket = websocket.create_connection(f"wss://localhost:{proxy.port(listener)}/live/", timeout=15,
                                         header=["User-Agent: test"],
                                         sslopt={"ca_certs": str(certificates.root), "cert_reqs": ssl.CERT_REQUIRED})
    for size in (1, 125, 126, 4096):
        socket.send(text := "x" * size)
        assert socket.recv() == text
    socket.close()


def test_rtmpt_by_hand(red5, proxy, client):
    """open, the handshake in two sends, idle, close; what Flash asks first is not there, and that is all right."""
    assert ask(client, "/fcs/ident2", "POST", FCS, b"\0").status == 404
    opened = ask(client, "/open/1", "POST", FCS, b"\0")
    number = opened.body.decode().rstrip("\n")
    assert opened.status == 200 and opened.get("Content-Type").startswith("application/x-fcs")

    handshake = ask(client, f"/send/{number}/1", "POST", FCS, C0_C1).body
    places = iter(range(2, 20))
    while len(handshake) < 1 + 1 + 2 * 1536:  # a delay, S0, S1, S2
        handshake += ask(client, f"/idle/{number}/{next(places)}", "POST", FCS, b"\0").body[1:]
    assert handshake[1:2] == b"\3"
    assert ask(client, f"/close/{number}/{next(places)}", "POST", FCS, b"\0").status == 200


def test_rtmpt_of_a_session_that_is_not_there(client):
    """Red5 says 400 or 200 with a status in RTMP; the connection goes on."""
    assert ask(client, "/idle/NOSUCHSESSION/1", "POST", FCS, b"\0").status in (200, 400)
    assert ask(client, "/open/1", "POST", FCS, b"\0").status == 200
