"""`red5-tls-proxy doctor` on what OpenMeetings itself says: redirects, cookies, config.xml, red5.properties."""

import signal

import pytest

from lib import messages
from lib.backends import ThreadedStandIn
from lib.doctor import examine
from lib.openmeetings import NEW_KEYS, OLD_KEYS, config_xml, red5_properties

# Keys of the listener; what is said of the redirect from /openmeetings, and of the session's cookie.
REWRITES = {
    "all": ({}, "ok", "ok"),
    "no Location": ({"rewrite_location": "off"}, "fault", "ok"),
    "no cookies": ({"secure_cookies": "off"}, "ok", "fault"),
    "a server that knows of TLS, but does not": ({"backend_scheme": "https"}, "fault", "fault"),
}


@pytest.mark.parametrize("keys, redirect, cookie", REWRITES.values(), ids=REWRITES)
def test_redirects_and_cookies_of_a_tomcat_come_back_safe(usual_proxy, tomcat, keys, redirect, cookie):
    """It redirects /openmeetings to http://, and knows of no TLS."""
    proxy = usual_proxy(https={"http_backend": tomcat.address, **keys})
    port, subject = proxy.port("https"), "[listener https]"
    report = examine(proxy.ini)
    assert report.one("redirect", subject) == {
        "ok": ("ok", f"/openmeetings leads to https://main.test:{port}/openmeetings/"),
        "fault": ("fault", f"/openmeetings leads clients back to plain HTTP: http://main.test:{port}/openmeetings/"),
    }[redirect]
    assert report.one("cookie", subject) == {
        "ok": ("ok", "the cookie JSESSIONID is Secure"),
        "fault": ("fault", "the cookie JSESSIONID is not Secure, and browsers send it over plain HTTP as well"),
    }[cookie]


class Redirects(ThreadedStandIn):
    """A stand-in for a server that knows itself by another name."""

    def serve(self, peer):
        path = messages.read_request(peer).target
        peer.send(messages.ok(fields=f"Location: http://inside.example:5080{path}/\r\nConnection: close\r\n",
                              status="302 Found"))


def test_a_redirect_to_another_place_is_a_warning(usual_proxy, closing):
    """It may be meant, or not."""
    report = examine(usual_proxy(https={"http_backend": closing(Redirects()).address}).ini)
    assert ("warning", "/openmeetings leads to http://inside.example:5080/openmeetings/, plain HTTP at another place"
            ) in report.of("redirect", "[listener https]")


# -- config.xml

NEW, OLD = "/openmeetings/public/config.xml", "/openmeetings/config.xml"


@pytest.fixture
def put_config(nginx):
    """Puts one where OpenMeetings has it, with these values for its own."""

    def put(path, keys, **values):
        file = nginx.root / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(config_xml([(key, values.get(key, value)) for key, value in keys]))

    return put


def right(proxy):
    return {"useSSL": "yes", "rtmpsslport": str(proxy.port("rtmps")), "proxyType": "best", "protocol": "https",
            "red5httpport": str(proxy.port("https"))}


@pytest.mark.parametrize("path, keys", [(OLD, OLD_KEYS), (NEW, NEW_KEYS)], ids=["up to 2.2", "from 3.0 on"])
def test_a_config_xml_that_agrees(usual_proxy, put_config, path, keys):
    """With one more of each element in a comment."""
    proxy = usual_proxy()
    values = right(proxy)
    put_config(path, keys, **values)
    said = examine(proxy.ini).of("config-xml", path)
    assert [severity for severity, _ in said] == ["ok"] * 5
    assert {message.split(",")[0] for _, message in said} == {f"says {key} = {value}" for key, value in values.items()}


# What is wrong with it, and what is said of that.
WRONG = {
    "useSSL": ("no", "fault", "says useSSL = no instead of yes: Flash would connect without TLS"),
    "protocol": ("http", "fault", "says protocol = http instead of https: uploads and downloads would go without TLS"),
    "rtmpsslport": ("443", "warning", "says rtmpsslport = 443, which is no listener's port; that is right only where"),
    "proxyType": ("none", "fault", "but [listener rtmps] does not offer http"),
    "red5httpport": ("{backend}", "fault", "says red5httpport = {backend}, which is the plain port behind the proxy"),
}


