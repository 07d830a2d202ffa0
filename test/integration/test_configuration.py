"""What the real binary says of a proxy.ini that is wrong, and of one that is right."""

import os
import pwd
import re
import shutil
import subprocess

import pytest

from lib.proxy import BINARIES

USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # root's workers would get a warning

GOOD = f"""\
[proxy]
user = {USER}

[certificate main]
chain = main/fullchain.pem
key = main/privkey.pem

[certificate screen]
chain = screen/fullchain.pem
key = screen/privkey.pem

[listener front]
listen = 127.0.0.1:5443
certificates = main screen
http_backend = 127.0.0.1:5080
rtmp_backend = 127.0.0.1:1935
"""
BACKENDS = "http_backend = 127.0.0.1:5080\nrtmp_backend = 127.0.0.1:1935"
ANOTHER = "+[listener b]\ncertificates = main\nhttp_backend = 127.0.0.1:1\nlisten = "


@pytest.fixture
def check(certificates, tmp_path):
    """Run `red5-tls-proxy -t` on a text."""
    for name in ("main", "screen"):
        shutil.copytree(certificates.directory / name, tmp_path / name)

    def check(text):
        (tmp_path / "proxy.ini").write_bytes(text.encode() if isinstance(text, str) else text)
        return subprocess.run([BINARIES["asan"], "-t", "-c", "proxy.ini"], cwd=tmp_path, timeout=30,
                              capture_output=True, text=True, errors="replace")

    return check


def without_days(text):
    """They may become one less meanwhile."""
    return re.sub(r"\d+ days left", "", text)


def test_a_good_file_is_printed_as_it_takes_effect(check):
    """To stdout, with every default; and what is printed is a proxy.ini of the same effect."""
    done = check(GOOD)
    assert (done.returncode, done.stderr) == (0, "")
    assert "handshake_timeout = 10s" in done.stdout and "workers = auto" in done.stdout
    again = check(done.stdout)
    assert (again.returncode, without_days(again.stdout)) == (0, without_days(done.stdout))


def test_certificates_are_listed_with_names_and_dates(check, tmp_path):
    """In comments behind the set-up: each with what openssl says of it."""
    done = check(GOOD)
    listed = done.stdout.partition("; [certificate ")[2].split("\n; [certificate ")
    assert [text.partition("]")[0] for text in listed] == ["main", "screen"]
    assert ";   names   main.test, *.main.test, localhost, 127.0.0.1\n" in listed[0]
    for name, text in zip(("main", "screen"), listed):
        said = subprocess.run(["openssl", "x509", "-in", tmp_path / name / "fullchain.pem", "-noout", "-enddate",
                               "-dateopt", "iso_8601", "-issuer"], check=True, capture_output=True, text=True).stdout
        end, issuer = re.search(r"notAfter=(.*):\d\dZ", said)[1], re.search(r"CN = (.*)", said)[1]
        assert f";   until   {end} UTC, " in text and " days left\n" in text
        assert f";   issuer  CN={issuer}\n" in text and ";   key     RSA 2048\n" in text


def test_two_certificates_are_a_whole_file(check):
    """No [listener]: the two that stand in front of an OpenMeetings."""
    done = check(GOOD.partition("[listener")[0])
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("[listener https]", "*:5443", "[listener rtmps]", "*:8443", "127.0.0.1:5080", "127.0.0.1:1935"):
        assert words in done.stdout


