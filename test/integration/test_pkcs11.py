"""A private key that never leaves a token: SoftHSM, through OpenSSL's provider for PKCS#11."""

import pathlib
import shutil
import ssl
import subprocess

import pytest

from lib.authority import Authority
from lib.proxy import BINARIES

MODULES = sorted(pathlib.Path("/usr/lib").glob("*/ossl-modules/pkcs11.so"))
pytestmark = pytest.mark.skipif(not MODULES or not shutil.which("softhsm2-util"),
                                reason="no pkcs11-provider and softhsm2 here; Debian has them since version 13")

OPENSSL_CONF = """\
openssl_conf = init
[init]
providers = providers
[providers]
default = ours
pkcs11 = theirs
[ours]
activate = 1
[theirs]
module = {module}
pkcs11-module-path = /usr/lib/softhsm/libsofthsm2.so
activate = 1
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue("main", key="rsa", names="DNS:localhost")
    return authority


@pytest.fixture
def token(tmp_path, authority, monkeypatch):
    """The key of `main` as object `main` in a token, whose PIN is in the file `pin`."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\n")
    (tmp_path / "openssl.cnf").write_text(OPENSSL_CONF.format(module=MODULES[0]))
    (tmp_path / "pin").touch(mode=0o600)
    (tmp_path / "pin").write_text("1234")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm.conf"))
    for argv in (["--init-token", "--free", "--label", "hsm", "--so-pin", "1234"],
                 ["--import", authority.key_of("main"), "--token", "hsm", "--label", "main", "--id", "01"]):
        subprocess.run(["softhsm2-util", *argv, "--pin", "1234"], check=True, capture_output=True, timeout=30)
    monkeypatch.setenv("OPENSSL_CONF", str(tmp_path / "openssl.cnf"))
    return "pkcs11:token=hsm;object={};type=private"


def test_workers_sign_with_the_key_in_the_token(tmp_path, authority, token, start_proxy, backend):
    """Each has to log in after the fork; so the PIN is in the URI."""
    main = {"chain": authority.chain_of("main"), "key": f"{token.format('main')}?pin-source=file:{tmp_path}/pin"}
    proxy = start_proxy(proxy={"workers": 2, "user": "root"}, sections={"certificate main": main}, certificates="main",
                        rtmp_backend=backend.address, build="plain")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=authority.root)
        context.minimum_version = context.maximum_version = version
        for _ in range(4):
            assert proxy.connect(context, sni="localhost").certificate_names() == ["localhost"]


# The object, and the file with the PIN.
FAULTS = {"no such object": ("other", "pin"), "no PIN": ("main", None), "a wrong PIN": ("main", "wrong")}


@pytest.mark.parametrize("name, pin", FAULTS.values(), ids=FAULTS)
def test_a_key_that_is_not_found_is_said(tmp_path, authority, token, name, pin):
    """And nobody is asked for a PIN."""
    (tmp_path / "wrong").touch(mode=0o600)
    (tmp_path / "wrong").write_text("4321")
    (tmp_path / "proxy.ini").write_text(
        f"[certificate main]\nchain = {authority.chain_of('main')}\nkey = {token.format(name)}\n" +
        (f"key_password_file = {pin}\n" if pin else ""))
    done = subprocess.run([BINARIES["plain"], "-t", "-c", "proxy.ini"], cwd=tmp_path, text=True, capture_output=True,
                          timeout=30)
    assert done.returncode == 1
    assert "proxy.ini:3: [certificate main] key: nothing is found at this URI; its name may be wrong" in done.stderr
    assert "Enter PIN" not in done.stdout + done.stderr
