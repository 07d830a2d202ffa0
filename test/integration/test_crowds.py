"""Many clients at once, most of them useless; and too few descriptors."""

import contextlib
import ctypes
import os
import pathlib
import platform
import resource
import selectors
import signal
import socket
import struct
import threading
import time

import pytest

from lib.backends import Flood
from lib.beside import BODY, Stream, stuck_viewer
from lib.messages import ok, read_request, read_response
from lib.waiting import Stopwatch, until

MIB = 1 << 20


def roundtrip(client, backend):
    client.send(b"\x03hello")
    server = backend.accept()
    assert server.read(6) == b"\x03hello"
    server.send(b"\x03hi")
    assert client.read(3) == b"\x03hi"
    return server


def short_session(proxy, context, backend):
    """A session from connect to close."""
    client = proxy.connect(context)
    server = roundtrip(client, backend)
    client.close_notify()
    assert server.end() == "fin"
    server.close()
    assert client.end() == "close_notify"
    client.close()
    backend.peers.remove(server)
    proxy.clients.remove(client)


def test_silent_and_garbage_clients_do_not_disturb_a_real_one(start_proxy, backend, any_tls):
    """40 that say nothing and 20 that talk nonsense: all ended in time, all descriptors back."""
    proxy = start_proxy(rtmp_backend=backend.address, handshake_timeout="2s")
    for n in range(60):
        client = proxy.connect_plain()
        if n % 3 == 2:
            client.send(os.urandom(200))
    client = proxy.connect(any_tls)
    server = roundtrip(client, backend)
    ends = [session.end for session in proxy.wait_for_sessions(60)]
    assert ends.count("handshake_timeout") >= 40
    server.send(b"still here")
    assert client.read(10) == b"still here"
    client.close()
    proxy.wait_for_idle_descriptors()


def talk_rtmp(client, backend):
    client.send(b"\x03")
    server = backend.accept()
    assert server.read(1) == b"\x03"
    server.send(b"answer")
    assert client.read(6) == b"answer"


def talk_http(client, backend):
    client.send(b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n")
    server = backend.accept()
    read_request(server)
    server.send(ok(b"answer"))
    assert read_response(client).body == b"answer"


@pytest.mark.long
@pytest.mark.parametrize("talk", [talk_rtmp, talk_http], ids=["rtmp", "http"])
def test_an_idle_session_owns_no_buffer(start_proxy, backend, any_tls, talk):
    """What it costs is OpenSSL's connection, some 12 kB, and our own state."""
    proxy = start_proxy(build="plain", proxy={"workers": 1}, rtmp_backend=backend.address, http_backend=backend.address)

    def open_sessions(count):
        for _ in range(count):
            talk(proxy.connect(any_tls), backend)

    open_sessions(20)
    memory = proxy.memory()
    open_sessions(200)
    assert (proxy.memory() - memory) / 200 < 20 * 1024


@pytest.mark.long
def test_a_churn_of_short_sessions_leaves_nothing_behind(start_proxy, backend, any_tls):
    """600 sessions: descriptors and memory are where they were after the first hundred."""
    proxy = start_proxy(build="plain", proxy={"workers": 2}, rtmp_backend=backend.address)
    for _ in range(100):
        short_session(proxy, any_tls, backend)
    memory = proxy.memory()
    for _ in range(600):
        short_session(proxy, any_tls, backend)
    proxy.wait_for_idle_descriptors()
    assert proxy.memory() - memory < MIB
    assert {session.end for session in proxy.wait_for_sessions(700)} == {"client_closed"}


def test_the_descriptor_limit_is_lived_with(start_proxy, backend, any_tls):
    """More clients than descriptors: some wait, nothing spins, and all goes on when clients have left."""
    proxy = start_proxy(rtmp_backend=backend.address, descriptors=64, handshake_timeout="60s")
    crowd = [proxy.connect_plain() for _ in range(100)]
    cpu = proxy.cpu_seconds()
    assert crowd[0].is_quiet(1)
    assert proxy.cpu_seconds() - cpu < 0.3
    for client in crowd:
        client.close()
    roundtrip(proxy.connect(any_tls), backend)


def test_no_descriptor_is_left_for_the_backend(start_proxy, backend, any_tls):
    """The session that needs one ends, with a reason; the next finds one again."""
    proxy = start_proxy(rtmp_backend=backend.address)
    client = proxy.connect(any_tls)
    pid, = proxy.workers()
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, hard))
    client.send(b"\x03")
    client.read_to_end()
    assert proxy.wait_for_session().end == "no_memory"

    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    roundtrip(proxy.connect(any_tls), backend)


