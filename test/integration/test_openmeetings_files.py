"""scripts/openmeetings and files as they are met: odd line ends, encodings, comments, places. What is not a value stays as it
is, and what counts as one is what Java and XML say."""

import importlib.machinery
import importlib.util
import os
import pathlib
import random
import resource
import subprocess

import pytest

from lib.openmeetings import HOSTS, WANTED, config_of, contents, elements_of, lay_out
from lib.openmeetings_script import SCRIPT

JAVA = pathlib.Path(__file__).parents[1] / "java"


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    directory = tmp_path_factory.mktemp("classes")
    subprocess.run(["javac", "-d", directory, JAVA / "PrintProperties.java"], check=True, timeout=60)
    return directory


@pytest.fixture
def read_by_java(classes):
    """The properties of each file, but for one without a name; None where Java gives up."""

    def read(*files):
        said = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-cp", classes, "PrintProperties", *files], check=True,
                              timeout=60, capture_output=True, text=True).stdout
        return [None if part == "wrong\n" else pairs_of(part.splitlines()) for part in said.split("file\n")[1:]]

    def pairs_of(lines):
        return dict(map(text_of, line.split("=")) for line in lines if line[0] != "=")

    def text_of(digits):
        return bytes.fromhex(digits).decode("utf-16-be", "surrogatepass")

    return read


