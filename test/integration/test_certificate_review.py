"""What is said of certificates that clients would refuse, and of keys that no server can use."""

import os
import pwd
import ssl
import subprocess

import pytest

from lib.authority import CA, Authority
from lib.proxy import BINARIES, ini_text

USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
NAMES = "DNS:cam.example.org,DNS:*.example.org"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def check(tmp_path):
    """Run -t on [certificate] sections that one listener has; its exit code and what it says behind the file's name."""

    def check(sections, environment=None):
        ini = {"proxy": {"user": USER}, **{f"certificate {name}": keys for name, keys in sections.items()},
               "listener front": {"listen": "127.0.0.1:5443", "certificates": " ".join(sections),
                                  "http_backend": "127.0.0.1:5080"}}
        (tmp_path / "proxy.ini").write_text(ini_text(ini))
        done = subprocess.run([BINARIES["asan"], "-t", "-c", "proxy.ini"], cwd=tmp_path, timeout=30, text=True,
                              capture_output=True, env={**os.environ, **(environment or {})})
        return done.returncode, [line.removeprefix("proxy.ini:") for line in done.stderr.splitlines()]

    return check


def pair(authority, name, *others):
    return {"chain": authority.chain_of(name, *others), "key": authority.key_of(name)}


@pytest.mark.parametrize("key", ["rsa", "ecdsa", "p384", "ed25519"])
def test_a_good_certificate_is_passed_over_in_silence(authority, check, key):
    authority.issue(f"good-{key}", key=key, names=NAMES)
    assert check({"main": pair(authority, f"good-{key}")}) == (0, [])