def test_max_sessions_makes_the_next_client_wait(start_proxy, backend, any_tls):
    """Two at once over two workers; a third is served when one has left."""
    proxy = start_proxy(proxy={"workers": 2, "max_sessions": 2}, rtmp_backend=backend.address)
    first, second = proxy.connect(any_tls), proxy.connect(any_tls)
    servers = roundtrip(first, backend), roundtrip(second, backend)
    third = proxy.connect_silently(any_tls)
    third.sock.sendall(third.hello())
    assert third.is_quiet(0.5)
    first.close()
    servers[0].close()
    roundtrip(third.handshake(), backend)


def test_waiting_costs_nothing(start_proxy, backend, any_tls):
    """Sessions that are stuck or half-closed, in every way, use no processor."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=backend.address)

    def ends():
        return proxy.connect(any_tls), backend.accept()

    for wait in [
        lambda client, server: (client.send_until_stuck(0.1), server.send_until_stuck(0.1)),
        lambda client, server: client.close_notify(),
        lambda client, server: server.fin(),
        lambda client, server: (server.fin(), client.send_until_stuck(0.1)),
        lambda client, server: (client.close_notify(), client.fin(), server.send_until_stuck(0.1)),
    ]:
        for _ in range(3):
            wait(*ends())
    client, _ = ends()
    cpu = proxy.cpu_seconds()
    assert client.is_quiet(1)
    assert proxy.cpu_seconds() - cpu < 0.2
    for end in [*proxy.clients, *backend.peers]:
        end.close()
    proxy.wait_for_idle_descriptors()


@pytest.mark.long
def test_a_stream_does_not_keep_the_memory_of_a_burst(start_proxy, backend, any_tls):
    """One client that moves a byte now and then is enough for memory not to be given back at once, but not for ever."""
    proxy = start_proxy(build="plain", proxy={"workers": 1}, rtmp_backend=backend.address, http_backend=backend.address)
    before = proxy.memory()
    framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % BODY  # chunks are looked at, in large buffers
    viewers = [stuck_viewer(proxy, backend, any_tls, framing) for _ in range(60)]
    stream = proxy.connect(any_tls)
    server = roundtrip(stream, backend)
    assert proxy.memory() - before > 6 * MIB
    for end in sum(viewers, ()):
        end.reset()

    def is_given_back():
        keep_moving(stream, server, 0.1)
        return proxy.memory() - before < 3 * MIB

    until(is_given_back, "the memory of the burst given back", timeout=20)


def threads(proxy):
    return len(os.listdir(f"/proc/{proxy.workers()[0]}/task"))


def say_hello(proxy, context, count):
    """Clients that all say hello, and read nothing yet."""
    crowd = [proxy.connect_silently(context) for _ in range(count)]
    hellos = [client.hello() for client in crowd]
    for client, hello in zip(crowd, hellos):
        client.sock.sendall(hello)
    return crowd


def keep_moving(client, server, seconds):
    """Bytes of a stream, one after the other."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        server.send(b"x")
        assert client.read(1) == b"x"


@pytest.fixture
def crowded(start_proxy, backend, any_tls):
    """One worker with a live stream: what is costly in other handshakes is done in a second thread."""
    proxy = start_proxy(proxy={"workers": 1}, rtmp_backend=backend.address)
    stream = proxy.connect(any_tls)
    proxy.stream = stream, roundtrip(stream, backend)
    keep_moving(*proxy.stream, 0.3)  # it is a stream after a quarter of a second
    assert threads(proxy) == 1
    return proxy


