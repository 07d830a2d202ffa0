"""The master and its workers, when one of them is killed."""

import os
import signal

import pytest

from lib.proxy import is_running, refuses_new_connections
from lib.waiting import until


@pytest.fixture
def proxy(start_proxy, echo):
    return start_proxy(proxy={"workers": 2}, protocols="tunnel", tunnel_backend=echo.address)


def echoes(client):
    client.send(b"are you there?")
    return client.read(14) == b"are you there?"


def test_a_killed_worker_is_replaced_and_the_other_goes_on(proxy, any_tls):
    """Sessions of the other worker do not notice."""
    client = proxy.connect(any_tls)
    assert echoes(client)
    keeper = proxy.worker_of(client)
    victim, = (pid for pid in proxy.workers() if pid != keeper)
    os.kill(victim, signal.SIGKILL)
    proxy.wait_for_log(rf"worker \d \(pid {victim}\) was killed by signal 9; replaced in")
    until(lambda: len(proxy.workers()) == 2, "two workers again")
    assert keeper in proxy.workers() and victim not in proxy.workers()
    assert echoes(client)


def test_connections_in_the_queue_are_served_by_the_replacement(start_proxy, echo, any_tls):
    """The sockets belong to the master: what a dead worker had not accepted is not lost."""
    proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address)
    worker, = proxy.workers()
    os.kill(worker, signal.SIGSTOP)
    queued = [proxy.connect_silently(any_tls) for _ in range(5)]
    os.kill(worker, signal.SIGKILL)
    assert all(echoes(client.handshake()) for client in queued)


def test_a_worker_that_dies_again_and_again_is_replaced_each_time(proxy, any_tls):
    for times in range(1, 5):
        os.kill(proxy.workers()[0], signal.SIGKILL)
        proxy.wait_for_log("was killed by signal 9", count=times)
        until(lambda: len(proxy.workers()) == 2, "two workers again")
        assert echoes(proxy.connect(any_tls))


def test_workers_go_on_with_their_sessions_when_the_master_is_killed(proxy, any_tls):
    """They take no new ones and leave with the last; nothing is left running."""
    client = proxy.connect(any_tls)
    assert echoes(client)
    workers = proxy.workers()
    proxy.expected_exit = -signal.SIGKILL
    proxy.signal(signal.SIGKILL)
    until(lambda: refuses_new_connections(proxy), "no listener any more")
    assert echoes(client)
    client.close()
    until(lambda: not any(map(is_running, workers)), "the workers have left")


def test_a_master_started_with_deaths_ignored_notices_them(start_proxy, echo, any_tls):
    """SIGCHLD is inherited as ignored from some shells and supervisors: a dead worker must be replaced all the same."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        proxy = start_proxy(protocols="tunnel", tunnel_backend=echo.address)
    finally:
        signal.signal(signal.SIGCHLD, before)
    os.kill(proxy.workers()[0], signal.SIGKILL)
    proxy.wait_for_log("was killed by signal 9; replaced in")
    client = proxy.connect(any_tls)
    assert echoes(client)
    client.close()
    proxy.signal(signal.SIGTERM)
    assert proxy.wait_for_exit() == 0


def test_no_two_workers_draw_the_same_random_numbers(proxy, certificates):
    """They were forked from one process, which has used OpenSSL before; and again, in a reload."""
    context, randoms, holders = certificates.context("TLSv1.2"), set(), set()
    for _ in range(2):
        for _ in range(30):
            client = proxy.connect(context)
            randoms.add(client.received[11:43])  # of the ServerHello (RFC 5246, 7.4.1.3)
            holders.add(proxy.worker_of(client))
        proxy.signal(signal.SIGHUP)
        proxy.wait_for_log("reload done")
    assert len(randoms) == 60 and len(holders) > 2