# What the certificate is, and the warning: it stands at line 5, where the chain is named.
WARNINGS = {
    "expired": (dict(days=(-30, -2)), "the certificate of CN=expired expired at "),
    "early": (dict(days=(2, 30)), "the certificate of CN=early is not valid before "),
    "soon": (dict(days=(-30, 9.5)), "the certificate of CN=soon expires in 9 days, at "),
    "today": (dict(days=(-30, 0.5)), "the certificate of CN=today expires in 0 days, at "),
    "nameless": (dict(names=None), "the certificate of CN=nameless has no subject alternative names; clients ignore "
                                   "its common name and refuse it"),
    "for-clients": (dict(extensions=f"extendedKeyUsage = clientAuth\nsubjectAltName = {NAMES}\n"),
                    "the certificate of CN=for-clients is not for servers, its key usage says; clients refuse it"),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_what_clients_refuse_is_a_warning(authority, check, name):
    """The proxy would start all the same."""
    options, sentence = WARNINGS[name]
    authority.issue(name, **{"names": NAMES, **options})
    code, (line,) = check({"main": pair(authority, name)})
    assert code == 0
    assert line.startswith(f"5: warning: [certificate main] chain: {sentence}")


# What the certificate is, and the complaint: it stands at line 6, where the key is named.
FAULTS = {
    "short": (dict(key="rsa1024"), "the key has 1024 bits, too few for today's clients; get a new one, RSA of 2048"),
    "dsa": (dict(key="dsa"), "the key is of the type DSA, which no TLS client takes; get a new one, RSA of 2048"),
    "koblitz": (dict(key="secp256k1"), "the key is on the curve secp256k1, which TLS clients do not have; get a new"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_no_client_takes_is_an_error(authority, check, name):
    options, sentence = FAULTS[name]
    authority.issue(name, names=NAMES, **options)
    code, (line,) = check({"main": pair(authority, name)})
    assert code == 1
    assert line.startswith(f"6: [certificate main] key: {sentence}")


# What the issuer is, and the complaint: it stands at line 5, where the chain is named.
WEAK = {
    "old-digest": (dict(digest="sha1"), "the certificate of CN=old-digest is signed with sha1, which clients refuse"),
    "old-key": (dict(key="rsa1024"), "the key of CN=old-key has 1024 bits, too few for today's clients; get another"),
}


@pytest.mark.parametrize("name", WEAK)
def test_a_weak_intermediate_is_an_error(authority, check, name):
    options, sentence = WEAK[name]
    authority.issue(name, extensions=CA, by="root", **options)
    authority.issue(f"below-{name}", names=NAMES, by=name)
    code, (line,) = check({"main": pair(authority, f"below-{name}", name, "root")})
    assert code == 1
    assert line.startswith(f"5: [certificate main] chain: {sentence}")


def test_a_certificate_signed_with_sha1_is_an_error(authority, check):
    authority.issue("sha1", names=NAMES, digest="sha1")
    assert check({"main": pair(authority, "sha1")}) == (1, [
        "5: [certificate main] chain: the certificate of CN=sha1 is signed with sha1, which clients refuse; get a new "
        "one"])


def test_a_root_signed_with_sha1_is_nobodys_concern(tmp_path, check):
    """Clients have it, and look at no signature on it."""
    (tmp_path / "ca").mkdir()
    authority = Authority(tmp_path / "ca")
    authority.issue("root", extensions=CA, by=None, digest="sha1")
    authority.issue("main", names=NAMES)
    assert check({"main": pair(authority, "main")}) == (0, [])


def test_an_expired_intermediate_is_named(authority, check):
    authority.issue("stale", extensions="basicConstraints = critical, CA:true\nsubjectKeyIdentifier = hash\n",
                    days=(-30, -1), by="root")
    authority.issue("below-stale", names=NAMES, by="stale")
    code, (line,) = check({"main": pair(authority, "below-stale", "stale", "root")})
    assert code == 0
    assert line.startswith("5: warning: [certificate main] chain: the certificate of CN=stale expired at ")


def test_a_missing_intermediate_is_named(authority, check):
    authority.issue("cam.example.org", names=NAMES)
    alone = {"chain": authority.directory / "cam.example.org.pem", "key": authority.key_of("cam.example.org")}
    assert check({"main": alone}) == (0, [
        "5: warning: [certificate main] chain: the issuer of CN=cam.example.org is missing: CN=intermediate; "
        "the server would send an incomplete chain"])


def test_a_root_that_the_machine_trusts_is_not_missing(authority, check):
    """As with the chains of all public authorities, which leave their root out."""
    authority.issue("rootless", names=NAMES)
    rootless = {"main": pair(authority, "rootless", "intermediate")}
    code, (line,) = check(rootless)
    assert code == 0 and "the issuer of CN=intermediate is missing: CN=root" in line
    assert check(rootless, {"SSL_CERT_FILE": str(authority.root)}) == (0, [])


def test_a_key_that_two_certificates_share_is_warned_of(authority, check):
    """keystore.screen is given away, key and password, by OpenMeetings."""
    authority.issue("first", names="DNS:first.example.org")
    authority.make_key("second", "ecdsa")
    (authority.directory / "second.key").write_text(authority.key_of("first").read_text())
    authority.issue("second", names="DNS:second.example.org")
    code, (line,) = check({"main": pair(authority, "first"), "screen": pair(authority, "second")})
    assert code == 0
    assert line.startswith("10: warning: [certificate screen] key: is the private key of [certificate main] as well; "
                           "OpenMeetings 2.0 to 3.3 sends keystore.screen and its password")


# The names of `first` and of `second`, the second one's key, and what is said.
HIDDEN = {
    "none of its own": ("DNS:a.test,DNS:b.test", "DNS:B.test", "ecdsa",
                        "second is never shown: those before it have all of its names"),
    "some of its own": ("DNS:a.test,DNS:b.test", "DNS:b.test,DNS:c.test", "ecdsa",
                        "first and second both have the name b.test; first is shown for it"),
    "no host name": ("DNS:a.test", "IP:127.0.0.1", "ecdsa",
                     "second is never shown: it has no host name that a client could ask for, and is not the first"),
    "no host name, another type of key": ("IP:127.0.0.1", "IP:127.0.0.1", "rsa", None),
    "another type of key": ("DNS:a.test", "DNS:a.test", "rsa", None),
    "more precise": ("DNS:*.test", "DNS:a.test", "ecdsa", None),
}


@pytest.mark.parametrize("first, second, key, sentence", HIDDEN.values(), ids=HIDDEN)
def test_a_certificate_that_is_never_shown_is_warned_of(tmp_path, check, first, second, key, sentence):
    (tmp_path / "ca").mkdir()
    authority = Authority(tmp_path / "ca")
    authority.issue("first", names=first)
    authority.issue("second", names=second, key=key)
    said = check({"first": pair(authority, "first"), "second": pair(authority, "second")})
    expected = [f"14: warning: [listener front] certificates: {sentence}"] if sentence else []
    assert said == (0, expected)


def test_ed25519_is_served(authority, start_proxy, backend):
    authority.issue("edwards", key="ed25519", names="DNS:localhost")
    proxy = start_proxy(sections={"certificate edwards": pair(authority, "edwards")}, certificates="edwards",
                        rtmp_backend=backend.address)
    client = proxy.connect(ssl.create_default_context(cafile=authority.root), sni="localhost")
    assert client.certificate_names() == ["localhost"]
