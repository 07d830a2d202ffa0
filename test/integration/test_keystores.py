"""The keystore guide of OpenMeetings, followed step by step with the JDK's keytool, and the result served."""

import os
import subprocess

import pytest

from lib.authority import Authority
from lib.proxy import BINARIES, TOP
from lib.verifiers import verify_everywhere

IMPORT = TOP / "scripts/import-keystore"


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "ca").mkdir()
    return Authority(tmp_path / "ca")


def keytool(directory, *argv, answers=()):
    """As its reader types it: what keytool asks for is answered on its standard input."""
    done = subprocess.run(["keytool", "-J-Duser.language=en", *argv], cwd=directory, text=True, capture_output=True,
                          input="".join(f"{answer}\n" for answer in answers), timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def follow_the_guide(directory, authority, *options, password="password", key_password=None):
    """red5/conf/keystore: key, CSR, then root, intermediate and reply imported, each into an entry of its own."""
    (directory / "red5/conf").mkdir(parents=True)
    where = ["-keystore", "red5/conf/keystore", *options]
    key_options = ["-keypass", key_password] if key_password else []  # without a terminal the question is skipped
    keytool(directory, "-keysize", "2048", "-genkey", "-alias", "red5", "-keyalg", "RSA", *where, *key_options,
            answers=[password, password, "localhost", "Dev", "OpenMeetings", "Henderson", "Nevada", "US", "yes", ""])
    keytool(directory, "-certreq", "-keyalg", "RSA", "-alias", "red5", "-file", "red5.csr", *where,
            answers=[password, *([key_password] if key_password else [])])
    authority.openssl("x509", "-req", "-in", directory / "red5.csr", "-CA", "intermediate.pem",
                      "-CAkey", "intermediate.key", "-CAcreateserial", "-days", "30", "-out", "reply.pem",
                      "-extfile", extensions(authority))
    for alias, file, answers in [("root", "root.pem", ["yes"]), ("intermed", "intermediate.pem", []),
                                 ("red5", "reply.pem", [key_password] if key_password else [])]:
        keytool(directory, "-import", "-alias", alias, "-trustcacerts", "-file", authority.directory / file, *where,
                answers=[password, *answers])
    return directory / "red5/conf/keystore"


def extensions(authority):
    path = authority.directory / "reply.ext"
    path.write_text("subjectAltName = DNS:localhost\nauthorityKeyIdentifier = keyid\n")
    return path


def secret(path, text="password\n"):
    path.touch(mode=0o600)
    path.write_text(text)
    return path


@pytest.fixture
def serve(start_proxy, nginx, authority, tmp_path, run_program):
    """Serve a [certificate] alone; every client must verify it, and the proxy have nothing to warn of but `warnings`."""

    def serve(keys, warnings=()):
        nginx.put_page("page.html", "a page\n")
        proxy = start_proxy(sections={"certificate red5": keys}, certificates="red5", http_backend=nginx.http_address)
        verify_everywhere(run_program, tmp_path, proxy.port(), authority.root)
        said = [line for line in proxy.log.splitlines() if "[certificate red5]" in line]
        assert len(said) == len(warnings) and all(word in line for word, line in zip(warnings, said)), said
        assert {session.certificate for session in proxy.sessions()} <= {"red5"}

    return serve


@pytest.mark.parametrize("options", [[], ["-J-Dkeystore.pkcs12.legacy"]], ids=["PKCS#12", "PKCS#12 of old JDKs"])
def test_the_guide_ends_with_a_keystore_that_is_served_as_it_is(tmp_path, authority, serve, options):
    """Readable by everybody, as keytool makes files: that is worth a warning."""
    keystore = follow_the_guide(tmp_path, authority, *options)
    keystore.chmod(0o644)
    serve({"keystore": keystore, "keystore_password_file": secret(tmp_path / "pass")}, warnings=["chmod o-r"])


def test_old_encryption_needs_the_legacy_provider(tmp_path, authority):
    """Which is a package of its own on some systems."""
    keystore = follow_the_guide(tmp_path, authority, "-J-Dkeystore.pkcs12.legacy")
    keystore.chmod(0o600)
    secret(tmp_path / "pass")
    (tmp_path / "proxy.ini").write_text(f"[certificate main]\nkeystore = {keystore}\nkeystore_password_file = pass\n")
    done = subprocess.run([BINARIES["plain"], "-t", "-c", "proxy.ini"], cwd=tmp_path, text=True, capture_output=True,
                          env={**os.environ, "OPENSSL_MODULES": "/none"}, timeout=30)
    assert done.returncode == 1
    assert (f"proxy.ini:2: [certificate main] keystore: {keystore} is sealed or encrypted in a way that OpenSSL does "
            "not have here; install its legacy provider, or turn it into") in done.stderr


@pytest.mark.parametrize("kind", ["JKS", "JCEKS"])
@pytest.mark.parametrize("pem", [False, True], ids=["to PKCS#12", "to PEM"])
def test_a_keystore_of_older_java_is_imported_and_served(tmp_path, authority, serve, kind, pem):
    keystore = follow_the_guide(tmp_path, authority, "-storetype", kind,
                                key_password=None if kind == "JKS" else "another")
    secret(tmp_path / "pass")
    secret(tmp_path / "key.pass", "another\n")
    options = ["--key-password-file", tmp_path / "key.pass"] if kind == "JCEKS" else []
    done = subprocess.run([IMPORT, "--password-file", tmp_path / "pass", *options, *(["--pem"] if pem else []),
                           keystore, tmp_path / "new"], text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "red5-tls-proxy -t" in done.stdout
    if pem:
        serve({"chain": tmp_path / "new/fullchain.pem", "key": tmp_path / "new/privkey.pem"})
    else:
        serve({"keystore": tmp_path / "new.p12", "keystore_password_file": tmp_path / "new.pass"})


@pytest.mark.parametrize("legacy", [False, True])
def test_pkcs12_is_imported_without_a_jdk(tmp_path, authority, serve, legacy):
    keystore = follow_the_guide(tmp_path, authority, *(["-J-Dkeystore.pkcs12.legacy"] if legacy else []))
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in os.listdir("/usr/bin"):
        if tool != "keytool":
            (tools / tool).symlink_to(f"/usr/bin/{tool}")
    subprocess.run([IMPORT, "--password-file", secret(tmp_path / "pass"), keystore, tmp_path / "new"], check=True,
                   env={"PATH": str(tools)}, timeout=60, capture_output=True)
    serve({"keystore": tmp_path / "new.p12", "keystore_password_file": tmp_path / "new.pass"})


def test_the_password_can_be_typed(tmp_path, authority):
    """It is not shown, and stands on no command line: a stand-in for keytool would see it there."""
    keystore = follow_the_guide(tmp_path, authority, "-storetype", "JKS", password="Geheim77")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/keytool").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/arguments\nexec /usr/bin/keytool "$@"\n')
    (tmp_path / "bin/keytool").chmod(0o755)
    master, terminal = os.openpty()
    process = subprocess.Popen([IMPORT, keystore, tmp_path / "new"], stdin=terminal, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    os.write(master, b"Geheim77\n")
    said, asked = process.communicate(timeout=60)
    assert process.returncode == 0, asked
    assert asked.startswith(b"Password of ") and b"Geheim77" not in said + asked
    assert "-importkeystore" in (tmp_path / "arguments").read_text()
    assert "Geheim77" not in (tmp_path / "arguments").read_text()
    for fd in (master, terminal):
        os.close(fd)


def test_the_main_keystore_copied_for_screen_is_warned_of(tmp_path, authority, start_proxy, backend):
    """As the guide recommends for a try."""
    keystore = follow_the_guide(tmp_path, authority)
    keystore.chmod(0o600)
    (tmp_path / "keystore.screen").touch(mode=0o600)
    (tmp_path / "keystore.screen").write_bytes(keystore.read_bytes())
    password = {"keystore_password_file": secret(tmp_path / "pass")}
    proxy = start_proxy(sections={"certificate main": {"keystore": keystore, **password},
                                  "certificate screen": {"keystore": "keystore.screen", **password}},
                        rtmp_backend=backend.address)
    assert "[certificate screen] keystore: is the private key of [certificate main] as well; OpenMeetings" in proxy.log
    assert "screen is never shown: those before it have all of its names" in proxy.log


@pytest.fixture(scope="module")
def two_keys(tmp_path_factory):
    """A JKS with two private keys."""
    directory = tmp_path_factory.mktemp("keys")
    for alias in ("red5", "other"):
        keytool(directory, "-genkeypair", "-alias", alias, "-keyalg", "RSA", "-dname", f"CN={alias}", "-keystore",
                "keystore", "-storetype", "JKS", "-storepass", "password", "-keypass", "password",
                "-ext", f"san=dns:{alias}")
    return directory / "keystore"


# Options of import-keystore, and a part of what it says.
REFUSED = {
    "wrong password": (["--password-file", "wrong"], "the password does not open"),
    "no password file": (["--password-file", "none"], "none cannot be read"),
    "an empty password file": (["--password-file", "empty"], "empty is empty"),
    "no terminal": ([], "no terminal to ask"),
    "which key": (["--password-file", "right"], "has several private keys; choose one with --alias: "),
    "no such key": (["--password-file", "right", "--alias", "third"], "has no private key 'third'; it has: "),
    "the key's own password": (["--password-file", "right", "--alias", "red5", "--key-password-file", "wrong"],
                               "the key 'red5' cannot be opened"),
}


@pytest.mark.parametrize("options, sentence", REFUSED.values(), ids=REFUSED)
def test_import_keystore_says_what_is_wrong(tmp_path, two_keys, options, sentence):
    secret(tmp_path / "right")
    secret(tmp_path / "wrong", "passwort\n")
    secret(tmp_path / "empty", "")
    before = sorted(tmp_path.iterdir())
    done = subprocess.run([IMPORT, *options, two_keys, "out"], cwd=tmp_path, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("import-keystore: ") and sentence in done.stderr
    assert sorted(tmp_path.iterdir()) == before, "something was left behind"


def test_one_of_several_keys_is_chosen_by_its_alias(tmp_path, two_keys):
    secret(tmp_path / "right")
    subprocess.run([IMPORT, "--password-file", "right", "--alias", "Other", "--pem", two_keys, "out"], cwd=tmp_path,
                   check=True, capture_output=True, timeout=60)
    names = subprocess.run(["openssl", "x509", "-in", "out/fullchain.pem", "-noout", "-subject", "-nameopt", "RFC2253"], cwd=tmp_path,
                           check=True, capture_output=True, text=True).stdout
    assert names.strip() == "subject=CN=other"
    assert (tmp_path / "out/privkey.pem").stat().st_mode & 0o077 == 0
    again = subprocess.run([IMPORT, "--password-file", "right", "--pem", two_keys, "out"], cwd=tmp_path, text=True,
                           capture_output=True, timeout=60)
    assert again.returncode == 1 and "not overwritten" in again.stderr


def test_a_keystore_with_several_keys_needs_an_alias(tmp_path, two_keys, start_proxy, backend):
    """The proxy names them all; an alias chooses."""
    keytool(tmp_path, "-importkeystore", "-srckeystore", two_keys, "-srcstorepass", "password", "-destkeystore",
            "two.p12", "-deststoretype", "PKCS12", "-deststorepass", "password")
    (tmp_path / "two.p12").chmod(0o600)
    keys = {"keystore": tmp_path / "two.p12", "keystore_password_file": secret(tmp_path / "pass")}
    with pytest.raises(AssertionError):
        start_proxy(sections={"certificate red5": keys}, certificates="red5", rtmp_backend=backend.address)
    assert "two.p12 has 2 private keys; choose one by keystore_alias: " in (tmp_path / "proxy.log").read_text()
    proxy = start_proxy(sections={"certificate red5": {**keys, "keystore_alias": "OTHER"}}, certificates="red5",
                        rtmp_backend=backend.address)
    warnings = [line for line in proxy.log.splitlines() if "certificate red5" in line]
    assert len(warnings) == 1 and "CN=other is signed by itself; clients refuse it" in warnings[0]
