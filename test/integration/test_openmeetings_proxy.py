"""scripts/openmeetings and the proxy: what clients are told leads to where the proxy listens, tried as Flash does, with
a config.xml that comes through the proxy itself."""

import re
import signal
import ssl
import subprocess
import urllib.request
import xml.etree.ElementTree

import pytest

from lib import media
from lib.backends import listening_socket
from lib.openmeetings import LAYOUTS, WANTED, config_of, contents, elements_of, lay_out
from lib.proxy import BINARIES


class Site:
    """A Red5's folder, whose pages and streams nginx serves, and a proxy on two ports in front of it."""

    def __init__(self, directory, version, nginx, start_proxy, openmeetings):
        self.red5, self.version, self.openmeetings = lay_out(directory, version), version, openmeetings
        properties = self.red5 / "conf/red5.properties"
        properties.write_bytes(properties.read_bytes().replace(b"5080", nginx.http_address[-5:].encode())
                               .replace(b"1935", nginx.rtmp_address[-5:].encode()))
        (nginx.root / "openmeetings").symlink_to(self.red5 / "webapps/openmeetings")
        backends = {"certificates": "main", "http_backend": nginx.http_address, "rtmp_backend": nginx.rtmp_address}
        ports = free_ports(2)
        self.proxy = start_proxy(listeners={name: {**backends, "listen": f"127.0.0.1:{port}"}
                                            for name, port in zip(("https", "rtmps"), ports)})
        assert [self.proxy.port(name) for name in ("https", "rtmps")] == ports

    def fetch(self, url, root):
        context = ssl.create_default_context(cafile=root)
        with urllib.request.urlopen(url, timeout=15, context=context) as answer:
            return answer.read()

    def config_url(self):
        return f"https://localhost:{self.proxy.port('https')}/openmeetings/{LAYOUTS[self.version].config}"