def test_lists_go_on_in_indented_lines(check):
    done = check(GOOD.replace("certificates = main screen", "certificates = main\n    screen"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "certificates = main screen" in done.stdout


# What is done to the good file ("+TEXT" appends, "^TEXT" puts in front, "OLD>NEW" replaces), and the complaint: how
# the line begins that it is about (None: the last), how the complaint goes on behind that line's number, and a word
# in it.
COMPLAINTS = {
    "unknown key": ("+listen_timeout = 3s", None, "[listener front] ", "listen_timeout"),
    "a key of another section": ("+workers = 2", None, "[listener front] ", "workers"),
    "a choice that is none": ("+ktls = maybe", None, "[listener front] ktls: ", "maybe"),
    "unknown section": ("+[server x]", None, "", "[server x]"),
    "listener without a name": ("+[listener]", None, "", "[listener]"),
    "a section twice": ("+[certificate main]", None, "[certificate main] ", "line 4"),
    "a key twice": ("+http_backend = 127.0.0.1:80", None, "[listener front] http_backend: ", "line 15"),
    "a list twice": ("+listen = 127.0.0.1:80", None, "[listener front] listen: ", "line 13"),
    "a time out of range": ("+handshake_timeout = 9h", None, "[listener front] handshake_timeout: ", "range"),
    "a time without a unit": ("+handshake_timeout = 9", None, "[listener front] handshake_timeout: ", "9"),
    "a number out of range": ("+max_dials = 0", None, "[listener front] max_dials: ", "range"),
    "no number": ("+max_dials = many", None, "[listener front] max_dials: ", "many"),
    "too many workers": ("[proxy]>[proxy]\nworkers = 65", "workers", "[proxy] workers: ", "range"),
    "no log level": ("[proxy]>[proxy]\nlog_level = loud", "log_level", "[proxy] log_level: ", "loud"),
    "no such group": ("[proxy]>[proxy]\ngroup = no-such-group", "group", "[proxy] group: ", "no-such-group"),
    "no value": ("+max_dials =", None, "[listener front] max_dials: ", ""),
    "idle_timeout under Red5's": ("+idle_timeout = 64s", None, "[listener front] idle_timeout: ", "65"),
    "a key for tunnels": ("+tickets = on", None, "[listener front] tickets: ", "tunnel"),
    "a line of 199 characters": ("+max_dials = 1".ljust(200), None, "", "long"),
    "a long section name": ("+[certificate %s]" % ("x" * 40), None, "", "long"),
    "a continued single value": ("+max_dials = 1\n  2", None, "[listener front] max_dials: ", ""),
    "a colon for the equals sign": ("+max_dials: 1", None, "", "key = value"),
    "no equals sign": ("+max_dials", None, "", "key = value"),
    "a section that does not close": ("+[certificate x", None, "", "bracket"),
    "a key before every section": ("^max_dials = 1", "max_dials", "", "section"),
    "no such certificate": ("main screen>main screen else", "certificates", "[listener front] certificates: ", "else"),
    "a certificate twice": ("main screen>main screen main", "certificates", "[listener front] certificates: ", "twice"),
    "no certificates": ("certificates = main screen>", "[listener", "[listener front] certificates: ", "missing"),
    "no listen": ("listen = 127.0.0.1:5443>", "[listener", "[listener front] listen: ", "missing"),
    "no port to listen on": (":5443>", "listen", "[listener front] listen: ", "127.0.0.1"),
    "a port out of range": (":5443>:70000", "listen", "[listener front] listen: ", "range"),
    "a backend without a port": (":5080>", "http_backend", "[listener front] http_backend: ", "127.0.0.1"),
    "no backend": (BACKENDS + ">", "[listener", "[listener front] ", "backend"),
    "a protocol without its backend": ("http_backend = 127.0.0.1:5080>protocols = http rtmp", "protocols",
                                       "[listener front] http_backend: ", "missing"),
    "no protocol": ("+protocols = smtp", None, "[listener front] protocols: ", "smtp"),
    "a tunnel and more": ("http_backend>protocols = tunnel rtmp\ntunnel_backend", "protocols",
                          "[listener front] protocols: ", "tunnel"),
    "a backend that is never used": ("+protocols = http", "rtmp_backend", "[listener front] rtmp_backend: ", "RTMP"),
    "a tunnel's backend without a tunnel": ("+tunnel_backend = 127.0.0.1:1", None, "[listener front] tunnel_backend: ",
                                            "tunnel"),
    "the backend is the proxy": (":5080>:5443", "http_backend", "[listener front] http_backend: ", "itself"),
    "an address twice": (ANOTHER + "127.0.0.1:5443", None, "[listener b] listen: ", "overlap"),
    "a wildcard and an address": (ANOTHER + "*:5443", None, "[listener b] listen: ", "overlap"),
    "no chain file": ("main/fullchain>main/none", "chain", "[certificate main] chain: ", "none.pem"),
    "no key file": ("main/privkey>main/none", "key", "[certificate main] key: ", "none.pem"),
    "the key of another": ("main/privkey>screen/privkey", "key", "[certificate main] key: ", ""),
    "no certificate in the chain": ("main/fullchain>main/privkey", "chain", "[certificate main] chain: ", ""),
    "no chain": ("chain = main/fullchain.pem>", "[certificate", "[certificate main] chain: ", "missing"),
    "no key": ("key = main/privkey.pem>", "[certificate", "[certificate main] key: ", "missing"),
}


def changed(change):
    if change[0] == "+":
        return GOOD + change[1:] + "\n"
    if change[0] == "^":
        return change[1:] + "\n" + GOOD
    old, new = change.split(">")
    assert old in GOOD
    return GOOD.replace(old, new, 1)


@pytest.mark.parametrize("change, culprit, start, word", COMPLAINTS.values(), ids=COMPLAINTS)
def test_a_wrong_file_is_complained_of_where_it_is_wrong(check, change, culprit, start, word):
    """One complaint, which begins with file and line, and exit code 1."""
    text = changed(change)
    lines = text.splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.startswith(culprit)) if culprit else len(lines)
    done = check(text)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"proxy.ini:{number}: {start}")
    assert word in done.stderr