@pytest.mark.parametrize("key", WRONG)
def test_a_config_xml_that_does_not_agree(usual_proxy, put_config, nginx, key):
    """Each value, and what to do."""
    value, severity, sentence = (text.replace("{backend}", nginx.http_address.rpartition(":")[2]) for text in WRONG[key])
    proxy = usual_proxy(rtmps={"http_backend": None})
    put_config(NEW, NEW_KEYS, **{**right(proxy), key: value})
    report = examine(proxy.ini)
    wrong, = [check for check in report.checks if check["name"] == "config-xml" and check["severity"] != "ok"]
    assert wrong["severity"] == severity and sentence in wrong["message"]
    assert "scripts/openmeetings enable DIR" in wrong["advice"]


def test_a_config_xml_as_it_comes_is_wrong_in_most(usual_proxy, put_config):
    put_config(OLD, OLD_KEYS)
    report = examine(usual_proxy().ini)
    assert len([s for s, _ in report.of("config-xml") if s != "ok"]) == 4


def test_a_config_xml_without_a_key_is_told(usual_proxy, put_config):
    put_config(NEW, [("rtmpport", "1935")])
    report = examine(usual_proxy().ini)
    assert [m for s, m in report.of("config-xml") if s == "fault"] == [
        "has no useSSL, and should say yes: Flash would connect without TLS", "has no rtmpsslport",
        "has no protocol, and should say https: uploads and downloads would go without TLS", "has no red5httpport"]


def test_an_override_is_what_counts(usual_proxy, put_config, tmp_path):
    """Flash is served that one."""
    put_config(NEW, NEW_KEYS)
    file = tmp_path / "override.xml"
    file.touch()
    proxy = usual_proxy(rtmps={"override": f"{NEW} {file}"})
    file.write_text(config_xml([*right(proxy).items()]))
    proxy.signal(signal.SIGHUP)
    proxy.wait_for_log("reload done")
    assert examine(proxy.ini).severities("config-xml", NEW) == {"ok"}


def test_no_config_xml_is_as_it_should_be(usual_proxy):
    severity, message = examine(usual_proxy().ini).one("config-xml")
    assert severity == "ok" and message.startswith("serves no config.xml")


def test_a_page_is_no_config_xml(usual_proxy, nginx):
    """Some servers answer everything with a page."""
    (nginx.root / "openmeetings/public").mkdir(parents=True)
    nginx.put_page("openmeetings/public/config.xml", "<html>configuration: <useSSL>no</useSSL></html>")
    assert examine(usual_proxy().ini).of("config-xml", NEW) == [("warning", "is no config.xml of OpenMeetings")]


# -- red5.properties

@pytest.fixture
def properties(tmp_path):
    """Writes one as OpenMeetings 4.0 has it, with these lines changed; its folder."""

    def write(**changes):
        text = red5_properties("4.0.11")
        for line, new in changes.items():
            key = line.replace("_", ".")
            text = "\n".join(f"{key}={new}" if old.startswith(f"{key}=") else old for old in text.split("\n"))
        (tmp_path / "red5/conf").mkdir(parents=True)
        (tmp_path / "red5/conf/red5.properties").write_text(text)
        return tmp_path / "red5"

    return write


def port_of(address):
    return address.rpartition(":")[2]


def test_red5_properties_that_agree(usual_proxy, nginx, properties):
    proxy = usual_proxy()
    directory = properties(rtmp_host="127.0.0.1", http_host="::1", rtmp_port=port_of(nginx.rtmp_address),
                           http_port=port_of(nginx.http_address), rtmps_port=proxy.port("rtmps"))
    said = examine(proxy.ini, directory).of("red5-properties")
    assert [severity for severity, _ in said] == ["ok"] * 5


def test_red5_properties_that_do_not_agree(usual_proxy, nginx, properties):
    """Open to all, and on other ports than proxy.ini says."""
    proxy = usual_proxy()
    said = examine(proxy.ini, properties()).of("red5-properties")
    assert said == [
        ("warning", "has Red5 listen on 0.0.0.0 (rtmp.host), where others may reach it without TLS; 127.0.0.1 is enough "
                    "for the proxy"),
        ("warning", "has Red5 listen on 0.0.0.0 (http.host), where others may reach it without TLS; 127.0.0.1 is enough "
                    "for the proxy"),
        ("fault", f"says rtmp.port = 1935, and proxy.ini has rtmp_backend {nginx.rtmp_address}"),
        ("fault", f"says http.port = 5080, and proxy.ini has http_backend {nginx.http_address}"),
        ("warning", "says rtmps.port = 8443, where no listener offers RTMP; OpenMeetings 4.0 sends browsers there")]


def test_a_folder_that_is_none_of_red5(usual_proxy, tmp_path):
    assert examine(usual_proxy().ini, tmp_path).one("red5-properties") == (
        "fault", "cannot be read: No such file or directory")