def free_ports(count):
    sockets = [listening_socket() for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


@pytest.fixture
def site(tmp_path, nginx, start_proxy, openmeetings):
    return lambda version: Site(tmp_path, version, nginx, start_proxy, openmeetings)


def follow(config, site, certificates, tmp_path, run_program):
    """What Flash does with a config.xml: files by its protocol and port, streams by rtmps to its port."""
    assert config["useSSL"] == "yes" and config["proxyType"] == "best"
    page = site.fetch(f"{config['protocol']}://localhost:{config['red5httpport']}/openmeetings/WEB-INF/lib/"
                      f"{LAYOUTS[site.version].jars[0]}", certificates.root)
    assert page == b""
    clip = media.make_clip(tmp_path / "clip.flv", seconds=1)
    run_program("publish", *media.publish(clip, f"rtmps://localhost:{config['rtmpsslport']}/live/one"))
    assert {(session.listener, session.protocol) for session in site.proxy.sessions()} == {("https", "http"), ("rtmps", "rtmp")}


@pytest.mark.parametrize("version", ["2.0.0", "3.0.7", "3.3.2"])
def test_after_enable_config_xml_leads_clients_through_the_proxy(tmp_path, site, certificates, run_program, version):
    site = site(version)
    site.openmeetings("enable", site.red5)
    config = elements(site.fetch(site.config_url(), certificates.root))
    assert config["rtmpsslport"] == str(site.proxy.port("rtmps"))
    follow(config, site, certificates, tmp_path, run_program)


@pytest.mark.parametrize("version", ["2.2.0", "3.1.4"])
def test_an_override_leads_them_there_without_a_change_in_red5(tmp_path, site, certificates, run_program, version):
    """The line is added to proxy.ini as it is told, and the proxy reloads."""
    site = site(version)
    before = contents(site.red5)
    served = site.fetch(site.config_url(), certificates.root)
    assert served == config_of(site.red5, version).read_bytes()

    said = site.openmeetings("override", site.red5)
    section, line = re.search(r"Add to \[(listener https)\] in \S+:\n\n(override = .*)\n", said).groups()
    ini = site.openmeetings.ini
    ini.write_text(ini.read_text().replace(f"[{section}]\n", f"[{section}]\n{line}\n"))
    site.proxy.signal(signal.SIGHUP)
    site.proxy.wait_for_log("reload done")

    served = site.fetch(site.config_url(), certificates.root)
    assert served != config_of(site.red5, version).read_bytes() and contents(site.red5) == before
    follow(elements(served), site, certificates, tmp_path, run_program)
    found = site.openmeetings.findings("check", site.red5, code=1)
    assert {line.text.split()[0] for line in found if line.kind == "missing"} == {"rtmp.host", "http.host", "rtmpt.host"}
    assert any("in place of webapps/openmeetings/" in line.text for line in found)
    assert "Add to" not in site.openmeetings("override", site.red5)
    site.openmeetings("enable", site.red5)
    assert contents(site.red5)[config_of(site.red5, version).relative_to(site.red5)] == \
        before[config_of(site.red5, version).relative_to(site.red5)]


def elements(data):
    return {child.tag: child.text for child in xml.etree.ElementTree.fromstring(data)}


def effective(ini):
    done = subprocess.run([BINARIES["plain"], "-t", "-c", ini], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_where_no_listener_is_written_yet_both_are_told(tmp_path, openmeetings):
    """One alone would be the only one. Nothing else changes by what is added."""
    red5 = lay_out(tmp_path, "3.0.7")
    before = effective(openmeetings.ini)
    said = openmeetings("override", red5)
    assert elements_of(tmp_path / "openmeetings-config.xml").items() >= WANTED.items()
    added = said.partition("has no listeners of its own yet:\n")[2].partition("Then let")[0]
    openmeetings.ini.write_text(openmeetings.ini.read_text() + added)
    assert [line for line in effective(openmeetings.ini).splitlines() if line not in before.splitlines()] == \
        ["override = /openmeetings/public/config.xml openmeetings-config.xml"]
    assert "Add" not in openmeetings("override", red5)


def test_an_override_that_was_there_is_kept(tmp_path, openmeetings):
    red5 = lay_out(tmp_path, "3.0.7")
    openmeetings("override", red5)
    old = (tmp_path / "openmeetings-config.xml").read_bytes()
    openmeetings.write_ini(https={"listen": "*:443"}, rtmps={"listen": "*:9443"})
    openmeetings("override", red5)
    kept, = tmp_path.glob("openmeetings-config.xml.2*")
    assert kept.read_bytes() == old != (tmp_path / "openmeetings-config.xml").read_bytes()
    openmeetings("override", red5, "-o", tmp_path / "elsewhere.xml")
    assert (tmp_path / "elsewhere.xml").read_bytes() == (tmp_path / "openmeetings-config.xml").read_bytes()
    assert (tmp_path / "elsewhere.xml").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("version, sentence", [
    ("4.0.11", "OpenMeetings 4.0.11 has no config.xml: it keeps this in its database; use enable."),
    (None, "has no OpenMeetings, so there is no config.xml to serve."),
])
def test_what_has_no_config_xml_cannot_be_overridden(tmp_path, openmeetings, version, sentence):
    assert sentence in openmeetings("override", lay_out(tmp_path, version), code=1)
    assert not (tmp_path / "openmeetings-config.xml").exists()


# The lines of a listener in proxy.ini and what the script must make of them. The proxy itself reads them.
READINGS = {
    "comments": ("listen = *:6443 ; not 7443\n; listen = *:8000\n# listen = *:9000\n", "https on 6443"),
    "two addresses": ("listen = 127.0.0.1:6443\n         [::1]:7443 ; the second\n", "https on 6443"),
    "line ends of Windows": ("listen = *:6443\r\n", "https on 6443"),
    "many overrides": ("listen = *:6443\noverride = " + "".join(f"\n  /{'a' * 30}{n} config.xml" for n in range(9)) +
                       "\n  /openmeetings/public/config.xml config.xml\n", "https on 6443"),
    "blanks": ("listen=*:6443\n", "https on 6443"),
}


@pytest.mark.parametrize("lines, text", READINGS.values(), ids=READINGS)
def test_proxy_ini_is_read_as_the_proxy_reads_it(tmp_path, openmeetings, lines, text):
    red5 = lay_out(tmp_path, "3.0.7")
    (tmp_path / "config.xml").write_bytes(config_of(red5, "3.0.7").read_bytes())
    openmeetings.write_ini(https={"listen": None}, rtmps={"listen": "*:8443"})
    ini = openmeetings.ini
    ini.write_bytes(ini.read_bytes().replace(b"[listener https]\n", b"[listener https]\n" + lines.encode()))
    said = openmeetings("check", red5, code=1)
    assert text in said
    assert ("serves " in said) == ("override" in lines)


def test_a_fault_in_proxy_ini_is_told_as_the_proxy_tells_it(tmp_path, openmeetings):
    openmeetings.write_ini(https={"listen": "*:70000"})
    said = openmeetings("check", lay_out(tmp_path, "3.0.7"), code=1)
    assert f"the proxy refuses {openmeetings.ini}; put that right first:\n" in said
    fault, = said.splitlines()[1:]
    assert fault.startswith(f"{openmeetings.ini}:9: [listener https] listen: ")
