"""A real Chromium, which is not told that there is a proxy, at a real Tomcat, which is not either."""

import pytest

from lib.browser import Browser


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