def test_a_crowd_is_greeted_in_a_thread(crowded, backend, any_tls):
    """Everybody of it gets his session, in which bytes pass; the stream goes on."""
    stream, server = crowded.stream
    crowd = say_hello(crowded, any_tls, 60)
    server.send(b"picture")
    assert stream.read(7) == b"picture"
    for client in crowd:
        client.handshake()
        roundtrip(client, backend)
    assert threads(crowded) == 2


class SchedAttr(ctypes.Structure):
    """sched_setattr(2)."""
    _fields_ = [("size", ctypes.c_uint32), ("policy", ctypes.c_uint32), ("flags", ctypes.c_uint64),
                ("nice", ctypes.c_int32), ("priority", ctypes.c_uint32), ("runtime", ctypes.c_uint64),
                ("deadline", ctypes.c_uint64), ("period", ctypes.c_uint64)]


def schedule_of(task):
    attr, libc = SchedAttr(), ctypes.CDLL(None, use_errno=True)
    sched_getattr = 275 if platform.machine() == "aarch64" else 315
    assert libc.syscall(sched_getattr, task, ctypes.byref(attr), ctypes.sizeof(attr), 0) == 0
    return attr


def test_the_thread_gives_way_to_the_loop(crowded, any_tls):
    """It is nicer, and may be interrupted by the loop, whose slices are shorter (since Linux 6.12)."""
    for client in say_hello(crowded, any_tls, 10):
        client.handshake()
    pid, = crowded.workers()
    greeter, = [int(task) for task in os.listdir(f"/proc/{pid}/task") if int(task) != pid]
    assert schedule_of(greeter).nice == 19 and schedule_of(pid).nice == 0
    if schedule_of(pid).runtime > 0:
        assert schedule_of(greeter).runtime > schedule_of(pid).runtime


def test_who_leaves_the_crowd_is_let_go(crowded, backend, any_tls):
    crowd = say_hello(crowded, any_tls, 60)
    for client in crowd[::2]:
        client.reset()
    for client in crowd[1::2]:
        client.handshake()
        roundtrip(client, backend)
    assert all(s.end == "handshake_closed" for s in crowded.wait_for_sessions(30))
    assert threads(crowded) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_amid_a_crowd(start_proxy, backend, any_tls, number):
    proxy = start_proxy(proxy={"workers": 1, "stop_timeout": "2s"}, rtmp_backend=backend.address)
    stream = proxy.connect(any_tls)
    keep_moving(stream, roundtrip(stream, backend), 0.3)
    say_hello(proxy, any_tls, 60)
    proxy.signal(number)
    assert proxy.wait_for_exit() == 0
    assert len(proxy.sessions()) == 61


class Costs:
    """Processor time, in seconds, of a worker's loop and of the thread beside it, for the lines of a `with`."""

    def __init__(self, proxy):
        self.pid, = proxy.workers()

    def now(self):
        tasks = pathlib.Path(f"/proc/{self.pid}/task")
        times = {int(task.name): int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks.iterdir()}
        return times.pop(self.pid), sum(times.values())

    def __enter__(self):
        self.before = self.now()
        return self

    def __exit__(self, *_):
        self.loop, self.thread = (after - before for after, before in zip(self.now(), self.before))


CROWD = 150


@pytest.fixture
def costly(request, start_proxy, backend, any_tls, closing):
    """A live stream, and what the first flights of a crowd cost: `proxy.price`, in seconds.

    How many of them the thread does is the scheduler's to say, as it gives way to whatever else runs here; but what
    was handed over to it, a handshake or more, it does."""
    proxy = start_proxy(build="plain", proxy={"workers": 1}, rtmp_backend=backend.address,
                        handshake_timeout=getattr(request, "param", "60s"))
    client = proxy.connect(any_tls)
    proxy.stream = closing(Stream(client, roundtrip(client, backend)))
    proxy.stream.wait(7)
    with Costs(proxy) as costs:
        crowd = say_hello(proxy, any_tls, CROWD)
        for client in crowd:
            assert client.sock.recv(1) == b"\x16"
    proxy.price = costs.thread + costs.loop
    assert costs.thread > proxy.price / CROWD / 2
    for client in crowd:
        client.reset()
    proxy.wait_for_sessions(CROWD)
    return proxy


