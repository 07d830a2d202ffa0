"""scripts/firewall, tried from another machine: a network namespace with a cable to the proxy's."""

import contextlib
import os
import re
import shutil
import socket
import subprocess

import pytest

from lib import hosts
from lib.backends import StandIn
from lib.ends import Peer, TlsClient
from lib.nginx import Nginx
from lib.proxy import BINARIES, TOP
from lib.waiting import until
from test_documents import SHIPPED, lay_out, uncommented

FIREWALL = TOP / "scripts/firewall"
TLS_PORTS, PLAIN_PORTS = [5443, 8443], [1935, 5080, 8088]
OUTSIDE = {"IPv4": "10.77.1.2", "IPv6": "fd77:1::2"}
NAMED = {"IPv4": "10.77.1.3", "IPv6": "fd77:1::3"}
SERVER = {"IPv4": "10.77.1.1", "IPv6": "fd77:1::1"}
LOOPBACK = {"IPv4": "127.0.0.1", "IPv6": "::1"}
FAMILIES = list(SERVER)

needs_hosts = pytest.mark.skipif(bool(hosts.why_not()), reason=hosts.why_not() or "")


# -- what it writes


def firewall(*argv, code=0, **keywords):
    done = subprocess.run([FIREWALL, *argv], capture_output=True, text=True, timeout=30, **keywords)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def ports_of(text):
    """The ports let in and the ports refused, of rules in nft's language."""
    let_in = re.search(r"tcp dport \{ (.*) \} accept", text)
    refused, = set(re.findall(r"tcp dport \{ (.*) \} tcp flags", text))
    return let_in and let_in[1], refused


INI = "[listener front]\nlisten = {}\nhttp_backend = {}\n"

# A proxy.ini, the ports let in, those refused, and what is said.
PORTS = {
    "the default": ("", "5443, 8443", "1935, 5080, 8088", ""),
    "other ports": (INI.format("*:443", "127.0.0.1:8080") + "rtmp_backend=[::1]:1936 ; old\n",
                    "443", "1935, 1936, 5080, 8080, 8088", ""),
    "several addresses, on two lines": (INI.format("192.0.2.1:443", "localhost:5080").replace(
        "\nhttp", "\n    [2001:db8::1]:8443 127.0.0.1:7000\nhttp"), "443, 8443", "1935, 5080, 8088", ""),
    "for this machine alone": (INI.format("127.0.0.1:5443", "127.0.0.1:5080"), None, "1935, 5080, 8088", ""),
    "a plain port that is the proxy's": (INI.format("*:5080", "127.0.0.1:5081"), "5080", "1935, 5081, 8088", ""),
    "a backend elsewhere": (INI.format("*:5443", "192.0.2.9:80"), "5443", "1935, 5080, 8088",
                            "the backend 192.0.2.9:80 is on another machine"),
    "SSH in TLS": ("[listener ssh]\nlisten = *:443\ntunnel_backend = 127.0.0.1:22\n", "443", "1935, 5080, 8088",
                   "the backend 127.0.0.1:22 is SSH: its port is left alone"),
    "comments": ("; listen = *:1\n[listener a] ; *:2\n" + INI.format("*:443 ; *:3", "127.0.0.1:80")[17:] +
                 ";http_backend = 127.0.0.1:4\n[proxy]\nlisten = *:5\n", "443", "80, 1935, 5080, 8088", ""),
}


@pytest.mark.parametrize("ini, let_in, refused, said", PORTS.values(), ids=PORTS)
def test_the_ports_are_those_of_proxy_ini(tmp_path, ini, let_in, refused, said):
    (tmp_path / "proxy.ini").write_text(ini)
    printed = firewall("print", "--tool", "nft", "-c", tmp_path / "proxy.ini")
    assert ports_of(printed) == (let_in, refused)
    assert said in printed and ("firewall: " in printed) == bool(said)