def places(done):
    """The PATH:LINE of every complaint."""
    return {":".join(complaint.split(":")[:2]) for complaint in done.stderr.splitlines()}


def test_all_complaints_come_in_one_run(check):
    """Whoever repairs a file repairs it once."""
    done = check(GOOD.replace(":5443", ":99999") + "max_dials = 0\nhsts = no\n")
    assert done.returncode == 1
    assert places(done) == {"proxy.ini:13", "proxy.ini:17", "proxy.ini:18"}


def test_all_files_that_are_named_are_looked_at_in_one_run(check):
    """A missing key does not hide the other one, nor does a fault in a line."""
    done = check(GOOD.replace("privkey.pem", "none.pem") + "max_dials = 0\n")
    assert done.returncode == 1
    assert places(done) == {"proxy.ini:6", "proxy.ini:10", "proxy.ini:17"}


def test_a_key_that_others_can_read_is_refused(check, tmp_path):
    """Whoever can read it can be this server."""
    (tmp_path / "main/privkey.pem").chmod(0o644)
    done = check(GOOD)
    assert done.returncode == 1
    assert done.stderr.startswith("proxy.ini:6: [certificate main] key: ")


@pytest.mark.parametrize("make, word", [
    (lambda path: None, "No such file"), (lambda path: path.mkdir(), "no regular file"),
    (os.mkfifo, "no regular file"), (lambda path: path.write_bytes(bytes(1048577)), "longer than 1m")],
    ids=["nothing", "a directory", "a pipe that nobody writes to", "too long"])
def test_an_override_needs_a_small_file(check, tmp_path, make, word):
    """And nobody waits for a pipe."""
    make(tmp_path / "config.xml")
    done = check(GOOD + "override = /config.xml config.xml\n")
    assert done.returncode == 1
    assert "proxy.ini:17: [listener front] override: config.xml: " in done.stderr and word in done.stderr


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/null")], ids=["a pipe", "a device"])
def test_the_file_itself_is_a_regular_one(tmp_path, make):
    """The master reads it while it serves: it must not be kept waiting."""
    make(tmp_path / "none")  # no .ini: those are shown when a test fails
    done = subprocess.run([BINARIES["asan"], "-t", "-c", "none"], cwd=tmp_path, timeout=10, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "none: is no regular file\n")


def test_the_file_itself_may_be_a_symbolic_link(check, tmp_path):
    (tmp_path / "target.ini").write_text(GOOD)
    (tmp_path / "link.ini").symlink_to("target.ini")
    assert check(GOOD).returncode == 0  # lays out the files
    done = subprocess.run([BINARIES["asan"], "-t", "-c", "link.ini"], cwd=tmp_path, timeout=30, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_warning_leaves_the_exit_code_0(check):
    """A certificate that no listener uses."""
    done = check(GOOD.replace("main screen", "main"))
    assert done.returncode == 0
    assert done.stderr.startswith("proxy.ini:8: warning: [certificate screen] ")


def test_a_file_that_is_not_there(tmp_path):
    done = subprocess.run([BINARIES["asan"], "-t", "-c", "none.ini"], cwd=tmp_path, timeout=30,
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("none.ini:") and "No such file" in done.stderr


@pytest.mark.parametrize("text", [b"", b"\0" * 300, b"\xff" * 300, b"[proxy]\n\0\n", b"[" * 5000, b"=\n" * 5000])
def test_a_file_that_is_no_ini_at_all(check, text):
    """Complaints or a missing certificate, but no crash."""
    assert check(text).returncode == 1


def test_windows_line_ends_and_a_byte_order_mark_are_read(check):
    done = check("\ufeff" + GOOD.replace("\n", "\r\n"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_certificate_too_weak_for_openssl_is_complained_of(check, tmp_path):
    """Not only the first of a listener, and now, not at the handshake of the client that asks for it."""
    screen = tmp_path / "screen"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=screen.test",
                    "-addext", "subjectAltName=DNS:screen.test", "-keyout", screen / "privkey.pem",
                    "-out", screen / "fullchain.pem"], check=True, capture_output=True)
    done = check(GOOD)
    assert done.returncode == 1
    assert done.stderr.startswith("proxy.ini:10: [certificate screen] key: "), done.stderr


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("key, file, line", [("chain", "fullchain.pem", 5), ("key", "privkey.pem", 6)])
def test_what_is_no_file_is_complained_of(check, tmp_path, make, key, file, line):
    """A FIFO to which nobody writes would keep the proxy waiting for ever."""
    (tmp_path / "main" / file).unlink()
    make(tmp_path / "main" / file, 0o600)
    done = check(GOOD)
    assert done.returncode == 1
    assert done.stderr.startswith(f"proxy.ini:{line}: [certificate main] {key}: main/{file} "), done.stderr
