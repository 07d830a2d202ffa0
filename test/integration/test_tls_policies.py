"""What a listener speaks, and with whom: modern, intermediate, legacy; seen by real clients and a scanner."""

import json
import socket
import struct
import subprocess

import pytest

from lib.waiting import PATIENCE

S_CLIENT = ["openssl", "s_client", "-brief", "-connect"]


def s_client(proxy, *options, cipher_level=True):
    """What openssl's client says of a connection, or of its failure."""
    level = ["-cipher", "ALL:@SECLEVEL=0"] if cipher_level else []
    done = subprocess.run([*S_CLIENT, f"127.0.0.1:{proxy.port()}", *level, *options], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=PATIENCE)
    return done.stderr


@pytest.fixture
def serve(start_proxy, echo):
    return lambda **keys: start_proxy(protocols="tunnel", tunnel_backend=echo.address, **keys)


SPOKEN = {"modern": ["TLSv1.3"], "intermediate": ["TLSv1.2", "TLSv1.3"],
          "legacy": ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]}
OPTIONS = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}


@pytest.mark.parametrize("policy", SPOKEN)
def test_versions(serve, policy):
    proxy = serve(tls=policy)
    for version, option in OPTIONS.items():
        found = f"Protocol version: {version}\n" in s_client(proxy, option)
        assert found == (version in SPOKEN[policy]), version


def test_legacy_is_for_the_clients_of_its_time(serve):
    """RSA key exchange with AES128-SHA, and no DHE even for who has nothing else."""
    proxy = serve(tls="legacy")
    assert "Ciphersuite: AES128-SHA\n" in s_client(proxy, "-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0")
    assert "handshake failure" in s_client(proxy, "-tls1_2", "-cipher", "kDHE:@SECLEVEL=0", cipher_level=False)


def test_legacy_gets_a_warning_and_the_others_on_the_machine_stay_as_they_are(start_proxy, echo, certificates):
    backend = {"protocols": "tunnel", "tunnel_backend": echo.address}
    proxy = start_proxy(listeners={"front": backend, "old": {**backend, "tls": "legacy"}})
    assert len(proxy.find(r"proxy\.ini:\d+: warning: \[listener old\] tls: legacy offers TLS 1\.0")) == 1
    assert not proxy.find(r"warning: \[listener front\]")
    assert "Protocol version" not in s_client(proxy, "-tls1")


def old_hello(version, ciphers):
    """A ClientHello in the form of SSL 2 (RFC 5246, E.2), as Java 6 sends it."""
    specs = b"".join(struct.pack(">I", cipher)[1:] for cipher in ciphers)
    body = struct.pack(">BHHHH", 1, version, len(specs), 0, 32) + specs + bytes(range(32))
    return struct.pack(">H", 0x8000 | len(body)) + body


def answer_to(proxy, hello):
    with socket.create_connection(proxy.address(), PATIENCE) as sock:
        sock.sendall(hello)
        return sock.recv(65536)


AES128_SHA, EMPTY_RENEGOTIATION_INFO = 0x2f, 0xff


@pytest.mark.parametrize("version", [0x0301, 0x0302, 0x0303])
def test_a_hello_of_ssl_2_for_a_later_version(serve, version):
    """The answer is a ServerHello in a record of TLS."""
    hello = old_hello(version, [AES128_SHA, EMPTY_RENEGOTIATION_INFO])
    answer = answer_to(serve(tls="legacy"), hello)
    assert answer[0] == 22 and answer[5] == 2
    assert answer[9:11] == struct.pack(">H", version)


@pytest.mark.parametrize("policy", ["modern", "intermediate"])
def test_a_hello_of_ssl_2_is_refused_elsewhere(serve, policy):
    proxy = serve(tls=policy)
    assert answer_to(proxy, old_hello(0x0303, [AES128_SHA])) == b""
    assert proxy.wait_for_session().end == "not_tls"


def test_ssl_2_itself_is_refused(serve):
    proxy = serve(tls="legacy")
    assert answer_to(proxy, old_hello(0x0002, [0x010080]))[:1] in (b"", b"\x15")
    assert proxy.wait_for_session().end == "handshake_failed"


