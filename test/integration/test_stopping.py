"""TERM lets sessions finish, INT does not."""

import os
import signal

import pytest

from lib.proxy import refuses_new_connections
from lib.waiting import Stopwatch, meanwhile, until

BIG = os.urandom(8 << 20)


def test_term_lets_a_transfer_finish(tunnel, tls, backend):
    """New connections are refused meanwhile; the exit code is 0."""
    client, server = tunnel.connect(tls), backend.accept()
    server.send(BIG[:1000])
    assert client.read(1000) == BIG[:1000]
    tunnel.signal(signal.SIGTERM)
    tunnel.wait_for_log("stopping: waiting for sessions to end")
    until(lambda: refuses_new_connections(tunnel), "no listener any more")
    with meanwhile(lambda: server.send(BIG), server.fin):
        assert client.read_to_end() == BIG
    client.close_notify()
    assert tunnel.wait_for_exit() == 0
    assert tunnel.sessions()[-1].end == "backend_closed"
    assert tunnel.log.endswith(" stopped\n")


def test_term_without_sessions_stops_at_once(tunnel):
    with Stopwatch() as watch:
        tunnel.signal(signal.SIGTERM)
        assert tunnel.wait_for_exit() == 0
    assert watch.seconds < 4


def test_sessions_that_outlast_stop_timeout_are_cut(start_proxy, backend, any_tls):
    proxy = start_proxy(proxy={"stop_timeout": "1s"}, protocols="tunnel", tunnel_backend=backend.address)
    client, server = proxy.connect(any_tls), backend.accept()
    with Stopwatch() as watch:
        proxy.signal(signal.SIGTERM)
        client.read_to_end()
        server.read_to_end()
    assert 0.9 < watch.seconds < 4
    assert proxy.wait_for_exit() == 0
    assert proxy.wait_for_session().end == "stopped"


@pytest.mark.parametrize("signals", [
    [signal.SIGINT],
    [signal.SIGTERM, signal.SIGTERM],
    [signal.SIGTERM, signal.SIGINT],
], ids=["INT", "TERM twice", "TERM, INT"])
def test_int_or_a_second_term_stops_at_once(start_proxy, backend, any_tls, signals):
    """However long stop_timeout is."""
    proxy = start_proxy(proxy={"workers": 2, "stop_timeout": "1h"}, protocols="tunnel", tunnel_backend=backend.address)
    client = proxy.connect(any_tls)
    backend.accept()
    for number in signals:
        proxy.signal(number)
        proxy.wait_for_log("stopp")
    client.read_to_end()
    assert proxy.wait_for_exit() == 0
    assert proxy.wait_for_session().end == "stopped"


def test_a_worker_that_dies_while_stopping_is_not_replaced(start_proxy, backend, any_tls):
    """Its sessions are gone, and there is nothing left to wait for."""
    proxy = start_proxy(proxy={"stop_timeout": "1h"}, protocols="tunnel", tunnel_backend=backend.address)
    proxy.connect(any_tls)
    backend.accept()
    worker, = proxy.workers()
    proxy.signal(signal.SIGTERM)
    proxy.wait_for_log("stopping")
    os.kill(worker, signal.SIGKILL)
    assert proxy.wait_for_exit() == 0
    assert not proxy.find("replaced")


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2"])
def test_signals_that_mean_nothing_yet_are_ignored(tunnel, any_tls, backend, name):
    """With a line in the log, and nothing else."""
    client, server = tunnel.connect(any_tls), backend.accept()
    tunnel.signal(getattr(signal, name))
    tunnel.wait_for_log(f"signal {name[3:]} ")
    client.send(b"hello")
    assert server.read(5) == b"hello"
    tunnel.connect(any_tls)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_workers_leave_the_signals_of_a_terminal_to_the_master(tunnel, any_tls, backend, number):
    """Ctrl-C reaches the whole process group; only the master decides."""
    client, server = tunnel.connect(any_tls), backend.accept()
    for pid in tunnel.workers():
        os.kill(pid, number)
    client.send(b"hello")
    assert server.read(5) == b"hello"
    tunnel.connect(any_tls)
