"""`red5-tls-proxy doctor`: each thing it looks at, as it should be and as it should not."""

import re
import shutil

import pytest

from lib import messages
from lib.authority import Authority
from lib.backends import Refuses, ThreadedStandIn
from lib.doctor import examine, run_doctor
from lib.proxy import TOP
from lib.rtmpt import RtmptStub
from lib.waiting import until


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def pair(authority, name, *others):
    return {"chain": authority.chain_of(name, *others), "key": authority.key_of(name)}


# -- a good set-up

def test_a_good_set_up_has_no_fault(usual_proxy, nginx):
    """Each name that a certificate has, on each listener, and no name; both backends, directly and through."""
    proxy = usual_proxy()
    report = examine(proxy.ini)
    assert report.faults == []
    assert report.one("http", nginx.http_address)[0] == report.one("rtmp", nginx.rtmp_address)[0] == "ok"
    shown = dict(report.of("chain"))
    assert set(shown) == {"ok"}
    https, = report.of("chain", "[listener https]")
    assert re.match(r'shows "main" for clients without SNI, main\.test, \*\.main\.test, localhost: CN=main\.test, '
                    r"RSA 2048, (29|30) days left, 2 certificates up to CN=", https[1])
    assert [message.split(" for ")[0] for _, message in report.of("chain", "[listener rtmps]")] == [
        'shows "main"', 'shows "screen"']
    for listener in ("https", "rtmps"):
        subject = f"[listener {listener}]"
        assert report.one("plain-http", subject) == (
            "ok", f"sends plain HTTP to https://main.test:{proxy.port(listener)}/")
        assert report.of("https", subject)[0][0] == report.one("rtmps", subject)[0] == "ok"


def test_what_it_says_is_a_line_for_each_check(usual_proxy):
    """The same as text, with the number of faults at the end; and nothing but ok, warning, fault."""
    proxy = usual_proxy()
    done = run_doctor(proxy.ini)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[-1].startswith("0 faults, ")
    assert {line.split()[0] for line in lines[:-1]} <= {"ok", "warning"}


def test_it_leaves_nothing_behind(usual_proxy):
    """No file is changed; every connection it made has ended, and none of them as a fault of the proxy."""
    proxy = usual_proxy()
    before = proxy.ini.read_bytes()
    examine(proxy.ini)
    assert proxy.ini.read_bytes() == before
    proxy.wait_for_idle_descriptors()
    assert {s.end for s in proxy.sessions()} <= {"handshake_closed", "no_request", "plain_http", "finished",
                                                 "client_closed", "client_truncated", "backend_closed"}


# -- what is not there

def test_a_proxy_that_does_not_run_is_one_line(usual_proxy):
    """Not one for each listener and name."""
    proxy = usual_proxy()
    proxy.close()
    report = examine(proxy.ini)
    assert report.one("listening") == ("fault", "nothing listens on any of its addresses: the proxy does not run")
    assert not report.of("chain") and not report.of("https")
    assert report.severities("http") == report.severities("rtmp") == {"ok"}


def test_a_listener_that_is_not_served_yet_is_named(usual_proxy, ports):
    """It was written after the start."""
    proxy = usual_proxy()
    proxy.ini.write_text(proxy.ini.read_text().replace("listen = 127", f"listen = 127.0.0.1:{ports.take()} 127", 1))
    report = examine(proxy.ini)
    assert report.one("listening") == ("fault", "nothing answers there: Connection refused")
    assert report.severities("chain") == {"ok"}