@pytest.fixture(scope="module")
def script():
    """The script's own readers."""
    loader = importlib.machinery.SourceFileLoader("openmeetings_under_test", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


ODD_PROPERTIES = (
    b"\r\n   # Gr\xfc\xdfe aus K\xf6ln\r\n! rtmp.host=8.8.8.8 \\\r\nname : \\u00fcber\\t all\\\r\n     es \r\n"
    b"rtmp.host = \\\r\n   0.0.0.0\r\nhttp.host:0.0.0.0 \n\trtmpt.host 0.0.0.0\rrtmp.port=1935\rhttp\\.port==\r"
    b"http.port=5080\r\npath=C:\\\\red5\\=\r\nempty\r\nrtmps.port=8443\r\nlast=\\\\\r\n#http.host=1.1.1.1\\\r\nend=\xe9")


def test_properties_are_read_as_java_reads_them(tmp_path, openmeetings, read_by_java):
    """Comments that end with a backslash, values over several lines, three separators, three line ends, no last one."""
    red5 = lay_out(tmp_path)
    path = red5 / "conf/red5.properties"
    path.write_bytes(ODD_PROPERTIES)
    before, = read_by_java(path)
    assert {before[key] for key in HOSTS} == {"0.0.0.0", "0.0.0.0 "}
    openmeetings("enable", red5)
    assert read_by_java(path) == [{**before, **HOSTS}]
    assert path.read_bytes() == ODD_PROPERTIES.replace(b"0.0.0.0 ", b"0.0.0.0").replace(b"0.0.0.0", b"127.0.0.1")
    openmeetings("undo", red5)
    assert path.read_bytes() == ODD_PROPERTIES


@pytest.mark.parametrize("old, new, end", [
    (b"a=b", b"a=b\n", b"\n"), (b"a=b\r\n", b"a=b\r\n", b"\r\n"), (b"#\ra=b", b"#\ra=b\r", b"\r"), (b"", b"", b"\n"),
    (b"a=b\\\n", b"a=b\\\n\n", b"\n"), (b"a=b\\", b"a=b\\\n\n", b"\n")])
def test_keys_that_are_missing_are_added_at_the_end(tmp_path, openmeetings, old, new, end):
    """In lines that end as the first one does."""
    red5 = lay_out(tmp_path)
    path = red5 / "conf/red5.properties"
    path.write_bytes(old)
    said = openmeetings.findings("check", red5, code=1)
    assert any("rtmp.host is not there" in line.text for line in said)
    openmeetings("enable", red5, code=1)
    assert path.read_bytes() == new + b"rtmp.host=127.0.0.1" + end + b"http.host=127.0.0.1" + end


def test_random_properties_are_read_as_java_reads_them(tmp_path, read_by_java, script):
    pieces = [b"a", b"b", b"key", b"=", b":", b" ", b"\t", b"\f", b"\\", b"\\\\", b"\n", b"\r", b"\r\n", b"\\\n", b"\\\r\n  ", b"#",
              b"!", b"\xe4", b"\\u00e4", b"\\u12", b"\\n", b"\\=", b"0.0.0.0", b"\x0b", b"\xa0", b"\x85", b"\\ud83d"]
    chance = random.Random(6)
    files = []
    for number in range(1000):
        files.append(tmp_path / f"{number}.properties")
        files[-1].write_bytes(b"".join(chance.choices(pieces, k=chance.randint(1, 40))))
    differ = []
    for file, wanted in zip(files, read_by_java(*files)):
        ours = script.Properties(file, file.read_bytes())
        found = {key: ours.value(key) for key in ours.entries if key}
        if wanted is not None and found != wanted:
            differ.append((file.read_bytes(), found, wanted))
    assert not differ, differ[0]


def test_random_properties_keep_all_other_values(tmp_path, read_by_java, script):
    """Where a value is cut out and another put in, in Java's eyes nothing else changes."""
    pieces = [b"one", b"=", b":", b" ", b"\\\\", b"\n", b"\r\n", b"\\\n", b"#", b"!", b"\xe4", b"\\u00e4", b"\\n",
              b"two=2\n", b"\ntwo"]
    chance = random.Random(7)
    old, new = [], []
    for number in range(500):
        data = b"".join(chance.choices(pieces, k=chance.randint(1, 40)))
        document = script.Properties("x", data)
        if len(document.entries["two"]) > 1:
            continue
        old.append(tmp_path / f"{number}.old")
        new.append(tmp_path / f"{number}.new")
        old[-1].write_bytes(data)
        new[-1].write_bytes(document.set({"two": "value"}))
    assert len(old) > 200
    for file, before, after in zip(old, read_by_java(*old), read_by_java(*new)):
        assert {**before, "two": "value"} == after, file.read_bytes()


def test_a_byte_order_mark_hides_the_first_key_from_java(tmp_path, openmeetings, read_by_java):
    red5 = lay_out(tmp_path)
    path = red5 / "conf/red5.properties"
    path.write_bytes(b"\xef\xbb\xbfhttp.host=127.0.0.1\n" + path.read_bytes().replace(b"http.host", b"#http.host"))
    found = openmeetings.findings("check", red5, code=1)
    assert any(line.kind == "note" and "begins with a byte order mark" in line.text for line in found)
    assert any(line.kind == "missing" and line.text.startswith("http.host is not there") for line in found)
    openmeetings("enable", red5)
    assert read_by_java(path)[0]["http.host"] == "127.0.0.1"
    assert path.read_bytes().startswith(b"\xef\xbb\xbfhttp.host=127.0.0.1\n")


# config.xml's old text and new, of 2.0.0; what is in neither must stay, as XML sees it, too.
CONFIGS = {
    "byte order mark": (b"\xef\xbb\xbf<config><useSSL>no</useSSL></config>",
                        b"\xef\xbb\xbf<config><useSSL>yes</useSSL>%s</config>"),
    "latin-1": (b'<?xml version="1.0" encoding="ISO-8859-1"?>\r\n<!-- \xe4 -->\r\n<config>\r\n<n>\xfc</n>'
                b"<useSSL>\r\nno</useSSL>\r\n</config>\r\n",
                b'<?xml version="1.0" encoding="ISO-8859-1"?>\r\n<!-- \xe4 -->\r\n<config>\r\n<n>\xfc</n><useSSL>yes</useSSL>'
                b"\r\n%s</config>\r\n"),
    "utf-8": ("<config>\n<n>Grüße 😀</n><useSSL>no</useSSL>\n\t</config>".encode(),
              "<config>\n<n>Grüße 😀</n><useSSL>yes</useSSL>\n%s\t</config>".encode()),
    "an empty element": (b"<config a='>'>\r<useSSL b='/>' />\r</config>",
                         b"<config a='>'>\r<useSSL b='/>'>yes</useSSL>\r%s</config>"),
    "no text": (b"<config><useSSL c=\">\"></useSSL></config>", b"<config><useSSL c=\">\">yes</useSSL>%s</config>"),
    "an entity": (b"<config><useSSL>&#110;o</useSSL></config>", b"<config><useSSL>yes</useSSL>%s</config>"),
    "CDATA": (b"<config><useSSL><![CDATA[no]]></useSSL></config>", b"<config><useSSL>yes</useSSL>%s</config>"),
    "yes already, in CDATA": (b"<config><useSSL><![CDATA[yes]]></useSSL></config>",
                              b"<config><useSSL><![CDATA[yes]]></useSSL>%s</config>"),
    "commented out": (b"<config>\n<!-- <useSSL>yes</useSSL> -->\n<useSSL>no</useSSL>\n</config>",
                      b"<config>\n<!-- <useSSL>yes</useSSL> -->\n<useSSL>yes</useSSL>\n%s</config>"),
    "deeper": (b"<config><a><useSSL>yes</useSSL></a><useSSL>no</useSSL></config>",
               b"<config><a><useSSL>yes</useSSL></a><useSSL>yes</useSSL>%s</config>"),
    "in a text": (b"<config><a><![CDATA[<useSSL>yes</useSSL>]]></a><useSSL>no</useSSL></config>",
                  b"<config><a><![CDATA[<useSSL>yes</useSSL>]]></a><useSSL>yes</useSSL>%s</config>"),
    "blanks in a tag": (b"<config><useSSL\n>no</useSSL\n></config \n>", b"<config><useSSL\n>yes</useSSL\n>%s</config \n>"),
    "a document type": (b'<!DOCTYPE config [<!ENTITY n "no">]>\n<config><useSSL>&n;</useSSL></config>',
                        b'<!DOCTYPE config [<!ENTITY n "no">]>\n<config><useSSL>yes</useSSL>%s</config>'),
}


@pytest.mark.parametrize("old, new", CONFIGS.values(), ids=CONFIGS)
def test_config_xml_is_edited_by_position(tmp_path, openmeetings, old, new):
    """What is missing is added at the end, in lines that end as the first one does."""
    red5 = lay_out(tmp_path, "2.0.0")
    path = config_of(red5, "2.0.0")
    path.write_bytes(old)
    openmeetings("enable", red5)
    end = next((end for end in (b"\r\n", b"\r", b"\n") if end in old), b"\n")
    added = b"".join(f"<{key}>{value}</{key}>".encode() + end for key, value in WANTED.items() if key != "useSSL")
    is_own_line = old.rpartition(b"</config")[0].rstrip(b"\t")[-1:] in b"\r\n"
    assert path.read_bytes() == new.replace(b"%s", added if is_own_line else end + added)
    assert WANTED.items() <= elements_of(path).items()
    openmeetings("undo", red5)
    assert path.read_bytes() == old


def test_every_config_xml_without_a_value_is_refused(tmp_path, openmeetings):
    red5 = lay_out(tmp_path, "2.0.0")
    config_of(red5, "2.0.0").write_bytes(b"<config/>")
    assert "config.xml is empty." in openmeetings("enable", red5, code=1)


def test_a_link_is_followed_and_stays_one(tmp_path, openmeetings):
    """The copy of what was there is beside the file itself."""
    red5 = lay_out(tmp_path, "3.0.7")
    (tmp_path / "etc").mkdir()
    (red5 / "conf/red5.properties").rename(tmp_path / "etc/red5.properties")
    (red5 / "conf/red5.properties").symlink_to("../../etc/red5.properties")
    before = (tmp_path / "etc/red5.properties").read_bytes()
    openmeetings("enable", red5)
    assert (red5 / "conf/red5.properties").is_symlink() and (tmp_path / "etc/red5.properties").read_bytes() != before
    assert (tmp_path / "etc/red5.properties.before-red5-tls-proxy").read_bytes() == before
    openmeetings("undo", red5)
    assert (red5 / "conf/red5.properties").is_symlink() and (tmp_path / "etc/red5.properties").read_bytes() == before
    assert os.listdir(tmp_path / "etc") == ["red5.properties"]


def test_a_link_that_leads_nowhere(tmp_path, openmeetings):
    red5 = lay_out(tmp_path, "3.0.7")
    config_of(red5, "3.0.7").unlink()
    config_of(red5, "3.0.7").symlink_to("nowhere")
    assert "config.xml cannot be read: No such file or directory." in openmeetings("enable", red5, code=1)


def test_a_file_that_is_too_long_or_none(tmp_path, openmeetings):
    red5 = lay_out(tmp_path, "3.0.7")
    with config_of(red5, "3.0.7").open("ab") as file:
        file.truncate(5 << 20)
    assert "is too long for a configuration, over 4 MiB." in openmeetings("enable", red5, code=1)
    (red5 / "conf/jee-container.xml").unlink()
    (red5 / "conf/jee-container.xml").mkdir()
    assert "jee-container.xml cannot be read: Is a directory." in openmeetings("check", red5, code=1)


AS_NOBODY_SPECIAL = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


@pytest.mark.parametrize("place, mode, sentence", [
    ("conf/red5.properties", 0o200, "red5.properties cannot be read: Permission denied."),
    ("conf", 0o600, "cannot be read: Permission denied"),
    ("conf", 0o500, "cannot be written: Permission denied; run this as root or as Red5's user."),
    ("webapps/openmeetings/public", 0o500, "cannot be written: Permission denied; run this as root or as Red5's user."),
])
def test_rights_that_are_missing(tmp_path, openmeetings, place, mode, sentence):
    """Nothing is changed, and nothing left behind but a record and copies that undo removes."""
    red5 = lay_out(tmp_path, "3.0.7")
    before = contents(red5)
    right = (red5 / place).stat().st_mode
    (red5 / place).chmod(mode)
    prefix = AS_NOBODY_SPECIAL if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, SCRIPT, "enable", red5, "-c", openmeetings.ini], capture_output=True, text=True, timeout=60)
    (red5 / place).chmod(right)
    assert done.returncode == 1 and sentence in done.stdout + done.stderr
    openmeetings("undo", red5)
    assert contents(red5) == before


