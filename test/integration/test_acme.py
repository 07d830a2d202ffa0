"""Certificates from an ACME server: certbot fetches and renews, scripts/acme-deploy puts them in place."""

import os
import pathlib
import shutil
import ssl
import subprocess

import pytest

from lib import pebble
from lib.authority import Authority
from lib.proxy import BINARIES, TOP
from lib.waiting import until

DEPLOY = TOP / "scripts/acme-deploy"
HOST = "cam.example.org"


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "ca").mkdir()
    authority = Authority(tmp_path / "ca")
    authority.issue("main", names=f"DNS:{HOST}")
    return authority


@pytest.fixture
def proxy(tmp_path, authority, start_proxy, backend):
    """Serves a certificate that waits to be replaced."""
    (tmp_path / "main").mkdir()
    shutil.copy(authority.chain_of("main"), tmp_path / "main/fullchain.pem")
    shutil.copy(authority.key_of("main"), tmp_path / "main/privkey.pem")
    return start_proxy(sections={"certificate main": {"chain": "main/fullchain.pem", "key": "main/privkey.pem"}},
                       certificates="main", rtmp_backend=backend.address)


def wait_until_served(proxy, root, path):
    """By a client that trusts this root alone."""
    context = ssl.create_default_context(cadata=root)

    def is_served():
        try:
            client = proxy.connect(context, sni=HOST)
        except ssl.SSLError:
            return False  # the one before
        return client.tls.getpeercert(binary_form=True) == in_file(path)

    until(is_served, "the new certificate shown to a client")


def in_file(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text().partition("-----END CERTIFICATE-----")[0] +
                                    "-----END CERTIFICATE-----\n")


def deploy(proxy, *argv, code=0, environment=None):
    done = subprocess.run([DEPLOY, "-c", proxy.ini, "--proxy", BINARIES["plain"], "--pid", str(proxy.pid), *argv],
                          text=True, capture_output=True, timeout=60, env={**os.environ, **(environment or {})})
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def renewed(tmp_path, authority):
    """What certbot has in its directory."""
    authority.issue("fresh", names=f"DNS:{HOST}")
    lineage = tmp_path / "live"
    lineage.mkdir()
    shutil.copy(authority.chain_of("fresh"), lineage / "fullchain.pem")
    shutil.copy(authority.key_of("fresh"), lineage / "privkey.pem")
    return lineage


@pytest.mark.parametrize("caller", ["certbot", "acme.sh"])
def test_a_renewed_certificate_is_put_in_place(tmp_path, proxy, renewed, authority, caller):
    """With the rights of what was there; both are right or nothing is changed."""
    (tmp_path / "main/privkey.pem").chmod(0o640)
    if caller == "certbot":
        deploy(proxy, environment={"RENEWED_LINEAGE": str(renewed), "RENEWED_DOMAINS": f"{HOST} www.example.org"})
    else:
        deploy(proxy, HOST, renewed / "privkey.pem", "/unused/cert", "/unused/ca", renewed / "fullchain.pem")
    assert in_file(tmp_path / "main/fullchain.pem") == in_file(renewed / "fullchain.pem")
    assert (tmp_path / "main/privkey.pem").read_text() == (renewed / "privkey.pem").read_text()
    assert (tmp_path / "main/privkey.pem").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in (tmp_path / "main").iterdir()) == ["fullchain.pem", "privkey.pem"]


def test_a_certificate_for_another_host_is_left_alone(proxy, renewed):
    said = deploy(proxy, "--domain", "other.example.org",
                  environment={"RENEWED_LINEAGE": str(renewed), "RENEWED_DOMAINS": HOST})
    assert "nothing to do" in said


def test_what_does_not_fit_is_not_put_in_place(tmp_path, proxy, renewed, authority):
    shutil.copy(authority.key_of("main"), renewed / "privkey.pem")
    before = {path: path.read_bytes() for path in (tmp_path / "main").iterdir()}
    said = deploy(proxy, code=1, environment={"RENEWED_LINEAGE": str(renewed)})
    assert "none of the certificates is for the key" in said
    assert {path: path.read_bytes() for path in (tmp_path / "main").iterdir()} == before


def test_a_hook_that_certbot_did_not_call_says_so(proxy):
    assert "RENEWED_LINEAGE" in deploy(proxy, code=1)


@pytest.fixture
def acme_server(tmp_path, authority, start_program):
    reason = pebble.build() or (None if shutil.which("certbot") else "no certbot here")
    if reason:
        pytest.skip(reason)
    return pebble.Pebble(tmp_path, authority, start_program)


@pytest.mark.long
def test_certbot_fetches_and_renews_through_the_hook(tmp_path, proxy, acme_server, run_program):
    """The whole round against a real ACME server, with the challenge answered."""
    hook = f"{DEPLOY} -c {proxy.ini} --proxy {BINARIES['plain']} --pid {proxy.pid}"
    directories = [word for name in ("config", "work", "logs") for word in (f"--{name}-dir", tmp_path / "certbot" / name)]
    trust = {"REQUESTS_CA_BUNDLE": str(acme_server.root_of_server)}

    def certbot(log, *argv):
        return run_program(log, "certbot", *argv, "--non-interactive", *directories, environment=trust, timeout=120)

    certbot("fetch", "certonly", "--standalone", "--agree-tos", "--register-unsafely-without-email", "--server",
            acme_server.url, "--http-01-port", str(acme_server.http_port), "--http-01-address", "127.0.0.1", "-d", HOST,
            "--deploy-hook", hook)
    first = in_file(tmp_path / "main/fullchain.pem")
    live = pathlib.Path(tmp_path / "certbot/config/live" / HOST)
    assert first == in_file(live / "fullchain.pem")
    wait_until_served(proxy, acme_server.root(), live / "fullchain.pem")

    certbot("renew", "renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert first != in_file(tmp_path / "main/fullchain.pem") == in_file(live / "fullchain.pem")
    assert (tmp_path / "main/privkey.pem").read_text() == (live / "privkey.pem").read_text()
    wait_until_served(proxy, acme_server.root(), live / "fullchain.pem")
