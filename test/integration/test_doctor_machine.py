"""`red5-tls-proxy doctor` on the machine: its other addresses, clock and descriptors; and what it may cost."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

import pytest

from lib import hosts
from lib.backends import NeverAnswers, StandIn
from lib.doctor import examine, run_doctor
from lib.proxy import BINARIES
from lib.waiting import Stopwatch

needs_hosts = pytest.mark.skipif(bool(hosts.why_not()), reason=hosts.why_not() or "")


@pytest.fixture
def machine(closing):
    """A machine with an address of either family that others can reach."""
    host = closing(hosts.Host("doctor"))
    host.cable(closing(hosts.Host("other")), 1)
    return host


INI = """\
[certificate main]
chain = {0}/main/fullchain.pem
key = {0}/main/privkey.pem

[listener https]
listen = *:5443
certificates = main
http_backend = {1}:5080
rtmp_backend = {1}:1935
"""


@needs_hosts
@pytest.mark.parametrize("bound, port, is_open", [
    ("127.0.0.1", 1935, False), ("", 1935, True), ("", 5080, True), ("", 8088, True), ("", 4443, False)])
def test_a_plain_port_that_others_may_reach_is_a_warning(machine, certificates, tmp_path, closing, bound, port, is_open):
    """Those of the backends, and Red5's old one for RTMPT; at each of the machine's addresses."""
    (tmp_path / "proxy.ini").write_text(INI.format(certificates.directory, "127.0.0.1"))
    with machine.inside():
        closing(socket.create_server((bound, port)))
        if not bound:
            closing(socket.create_server(("::", port), family=socket.AF_INET6))
        report = examine(tmp_path / "proxy.ini")
    found = {c["subject"] for c in report.checks if c["name"] == "plain-ports" and c["severity"] == "warning"}
    open_at = {f"10.77.1.1:{port}", f"[fd77:1::1]:{port}"} if is_open else set()
    assert found - {f"[{a}]:{port}" for a in found if a.startswith("[fe80")} >= open_at
    assert all(subject.endswith(f":{port}") for subject in found)
    if not is_open:
        assert report.one("plain-ports") == ("ok", "none of the plain ports is open at its other addresses")


@needs_hosts
def test_the_proxys_own_ports_may_be_open(machine, certificates, tmp_path, closing):
    """A listener at the machine's address, with the number of the plain port."""
    (tmp_path / "proxy.ini").write_text(INI.format(certificates.directory, "127.0.0.1").replace(
        "*:5443", "10.77.1.1:5080"))
    with machine.inside():
        closing(socket.create_server(("10.77.1.1", 5080)))
        report = examine(tmp_path / "proxy.ini")
    assert report.severities("plain-ports") == {"ok"}


@needs_hosts
def test_a_backend_on_another_machine_is_not_knocked_at(machine, certificates, tmp_path):
    """Who else reaches it, one cannot see from here."""
    (tmp_path / "proxy.ini").write_text(INI.format(certificates.directory, "10.77.1.9"))
    with machine.inside(), Stopwatch() as watch:
        report = examine(tmp_path / "proxy.ini")
    assert all("is on another machine" in message for _, message in report.of("plain-ports", "_backend"))
    assert len(report.of("plain-ports", "_backend")) == 2
    assert "cannot be reached at 10.77.1.9:1935: " in report.one("rtmp")[1]
    assert watch.seconds < 20