def answer_hellos(proxy, hellos):
    """What it costs to answer ClientHellos of which each comes in two pieces: of the second piece alone."""
    crowd = [(proxy.connect_plain(), *pieces) for pieces in hellos]
    for client, first, _ in crowd:
        client.sock.sendall(first)
    proxy.stream.wait(4)
    with Costs(proxy) as costs:
        for client, _, second in crowd:
            client.sock.sendall(second)
        for client, *_ in crowd:
            assert client.sock.recv(1) == b"\x16"
    return costs


def hellos_of(proxy, context):
    return [proxy.connect_silently(context).hello() for _ in range(CROWD)]


def record_of(content):
    return b"\x16\3\1" + struct.pack(">H", len(content)) + content


def test_a_hello_in_two_records_is_answered_in_the_thread(costly, any_tls):
    hellos = [(record_of(hello[5:13]), record_of(hello[13:])) for hello in hellos_of(costly, any_tls)]
    costs = answer_hellos(costly, hellos)
    assert costs.thread > costly.price / CROWD / 2


def test_a_second_hello_is_answered_in_the_thread(costly, certificates):
    """The first has a key of no group that the proxy knows, so it asks for another (HelloRetryRequest)."""
    x25519, unknown = b"\0\x1d\0\x20", b"\1\4\0\x20"  # ffdhe8192: named in the hello, but not offered by us
    hellos = hellos_of(costly, certificates.context("TLSv1.3"))
    assert all(hello.count(x25519) == 1 for hello in hellos)
    crowd = [(costly.connect_plain(), hello) for hello in hellos]
    for client, hello in crowd:
        client.sock.sendall(hello.replace(x25519, unknown))
    for client, _ in crowd:
        assert client.sock.recv(1000)[5] == 2  # ServerHello, which says so
    with Costs(costly) as costs:
        for client, hello in crowd:
            client.sock.sendall(hello)
        for client, _ in crowd:
            assert client.sock.recv(1000)[5] == 2
    assert costs.thread > costly.price / CROWD / 2


def test_the_key_of_a_client_is_used_in_the_thread(costly, certificates):
    """TLS 1.2 on P-384: to use what the client sends second takes as long as to answer what it sends first."""
    context = certificates.context("TLSv1.2")
    context.set_ecdh_curve("secp384r1")
    crowd = say_hello(costly, context, CROWD)
    for client in crowd:
        client.feed()
    keys = [client.hello() for client in crowd]  # the second flight this time
    costly.stream.wait(2)
    with Costs(costly) as costs:
        for client, key in zip(crowd, keys):
            client.sock.sendall(key)
        for client in crowd:
            client.handshake()
    assert costs.thread > costly.price / CROWD / 2


def test_who_has_left_is_not_answered(costly, any_tls):
    """A reset behind the ClientHello: nobody is there to read what would be costly."""
    crowd = [costly.connect_silently(any_tls) for _ in range(CROWD)]
    hellos = [client.hello() for client in crowd]
    before = len(costly.sessions())
    with Costs(costly) as costs:
        for client, hello in zip(crowd, hellos):
            client.sock.sendall(hello)
            client.reset()
        until(lambda: len(costly.sessions()) == before + CROWD, "all have gone")
    assert costs.loop < costly.price / 4


