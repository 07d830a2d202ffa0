"""scripts/openmeetings on installations of each version: what it says, what it sets, and that it can be taken back."""

import shutil
import subprocess

import pytest

from lib.openmeetings import HOSTS, LAYOUTS, WANTED, config_of, contents, elements_of, jee_container, lay_out, \
    properties_of, red5_core
from lib.openmeetings_script import SCRIPT

WITH_CONFIG = [version for version in LAYOUTS if version < "4"]


@pytest.mark.parametrize("version", LAYOUTS)
def test_enable_sets_what_each_version_needs(tmp_path, openmeetings, version):
    red5 = lay_out(tmp_path, version)
    before, had = contents(red5), properties_of(red5)
    missing = openmeetings.findings("check", red5, code=1)
    assert {line.kind for line in missing} <= {"ok", "missing", "note"} and contents(red5) == before

    said = openmeetings("enable", red5, "--host", "cam.example.org")
    assert f"OpenMeetings {version} in webapps/openmeetings" in said
    assert properties_of(red5) == {**had, **HOSTS, "rtmps.port": "8443"}
    if version in WITH_CONFIG:
        was = {**dict(LAYOUTS[version].keys), **WANTED}
        assert {key: text or "" for key, text in elements_of(config_of(red5, version)).items() if key in was} == was
    sql = [line.strip() for line in said.splitlines() if line.strip().startswith("UPDATE ")]
    assert [statement.split("'")[1] for statement in sql] == DATABASE.get(version, [])
    assert "missing" not in {line.kind for line in openmeetings.findings("check", red5)}


URL = "https://cam.example.org:5443/openmeetings/"
DATABASE = {"3.0.4": [URL], "3.0.7": [URL], "3.1.4": [URL], "3.3.2": [URL], "4.0.11": ["true", "best", URL]}


def changed_lines(old, new):
    old, new = old.splitlines(keepends=True), new.splitlines(keepends=True)
    assert len(old) == len(new)
    return [(number, after) for number, (before, after) in enumerate(zip(old, new), 1) if before != after]


@pytest.mark.parametrize("version", LAYOUTS)
def test_enable_changes_nothing_but_these_values(tmp_path, openmeetings, version):
    """Byte for byte, with each file's line ends; a second enable leaves even the times."""
    red5 = lay_out(tmp_path, version)
    before, end = contents(red5), LAYOUTS[version].line_end.encode()
    openmeetings("enable", red5)
    after = contents(red5)
    config = config_of(red5, version).relative_to(red5) if version in WITH_CONFIG else None
    for path, (old, mode, _) in before.items():
        new = changed_lines(old, after[path][0])
        if path.name == "red5.properties":
            assert {line for _, line in new} == {f"{key}={value}".encode() + end for key, value in HOSTS.items()}
        elif path == config:
            assert {line for _, line in new} <= {f"<{key}>{value}</{key}>  ".encode() + end for key, value in WANTED.items()}
        else:
            assert not new and after[path] == before[path]
        assert after[path][1] == mode
    openmeetings("enable", red5)
    assert contents(red5) == after


@pytest.mark.parametrize("version", LAYOUTS)
def test_undo_puts_back_every_byte_and_time(tmp_path, openmeetings, version):
    red5 = lay_out(tmp_path, version)
    (red5 / "conf/red5.properties").chmod(0o640)
    before = contents(red5)
    openmeetings("enable", red5)
    assert contents(red5) != before
    openmeetings("undo", red5)
    assert contents(red5) == before
    assert "Nothing to undo" in openmeetings("undo", red5)


def test_a_red5_alone_is_bound_to_the_loopback_address(tmp_path, openmeetings):
    red5 = lay_out(tmp_path)
    had = properties_of(red5)
    said = openmeetings("enable", red5)
    assert said.startswith("Red5 1.1.1\n") and "UPDATE" not in said
    assert properties_of(red5) == {**had, **HOSTS}


def test_ports_and_addresses_come_from_proxy_ini(tmp_path, openmeetings):
    """One port for everything; Red5 elsewhere on the loopback."""
    openmeetings.write_ini(all={"listen": "127.0.0.1:443 [::1]:443", "http_backend": "127.0.0.5:5080",
                                "rtmp_backend": "localhost:1935"})
    red5 = lay_out(tmp_path, "3.1.4")
    said = openmeetings("enable", red5, "--host", "cam.example.org")
    assert "'https://cam.example.org/openmeetings/'" in said
    assert properties_of(red5)["http.host"] == "127.0.0.5" and properties_of(red5)["rtmp.host"] == "127.0.0.1"
    elements = elements_of(config_of(red5, "3.1.4"))
    assert elements["rtmpsslport"] == elements["red5httpport"] == "443"


