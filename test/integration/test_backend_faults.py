"""Backends that cannot be reached, or not at once."""

import os
import signal
import threading

import pytest

from lib.backends import NeverAnswers, Refuses
from lib.proxy import tcp_table
from lib.waiting import Stopwatch, until

SYN_SENT = 2  # in /proc/net/tcp


def dials_to(backend):
    """How many connections to it are being opened."""
    port = backend.listener.getsockname()[1]
    return sum(remote == port and state == SYN_SENT for _, remote, state, _ in tcp_table())


def test_a_backend_that_refuses(start_proxy, closing, any_tls):
    """Retried until connect_timeout is used up; the log names the backend."""
    refuses = closing(Refuses())
    proxy = start_proxy(rtmp_backend=refuses.address, connect_timeout="1s")
    client = proxy.connect(any_tls)
    with Stopwatch() as watch:
        client.send(b"\x03hello")
        client.read_to_end()
    assert 0.9 < watch.seconds < 3
    session = proxy.wait_for_session()
    assert (session.end, session.backend, session.bytes_in) == ("connect_failed", refuses.address, 0)
    assert f"while connecting to backend {refuses.address}" in session.error


def test_a_backend_that_comes_up_in_time(start_proxy, closing, any_tls):
    """A restart of the backend costs its clients a moment, not the connection."""
    refuses = closing(Refuses())
    proxy = start_proxy(rtmp_backend=refuses.address, connect_timeout="10s")
    client = proxy.connect(any_tls)
    client.send(b"\x03hello")
    assert client.is_quiet(0.5)
    server = closing(refuses.start_listening()).accept()
    assert server.read(6) == b"\x03hello"
    server.send(b"\x03hi")
    assert client.read(3) == b"\x03hi"


def test_a_backend_that_comes_back_is_used_at_once(start_proxy, closing, any_tls):
    """Failures are not held against it."""
    refuses = closing(Refuses())
    proxy = start_proxy(rtmp_backend=refuses.address, connect_timeout="500ms")
    client = proxy.connect(any_tls)
    client.send(b"\x03")
    client.read_to_end()
    assert proxy.wait_for_session().end == "connect_failed"

    backend = closing(refuses.start_listening())
    with Stopwatch() as watch:
        proxy.connect(any_tls).send(b"\x03")
        assert backend.accept().read(1) == b"\x03"
    assert watch.seconds < 1


def test_a_backend_that_does_not_answer(start_proxy, closing, any_tls):
    """Its SYN queue is full; connect_timeout ends the wait."""
    backend = closing(NeverAnswers())
    proxy = start_proxy(rtmp_backend=backend.address, connect_timeout="1s")
    client = proxy.connect(any_tls)
    with Stopwatch() as watch:
        client.send(b"\x03hello")
        client.read_to_end()
    assert 0.9 < watch.seconds < 3
    session = proxy.wait_for_session()
    assert session.end == "connect_timeout"
    assert backend.address in session.error


@pytest.mark.parametrize("steps", [["reset"], ["fin", "reset"]], ids=" and ".join)
def test_a_connection_that_was_reset_is_not_dialled_again(start_proxy, closing, any_tls, steps):
    """It came about, and was over, before the worker had looked at it."""
    backend = closing(NeverAnswers())
    proxy = start_proxy(proxy={"workers": 1}, rtmp_backend=backend.address, connect_timeout="10s")
    proxy.connect(any_tls).send(b"\x03")
    until(lambda: dials_to(backend) == 1, "a dial")
    worker, = proxy.workers()
    os.kill(worker, signal.SIGSTOP)
    backend.start_answering()
    backend.accept()  # the connection that had filled the queue
    server = backend.accept()
    for step in steps:
        getattr(server, step)()
    os.kill(worker, signal.SIGCONT)
    assert proxy.wait_for_session().end == "backend_reset"
    assert not backend.was_dialled()


def test_no_more_dials_at_once_than_max_dials(start_proxy, closing, any_tls):
    """Counted over all workers; the rest wait their turn, and their wait counts as well."""
    backend = closing(NeverAnswers())
    proxy = start_proxy(proxy={"workers": 2}, rtmp_backend=backend.address, connect_timeout="2s", max_dials=2)
    for _ in range(8):
        proxy.connect(any_tls).send(b"\x03")
    until(lambda: dials_to(backend) == 2, "two dials")
    counts = set()
    until(lambda: counts.add(dials_to(backend)) or len(proxy.sessions()) == 8, "all sessions given up")
    assert max(counts) <= 2
    assert {session.end for session in proxy.sessions()} == {"connect_timeout"}
    assert all(1900 < session.ms < 4000 for session in proxy.sessions())


def test_those_who_wait_for_a_dial_get_their_turn(start_proxy, closing, any_tls):
    """One dial at a time, and ten sessions that all get through once the backend answers."""
    backend = closing(NeverAnswers())
    proxy = start_proxy(proxy={"workers": 2}, rtmp_backend=backend.address, connect_timeout="10s", max_dials=1)
    for _ in range(10):
        proxy.connect(any_tls).send(b"\x03")
    until(lambda: dials_to(backend) == 1, "a dial")
    backend.start_answering()
    backend.accept()  # the connection that had filled the queue
    for _ in range(10):
        assert backend.accept().read(1) == b"\x03"


def test_they_get_it_in_the_order_they_came_in(start_proxy, closing, any_tls):
    backend = closing(NeverAnswers())
    proxy = start_proxy(rtmp_backend=backend.address, connect_timeout="10s", max_dials=1)
    for number in range(40):
        proxy.connect(any_tls).send(b"\x03" + bytes([number]))
    until(lambda: dials_to(backend) == 1, "a dial")
    backend.start_answering()
    backend.accept()  # the connection that filled the queue
    assert [backend.accept().read(2)[1] for _ in range(40)] == list(range(40))


def test_waiting_for_a_turn_costs_nothing(start_proxy, closing, any_tls):
    """One look every 5 ms, however many wait."""
    backend = closing(NeverAnswers())
    proxy = start_proxy(rtmp_backend=backend.address, connect_timeout="20s", max_dials=1)
    for _ in range(400):
        proxy.connect(any_tls).send(b"\x03")
    until(lambda: dials_to(backend) == 1, "a dial")
    before = proxy.cpu_seconds()
    threading.Event().wait(2)
    assert proxy.cpu_seconds() - before < 0.05


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_backend_may_have_a_name(start_proxy, backend, any_tls, name):
    """It is resolved when the proxy starts."""
    proxy = start_proxy(rtmp_backend=f"{name}:{backend.address.rpartition(':')[2]}")
    proxy.connect(any_tls).send(b"\x03")
    assert backend.accept().read(1) == b"\x03"