@pytest.mark.parametrize("costly", ["5s"], indirect=True)
def test_who_has_waited_too_long_is_not_answered(costly, any_tls):
    """A worker that was stopped finds all of them late at once, and ends them without an answer."""
    crowd = [costly.connect_silently(any_tls) for _ in range(CROWD)]
    hellos = [client.hello() for client in crowd]
    for client, hello in zip(crowd, hellos):
        client.sock.sendall(hello[:1])
    costly.stream.wait(2)
    since = Stopwatch()
    with since:
        pid, = costly.workers()
        os.kill(pid, signal.SIGSTOP)
        for client, hello in zip(crowd, hellos):
            client.sock.sendall(hello[1:])
        until(lambda: since.so_far() > 5, "the last of them is too late")
    before = len(costly.sessions())
    with Costs(costly) as costs:
        os.kill(pid, signal.SIGCONT)
        until(lambda: len(costly.sessions()) >= before + CROWD, "all were ended")
    assert costs.loop < costly.price / 4


class Viewers:
    """Clients that take what comes as fast as they can, and look at none of it."""

    def __init__(self, clients):
        self.selector = selectors.DefaultSelector()
        for client in clients:
            self.selector.register(client.sock, selectors.EVENT_READ)
        self.received, self.is_over = 0, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        room = bytearray(MIB)
        while not self.is_over:
            for key, _ in self.selector.select(0.1):
                self.received += key.fileobj.recv_into(room, 0, socket.MSG_TRUNC)

    def close(self):
        self.is_over = True
        self.thread.join()
        self.selector.close()


@pytest.mark.long
def test_streams_that_fill_every_turn_leave_room_for_new_clients(start_proxy, closing, backend, any_tls):
    """48 downloads at full speed take 24 MB a turn of the worker's loop. A crowd is served within fewer turns than
    it has heads: in each, several are."""
    viewers, newcomers, pump = 48, 60, MIB // 2
    proxy = start_proxy(build="plain", proxy={"workers": 1}, listeners={
        "flood": {"protocols": "tunnel", "tunnel_backend": closing(Flood()).address},
        "front": {"rtmp_backend": backend.address}})
    with contextlib.closing(Viewers([proxy.connect(any_tls, listener="flood") for _ in range(viewers)])) as crowd:
        until(lambda: crowd.received > 20 * viewers * pump, "the downloads are streams by now")
        before = crowd.received
        clients = [proxy.connect_silently(any_tls, listener="front") for _ in range(newcomers)]
        for client in clients:
            client.sock.sendall(client.hello())
        for client in clients:
            client.handshake().send(b"\x03hello")
        for _ in clients:
            server = backend.accept()
            server.read(6)
            server.send(b"\x03hi")
        for client in clients:
            assert client.read(3) == b"\x03hi"
        assert crowd.received - before < newcomers * viewers * pump


@contextlib.contextmanager
def no_more_threads():
    """For programs that begin meanwhile and give up root's rights, which this does not hold for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to start a program that may start no thread")
def test_a_crowd_without_a_thread_comes_between_streams(start_proxy, backend, any_tls):
    """Where no thread can be made the loop answers everybody, but not all at once."""
    with no_more_threads():
        proxy = start_proxy(build="plain", proxy={"workers": 1, "user": "nobody"}, rtmp_backend=backend.address)
    stream = proxy.connect(any_tls)
    server = roundtrip(stream, backend)
    keep_moving(stream, server, 0.3)
    pid, = proxy.workers()
    crowd = [(proxy.connect_plain(), hello) for hello in hellos_of(proxy, any_tls)]
    for client, hello in crowd:
        client.sock.sendall(hello[:1])
    keep_moving(stream, server, 0.2)
    os.kill(pid, signal.SIGSTOP)
    for client, hello in crowd:
        client.sock.sendall(hello[1:])
    with Costs(proxy) as whole:
        os.kill(pid, signal.SIGCONT)
        with Costs(proxy) as beginning:
            for _ in range(20):
                server.send(b"x")
                assert stream.read(1) == b"x"
        for client, _ in crowd:
            assert client.sock.recv(1) == b"\x16"
    assert beginning.loop < whole.loop / 2
    assert threads(proxy) == 1
