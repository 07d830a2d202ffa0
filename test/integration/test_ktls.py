"""Kernel TLS: what is said where the kernel has none, and, where User Mode Linux is installed, some of what is tried in
a guest that has it. All of that runs with `make test-ktls`."""

import pathlib
import sys

import pytest

from lib import guest
from lib.proxy import TOP
from lib.waiting import meanwhile

QUICK = "moves_a_download or slow_client or client_resets or ticket or asks_for_new_keys or small"


def has_kernel_tls():
    ulps = pathlib.Path("/proc/sys/net/ipv4/tcp_available_ulp")
    return ulps.exists() and "tls" in ulps.read_text().split()


@pytest.mark.skipif(has_kernel_tls(), reason="this kernel has TLS")
def test_a_kernel_without_tls(start_proxy, backend, any_tls):
    """`on` warns, with the line of the key, `auto` says so, and sessions are served."""
    proxy = start_proxy(listeners={name: {"protocols": "tunnel", "tunnel_backend": backend.address, "ktls": name}
                                   for name in ("on", "auto", "off")})
    assert len(proxy.find(r"proxy\.ini:\d+: warning: \[listener on\] ktls: kernel TLS cannot be had.*modprobe tls")) == 1
    proxy.wait_for_log(r"kernel TLS \(ktls = auto\) is off: .*modprobe tls")
    data = bytes(1 << 20)
    for listener in "on", "auto", "off":
        client, server = proxy.connect(any_tls, listener=listener), backend.accept()
        with meanwhile(lambda: server.send(data), server.fin):
            assert client.read_to_end() == data
        client.close_notify()
        session = proxy.wait_for_session_of(client)
        assert (session.end, session.ktls, session.spliced) == ("backend_closed", None, None)


@pytest.mark.long
@pytest.mark.skipif(guest.is_here(), reason="a guest in a guest")
def test_a_kernel_with_tls(tmp_path):
    """Boots one, and runs a choice of test/guest in it."""
    log = tmp_path / "guest.log"
    with log.open("w") as file:
        try:
            code = guest.run(f"exec {sys.executable} -m pytest -q -p no:xdist {TOP}/test/guest -k '{QUICK}'", stdout=file)
        except guest.Missing as missing:
            pytest.skip(str(missing))
    assert code == 0, "see guest.log"
