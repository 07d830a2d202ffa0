"""The command line, what stops the proxy from starting, and the rights its workers have."""

import grp
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

from lib.backends import StandIn, address_of, listening_socket
from lib.ends import TlsClient
from lib.proxy import BINARIES, ini_text, status

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def command(*arguments, **options):
    return subprocess.run([BINARIES["asan"], *arguments], capture_output=True, text=True, timeout=30, **options)


def test_version_names_the_libraries():
    done = command("-V")
    assert done.returncode == 0
    assert re.match(r"red5-tls-proxy \d", done.stdout)
    assert all(library in done.stdout for library in ("OpenSSL 3", "libuv ", "llhttp "))


def test_help_goes_to_stdout():
    done = command("-h")
    assert (done.returncode, done.stderr) == (0, "")
    assert "-c" in done.stdout and "-t" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["-x"], ["-c"], ["-c", "proxy.ini", "more"], ["-t"]])
def test_bad_usage_is_exit_code_2(arguments):
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_a_port_that_is_taken(certificates, tmp_path):
    """Exit code 3, and a sentence that names the address."""
    taken = listening_socket()
    (tmp_path / "proxy.ini").write_text(ini_text({
        **certificates.sections(),
        "listener front": {"listen": address_of(taken), "certificates": "main", "rtmp_backend": "127.0.0.1:1"}}))
    done = command("-c", tmp_path / "proxy.ini")
    assert done.returncode == 3
    assert address_of(taken) in done.stderr and "already in use" in done.stderr


def test_it_listens_and_dials_with_ipv6(start_proxy, certificates, closing):
    """The log shows addresses as they are written in proxy.ini."""
    backend = closing(StandIn(socket.create_server(("::1", 0), family=socket.AF_INET6)))
    proxy = start_proxy(listen="[::1]:0", rtmp_backend=backend.address)
    client = proxy.remember(TlsClient(socket.create_connection(("::1", proxy.port())), certificates.context()))
    client.handshake().send(b"\x03hello")
    assert backend.accept().read(6) == b"\x03hello"
    client_port = client.port
    client.close()
    session = proxy.wait_for_session()
    assert (session.client, session.backend) == (f"[::1]:{client_port}", backend.address)


def test_a_star_is_both_families(start_proxy, backend, certificates):
    proxy = start_proxy(listen="*:0", rtmp_backend=backend.address)
    for host, port in proxy.find(r"listening on (\S+):(\d+) ", lambda m: m.groups()):
        there = "::1" if host == "[::]" else "127.0.0.1"
        proxy.remember(TlsClient(socket.create_connection((there, port)), certificates.context())).handshake()
    assert len(proxy.find("listening on")) == 2


@as_root
def test_workers_of_root_are_nobody_for_good(start_proxy, backend, any_tls):
    """All user and group ids, no further groups, no capabilities, and keys they could not read again."""
    proxy = start_proxy(build="plain", proxy={"workers": 2, "user": "nobody"}, rtmp_backend=backend.address)
    nobody = pwd.getpwnam("nobody")
    for pid in proxy.workers():
        assert set(status(pid, "Uid").split()) == {str(nobody.pw_uid)}
        assert set(status(pid, "Gid").split()) == {str(nobody.pw_gid)}
        assert set(status(pid, "Groups").split()) <= {str(nobody.pw_gid)}
        assert all(int(status(pid, f"Cap{kind}"), 16) == 0 for kind in ("Eff", "Prm", "Inh", "Amb"))
    proxy.connect(any_tls).send(b"\x03hello")
    assert backend.accept().read(6) == b"\x03hello"


@as_root
def test_without_a_user_of_its_own_the_proxy_says_what_it_takes(start_proxy, backend):
    """`nobody`, with a warning; unless there is a user red5-tls-proxy."""
    proxy = start_proxy(build="plain", proxy={"workers": 1}, rtmp_backend=backend.address)
    try:
        user = pwd.getpwnam("red5-tls-proxy")
    except KeyError:
        user = pwd.getpwnam("nobody")
        assert proxy.find(r"warn.*nobody")
    assert status(proxy.workers()[0], "Uid").split()[0] == str(user.pw_uid)


@as_root
def test_without_root_there_is_no_other_user(certificates, backend):
    """The proxy says so instead of running as somebody it was not told to be."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own directories are closed to others
        directory = pathlib.Path(name)
        shutil.copytree(certificates.directory, directory, dirs_exist_ok=True)
        (directory / "proxy.ini").write_text(ini_text({
            "proxy": {"user": "root"},
            "certificate main": {"chain": "main/fullchain.pem", "key": "main/privkey.pem"},
            "listener front": {"listen": "127.0.0.1:0", "certificates": "main", "rtmp_backend": backend.address}}))
        binary = shutil.copy(BINARIES["asan"], directory)
        subprocess.run(["chown", "-R", "nobody", directory], check=True)
        done = subprocess.run([binary, "-t", "-c", "proxy.ini"], user="nobody", group="nogroup", extra_groups=[],
                              cwd=directory, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.startswith("proxy.ini:2: [proxy] user: ")


@as_root
def test_a_group_is_taken_though_the_user_stays_root(start_proxy, backend, any_tls):
    """`group` counts for every user."""
    proxy = start_proxy(build="plain", proxy={"user": "root", "group": "daemon"}, rtmp_backend=backend.address)
    worker, = proxy.workers()
    assert set(status(worker, "Gid").split()) == {str(grp.getgrnam("daemon").gr_gid)}
    assert set(status(worker, "Uid").split()) == {"0"}
    proxy.connect(any_tls).send(b"\x03hello")
    assert backend.accept().read(6) == b"\x03hello"