@pytest.mark.parametrize("missing", ["http", "rtmp"])
def test_a_backend_that_is_down_is_told_once(usual_proxy, closing, missing):
    """And the other one is tried all the same, through the proxy as well."""
    nowhere = closing(Refuses()).address
    backend = {f"{missing}_backend": nowhere}
    proxy = usual_proxy(https=backend, rtmps=backend)
    report = examine(proxy.ini)
    fault, = report.faults
    assert (fault["name"], fault["subject"]) == (missing, f"{missing}_backend {nowhere}")
    assert fault["message"] == f"cannot be reached at {nowhere}: Connection refused"
    assert fault["advice"].startswith(f"start that server, or correct {missing}_backend ({proxy.ini}:")
    other = {"http": "rtmps", "rtmp": "https"}[missing]
    assert report.severities(other) == {"ok"}
    assert not report.of({"http": "https", "rtmp": "rtmps"}[missing])


def test_a_backend_of_another_protocol_is_a_fault(usual_proxy, nginx):
    """The two ports were mixed up."""
    mixed = {"http_backend": nginx.rtmp_address, "rtmp_backend": nginx.http_address}
    report = examine(usual_proxy(https=mixed, rtmps=mixed).ini)
    severity, message = report.one("rtmp")
    assert severity == "fault"
    assert message.startswith(f"does not answer in RTMP at {nginx.http_address}: ")
    severity, message = report.one("http")
    assert severity == "fault"
    assert message.startswith(f"does not answer in HTTP at {nginx.rtmp_address}: ")


def test_an_rtmpt_servlet_is_asked_for_a_session(usual_proxy, nginx, closing):
    """The stub is as strict as Red5's; nginx has none, which only some clients miss."""
    servlet = closing(RtmptStub(nginx.rtmp_address))
    report = examine(usual_proxy(https={"http_backend": servlet.address}).ini)
    assert report.one("rtmpt", servlet.address) == ("ok", "opens an RTMPT session")
    severity, message = report.one("rtmpt", nginx.http_address)
    assert severity == "warning" and message.startswith("does not speak RTMPT: POST /open/1 is answered with 40")
    assert report.one("rtmpts", "[listener https]") == ("ok", "opens an RTMPT session")
    assert not report.of("rtmpts", "[listener rtmps]")
    assert servlet.counts["open"] == servlet.counts["close"] == 2 and not servlet.tunnels
    assert all(fault.startswith("GET ") for fault in servlet.faults)


# -- configuration and certificates

def test_a_proxy_ini_with_faults_is_not_tried(tmp_path):
    """Each complaint is a fault, with its line."""
    (tmp_path / "proxy.ini").write_text("[proxy]\nworkers = many\n")
    report = examine(tmp_path / "proxy.ini")
    assert {c["name"] for c in report.checks} == {"configuration"}
    assert any(f"{tmp_path}/proxy.ini:2: [proxy] workers: " in c["message"] for c in report.faults)


def test_a_file_that_is_not_there(tmp_path):
    report = examine(tmp_path / "none.ini")
    assert [c["name"] for c in report.checks] == ["configuration"]
    assert "No such file" in report.faults[0]["message"]


