"""A real Chromium, which is not told that there is a proxy, at a real Tomcat, which is not either."""

import hashlib
import os

import pytest

from lib.browser import HOST, Browser


@pytest.fixture
def browser(tmp_path, certificates, closing):
    return closing(Browser(tmp_path, certificates.root))


@pytest.mark.long
def test_a_page_with_all_its_parts_and_a_websocket(start_proxy, tomcat, browser):
    """Style sheet, picture, script; the certificate is trusted because of its CA, and nothing is complained of."""
    proxy = start_proxy(http_backend=tomcat.address)
    browser.open(proxy.port(), "/page.html")
    browser.wait_for_text("[hello]")
    assert browser.script("return document.getElementById('picture').naturalWidth") == 7
    assert browser.script("return getComputedStyle(document.getElementById('said')).color") == "rgb(1, 2, 3)"
    browser.script("socket.send('still here')")
    browser.wait_for_text("[still here]")
    assert browser.complaints() == []
@pytest.mark.long
def test_a_page_that_says_where_it_may_connect_to(start_proxy, tomcat, browser):
    """Tomcat's policy names ws:// and its own http origin; the browser on https obeys, and the page works."""
    proxy = start_proxy(http_backend=tomcat.address)
    browser.open(proxy.port(), "/policy")
    browser.wait_for_text("[hello]")
    assert browser.complaints() == []


@pytest.mark.long
def test_somebody_logs_in_uploads_a_file_and_keeps_a_websocket_open(start_proxy, tomcat, browser, tmp_path):
    """What a user of OpenMeetings does; nothing of it is mixed content, and the cookie is Secure."""
    (tmp_path / "slides.bin").write_bytes(slides := os.urandom(3 << 20))
    proxy = start_proxy(http_backend=tomcat.address)

    browser.open(proxy.port(), "/private/room.html")
    browser.wait_for_title("login")
    browser.type("name", "moderator")
    browser.type("password", "secret")
    browser.click("enter")  # Tomcat redirects to http://
    browser.wait_for_title("room")
    assert browser.driver.current_url == f"https://{HOST}:{proxy.port()}/private/room.html"
    browser.wait_for_text("[hello]")
    assert browser.script("return document.getElementById('picture').naturalWidth") == 7
    [cookie] = browser.driver.get_cookies()
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == ("JSESSIONID", True, True)

    browser.script("socket.send('still here')")
    browser.wait_for_text("[still here]")
    assert "[closed]" not in browser.text()
    browser.type("file", tmp_path / "slides.bin")
    browser.click("send")  # Wicket's rule holds there
    browser.wait_for_text(f"file {len(slides)} {hashlib.sha256(slides).hexdigest()}")
    assert browser.complaints() == []
    browser.close()
    proxy.wait_for_idle_descriptors()