@needs_hosts
def test_a_machine_without_ipv6_needs_none(machine, certificates, tmp_path, start_proxy, closing):
    """`*` is IPv4 alone then, for the proxy as well."""
    machine.run("sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
    with machine.inside():
        proxy = start_proxy(listeners={"https": {"listen": "*:5443", "certificates": "main",
                                                 "http_backend": "127.0.0.1:5080"}})
        report = examine(proxy.ini)
    assert not report.of("listening") and report.severities("chain", "127.0.0.1:5443") == {"ok"}


@needs_hosts
def test_a_wildcard_is_tried_in_both_families(machine, start_proxy):
    with machine.inside():
        proxy = start_proxy(listeners={"https": {"listen": "*:5443", "certificates": "main",
                                                 "http_backend": "127.0.0.1:5080"}})
        report = examine(proxy.ini)
    for address in ("127.0.0.1:5443", "[::1]:5443"):
        assert report.severities("chain", address) == {"ok"}


# -- clock and descriptors

def test_a_clock_that_is_behind_is_a_fault(usual_proxy):
    proxy = usual_proxy()
    assert examine(proxy.ini).one("clock")[0] == "ok"
    tomorrow = time.time() + 86400
    os.utime(proxy.ini, (tomorrow, tomorrow))
    severity, message = examine(proxy.ini).one("clock")
    assert severity == "fault" and message.endswith(f"which is before {proxy.ini} was written")


@pytest.mark.parametrize("max_sessions, descriptors, severity, sentence", [
    (None, 4096, "ok", r"may open 4096 files, enough for (\d+) sessions"),
    (None, 256, "warning", r"may open 256 files, enough for only (\d+) sessions"),
    (5000, 4096, "warning", r"may open 4096 files, enough for (\d+) sessions, and max_sessions = 5000"),
    (50, 256, "ok", r"may open 256 files, enough for (\d+) sessions")])
def test_the_descriptors_of_the_running_proxy_count(usual_proxy, max_sessions, descriptors, severity, sentence):
    """Not those of whoever asks. A session takes two, and a worker some for itself."""
    proxy = usual_proxy(descriptors=descriptors, proxy={"max_sessions": max_sessions} if max_sessions else {})
    found, message = examine(proxy.ini).one("descriptors", "the running proxy")
    room = re.fullmatch(sentence, message)
    assert found == severity and room, message
    assert descriptors / 4 < int(room[1]) < descriptors / 2


# -- what it costs, and what it needs

@pytest.mark.long
def test_servers_that_never_answer_cost_a_bounded_time(usual_proxy, closing):
    """Connections that are not accepted, or are and stay silent. What there was no time for is no fault."""
    silent, full = closing(StandIn()), closing(NeverAnswers())
    proxy = usual_proxy(https={"http_backend": silent.address, "rtmp_backend": full.address})
    mute = [closing(StandIn()).address for _ in range(7)]
    proxy.ini.write_text(proxy.ini.read_text().replace("listen = 127", f"listen = {' '.join(mute)} 127", 1))
    with Stopwatch() as watch:
        report = examine(proxy.ini)
    assert 20 < watch.seconds < 30
    assert report.one("http", silent.address)[1] == f"does not answer in HTTP at {silent.address}: no answer in 3 s"
    assert report.one("rtmp", full.address)[1] == f"cannot be reached at {full.address}: no answer in 3 s"
    assert report.one("chain", mute[0]) == ("fault", "no TLS handshake: no answer in 3 s")
    assert report.one("time") == ("warning", "the 25 s of a run are over, and the rest was not tried")
    assert not report.of("chain", "[listener rtmps]") and not report.of("rtmps")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give it up")
def test_it_needs_no_root(usual_proxy):
    """A key that it cannot read is told, and what the listeners show is looked at all the same."""
    proxy = usual_proxy(rtmps={"certificates": "main"})
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    with tempfile.TemporaryDirectory() as name:  # pytest's own directories are closed to others
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        binary = shutil.copy(BINARIES["asan"], directory)
        shutil.copy(proxy.ini, directory)
        done = subprocess.run([*nobody, binary, "doctor", "-c", directory / "proxy.ini"], capture_output=True, text=True,
                              timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert re.search(r"^warning  \[certificate main\]: \S+ cannot be read by this user", done.stdout, re.M)
    assert 'shows "main" for main.test, *.main.test, localhost, clients without SNI: CN=main.test' in done.stdout


@pytest.mark.parametrize("argv", [[], ["-c"], ["-c", "a", "b", "c"], ["-c", "a", "--xml"]])
def test_a_wrong_call_is_refused(argv):
    done = subprocess.run([BINARIES["asan"], "doctor", *argv], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "usage: red5-tls-proxy doctor -c FILE" in done.stderr


def test_help(tmp_path):
    done = run_doctor(tmp_path / "none.ini", "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: red5-tls-proxy doctor ")