@pytest.mark.parametrize("hello", [b"\x80", b"\x80\x2e\x01", b"\xff" * 200, b"\x80\x09\x01\x03\x01\x00\x00\x00\x00\x00\x20"])
def test_what_only_begins_like_it(serve, any_tls, hello):
    proxy = serve(tls="legacy", handshake_timeout="300ms")
    answer_to(proxy, hello)
    assert proxy.wait_for_session().end in ("handshake_failed", "handshake_closed", "handshake_timeout")
    assert proxy.connect(any_tls).exchange(b"x") == b"x"


def test_gnutls_speaks_with_each_policy(serve, certificates):
    for policy, priority in [("modern", "NORMAL:-VERS-ALL:+VERS-TLS1.3"), ("intermediate", "NORMAL"),
                             ("intermediate", "NORMAL:-VERS-ALL:+VERS-TLS1.2"),
                             ("legacy", "LEGACY:-VERS-ALL:+VERS-TLS1.0:-KX-ALL:+RSA:%ALLOW_SMALL_RECORDS")]:
        proxy = serve(tls=policy)
        done = subprocess.run(["gnutls-cli", "--x509cafile", certificates.root, "--sni-hostname", "main.test",
                               "--verify-hostname", "main.test", "--priority", priority, "-p", str(proxy.port()),
                               "127.0.0.1"], input="", capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0 and "Handshake was completed" in done.stdout, (policy, priority, done.stdout)
        proxy.close()


def test_single_keys_overrule_the_policy(serve):
    proxy = serve(tls="modern", tls_min="TLSv1.2", ciphers="ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384")
    assert "Ciphersuite: ECDHE-RSA-AES256-GCM-SHA384\n" in s_client(proxy, "-tls1_2")


# testssl.sh: what it must find. The severity of everything else is bounded.

EXPECTED = {
    "modern": {"TLS1": "not offered", "TLS1_1": "not offered", "TLS1_2": "not offered", "TLS1_3": "offered"},
    "intermediate": {"TLS1": "not offered", "TLS1_1": "not offered", "TLS1_2": "offered", "TLS1_3": "offered",
                     "PFS": "offered", "cipherlist_AVERAGE": "not offered", "SWEET32": "not vulnerable",
                     "BEAST": "not vulnerable", "LUCKY13": "not vulnerable"},
    "legacy": {"TLS1": "offered", "TLS1_1": "offered", "TLS1_2": "offered", "TLS1_3": "offered",
               "SWEET32": "not vulnerable"},
}
NEVER = {**dict.fromkeys(["heartbleed", "CCS", "ROBOT", "secure_client_renego", "CRIME_TLS", "POODLE_SSL", "FREAK",
                          "DROWN", "LOGJAM", "RC4"], "not vulnerable"),
         **dict.fromkeys(["SSLv2", "SSLv3", "cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT",
                          "cipherlist_LOW", "cipherlist_3DES_IDEA"], "not offered")}


@pytest.mark.long
@pytest.mark.parametrize("policy", EXPECTED)
def test_a_scanner(start_proxy, nginx, tmp_path, policy):
    """testssl.sh from Debian, against an HTTPS listener."""
    proxy = start_proxy(build="plain", tls=policy, http_backend=nginx.http_address)
    found = tmp_path / "testssl.json"
    subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "-p", "-s", "-f",
                    "-P", "-U", "--jsonfile", found, f"localhost:{proxy.port()}"], stdin=subprocess.DEVNULL,
                   stdout=(tmp_path / "testssl.log").open("w"), stderr=subprocess.STDOUT, timeout=400)
    findings = {entry["id"]: entry for entry in json.loads(found.read_text())}
    for name, text in {**NEVER, **EXPECTED[policy]}.items():
        assert findings[name]["finding"].startswith(text), findings[name]
    assert findings["ticketbleed"]["severity"] == "OK"
    if policy != "legacy":
        bad = [f for f in findings.values() if f["severity"] in ("HIGH", "CRITICAL") and f["id"] not in ("BREACH",)]
        assert not bad
