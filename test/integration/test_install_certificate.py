"""From a request to a certificate that is served: scripts/make-csr and scripts/install-certificate."""

import os
import pwd
import re
import ssl
import subprocess

import pytest

from lib.authority import Authority
from lib.proxy import BINARIES, TOP, ini_text

USER = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "ca").mkdir()
    return Authority(tmp_path / "ca")


@pytest.fixture
def script(tmp_path):
    """Run a script in the test's directory; what it printed, the errors too."""

    def script(name, *argv, code=0):
        done = subprocess.run([TOP / "scripts" / name, *argv], cwd=tmp_path, text=True, capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return script


@pytest.fixture
def ask(script, tmp_path, authority):
    """Make a request in DIR and let the CA answer it with the names asked for: DIR/reply.pem."""

    def ask(directory, *options):
        script("make-csr", "--name", "cam.example.org", "--name", "www.example.org", *options, directory)
        authority.openssl("x509", "-req", "-in", tmp_path / directory / "request.csr", "-copy_extensions", "copyall",
                          "-CA", "intermediate.pem", "-CAkey", "intermediate.key", "-CAcreateserial", "-days", "30",
                          "-out", tmp_path / directory / "reply.pem")
        return tmp_path / directory

    return ask


@pytest.fixture
def ini(tmp_path):
    """A proxy.ini whose certificate is not there yet."""

    def ini(**keys):
        keys = keys or {"chain": "main/fullchain.pem", "key": "main/privkey.pem"}
        (tmp_path / "main").mkdir(exist_ok=True)
        (tmp_path / "proxy.ini").write_text(ini_text({
            "proxy": {"user": USER},
            "certificate main": {key: f"{value}  ; a comment" for key, value in keys.items()},
            "listener front": {"listen": "127.0.0.1:0", "certificates": "main", "http_backend": "127.0.0.1:5080"}}))
        return tmp_path / "proxy.ini"

    return ini


INSTALL = ["install-certificate", "--proxy", BINARIES["plain"], "-c", "proxy.ini"]


def openssl(*argv):
    return subprocess.run(["openssl", *argv], check=True, capture_output=True, text=True).stdout


def subjects(chain):
    """The common names in a file, in its order."""
    bag = openssl("crl2pkcs7", "-nocrl", "-certfile", chain)
    listed = subprocess.run(["openssl", "pkcs7", "-print_certs", "-noout"], input=bag, check=True, capture_output=True,
                            text=True).stdout
    return re.findall(r"^subject=CN ?= ?(.*)$", listed, re.M)


@pytest.mark.parametrize("options, key", [
    ([], "2048 bit"), (["--rsa", "3072"], "3072 bit"), (["--ecdsa"], "256 bit"),
], ids=["RSA", "RSA 3072", "ECDSA"])
def test_a_request_has_all_names_and_a_private_key(script, tmp_path, options, key):
    said = script("make-csr", "--name", "cam.example.org", "--name", "192.0.2.1", "--name", "*.example.org", *options,
                  "--subject", "/C=DE/O=Example", "new")
    assert "scripts/install-certificate --key" in said
    assert (tmp_path / "new/privkey.pem").stat().st_mode & 0o777 == 0o600
    request = openssl("req", "-in", tmp_path / "new/request.csr", "-noout", "-text", "-verify", "-nameopt", "RFC2253")
    assert "DNS:cam.example.org, IP Address:192.0.2.1, DNS:*.example.org" in request
    assert "Subject: CN=cam.example.org,O=Example,C=DE" in request and key in request
    assert "not overwritten" in script("make-csr", "--name", "a", "new", code=1)


@pytest.mark.parametrize("argv, sentence", [
    (["new"], "which host"), (["--name", "a b", "new"], "'a b' is no host name"),
    (["--name", "a", "--rsa", "1024", "new"], "'1024' is not 2048"),
    (["--name", "a", "--subject", "CN=x", "new"], "not of the form /C=DE"),
    (["--name", "a", "--key", "none", "new"], "none cannot be read"),
])
def test_a_wrong_request_is_refused(script, tmp_path, argv, sentence):
    assert sentence in script("make-csr", *argv, code=1)
    assert not (tmp_path / "new").exists()


def test_a_request_can_be_for_a_key_that_is_there(script, tmp_path, ask):
    old = ask("old")
    script("make-csr", "--name", "cam.example.org", "--key", "old/privkey.pem", "new")
    assert not (tmp_path / "new/privkey.pem").exists()
    assert (openssl("req", "-in", tmp_path / "new/request.csr", "-noout", "-pubkey") ==
            openssl("pkey", "-in", old / "privkey.pem", "-pubout"))


def reply_files(form, authority, new):
    """What different CAs send: the certificate and its issuers, in files of this form."""
    ca = authority.directory
    reply = new / "reply.pem"
    if form == "separate files":
        return [ca / "root.pem", ca / "intermediate.pem", reply]
    if form == "a bundle, upside down":
        (new / "bundle.pem").write_text("".join(path.read_text() for path in (authority.root, authority.intermediate)))
        return [new / "bundle.pem", reply]
    if form == "DER":
        for path in (reply, authority.intermediate):
            openssl("x509", "-in", path, "-outform", "DER", "-out", new / f"{path.stem}.der")
        return [new / "intermediate.der", new / "reply.der", ca / "root.pem"]
    form = form.removeprefix("PKCS#7, ")
    openssl("crl2pkcs7", "-nocrl", "-certfile", ca / "root.pem", "-certfile", ca / "intermediate.pem",
            "-certfile", reply, "-outform", form, "-out", new / "reply.p7b")
    return [new / "reply.p7b"]


FORMS = ["separate files", "a bundle, upside down", "DER", "PKCS#7, PEM", "PKCS#7, DER"]


@pytest.mark.parametrize("form", FORMS)
def test_whatever_a_ca_sends_is_put_in_order(script, tmp_path, ini, authority, ask, form):
    ini()
    new = ask("new")
    said = script(*INSTALL, "--key", "new/privkey.pem", "main", *reply_files(form, authority, new))
    assert "warning" not in said and f"wrote {tmp_path}/main/fullchain.pem" in said and "kill -HUP" in said
    assert subjects(tmp_path / "main/fullchain.pem") == ["cam.example.org", "intermediate", "root"]
    assert (tmp_path / "main/privkey.pem").read_text() == (new / "privkey.pem").read_text()
    assert (tmp_path / "main/privkey.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "main/fullchain.pem").stat().st_mode & 0o777 == 0o644


def test_a_missing_directory_is_made(script, tmp_path, ini, authority, ask):
    ini(chain="new/certificates/fullchain.pem", key="new/keys/privkey.pem")
    (tmp_path / "main").rmdir()
    script(*INSTALL, "--key", "asked/privkey.pem", "main", *reply_files("DER", authority, ask("asked")))
    assert subjects(tmp_path / "new/certificates/fullchain.pem")[0] == "cam.example.org"
    assert (tmp_path / "new/certificates").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "new/keys/privkey.pem").stat().st_mode & 0o777 == 0o600


def test_a_renewal_keeps_what_was_there(script, tmp_path, ini, authority, ask):
    ini()
    new = ask("new")
    files = reply_files("separate files", authority, new)
    script(*INSTALL, "--key", "new/privkey.pem", "main", *files)
    before = {path.name: path.read_text() for path in (tmp_path / "main").iterdir()}
    (tmp_path / "main/fullchain.pem").chmod(0o640)
    authority.openssl("x509", "-req", "-in", new / "request.csr", "-copy_extensions", "copyall", "-CA",
                      "intermediate.pem", "-CAkey", "intermediate.key", "-CAcreateserial", "-days", "60",
                      "-out", new / "reply.pem")
    said = script(*INSTALL, "main", *files)
    after = {path.name: path.read_text() for path in (tmp_path / "main").iterdir()}
    kept, = [name for name in after if re.fullmatch(r"fullchain\.pem\.\d{8}-\d{6}", name)]
    assert after[kept] == before["fullchain.pem"] != after["fullchain.pem"]
    assert after["privkey.pem"] == before["privkey.pem"] and len(after) == 3
    assert (tmp_path / "main/fullchain.pem").stat().st_mode & 0o777 == 0o640
    assert kept in said


def test_a_missing_intermediate_is_said(script, tmp_path, ini, ask):
    ini()
    ask("new")
    said = script(*INSTALL, "--key", "new/privkey.pem", "main", "new/reply.pem")
    assert "the issuer of CN=cam.example.org is missing: CN=intermediate; the server would send an incomplete" in said
    assert subjects(tmp_path / "main/fullchain.pem") == ["cam.example.org"]


# Arguments behind "-c proxy.ini", and what is said.
WRONG = {
    "the key of another": (["--key", "ca/root.key", "main", "new/reply.pem"],
                           "none of the certificates is for the key ca/root.key; they are for: CN=cam.example.org"),
    "no key yet": (["main", "new/reply.pem"], "main/privkey.pem cannot be read; if the key is new, use --key"),
    "no certificate": (["--key", "new/privkey.pem", "main", "new/request.csr"], "new/request.csr holds no certificate"),
    "no such file": (["--key", "new/privkey.pem", "main", "none"], "none cannot be read"),
    "no such section": (["--key", "new/privkey.pem", "screen", "new/reply.pem"], "has no section [certificate screen]"),
    "no private key": (["--key", "new/reply.pem", "main", "new/reply.pem"], "new/reply.pem holds no private key"),
    "weak": (["--key", "ca/weak.key", "main", "ca/weak.pem"], "the key has 1024 bits, too few"),
}


@pytest.mark.parametrize("argv, sentence", WRONG.values(), ids=WRONG)
def test_nothing_is_changed_when_something_is_wrong(script, tmp_path, ini, authority, ask, argv, sentence):
    ini()
    ask("new")
    authority.issue("weak", key="rsa1024", names="DNS:a")
    assert sentence in script(*INSTALL, *argv, code=1)
    assert list((tmp_path / "main").iterdir()) == []


REFUSED_BY_CLIENTS = {
    "expired": ({"days": (-20, -1)}, "expired at"),
    "not valid yet": ({"days": (1, 20)}, "is not valid before"),
    "not for servers": ({"extensions": "extendedKeyUsage = clientAuth\n"}, "is not for servers"),
}


@pytest.mark.parametrize("keys, said", REFUSED_BY_CLIENTS.values(), ids=REFUSED_BY_CLIENTS)
def test_what_clients_refuse_does_not_replace_what_they_accept(script, tmp_path, ini, authority, ask, keys, said):
    ini()
    script(*INSTALL, "--key", "new/privkey.pem", "main", *reply_files("DER", authority, ask("new")))
    before = {path.name: path.read_text() for path in (tmp_path / "main").iterdir()}
    bad = authority.issue("bad", **{"names": "DNS:a", **keys})
    files = ["--key", authority.key_of("bad"), "main", bad, authority.intermediate]
    refusal = script(*INSTALL, *files, code=1)
    assert said in refusal and "nothing was changed; --force takes it all the same" in refusal
    assert {path.name: path.read_text() for path in (tmp_path / "main").iterdir()} == before
    assert said in script(*INSTALL, "--force", *files)
    assert subjects(tmp_path / "main/fullchain.pem")[0] == "bad"


def test_an_encrypted_key_stays_encrypted(script, tmp_path, ini, authority, ask):
    ini(chain="main/fullchain.pem", key="main/privkey.pem", key_password_file="main/pass")
    (tmp_path / "main/pass").touch(mode=0o600)
    (tmp_path / "main/pass").write_text("secret\n")
    new = ask("new")
    openssl("pkey", "-in", new / "privkey.pem", "-aes256", "-passout", "pass:secret", "-out", new / "locked.pem")
    script(*INSTALL, "--key", "new/locked.pem", "main", *reply_files("DER", authority, new))
    assert "ENCRYPTED" in (tmp_path / "main/privkey.pem").read_text()


def test_a_keystore_is_written_anew(script, tmp_path, ini, authority, ask):
    ini(keystore="main/store.p12", keystore_password_file="main/pass", keystore_alias="red5")
    (tmp_path / "main/pass").touch(mode=0o600)
    (tmp_path / "main/pass").write_text("secret\n")
    new = ask("new")
    files = reply_files("PKCS#7, PEM", authority, new)
    script(*INSTALL, "--key", "new/privkey.pem", "main", *files)
    script(*INSTALL, "main", *files)  # with the key that is in it
    assert len(list((tmp_path / "main").glob("store.p12.*"))) == 1
    assert "friendlyName: red5" in openssl("pkcs12", "-in", tmp_path / "main/store.p12", "-nodes", "-passin",
                                           "pass:secret")


def test_one_file_for_both(script, tmp_path, ini, authority, ask):
    ini(chain="main/both.pem", key="main/both.pem")
    script(*INSTALL, "--key", "new/privkey.pem", "main", *reply_files("separate files", authority, ask("new")))
    text = (tmp_path / "main/both.pem").read_text()
    assert text.count("BEGIN CERTIFICATE") == 3 and text.count("PRIVATE KEY") == 2
    assert (tmp_path / "main/both.pem").stat().st_mode & 0o777 == 0o600


def test_a_command_reloads_in_the_end(script, tmp_path, ini, authority, ask):
    ini()
    files = reply_files("separate files", authority, ask("new"))
    script(*INSTALL, "--quiet", "--key", "new/privkey.pem", "--reload", f"touch {tmp_path}/reloaded", "main", *files)
    assert (tmp_path / "reloaded").exists()


def test_the_result_is_served(script, tmp_path, ini, authority, ask, start_proxy, backend):
    ini()
    script(*INSTALL, "--key", "new/privkey.pem", "main", *reply_files("DER", authority, ask("new", "--ecdsa")))
    main = {"chain": tmp_path / "main/fullchain.pem", "key": tmp_path / "main/privkey.pem"}
    proxy = start_proxy(sections={"certificate main": main}, certificates="main", rtmp_backend=backend.address)
    client = proxy.connect(ssl.create_default_context(cafile=authority.root), sni="cam.example.org")
    assert client.certificate_names() == ["cam.example.org", "www.example.org"]
