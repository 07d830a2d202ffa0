"""proxy.py - the real red5-tls-proxy under test, and what its log says."""

import collections
import contextlib
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess

from lib import guest
from lib.ends import Peer, TlsClient
from lib.waiting import PATIENCE, until

TOP = pathlib.Path(__file__).parents[2]
BINARIES = {"asan": TOP / "build/asan/red5-tls-proxy", "plain": TOP / "build/red5-tls-proxy"}
if guest.is_here():
    BINARIES["asan"] = BINARIES["plain"]  # the address space there is too small for AddressSanitizer
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}

ENDS = set("""
    client_closed backend_closed client_truncated client_reset backend_reset tls_error
    handshake_failed handshake_closed handshake_timeout plain_http plain_rtmp not_tls
    first_byte_timeout no_request unknown_protocol wrong_protocol connect_failed connect_timeout
    idle_timeout half_close_timeout stopped no_memory
    key_update finished bad_request header_timeout keepalive_timeout bad_response backend_truncated response_timeout
""".split())

SESSION = re.compile(
    r"\S+T\S+Z (?:info|warn) +session (?P<number>\d+) (?P<listener>\S+) (?P<client>\S+) > (?P<backend>\S+)"
    r" protocol=(?P<protocol>\S+) tls=(?P<tls>\S+) cipher=(?P<cipher>\S+) sni=(?P<sni>\S+)"
    r" certificate=(?P<certificate>\S+) end=(?P<end>\S+) ms=(?P<ms>\d+) in=(?P<bytes_in>\d+) out=(?P<bytes_out>\d+)"
    r"(?: ktls=(?P<ktls>tx))?(?: spliced=(?P<spliced>out))?"
    r"(?: requests=(?P<requests>\d+))?"
    r'(?: subject="(?P<subject>(?:[^"\\]|\\.)*)")?(?: error="(?P<error>(?:[^"\\]|\\.)*)")?')
Session = collections.namedtuple("Session", SESSION.groupindex)


def parse_session(line):
    match = SESSION.fullmatch(line)
    assert match and match["end"] in ENDS, f"a session line of another form: {line}"
    return Session(**{name: int(text) if name in ("ms", "bytes_in", "bytes_out") or (name == "requests" and text) else text
                      for name, text in match.groupdict().items()})


def ini_text(sections):
    """{"listener front": {"listen": "127.0.0.1:0"}} as proxy.ini says it; None leaves a key out."""
    return "\n".join(f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value is not None)
                     for name, keys in sections.items())