def test_another_port_is_set_by_a_second_enable_and_taken_back_by_one_undo(tmp_path, openmeetings):
    red5 = lay_out(tmp_path, "4.0.11")
    before = contents(red5)
    openmeetings("enable", red5)
    openmeetings.write_ini(https={"listen": "*:443"}, rtmps={"listen": "*:9443"})
    assert [line.where for line in openmeetings.findings("check", red5, code=1) if line.kind == "missing"] == \
        ["conf/red5.properties:20"]
    openmeetings("enable", red5)
    assert properties_of(red5)["rtmps.port"] == "9443"
    openmeetings("undo", red5)
    assert contents(red5) == before


# What a test does to an installation of 3.0.7, the place and a part of what is said, and whether enable changes nothing.
FAULTS = {
    "RTMPS of its own": (lambda red5: (red5 / "conf/red5-core.xml").write_text(red5_core(has_rtmps=True)),
                         "conf/red5-core.xml:8", "Red5's own TLS is switched on (RTMPSMinaIoHandler), on port 8443, which is",
                         False),
    "HTTPS of its own": (lambda red5: (red5 / "conf/jee-container.xml").write_text(jee_container("2014", has_https=True)),
                         "conf/jee-container.xml:13", "(SSLEnabled), on port 5443, which is the proxy's", False),
    "a connector that says secure": (
        lambda red5: (red5 / "conf/jee-container.xml").write_text(jee_container("2014", is_secure=True)),
        "conf/jee-container.xml:9", "set backend_scheme = https in [listener https]", False),
    "broken beans": (lambda red5: (red5 / "conf/red5-core.xml").write_text("<beans>\n<bean></beans>\n"),
                     "conf/red5-core.xml", "red5-core.xml:2: is no XML that could be read: mismatched tag", False),
    "another port": (lambda red5: replace(red5 / "conf/red5.properties", "rtmp.port=1935", "rtmp.port=1936"),
                     "conf/red5.properties:13", "rtmp.port = 1936, but in proxy.ini [listener rtmps] has rtmp_backend = "
                     "127.0.0.1:1935; make them the same", False),
    "no keystore.screen": (lambda red5: (red5 / "conf/keystore.screen").unlink(), "conf/keystore.screen", "is not there",
                           False),
    "a property twice": (lambda red5: replace(red5 / "conf/red5.properties", "# RTMPT", "http.host=::\n#"),
                         "conf/red5.properties:26", "http.host stands there 2 times, in lines 6, 26; leave one", True),
    "an element twice": (lambda red5: replace(config_of(red5, "3.0.7"), "</config>", "<useSSL>yes</useSSL></config>"),
                         "webapps/openmeetings/public/config.xml:79", "useSSL stands there 2 times, in lines 37, 79", True),
    "a comment in a value": (lambda red5: replace(config_of(red5, "3.0.7"), "<useSSL>no<", "<useSSL>no<!-- yes --><"),
                             "webapps/openmeetings/public/config.xml:37", "<useSSL> holds more than a value", True),
    "an element in a value": (lambda red5: replace(config_of(red5, "3.0.7"), "<useSSL>no<", "<useSSL>no<b/><"),
                              "webapps/openmeetings/public/config.xml:37", "<useSSL> holds more than a value", True),
    "broken config.xml": (lambda red5: replace(config_of(red5, "3.0.7"), "no</useSSL>", "no</usessl>"),
                          "webapps/openmeetings/public/config.xml", "config.xml:37: is no XML that could be read", True),
    "another config.xml": (lambda red5: config_of(red5, "3.0.7").write_text("<web-app/>"),
                           "webapps/openmeetings/public/config.xml", "it begins with <web-app>", True),
    "config.xml in UTF-16": (lambda red5: config_of(red5, "3.0.7").write_text("<config></config>", "utf-16"),
                             "webapps/openmeetings/public/config.xml", "is in UTF-16; save it as UTF-8", True),
    "no config.xml": (lambda red5: config_of(red5, "3.0.7").unlink(), "webapps/openmeetings/public/config.xml",
                      "No such file", True),
}


def replace(path, old, new):
    data = path.read_bytes()
    assert data.count(old.encode()) == 1
    path.write_bytes(data.replace(old.encode(), new.encode()))