def test_a_disk_that_is_full(tmp_path, openmeetings):
    """Here a limit for the size of files, under that of config.xml."""
    red5 = lay_out(tmp_path, "3.0.7")
    before = contents(red5)
    done = subprocess.run([SCRIPT, "enable", red5, "-c", openmeetings.ini], capture_output=True, text=True, timeout=60,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)))
    assert done.returncode == 1 and "config.xml.before-red5-tls-proxy cannot be written: File too large." in done.stderr
    assert {path: contents(red5)[path] for path in before} == before
    openmeetings("undo", red5)
    assert contents(red5) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_stays_the_same(tmp_path, openmeetings):
    red5 = lay_out(tmp_path, "3.0.7")
    path = red5 / "conf/red5.properties"
    os.chown(path, 65534, 65533)
    path.chmod(0o640)
    for command in ("enable", "undo"):
        openmeetings(command, red5)
        assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o7777) == (65534, 65533, 0o640)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give links away")
def test_a_link_of_somebody_else_is_not_followed(tmp_path, openmeetings):
    """Who owns Red5's files could otherwise have root change a file of root's."""
    red5 = lay_out(tmp_path, "3.0.7")
    path = config_of(red5, "3.0.7")
    path.rename(tmp_path / "roots")
    path.symlink_to(tmp_path / "roots")
    os.lchown(path, 65534, 65534)
    before = contents(red5)
    assert "is a link to a file of somebody else" in openmeetings("enable", red5, code=1)
    assert contents(red5) == before