@pytest.mark.parametrize("text", [SHIPPED, uncommented(SHIPPED)], ids=["shipped", "all of it"])
def test_it_reads_proxy_ini_as_the_proxy_does(certificates, tmp_path, text):
    lay_out(certificates, tmp_path, text)
    (tmp_path / "proxy.ini").write_text(text)
    shown = subprocess.run([BINARIES["plain"], "-t", "-c", "proxy.ini"], cwd=tmp_path, capture_output=True, text=True)
    (tmp_path / "shown.ini").write_text(shown.stdout)
    listening = re.findall(r"\S+", " ".join(re.findall(r"^listen = (.*)$", shown.stdout, re.M)))
    backends = re.findall(r"_backend = .*:(\d+)$", shown.stdout, re.M)
    let_in, refused = ports_of(firewall("print", "--tool", "nft", "-c", "proxy.ini", cwd=tmp_path))
    assert (let_in, refused) == ports_of(firewall("print", "--tool", "nft", "-c", "shown.ini", cwd=tmp_path))
    assert set(let_in.split(", ")) == {a.rpartition(":")[2] for a in listening if not a.startswith("127.")}
    assert set(refused.split(", ")) == {"8088", *backends}


@pytest.mark.parametrize("argv, sentence, code", [
    (["print", "--from", "cam.example.org"], "--from: 'cam.example.org' is no address and no network", 1),
    (["print", "--from", "192.0.2.256"], "is no address", 1), (["print", "--from", "192.0.2.0/33"], "is no address", 1),
    (["print", "--from", "2001:db8:::1"], "is no address", 1), (["print", "--from", "1:2:3"], "is no address", 1),
    (["print", "--from", "::/129"], "is no address", 1), (["print", "--also", "65536"], "'65536' is no port", 1),
    (["print", "-c", "/none"], "'/none' cannot be read", 1), (["print", "--tool", "pf"], "neither nft nor iptables", 1),
    (["apply", "--at", "localhost"], "Usage:", 2), (["check", "--unit"], "Usage:", 2), ([], "Usage:", 2),
    (["print", "remove"], "Usage:", 2),
])
def test_a_wrong_call_is_refused(argv, sentence, code):
    assert sentence in firewall(*argv, code=code)


def test_the_unit_applies_the_same_rules_at_each_start(tmp_path):
    (tmp_path / "proxy.ini").write_text("")
    unit = firewall("print", "--unit", "-c", "proxy.ini", "--from", "192.0.2.1", "--also", "9999", cwd=tmp_path)
    call = f"{FIREWALL} apply -c {tmp_path}/proxy.ini --from 192.0.2.1 --also 9999"
    assert f"ExecStart={call}\nExecReload={call}\nExecStop={FIREWALL} remove\n" in unit
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    (tmp_path / "red5-tls-proxy-firewall.service").write_text(unit)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "red5-tls-proxy-firewall.service"],
                          capture_output=True, text=True, timeout=30)
    assert "red5-tls-proxy-firewall" not in done.stderr