class Proxy:
    """One master with its workers, started from `sections` in `directory`.

    close() is part of every test: the proxy must stop on TERM with exit code 0, and leave a log without a
    sanitizer's report and without a session that ended for no known reason.
    """

    expected_exit = 0

    def __init__(self, directory, sections, build="asan", descriptors=None):
        self.ini = directory / "proxy.ini"
        self.ini.write_text(ini_text(sections))
        self.log_file = directory / "proxy.log"
        self.clients = []
        self.read_bytes, self.read_sessions = 0, []
        self.process = subprocess.Popen(
            [BINARIES[build], "-c", self.ini], env={**os.environ, **SANITIZERS}, stderr=self.log_file.open("w"),
            preexec_fn=descriptors and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))))
        self.pid = self.process.pid
        try:
            self.wait_for_log(r"ready: ")
        except AssertionError:
            self.process.kill()
            raise
        self.idle_descriptors = self.descriptors()
        self.addresses = dict(self.find(r"listening on (?P<address>\S+):(?P<port>\d+) for \[listener (?P<name>\S+)\]",
                                        lambda m: (m["name"], (m["address"], int(m["port"])))))

    # -- clients

    def address(self, listener=None):
        return self.addresses[listener] if listener else next(iter(self.addresses.values()))

    def port(self, listener=None):
        return self.address(listener)[1]

    def connect_plain(self, listener=None, receive_buffer=None):
        """A TCP client that has said nothing yet."""
        return self.remember(Peer(self.socket(listener, receive_buffer)))

    def connect_silently(self, context, sni=None, session=None, listener=None, receive_buffer=None):
        """A TLS client whose handshake the test drives."""
        return self.remember(TlsClient(self.socket(listener, receive_buffer), context, sni, session))

    def connect(self, context, *arguments, **keywords):
        """A TLS client with its handshake done."""
        return self.connect_silently(context, *arguments, **keywords).handshake()

    def socket(self, listener, receive_buffer):
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE)
        sock.connect(self.address(listener))
        return sock

    def remember(self, client):
        self.clients.append(client)
        return client

    # -- log

    @property
    def log(self):
        return self.log_file.read_text()

    def find(self, pattern, pick=lambda match: match):
        return [pick(match) for match in re.finditer(pattern, self.log, re.M)]

    def wait_for_log(self, pattern, count=1, timeout=PATIENCE):
        def is_there():
            has_ended = self.process.poll() is not None
            if len(self.find(pattern)) >= count:
                return True
            assert not has_ended, f"the proxy ended without {pattern!r} in its log"

        until(is_there, f"{pattern!r} in the proxy's log", timeout)

    def sessions(self):
        """The sessions that have ended, from their lines in the log. Each line is read once: tests ask often."""
        with self.log_file.open("rb") as file:
            file.seek(self.read_bytes)
            whole_lines = file.read().rpartition(b"\n")[0]
        self.read_bytes += len(whole_lines)
        self.read_sessions += [parse_session(line) for line in whole_lines.decode().splitlines()
                               if re.match(r"\S+ +\w+ +session \d+ ", line)]
        return self.read_sessions.copy()

    def wait_for_sessions(self, count):
        """The lines of all sessions so far, once there are `count` of them; more is a fault."""
        until(lambda: len(self.sessions()) >= count, f"{count} ended sessions")
        assert len(self.sessions()) == count
        return self.sessions()

    def wait_for_session(self):
        """The line of the one session there was, once its descriptors are back as well."""
        session = self.wait_for_sessions(1)[0]
        self.wait_for_idle_descriptors()
        return session

    def wait_for_session_of(self, client):
        """The line of this client's session, among others."""
        def find():
            return next((s for s in self.sessions() if s.client.endswith(f":{client.port}")), None)

        return until(find, "the end of one session")

    # -- processes

    def workers(self):
        """The workers' process ids."""
        try:
            children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except FileNotFoundError:
            return []  # the master is gone
        return [int(pid) for pid in children.split()]

    def worker_of(self, client):
        """The worker that holds the connection of this client."""
        def holder():
            name = f"socket:[{connection_of(client, self)}]"
            return next((pid for pid in self.workers() if name in open_files(pid)), None)

        return until(holder, "a worker that has accepted the client")

    def descriptors(self):
        """All sockets; pipes are kept for the next sessions, and the greeter has an eventfd."""
        return sum(name.startswith("socket:") for pid in self.workers() for name in open_files(pid))

    def wait_for_idle_descriptors(self):
        until(lambda: self.descriptors() <= self.idle_descriptors, "the descriptors of ended sessions closed")

    def memory(self):
        """Bytes of anonymous memory of all workers."""
        return sum(1024 * int(status(pid, "RssAnon").split()[0]) for pid in self.workers())

    def cpu_seconds(self):
        return sum(sum(map(int, stat(pid)[11:13])) for pid in self.workers()) / os.sysconf("SC_CLK_TCK")

    def signal(self, number):
        self.process.send_signal(number)

    def wait_for_exit(self, timeout=PATIENCE):
        return self.process.wait(timeout)

    def close(self):
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            assert self.wait_for_exit() == self.expected_exit
        except subprocess.TimeoutExpired:
            for pid in [*self.workers(), self.pid]:
                os.kill(pid, signal.SIGKILL)
            raise
        assert not self.find(r"(AddressSanitizer|LeakSanitizer|runtime error:).*"), "a sanitizer's report"
        self.sessions()


def status(pid, name):
    """A line of /proc/PID/status."""
    return re.search(rf"^{name}:[ \t]*(.*)$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]


def stat(pid):
    """The fields of /proc/PID/stat from the third on."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def refuses_new_connections(proxy):
    try:
        proxy.connect_plain().close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True


def is_running(pid):
    try:
        return stat(pid)[0] != "Z"
    except FileNotFoundError:
        return False


def tcp_table():
    """Rows of (local port, remote port, state, inode)."""
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *rest = line.split()
        yield int(local[-4:], 16), int(remote[-4:], 16), int(state, 16), int(rest[5])


def connection_of(client, proxy):
    """The inode of the proxy's socket for this client."""
    ends = proxy.port(), client.port
    return next((inode for local, remote, _, inode in tcp_table() if (local, remote) == ends), None)


def open_files(pid):
    """What a process has open, as "socket:[INODE]" or a path."""
    names = []
    with contextlib.suppress(FileNotFoundError):  # closed, or gone, while we look
        for fd in os.listdir(f"/proc/{pid}/fd"):
            names.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return names
