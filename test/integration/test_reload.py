"""Reload: HUP for everything, changed files for certificates; whoever is connected notices nothing."""

import os
import resource
import shutil
import signal
import socket
import threading

import pytest

from lib.backends import StandIn
from lib.proxy import open_files, refuses_new_connections
from lib.waiting import PATIENCE, until

DONE = r"reload done; "


@pytest.fixture(scope="session")
def others(make_certificates):
    """Certificates for the same names from another CA."""
    return make_certificates()


@pytest.fixture
def reloading(start_proxy, certificates, tmp_path):
    """A proxy whose certificate files the test may change, and how to reload it."""

    class Reloading:
        def __init__(self):
            self.files = tmp_path / "files"
            for name in ("main", "screen"):
                shutil.copytree(certificates.directory / name, self.files / name)

        def start(self, **keys):
            sections = {f"certificate {name}": {"chain": self.files / name / "fullchain.pem",
                                                "key": self.files / name / "privkey.pem"}
                        for name in ("main", "screen")}
            self.proxy = start_proxy(sections=sections, **keys)
            return self.proxy

        def edit(self, old, new):
            text = self.proxy.ini.read_text()
            assert old in text
            self.proxy.ini.write_text(text.replace(old, new))

        def replace(self, source, *names):
            """Take over files of other certificates, one after the other."""
            for name in names:
                shutil.copy(source.directory / name, self.files / name)

        def hup(self):
            done = len(self.proxy.find(DONE))
            self.proxy.signal(signal.SIGHUP)
            self.proxy.wait_for_log(DONE, count=done + 1)

    return Reloading()


def serial(client):
    return client.tls.getpeercert()["serialNumber"]


MAIN = ("main/fullchain.pem", "main/privkey.pem")


def test_new_connections_get_the_new_certificate_and_old_ones_go_on(reloading, echo, certificates, others):
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address, proxy={"workers": 2})
    old = proxy.connect(certificates.context())
    workers = set(proxy.workers())
    reloading.replace(others, *MAIN)
    reloading.hup()

    new = [proxy.connect(others.context()) for _ in range(8)]
    assert {serial(client) for client in new} != {serial(old)}
    assert {proxy.worker_of(client) for client in new}.isdisjoint(workers)
    assert old.exchange(b"still here" * 100000) == b"still here" * 100000
    old.close()
    until(lambda: not workers & set(proxy.workers()), "the old workers gone with their last session")
    assert new[0].exchange(b"x") == b"x"


def test_no_connection_is_refused_while_many_reloads_run(reloading, echo, any_tls):
    """Nor is anything left of them: processes, descriptors, memory of the master."""
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address, build="plain")
    faults, is_over, count = [], threading.Event(), [0]

    def connect_again_and_again():
        while not is_over.is_set():
            try:
                client = proxy.connect(any_tls)
                assert client.exchange(b"hello") == b"hello"
                client.close()
                count[0] += 1
            except Exception as fault:  # any is one too many
                faults.append(fault)
                return

    for _ in range(5):
        reloading.hup()
    thread = threading.Thread(target=connect_again_and_again)
    thread.start()
    before = resident(proxy.pid), len(open_files(proxy.pid))
    for _ in range(30):
        reloading.hup()
    is_over.set()
    thread.join(PATIENCE)
    assert not faults and count[0] > 30
    until(lambda: len(proxy.workers()) == 1, "one worker")
    assert len(open_files(proxy.pid)) == before[1]
    assert resident(proxy.pid) - before[0] < 1 << 20


def resident(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


FAULTS = {
    "a key that does not exist": ("workers = 1", "wokers = 1", r'"wokers" is no key'),
    "a file that does not exist": ("privkey.pem", "nokey.pem", r"nokey\.pem cannot be read"),
    "an unknown cipher": ("protocols", "ciphers = NONSENSE\nprotocols", r'no cipher "NONSENSE"'),
}


@pytest.mark.parametrize("old, new, complaint", FAULTS.values(), ids=FAULTS)
def test_a_faulty_file_changes_nothing(reloading, echo, any_tls, old, new, complaint):
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address)
    workers = proxy.workers()
    reloading.edit(old, new)
    proxy.signal(signal.SIGHUP)
    proxy.wait_for_log("the running set-up stays")
    assert proxy.find(rf"proxy\.ini:\d+: .*{complaint}")
    assert proxy.connect(any_tls).exchange(b"x") == b"x"
    assert proxy.workers() == workers
    reloading.edit(new, old)
    reloading.hup()


def test_an_address_that_is_taken_changes_nothing(reloading, echo, any_tls, closing):
    other = closing(StandIn())
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address)
    workers = proxy.workers()
    reloading.edit("listen = 127.0.0.1:0", f"listen = 127.0.0.1:0 {other.address}")
    proxy.signal(signal.SIGHUP)
    proxy.wait_for_log("cannot listen on .*the running set-up stays")
    assert proxy.connect(any_tls).exchange(b"x") == b"x"
    assert proxy.workers() == workers


