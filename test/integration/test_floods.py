"""Clients that send much of what costs a worker time and brings nobody any data: others must not notice."""

import subprocess
import threading

import pytest

from lib.proxy import TOP
from lib.records import ALERT, APPLICATION_DATA, HANDSHAKE, Forge, watched
from lib.waiting import PATIENCE, Stopwatch, meanwhile, until

NOTICED = 0.3  # seconds a byte may take there and back, where a millisecond is usual


class KeyUpdates:
    """A client that makes KeyUpdates; see key_updates.c for what it can be told."""

    def __init__(self, program, port):
        self.process = subprocess.Popen([program, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def tell(self, *lines):
        for line in lines:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == "done\n", line

    def send_and_end(self):
        """Send all; whether the proxy takes it is its business."""
        self.process.stdin.write("send\n")
        self.process.stdin.close()
        self.process.wait(PATIENCE)

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def key_updates(tmp_path_factory):
    program = tmp_path_factory.mktemp("programs") / "key_updates"
    subprocess.run(["cc", "-O2", "-o", program, TOP / "test/lib/key_updates.c", "-lssl", "-lcrypto"], check=True)
    return program


def slowest_echo(client, is_over):
    """The longest a byte took there and back, until the event."""
    slowest, total = 0, Stopwatch()
    with total:
        while not is_over.is_set() and total.so_far() < PATIENCE:
            with Stopwatch() as watch:
                client.send(b"x")
                client.read(1)
            slowest = max(slowest, watch.seconds)
    return slowest


@pytest.mark.long
def test_a_flood_of_key_updates_does_not_delay_others(start_proxy, echo, any_tls, key_updates, closing):
    """Four megabytes of them are nothing to deliver, so nothing else would end the worker's turn."""
    proxy = start_proxy(build="plain", protocols="tunnel", tunnel_backend=echo.address)
    client = proxy.connect(any_tls)
    flood, is_over = closing(KeyUpdates(key_updates, proxy.port())), threading.Event()
    flood.tell("made 150000")
    with meanwhile(flood.send_and_end, is_over.set):
        assert slowest_echo(client, is_over) < NOTICED
    session = proxy.wait_for_session_of(flood)
    assert (session.end, session.error) == ("tls_error", "a flood of KeyUpdates while relaying")


def test_a_flood_of_one_byte_records_does_not_delay_others(start_proxy, echo, any_tls):
    """A turn that is measured in bytes alone would last for half a million records."""
    proxy = start_proxy(build="plain", protocols="tunnel", tunnel_backend=echo.address)
    client, flood, is_over = proxy.connect(any_tls), proxy.connect(any_tls), threading.Event()
    records = 200000
    wire = b"".join(flood.encode(b"x") for _ in range(records))
    with meanwhile(lambda: flood.sock.sendall(wire), lambda: flood.read(records), is_over.set):
        assert slowest_echo(client, is_over) < NOTICED


def test_a_client_that_asks_for_key_updates_in_return_is_cut_off_too(start_proxy, echo, key_updates, closing):
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address)
    flood = closing(KeyUpdates(key_updates, proxy.port()))
    flood.tell("asked 2000")
    flood.send_and_end()
    assert proxy.wait_for_session_of(flood).end == "tls_error"


def test_a_client_that_changes_its_keys_now_and_then_is_not_cut_off(start_proxy, echo, key_updates, closing):
    """Ninety at once, as many again in another second: no usual client needs more than one in an hour."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address)
    client = closing(KeyUpdates(key_updates, proxy.port()))
    for kind in ("made", "asked"):
        client.tell(f"{kind} 90", "byte", "send", "await")
        with Stopwatch() as watch:
            until(lambda: watch.so_far() > 1.1, "the next second")
    assert proxy.sessions() == []


@pytest.fixture
def forge(certificates, tmp_path):
    def connect(proxy, version):
        keylog = tmp_path / "keylog"
        return Forge(proxy.connect(watched(certificates.context(version), keylog)), keylog)

    return connect


def send_forged(forge, records):
    """To the end of the flood, or of the proxy's patience; how the proxy ended it."""
    wire = b"".join(forge.record(*record) for record in records)
    try:
        forge.client.sock.sendall(wire)
    except OSError:
        pass  # the proxy has seen enough
    proxy_says = forge.client.sock
    try:
        while proxy_says.recv(65536):
            pass
        return "fin"
    except ConnectionResetError:
        return "reset"


def test_a_flood_of_renegotiation_requests_is_cut_off(start_proxy, echo, any_tls, forge):
    """TLS 1.2: each is answered with a warning, until there were too many."""
    proxy = start_proxy(build="plain", protocols="tunnel", tunnel_backend=echo.address)
    flood = forge(proxy, "TLSv1.2")
    hello = flood.client.sent[5:]
    busy = proxy.cpu_seconds()
    assert send_forged(flood, [(HANDSHAKE, hello)] * 5000) == "reset"
    assert proxy.cpu_seconds() - busy < 0.3
    session = proxy.wait_for_session_of(flood.client)
    assert (session.end, session.error) == ("tls_error", "a flood of renegotiation requests while relaying")


def test_a_renegotiation_request_where_records_grow(start_proxy, backend, forge):
    """TLS 1.2: the warning that answers it comes between the last small record and the first full one."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address)
    client = forge(proxy, "TLSv1.2")
    server, few, many = backend.accept(), bytes(64 * 1024), bytes(1 << 20)
    server.send(few)
    assert client.client.read(len(few)) == few
    client.client.sock.sendall(client.record(HANDSHAKE, client.client.sent[5:]))
    assert client.client.sock.recv(1) == bytes([ALERT])
    with meanwhile(lambda: server.send(many), server.fin):
        assert sum(map(len, iter(lambda: client.client.sock.recv(65536), b""))) > len(many)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_forged_record_of_data_is_taken(start_proxy, echo, forge, version):
    """So what is refused here is refused for what it is."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address)
    client = forge(proxy, version)
    client.client.sock.sendall(client.record(APPLICATION_DATA, b"hello"))
    assert client.client.read(5) == b"hello"


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("name, record", [("empty records", (APPLICATION_DATA, b"")),
                                          ("warnings", (ALERT, b"\x01\x5a"))])  # user_canceled
def test_a_flood_of_nothing_is_cut_off(start_proxy, echo, forge, version, name, record):
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address)
    flood = forge(proxy, version)
    assert send_forged(flood, [record] * 5000) == "reset"
    assert proxy.wait_for_session_of(flood.client).end == "tls_error"