# What the certificate is, and what is said of it, with its severity.
CERTIFICATES = {
    "expired": (dict(days=(-30, -2)), "fault", "the certificate of CN=expired expired at "),
    "early": (dict(days=(2, 30)), "fault", "the certificate of CN=early is not valid before "),
    "soon": (dict(days=(-30, 9.5)), "warning", "the certificate of CN=soon expires in 9 days, at "),
    "nameless": (dict(names=None), "fault", "the certificate of CN=nameless has no subject alternative names"),
    "edwards": (dict(key="ed25519"), "fault", "has a key (Ed25519) that browsers and old Java do not take"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_what_clients_refuse_is_a_fault(authority, usual_proxy, name):
    """Though the proxy serves it."""
    options, severity, sentence = CERTIFICATES[name]
    authority.issue(name, **{"names": "DNS:cam.example.org", **options})
    proxy = usual_proxy(sections={"certificate main": pair(authority, name)}, rtmps={"certificates": "main"})
    (found, message), = [row for row in examine(proxy.ini).of("certificate") if row[0] != "ok"]
    assert found == severity and message.startswith(sentence)


def test_a_missing_intermediate_is_a_fault_for_java(authority, usual_proxy):
    authority.issue("gap", names="DNS:cam.example.org")
    proxy = usual_proxy(sections={"certificate main": {"chain": authority.directory / "gap.pem",
                                                 "key": authority.key_of("gap")}}, rtmps={"certificates": "main"})
    fault, = examine(proxy.ini).faults
    assert fault["subject"] == "[certificate main]"
    assert fault["message"].startswith("the issuer of CN=gap is missing: CN=intermediate; ")


def test_a_certificate_that_was_renewed_but_not_read_is_told(authority, usual_proxy):
    """The file has one, the running proxy another."""
    authority.issue("renewed", names="DNS:main.test")
    files = pair(authority, "renewed")
    copy = {key: path.with_suffix(f".{key}-in-use") for key, path in files.items()}
    for key in files:
        shutil.copy(files[key], copy[key])
    proxy = usual_proxy(sections={"certificate main": copy}, proxy={"watch": "off"}, rtmps={"certificates": "main"})
    authority.issue("renewed", names="DNS:main.test", days=(-1, 60))
    shutil.copy(authority.chain_of("renewed"), copy["chain"])
    report = examine(proxy.ini)
    assert {c["name"] for c in report.faults} == {"chain"}
    assert all("shows CN=renewed, until " in c["message"] and "none of the certificates in" in c["message"]
               and "HUP" in c["advice"] for c in report.faults)


def examine_when_up(proxy):
    def is_up():
        report = examine(proxy.ini)
        return report.of("chain") and report

    return until(is_up, "a server on the proxy's port")


def test_another_program_on_the_port_is_told(usual_proxy, start_program, authority):
    """It shows a certificate that is not ours, for a name that is not ours."""
    proxy = usual_proxy()
    proxy.close()
    authority.issue("stranger", names="DNS:stranger.example.org")
    start_program("stranger", "openssl", "s_server", "-accept", f"127.0.0.1:{proxy.port('https')}", "-quiet",
                  "-cert", authority.directory / "stranger.pem", "-key", authority.key_of("stranger"))
    report = examine_when_up(proxy)
    assert "CN=stranger" in report.of("chain")[0][1] and report.severities("chain") == {"fault"}
    assert report.one("plain-http")[1].startswith("does not redirect plain HTTP: ")


def test_keys_of_two_types_are_both_looked_at(authority, usual_proxy):
    """RSA and ECDSA for the same name: a client of each kind is shown the one it can verify."""
    for key in ("rsa", "ecdsa"):
        authority.issue(f"both-{key}", key=key, names="DNS:both.test")
    proxy = usual_proxy(sections={f"certificate {key}": pair(authority, f"both-{key}") for key in ("rsa", "ecdsa")},
                  https={"certificates": "ecdsa rsa"})
    report = examine(proxy.ini)
    assert report.faults == []
    assert [re.split(", (?:29|30) days", message)[0] for _, message in report.of("chain", "[listener https]")] == [
        'shows "ecdsa" for clients without SNI, both.test: CN=both-ecdsa, ECDSA P-256',
        'shows "rsa" for both.test: CN=both-rsa, RSA 2048']


def test_pinned_listeners_are_tried_for_what_they_offer(ports, nginx, start_proxy):
    """RTMP alone, a tunnel, a redirect; TLS 1.3 alone, TLS 1.0 alone."""
    def address():
        return f"127.0.0.1:{ports.take()}"

    proxy = start_proxy(listeners={
        "rtmp": {"listen": address(), "rtmp_backend": nginx.rtmp_address, "tls": "modern"},
        "old": {"listen": address(), "http_backend": nginx.http_address, "tls": "legacy", "tls_max": "TLSv1.0"},
        "tunnel": {"listen": address(), "protocols": "tunnel", "tunnel_backend": nginx.rtmp_address},
        "redirect": {"listen": address(), "certificates": None, "redirect": "https://main.test:8443"}})
    report = examine(proxy.ini)
    assert report.faults == []
    assert report.one("rtmps", "[listener rtmp]")[1].endswith("over TLSv1.3")
    assert report.of("https", "[listener old]")[0][1].endswith("over TLSv1")
    assert report.one("tunnel")[0] == "ok" and report.severities("chain", "[listener tunnel]") == {"ok"}
    assert report.one("plain-http", "[listener redirect]") == ("ok", "sends plain HTTP to https://main.test:8443/")
    assert not report.of("chain", "[listener redirect]") and not report.of("https", "[listener rtmp]")


def test_a_listener_for_clients_with_certificates_shows_its_own(usual_proxy, certificates):
    """What lies behind cannot be tried, and that is said; with each TLS version."""
    required = {"client_verify": "required", "client_ca": certificates.root}
    for version in ("TLSv1.2", "TLSv1.3"):
        proxy = usual_proxy(https={**required, "tls_min": version, "tls_max": version})
        report = examine(proxy.ini)
        assert report.faults == []
        assert report.severities("chain", "[listener https]") == {"ok"}
        if version == "TLSv1.3":
            assert "client_verify = required" in report.one("https", "[listener https]")[1]
        proxy.close()
        proxy.ini.unlink()


# -- what runs is not what stands in the file

@pytest.fixture
def edit():
    """Change a proxy.ini beside the proxy that has read it."""
    def edit(proxy, *pairs):
        text = proxy.ini.read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        proxy.ini.write_text(text)
        return examine(proxy.ini)

    return edit


def test_what_does_not_come_through_is_told(usual_proxy, nginx, closing, edit):
    """The backends answer, but the proxy knows others."""
    servlet = closing(RtmptStub(nginx.rtmp_address))
    nowhere = closing(Refuses()).address
    proxy = usual_proxy(https={"http_backend": nowhere, "rtmp_backend": nowhere, "connect_timeout": "1s"})
    report = edit(proxy, (f"http_backend = {nowhere}", f"http_backend = {servlet.address}"),
                  (f"rtmp_backend = {nowhere}", f"rtmp_backend = {nginx.rtmp_address}"))
    https = "[listener https]"
    assert report.one("https", https) == ("fault", "GET / does not come through: the proxy answers 502")
    assert report.one("rtmps", https)[1].startswith("no RTMP handshake comes through: ")
    assert report.one("rtmpts", https) == (
        "fault", "no RTMPT session comes through: POST /open/1 is answered with 502 and no session")
    assert {c["subject"].split("]")[0] + "]" for c in report.faults} == {https}


def test_a_name_that_is_not_served_yet_is_told(usual_proxy, edit):
    """The certificate was added, but the proxy not reloaded."""
    report = edit(usual_proxy(), ("certificates = main\n", "certificates = main screen\n"))
    assert ("fault", "shows CN=main.test to clients that ask for screen.test, and it does not have that name"
            ) in report.of("chain", "[listener https]")
    assert {c["name"] for c in report.faults} == {"chain"}


def test_an_intermediate_that_was_added_but_not_read_is_told(authority, usual_proxy):
    """The file is complete now, what the proxy shows is not."""
    authority.issue("late", names="DNS:late.test")
    chain = authority.directory / "late.chain"
    shutil.copy(authority.directory / "late.pem", chain)
    proxy = usual_proxy(sections={"certificate main": {"chain": chain, "key": authority.key_of("late")}},
                        proxy={"watch": "off"}, rtmps={"certificates": "main"})
    authority.chain_of("late")
    report = examine(proxy.ini)
    assert ("fault", 'shows "main" with other issuers than its files have') in report.of("chain", "[listener https]")
    assert any(m.startswith("the issuer of CN=late is missing: CN=intermediate; ") for _, m in report.of("certificate"))


# -- warnings

def test_a_certificate_that_is_never_shown_is_a_warning(authority, usual_proxy):
    for name in ("first", "second"):
        authority.issue(name, names="DNS:same.test")
    proxy = usual_proxy(sections={f"certificate {name}": pair(authority, name) for name in ("first", "second")},
                        https={"certificates": "first second"})
    report = examine(proxy.ini)
    assert report.faults == []
    assert ("warning", 'never shows "second"') in report.of("chain", "[listener https]")


@pytest.mark.parametrize("names, expected", [("ecdsa", ["warning"]), ("ecdsa main", [])])
def test_a_listener_for_old_clients_needs_rsa(authority, usual_proxy, names, expected):
    authority.issue("old", names="DNS:old.test")
    proxy = usual_proxy(sections={"certificate ecdsa": pair(authority, "old")},
                        https={"certificates": names, "tls": "legacy"})
    assert [severity for severity, _ in examine(proxy.ini).of("key")] == expected


def test_a_port_of_the_kernels_choice_cannot_be_tried(usual_proxy):
    report = examine(usual_proxy(https={"listen": "127.0.0.1:0"}).ini)
    assert report.one("listening", "[listener https]") == ("warning", "has a port that the kernel chooses")
    assert not report.of("chain", "[listener https]") and report.of("chain", "[listener rtmps]")


class Unwell(ThreadedStandIn):
    """A stand-in for a server that is up, but whose application is not."""

    def serve(self, peer):
        messages.read_request(peer)
        peer.send(messages.ok(fields="Connection: close\r\n", status="503 Service Unavailable"))


def test_a_backend_with_a_fault_of_its_own_is_a_warning(usual_proxy, closing):
    server = closing(Unwell())
    assert examine(usual_proxy(https={"http_backend": server.address}).ini).one("http", server.address) == (
        "warning", "answers GET / with 503")


def test_one_address_of_a_backend_is_enough(usual_proxy, nginx):
    """localhost is two in most places, and nginx listens at one of them."""
    name = f"localhost:{nginx.http_address.rpartition(':')[2]}"
    report = examine(usual_proxy(https={"http_backend": name}, rtmps={"http_backend": name}).ini)
    assert report.faults == []
    assert sorted({severity for severity, _ in report.of("http")}) == ["ok", "warning"][:len(report.of("http"))]


# -- documents

def test_the_lines_in_the_readme_are_as_they_are_printed(usual_proxy, nginx, closing):
    nginx.put_page("index.html", "a page")
    nowhere = {"rtmp_backend": closing(Refuses()).address}
    printed = run_doctor(usual_proxy(https=nowhere, rtmps=nowhere).ini).stdout
    shown, = re.findall(r"^```doctor\n(.*?)^```$", (TOP / "README.md").read_text(), re.M | re.S)

    def of_any_place(line):
        return re.sub(r"\(\S*proxy.ini:\d+\)", "(proxy.ini)", re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line))

    lines = [of_any_place(line) for line in printed.splitlines()]
    for line in shown.splitlines()[:-1]:
        assert of_any_place(line) in lines, printed
    assert re.fullmatch(r"1 fault, \d+ warnings?", lines[-1])


def test_the_man_page_has_every_name_of_a_check():
    code = "".join(file.read_text() for file in (TOP / "proxy").glob("doctor*.c"))
    names = set(re.findall(r'doctor_(?:ok|warning|fault)\(\w+(?:->\w+)?, "([\w-]+)"', code))
    names |= set(re.findall(r'static const char check\[\] = "([\w-]+)"', code))
    chapter, = re.findall(r"^\.Sh DOCTOR\n(.*?)^\.Sh ", (TOP / "doc/red5-tls-proxy.8").read_text(), re.M | re.S)
    explained = " , ".join(re.findall(r"^\.It Sy (.*)$", chapter, re.M)).split(" , ")
    assert len(explained) == len(set(explained)) and set(explained) == names | {"http", "rtmp"}