def test_listeners_come_and_go(reloading, echo, any_tls):
    """The one that stays keeps its socket; the one that goes is closed."""
    listeners = {name: {"protocols": "tunnel", "tunnel_backend": echo.address} for name in ("one", "two")}
    proxy = reloading.start(listeners=listeners)
    ports = {name: proxy.port(name) for name in listeners}
    staying = proxy.connect(any_tls, listener="two")
    reloading.edit("[listener two]", "[listener three]")
    reloading.hup()

    found = proxy.find(r"listening on (\S+):(\d+) for \[listener three\]")
    assert len(found) == 1
    proxy.addresses["three"] = (found[0][1], int(found[0][2]))
    assert proxy.connect(any_tls, listener="three").exchange(b"x") == b"x"
    assert proxy.connect(any_tls, listener="one").exchange(b"x") == b"x"
    assert len(proxy.find("listening on .* for .listener one.")) == 1
    with pytest.raises(ConnectionRefusedError):
        proxy.connect(any_tls, listener="two")
    assert proxy.find(rf"no longer listening on 127.0.0.1:{ports['two']} for \[listener two\]")
    assert staying.exchange(b"still here") == b"still here"


def test_a_new_backend_is_for_new_sessions(reloading, echo, any_tls, closing):
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address)
    old, second = proxy.connect(any_tls), closing(StandIn())
    reloading.edit(echo.address, second.address)
    reloading.hup()
    proxy.connect(any_tls).send(b"new")
    assert second.accept().read(3) == b"new"
    assert old.exchange(b"old") == b"old"


def test_drain_timeout_ends_what_is_left(reloading, echo, any_tls):
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address, proxy={"drain_timeout": "300ms"})
    old = proxy.connect(any_tls)
    reloading.hup()
    new = proxy.connect(any_tls)
    assert old.end() == "close_notify"
    assert new.exchange(b"x") == b"x"
    assert proxy.wait_for_session_of(old).end == "stopped"


def test_a_dead_worker_from_before_is_not_replaced(reloading, echo, any_tls):
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address)
    old = proxy.connect(any_tls)
    victim = proxy.worker_of(old)
    reloading.hup()
    os.kill(victim, signal.SIGKILL)
    proxy.wait_for_log(rf"\(pid {victim}\) was killed by signal 9$")
    assert old.read_to_end() == b""
    assert not proxy.find("replaced in")
    current, = proxy.workers()
    os.kill(current, signal.SIGKILL)
    proxy.wait_for_log(rf"\(pid {current}\) was killed by signal 9; replaced in")
    assert proxy.connect(any_tls).exchange(b"x") == b"x"


def test_hup_twice_and_more_at_once(reloading, echo, any_tls):
    """Each asks for the same: that what is in the files becomes so."""
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address)
    for _ in range(20):
        proxy.signal(signal.SIGHUP)
    proxy.wait_for_log(DONE)
    reloading.hup()
    assert proxy.connect(any_tls).exchange(b"x") == b"x"
    until(lambda: len(proxy.workers()) == 1, "one worker")


@pytest.mark.parametrize("delay", [0, 0.002, 0.01, 0.03, 0.1])
def test_term_in_the_middle_of_a_reload(reloading, echo, any_tls, delay):
    """Whatever it meets, all ends in order; close() looks at the exit code and for leaks."""
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address, proxy={"workers": 2})
    client = proxy.connect(any_tls)
    proxy.signal(signal.SIGHUP)
    threading.Event().wait(delay)
    proxy.signal(signal.SIGTERM)
    until(lambda: refuses_new_connections(proxy), "nobody listening")
    proxy.signal(signal.SIGHUP)  # asks for nothing any more
    assert client.exchange(b"x") == b"x"
    client.close()
    assert proxy.wait_for_exit() == 0


def test_the_master_dies_and_all_generations_end_with_their_sessions(reloading, echo, any_tls):
    """No worker holds the other end of another's control socket."""
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address, proxy={"workers": 2})
    old = proxy.connect(any_tls)
    reloading.hup()
    new = proxy.connect(any_tls)
    until(lambda: len(proxy.workers()) == 3, "the old worker without a session gone")
    pids = proxy.workers()
    os.kill(proxy.pid, signal.SIGKILL)
    proxy.process.wait()
    proxy.expected_exit = -signal.SIGKILL
    until(lambda: len(proxy.find("the master has gone")) == len(pids), "every worker knowing it, sessions or not")
    for client in (old, new):
        assert client.exchange(b"x") == b"x"
        client.close()
    until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") and os.path.exists(f"/proc/{pid}/fd/0") for pid in pids),
          "all workers gone")