@pytest.mark.parametrize("do, where, text, is_blocked", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_said_with_its_place(tmp_path, openmeetings, do, where, text, is_blocked):
    red5 = lay_out(tmp_path, "3.0.7")
    do(red5)
    before = contents(red5)
    fault, = [line for line in openmeetings.findings("check", red5, code=1) if line.kind == "fault"]
    assert fault.where == where and text in fault.text
    said = openmeetings("enable", red5, code=1)
    assert text in said
    assert (contents(red5) == before) == is_blocked == ("nothing was changed, because" in said)


@pytest.mark.parametrize("version, key", [("2.0.0", "rtmps.keystorepass"), ("3.0.4", "rtmps.keystorepass"),
                                          ("3.0.7", "rtmps.screen.keystorepass"), ("3.1.2", "rtmps.screen.keystorepass"),
                                          ("3.1.4", None), ("4.0.11", None)])
def test_the_sharer_is_given_a_password_where_it_wants_one(tmp_path, openmeetings, version, key):
    """Any will do: nothing is opened with it."""
    red5 = lay_out(tmp_path, version)
    path = red5 / "conf/red5.properties"
    path.write_bytes(path.read_bytes().replace(b"rtmps.keystorepass", b"#").replace(b"rtmps.screen.", b"#"))
    before = contents(red5)
    assert (f"{key} is not set" in openmeetings("check", red5, code=1)) == bool(key)
    openmeetings("enable", red5)
    assert properties_of(red5).get(key) == (key and "password")
    openmeetings("undo", red5)
    assert contents(red5) == before


@pytest.mark.parametrize("version, name, is_fault", [("2.0.0", "keystore", True), ("3.3.2", "keystore.jks", True),
                                                     ("4.0.11", "keystore.jks", False)])
def test_the_main_key_is_not_given_away(tmp_path, openmeetings, version, name, is_fault):
    """Up to 3.3 everybody who shares a screen is sent keystore.screen."""
    red5 = lay_out(tmp_path, version)
    (red5 / "conf" / name).write_bytes((red5 / "conf/keystore.screen").read_bytes())
    faults = [line for line in openmeetings.findings("check", red5, code=1) if line.kind == "fault"]
    assert [line.text.startswith(f"is a copy of conf/{name}, and sent to everybody") for line in faults] == [True] * is_fault


def test_an_openmeetings_at_the_root(tmp_path, openmeetings):
    """Of the server: Red5's folder root, with no name in addresses."""
    red5 = lay_out(tmp_path, "3.0.7")
    shutil.rmtree(red5 / "webapps/root")
    (red5 / "webapps/openmeetings").rename(red5 / "webapps/root")
    said = openmeetings("enable", red5, "--host", "cam.example.org")
    assert "application.base.url = https://cam.example.org:5443/\n" in said
    assert "override = /public/config.xml openmeetings-config.xml\n" in openmeetings("override", red5)


def test_secure_on_both_sides_is_well(tmp_path, openmeetings):
    red5 = lay_out(tmp_path, "3.3.2")
    openmeetings.write_ini(https={"listen": "*:5443", "backend_scheme": "https"}, rtmps={"listen": "*:8443"})
    faults = [line.text for line in openmeetings.findings("check", red5, code=1) if line.kind == "fault"]
    assert len(faults) == 1 and "httpConnector in conf/jee-container.xml does not say secure" in faults[0]
    (red5 / "conf/jee-container.xml").write_text(jee_container("2014", is_secure=True))
    assert "fault" not in {line.kind for line in openmeetings.findings("check", red5, code=1)}


def make(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


LIB = "webapps/openmeetings/WEB-INF/lib"

# What a test does to an installation of 3.0.7, the options, and a part of the refusal.
REFUSALS = {
    "no folder": (lambda red5: red5.rename(red5.parent / "gone"), [], "red5 is no folder."),
    "no Red5": (lambda red5: (red5 / "conf/red5.properties").unlink(), [], "it has no conf/red5.properties and webapps."),
    "the folder above": (lambda red5: red5.rename(red5.parent / "x") and red5.mkdir() or (red5.parent / "x").rename(red5 / "x"),
                         [], "is no folder of a Red5, but has one in it: "),
    "two OpenMeetings": (lambda red5: make(red5 / "webapps/old/config.xml", "<config><rtmpsslport/></config>"), [],
                         "holds more than one OpenMeetings, old and openmeetings; choose with --webapp NAME."),
    "no such web application": (lambda red5: None, ["--webapp", "meetings"], "webapps has no folder meetings."),
    "jars of two versions": (lambda red5: make(red5 / LIB / "openmeetings-core-3.1.0.jar"), [],
                             "jars of several versions, openmeetings-core-3.0.7-RELEASE.jar and openmeetings-core-3.1.0.jar"),
    "too new": (lambda red5: None, ["--version", "5.0.1"], "OpenMeetings 5.0.1 (--version) has no Red5 and no RTMP"),
    "too old": (lambda red5: None, ["--version", "1.8.9"], "OpenMeetings 1.8.9 (--version) cannot use RTMPS"),
    "no version": (lambda red5: None, ["--version", "three"], '"three" is no version'),
    "no proxy": (lambda red5: None, ["--proxy", "/none"], "there is no program /none."),
    "no proxy.ini": (lambda red5: None, ["-c", "/none/proxy.ini"], "the proxy refuses /none/proxy.ini"),
    "no such listener": (lambda red5: None, ["--https", "web"], "proxy.ini has no [listener web] with http_backend."),
}


@pytest.mark.parametrize("do, options, sentence", REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_worked_on_is_said_in_a_sentence(tmp_path, openmeetings, do, options, sentence):
    red5 = lay_out(tmp_path, "3.0.7")
    do(red5)
    assert sentence in openmeetings("check", red5, *options, code=1)
    assert sentence in openmeetings("enable", red5, *options, code=1)


@pytest.mark.parametrize("arguments", [[], ["check"], ["start", "red5"], ["check", "red5", "more"], ["check", "red5", "--what"],
                                       ["enable", "red5", "--host", "a'b"]], ids=" ".join)
def test_a_wrong_command_line_ends_with_the_usage(openmeetings, arguments):
    done = openmeetings.start(*(arguments + ["", ""])[:2], *arguments[2:]) if len(arguments) > 1 else \
        openmeetings.start("", "")
    assert done.returncode == 2 and "Usage: scripts/openmeetings" in done.stderr


def test_the_version_is_told_by_what_there_is(tmp_path, openmeetings):
    """Jars, else the list of changes, else where config.xml is, else nothing."""
    red5 = lay_out(tmp_path, "2.2.0")
    (red5 / LIB / "openmeetings-2.2.0-RELEASE.jar").unlink()
    assert "OpenMeetings 2.2.0 in webapps/openmeetings, on Red5; told by CHANGELOG" in openmeetings("check", red5, code=1)
    (red5 / "CHANGELOG").unlink()
    assert "told by webapps/openmeetings/config.xml, which 1.9 to 2.2 have" in openmeetings("check", red5, code=1)
    assert "OpenMeetings 1.9.0" in openmeetings("check", red5, "--version", "1.9", code=1)


def test_an_archive_that_is_not_unpacked(tmp_path, openmeetings):
    red5 = lay_out(tmp_path)
    make(red5 / "webapps/openmeetings.war")
    assert "openmeetings.war is not unpacked; start Red5 once" in openmeetings("check", red5, code=1)


def test_several_listeners_need_a_choice(tmp_path, openmeetings):
    red5 = lay_out(tmp_path, "3.0.7")
    openmeetings.write_ini(a={"listen": "*:5443"}, b={"listen": "*:6443"}, c={"listen": "*:8443", "http_backend": None})
    assert "several listeners with http_backend: a, b; choose one with --https NAME" in openmeetings("check", red5, code=1)
    said = openmeetings("check", red5, "--https", "b", code=1)
    assert "https on 6443 for 127.0.0.1:5080 [listener b]; rtmps on 8443 for 127.0.0.1:1935 [listener c]" in said


def test_a_backend_on_another_machine_leaves_red5_where_it_is(tmp_path, openmeetings):
    backends = {"http_backend": "192.0.2.10:5080", "rtmp_backend": "192.0.2.10:1935"}
    openmeetings.write_ini(https={"listen": "*:5443", **backends}, rtmps={"listen": "*:8443", **backends})
    red5 = lay_out(tmp_path, "3.0.7")
    had = properties_of(red5)
    said = openmeetings("enable", red5)
    assert properties_of(red5) == had and "close it with scripts/firewall" in said


def test_hosts_in_config_xml_are_pointed_out(tmp_path, openmeetings):
    red5 = lay_out(tmp_path, "3.0.7")
    replace(config_of(red5, "3.0.7"), "<rtmphostlocal></rtmphostlocal>", "<rtmphostlocal>192.0.2.7</rtmphostlocal>")
    assert any(line.kind == "note" and line.text.startswith("rtmphostlocal = 192.0.2.7: clients go there")
               for line in openmeetings.findings("check", red5, code=1))


def test_the_proxy_is_found_beside_the_script(tmp_path, openmeetings):
    """The one that was built here, or is installed."""
    red5 = lay_out(tmp_path, "3.0.7")
    done = subprocess.run([SCRIPT, "check", red5, "-c", openmeetings.ini], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout.startswith("OpenMeetings 3.0.7 ")