@pytest.mark.parametrize("verb", ["apply", "remove", "check"])
def test_without_root_it_says_so(tmp_path, verb):
    (tmp_path / "proxy.ini").write_text("")
    drop = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run([*drop, "bash", "-s", verb], stdin=FIREWALL.open(), capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"firewall: {verb} needs root; say sudo scripts/firewall {verb}.\n"


# -- what it does


@pytest.fixture(params=["nft", "iptables", "iptables-legacy"])
def tool(request, tmp_path):
    """As --tool, and a PATH where iptables is what it is on old machines."""
    path = os.environ["PATH"]
    if request.param == "iptables-legacy":
        (tmp_path / "bin").mkdir()
        for name in ("iptables", "ip6tables", "iptables-restore", "ip6tables-restore", "iptables-save"):
            os.symlink("/usr/sbin/xtables-legacy-multi", tmp_path / "bin" / name)
        path = f"{tmp_path}/bin:{path}"
    return request.param.partition("-")[0], {**os.environ, "PATH": path}


@pytest.fixture
def server(closing):
    return closing(hosts.Host("server"))


@pytest.fixture
def outside(closing, server):
    """Another machine, with two addresses of either family."""
    host = closing(hosts.Host("outside"))
    server.cable(host, 1)
    host.add_address(1, 3)
    return host


@pytest.fixture
def script(server, tool):
    """Run scripts/firewall on the server; what it printed, the errors too."""
    name, environment = tool

    def script(verb, *argv, code=0):
        done = subprocess.run(["ip", "netns", "exec", server.name, FIREWALL, verb, "--tool", name, *argv],
                              env=environment, capture_output=True, text=True, timeout=30)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return script


@pytest.fixture
def red5(server, tmp_path, closing):
    """nginx on Red5's ports, all addresses."""
    def listen(port):
        return [socket.create_server(("", port)), socket.create_server(("::", port), family=socket.AF_INET6)]

    with server.inside():
        return closing(Nginx(tmp_path, http=listen(5080) + listen(8088), rtmp=listen(1935)))


@pytest.fixture
def proxy(server, red5, start_proxy):
    with server.inside():
        return start_proxy(listeners={
            "https": {"listen": "*:5443", "http_backend": "127.0.0.1:5080", "rtmp_backend": "127.0.0.1:1935"},
            "rtmps": {"listen": "*:8443", "http_backend": "127.0.0.1:5080", "rtmp_backend": "127.0.0.1:1935"}})


def reach(host, address, port, source=None):
    """A connection from a machine to an address, or None if it is refused."""
    with host.inside():
        try:
            return Peer(socket.create_connection((address, port), 5, (source, 0) if source else None))
        except ConnectionRefusedError:
            return None


def open_ports(host, address, source=None):
    found = []
    for port in TLS_PORTS + PLAIN_PORTS:
        if peer := reach(host, address, port, source):
            peer.close()
            found.append(port)
    return found


def rules_of(server):
    """All that is in force on a machine, without counters."""
    return re.sub(r"packets \d+ bytes \d+", "", server.run("nft", "list", "ruleset")) + re.sub(
        r"\[\d+:\d+\]|^#.*$", "", server.run("iptables-legacy-save"), flags=re.M)


@needs_hosts
def test_who_gets_in(server, outside, script, proxy):
    """Everybody to the proxy; this machine and a named proxy to the plain ports, too."""
    everything = TLS_PORTS + PLAIN_PORTS
    assert all(open_ports(outside, SERVER[family]) == everything for family in FAMILIES)
    script("apply", "--from", NAMED["IPv4"], "--from", f"{NAMED['IPv6']}/128")
    for family in FAMILIES:
        assert open_ports(outside, SERVER[family], OUTSIDE[family]) == TLS_PORTS
        assert open_ports(outside, SERVER[family], NAMED[family]) == everything
        assert open_ports(server, LOOPBACK[family]) == open_ports(server, SERVER[family]) == everything


@needs_hosts
def test_pages_and_streams_go_through_the_proxy(server, outside, script, proxy, red5, certificates, run_program, start_program):
    script("apply")
    red5.put_page("page", "a page")
    clip = ["-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10", "-c:v", "flv1", "-t", "20", "-f", "flv"]
    with outside.inside():
        for family in FAMILIES:
            host = f"[{SERVER[family]}]" if family == "IPv6" else SERVER[family]
            page = run_program("curl", "curl", "-sS", "--cacert", certificates.root, "--resolve",
                               f"main.test:5443:{host}", "https://main.test:5443/page")
            assert page == "a page"
        start_program("ffmpeg", "ffmpeg", "-nostdin", "-loglevel", "error", *clip, f"rtmps://{SERVER['IPv4']}:8443/live/x")
    with server.inside():
        until(lambda: re.search(r"<name>x</name>.*<publishing/>", red5.statistics(), re.S), "a stream at nginx")


@needs_hosts
def test_what_is_connected_stays_so(server, outside, script, proxy, red5, any_tls):
    """A live stream and a page that loads: when the rules come, change and go."""
    red5.put_page("page", "a page")
    get = b"GET /page HTTP/1.1\r\nHost: main.test\r\n\r\n"
    plain = reach(outside, SERVER["IPv4"], 5080)
    with outside.inside():
        tls = TlsClient(socket.create_connection((SERVER["IPv4"], 8443)), any_tls).handshake()
    with contextlib.closing(plain), contextlib.closing(tls):
        for step in (["apply"], ["apply", "--from", "192.0.2.1"], ["apply"], ["remove"]):
            script(*step)
            for client in (plain, tls):
                client.send(get)
                until(lambda: client.receive().endswith(b"a page"), "the page")
            assert bool(peer := reach(outside, SERVER["IPv4"], 5080)) == (step == ["remove"])
    peer.close()


ADMINISTRATORS = """
table inet mine {
    chain input { type filter hook input priority 0; policy accept; tcp dport 7 drop; }
}
"""


@needs_hosts
def test_other_rules_stay_as_they_are(server, script, tool):
    server.run("nft", "-f", "-", input=ADMINISTRATORS)
    for command in ("iptables", "ip6tables", "iptables-legacy"):
        server.run(command, "-A", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP")
    before = rules_of(server)
    script("apply")
    applied = rules_of(server)
    assert applied != before
    script("apply")
    assert rules_of(server) == applied
    script("apply", "--from", "192.0.2.1")
    assert rules_of(server) != applied
    assert "the rules are removed." in script("remove")
    assert rules_of(server) == before
    assert "there were no rules to remove." in script("remove")


@needs_hosts
@pytest.mark.parametrize("tool", ["nft", "iptables"], indirect=True)
def test_the_rules_of_the_other_tool_are_replaced(server, script, tool):
    other = {"nft": "iptables", "iptables": "nft"}[tool[0]]
    server.run(FIREWALL, "apply", "--tool", other)
    script("apply")
    assert ("RED5_TLS_PROXY" in rules_of(server), "red5_tls_proxy" in rules_of(server)) == (
        (False, True) if tool[0] == "nft" else (True, False))


@needs_hosts
def test_what_is_printed_is_what_is_applied(server, script, tool):
    script("apply")
    script("remove")  # what remains is iptables' own empty chain
    script("apply", "--also", "9999")
    applied = rules_of(server)
    printed = script("print", "--also", "9999")
    script("remove")
    if tool[0] == "nft":
        server.run("nft", "-f", "-", input=printed)
    else:
        for part, command in zip(printed.split("# IPv")[1:], ("iptables-restore", "ip6tables-restore")):
            server.run(command, "--noflush", input="#" + part, env=tool[1])
    assert rules_of(server) == applied


@needs_hosts
@pytest.mark.parametrize("tool", ["iptables", "iptables-legacy"], indirect=True)
def test_all_or_nothing(server, script, tool, tmp_path):
    """A fault with IPv6 alone: IPv4's rules stay as they were. (With nft both are one transaction.)"""
    script("apply")
    before = rules_of(server)
    (tmp_path / "fails").mkdir()
    broken = tmp_path / "fails/ip6tables-restore"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    tool[1]["PATH"] = f"{broken.parent}:{tool[1]['PATH']}"
    assert "ip6tables refuses the rules, and nothing was changed" in script("apply", "--also", "9999", code=1)
    assert rules_of(server) == before


@needs_hosts
def test_check_on_this_machine(script, proxy, tmp_path):
    def lines(*argv, code):
        return re.findall(r"^(ok|warning|fault) +(.*)$", script("check", *argv, code=code), re.M)

    before = lines(code=1)
    assert before[0] == ("fault", next(said for _, said in before if "the rules are not in force" in said))
    assert [kind for kind, said in before if re.match("1935|5080|8088", said)] == ["fault"] * 3
    script("apply")
    after = lines(code=0)
    assert [kind for kind, _ in after] == ["ok"] * 6, after
    assert "refused since they were applied: 0." in after[0][1]
    assert lines("--from", "192.0.2.1", code=1)[0][0] == "fault"
    (tmp_path / "other.ini").write_text(INI.format("*:5443", "127.0.0.1:5081"))
    said = [said for kind, said in lines("-c", tmp_path / "other.ini", code=1) if kind == "fault"]
    assert len(said) == 1 and "for other ports or proxies" in said[0]


@needs_hosts
def test_check_from_another_machine(outside, script, proxy):
    def lines(code):
        done = subprocess.run(["ip", "netns", "exec", outside.name, FIREWALL, "--check", "--at", SERVER["IPv6"]],
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == code, done.stdout
        return [line.split()[:3] for line in done.stdout.splitlines()]

    tls = [["ok", SERVER["IPv6"], f"{port}:"] for port in TLS_PORTS]
    assert lines(1) == tls + [["fault", SERVER["IPv6"], f"{port}:"] for port in PLAIN_PORTS]
    script("apply")
    assert lines(0) == tls + [["ok", SERVER["IPv6"], f"{port}:"] for port in PLAIN_PORTS]
    assert "refused since they were applied: 3." in script("check")


@needs_hosts
def test_who_was_there_before_is_told_of(outside, script, proxy):
    with contextlib.closing(reach(outside, SERVER["IPv6"], 1935)):
        script("apply")
        assert re.search(r"^warning +1935: connections from elsewhere .*: 1\.$", script("check"), re.M)


@needs_hosts
def test_a_red5_on_the_loopback_address_alone(server, script):
    with server.inside(), contextlib.closing(socket.create_server(("127.0.0.1", 1935))):
        said = script("check", code=1)
    assert "1935: reachable from this machine alone, as it listens on 127.0.0.1." in said
    assert said.count("fault") == 1 and "the rules are not in force" in said


@needs_hosts
def test_another_firewall_that_drops(server, outside, script, tool):
    """A drop is final, wherever it is: it is told of, and nothing is done to it."""
    if tool[0] == "nft":
        server.run("nft", "-f", "-", input=ADMINISTRATORS.replace("policy accept", "policy drop"))
        where = "table inet mine, chain input"
    else:
        server.run("iptables", "-P", "INPUT", "DROP", env=tool[1])
        where = "iptables, chain INPUT"
    for verb in ("apply", "check"):
        assert f"{where}, drops what it does not know: let 5443 8443 in there as well." in script(verb)


@needs_hosts
def test_nothing_else_is_refused(server, outside, script):
    """SSH's port, and UDP."""
    with server.inside():
        ssh = StandIn(socket.create_server(("", 22)))
        udp = socket.socket(type=socket.SOCK_DGRAM)
        udp.bind(("", 1935))
    with contextlib.closing(ssh), contextlib.closing(udp):
        script("apply")
        reach(outside, SERVER["IPv4"], 22).close()
        with outside.inside(), socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", (SERVER["IPv4"], 1935))
        udp.settimeout(5)
        assert udp.recv(9) == b"hello"


@needs_hosts
def test_a_port_that_leads_on_to_a_container(server, outside, script, tool, closing):
    """As Docker publishes it: translated before any input chain sees it."""
    container = closing(hosts.Host("container"))
    server.cable(container, 2)
    container.run("ip", "route", "add", "default", "via", "10.77.2.1")
    server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    server.run("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "1935", "-j", "DNAT", "--to",
               "10.77.2.2:1935")
    with container.inside():
        inner = closing(StandIn(socket.create_server(("", 1935))))
    reach(outside, SERVER["IPv4"], 1935).close()
    inner.accept()
    if tool[0] == "iptables":
        server.run("ip", "link", "add", "docker0", "type", "veth", "peer", "name", "its-other-end")
        assert "Docker leads published ports past these rules" in script("apply")
        return
    script("apply")
    assert not reach(outside, SERVER["IPv4"], 1935)
    script("apply", "--from", OUTSIDE["IPv4"])
    reach(outside, SERVER["IPv4"], 1935).close()