def test_sessions_are_counted_over_generations(reloading, echo, any_tls):
    """max_sessions holds for old and new workers together; numbers go on."""
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address, proxy={"max_sessions": 2})
    clients = [proxy.connect(any_tls)]
    reloading.hup()
    clients.append(proxy.connect(any_tls))
    third = proxy.connect_plain()
    third.send(b"not TLS")
    assert third.is_quiet(0.3)  # it waits in the queue
    clients[0].close()
    assert third.read_to_end() == b""
    clients[1].close()
    assert sorted(int(session.number) for session in proxy.wait_for_sessions(3)) == [1, 2, 3]


@pytest.mark.long
def test_changed_files_are_noticed(reloading, echo, certificates, others):
    """Within some seconds, by themselves; a pair that is half written changes nothing and is told of once."""
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address, proxy={"watch": "on"})
    old = proxy.connect(certificates.context())
    reloading.replace(others, "main/privkey.pem")
    proxy.wait_for_log("those from before are kept in use", timeout=40)
    assert old.exchange(b"x") == b"x"  # now and then, or the stand-in loses its patience
    assert proxy.connect(certificates.context()).exchange(b"x") == b"x"
    reloading.edit("listen = 127.0.0.1:0", "listen = nonsense")  # half an edit: none of our business yet

    with pytest.raises(AssertionError):
        proxy.wait_for_log("those from before are kept in use", count=2, timeout=13)
    assert old.exchange(b"x") == b"x"
    reloading.replace(others, "main/fullchain.pem")
    proxy.wait_for_log(DONE, timeout=40)
    assert proxy.connect(others.context()).exchange(b"x") == b"x"
    assert old.exchange(b"x") == b"x"


@pytest.mark.long
def test_watch_off(reloading, echo, certificates, others):
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address, proxy={"watch": "off"})
    reloading.replace(others, *MAIN)
    with pytest.raises(AssertionError):
        proxy.wait_for_log("reload", timeout=13)
    assert proxy.connect(certificates.context()).exchange(b"x") == b"x"


def test_new_workers_that_cannot_start_change_nothing(reloading, echo, any_tls):
    """Here they have no descriptor left for a loop; the master has just enough to load the files."""
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address, build="plain")
    old, worker = proxy.connect(any_tls), proxy.workers()
    before = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
    reloading.edit("[listener front]", "[listener other]\nlisten = 127.0.0.1:0\ncertificates = main\n"
                   f"rtmp_backend = {echo.address}\n[listener front]")
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (highest_descriptor(proxy.pid) + 4, before[1]))
    proxy.signal(signal.SIGHUP)
    proxy.wait_for_log("the new workers cannot start; the running set-up stays")
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, before)
    until(lambda: proxy.workers() == worker, "only the old worker")
    port = int(proxy.find(r"listening on \S+:(\d+) for \[listener other\]")[0][1])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert proxy.connect(any_tls).exchange(b"x") == b"x"
    assert old.exchange(b"x") == b"x"
    reloading.hup()
    assert proxy.find(r"listening on \S+:\d+ for \[listener other\]", lambda m: m[0])


@pytest.mark.long
def test_a_renewal_whose_workers_cannot_start_is_tried_again(reloading, echo, certificates, others):
    """By itself, as soon as descriptors are there again; nobody has to write the files once more."""
    proxy = reloading.start(protocols="tunnel", tunnel_backend=echo.address, build="plain")
    before = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (highest_descriptor(proxy.pid) + 4, before[1]))
    reloading.replace(others, *MAIN)
    proxy.wait_for_log("the new workers cannot start; the running set-up stays", timeout=40)
    assert proxy.connect(certificates.context()).exchange(b"x") == b"x"
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, before)
    proxy.wait_for_log(DONE, timeout=40)
    assert proxy.find("reload: trying once more")
    assert proxy.connect(others.context()).exchange(b"x") == b"x"


def highest_descriptor(pid):
    return max(map(int, os.listdir(f"/proc/{pid}/fd")))


def test_a_browsers_idle_connection_does_not_keep_an_old_worker(reloading, nginx, any_tls):
    """It is closed in order; the browser makes another one when it needs one."""
    nginx.put_page("page.html", "a page\n")
    proxy = reloading.start(http_backend=nginx.http_address)
    client, worker = proxy.connect(any_tls), proxy.workers()
    client.send(b"GET /page.html HTTP/1.1\r\nHost: main.test\r\n\r\n")
    while b"a page\n" not in client.unread:
        client.unread += client.receive()
    reloading.hup()
    client.unread = b""
    assert client.end() == "close_notify"
    until(lambda: not set(worker) & set(proxy.workers()), "the old worker gone")
