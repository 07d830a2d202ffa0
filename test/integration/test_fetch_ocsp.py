"""scripts/fetch-ocsp: the responder's word is checked before it is kept."""

import datetime
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from lib.authority import SERVER, Authority
from lib.proxy import TOP
from lib.responder import Responder

SIGNER = "extendedKeyUsage = OCSPSigning\nauthorityKeyIdentifier = keyid\n"


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "ca").mkdir()
    return Authority(tmp_path / "ca")


@pytest.fixture
def responder(authority, closing):
    return closing(Responder(authority))


@pytest.fixture
def chain(authority, responder):
    authority.issue("main", extensions=f"{SERVER}authorityInfoAccess = OCSP;URI:{responder.url}\n")
    return authority.chain_of("main")


@pytest.fixture
def fetch(tmp_path):
    def fetch(chain, code=0):
        done = subprocess.run([TOP / "scripts/fetch-ocsp", "--timeout", "5", chain, tmp_path / "ocsp.der"], text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return fetch


def test_a_good_answer_is_kept(tmp_path, chain, authority, fetch):
    """Readable by the proxy, and good in the eyes of openssl."""
    assert "the certificate is good, until " in fetch(chain)
    checked = subprocess.run(["openssl", "ocsp", "-respin", tmp_path / "ocsp.der", "-issuer", "ca/intermediate.pem",
                              "-cert", "ca/main.pem", "-CAfile", "ca/root.pem", "-no_nonce"], cwd=tmp_path, text=True,
                             capture_output=True, check=True)
    assert "Response verify OK" in checked.stderr and "ca/main.pem: good" in checked.stdout
    assert (tmp_path / "ocsp.der").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca", "ocsp.der"]


def test_what_was_fetched_is_stapled(tmp_path, chain, authority, fetch, start_proxy, echo, run_program):
    fetch(chain)
    main = {"chain": chain, "key": authority.key_of("main"), "ocsp": "ocsp.der"}
    proxy = start_proxy(sections={"certificate main": main}, certificates="main", protocols="tunnel",
                        tunnel_backend=echo.address)
    assert "Cert Status: good" in run_program("s_client", "openssl", "s_client", "-connect",
                                              f"127.0.0.1:{proxy.port()}", "-CAfile", authority.root, "-status")
    assert "[certificate main] ocsp" not in proxy.log


def test_an_answer_signed_by_whom_the_issuer_named_is_kept(chain, authority, responder, fetch):
    authority.issue("signer", extensions=SIGNER)
    responder.signer = "signer"
    fetch(chain)


def revoke(authority, responder):
    authority.openssl("ca", "-config", "ca.cnf", "-cert", "intermediate.pem", "-keyfile", "intermediate.key", "-revoke",
                      "main.pem")


def sign_as_somebody_else(authority, responder):
    authority.issue("stranger", extensions=SIGNER, by=None)
    responder.signer = "stranger"


def sign_as_a_server_of_the_same_ca(authority, responder):
    authority.issue("neighbour", names="DNS:neighbour")
    responder.signer = "neighbour"


def answer_garbage(authority, responder):
    responder.answer = lambda request: b"<html>"


def answer_nothing(authority, responder):
    responder.close()


def forget(authority, responder):
    (authority.directory / "index.txt").write_text("")


def replay_an_old_answer(authority, responder):
    """Which openssl would not make."""
    def load(name):
        return x509.load_pem_x509_certificate((authority.directory / f"{name}.pem").read_bytes())

    now, day = datetime.datetime.utcnow(), datetime.timedelta(days=1)
    key = serialization.load_pem_private_key(authority.key_of("intermediate").read_bytes(), None)
    answer = ocsp.OCSPResponseBuilder().add_response(
        load("main"), load("intermediate"), hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, now - 3 * day, now - day, None, None
    ).responder_id(ocsp.OCSPResponderEncoding.HASH, load("intermediate")).sign(key, hashes.SHA256())
    responder.answer = lambda request: answer.public_bytes(serialization.Encoding.DER)


FAULTS = {
    "revoked": (revoke, 4, "the certificate is revoked"),
    "signed by a stranger": (sign_as_somebody_else, 1, "is not signed as it must be"),
    "signed by a server": (sign_as_a_server_of_the_same_ca, 1, "is not signed as it must be"),
    "garbage": (answer_garbage, 1, "gave no answer"),
    "nobody there": (answer_nothing, 1, "gave no answer"),
    "not known": (forget, 1, "does not know the certificate"),
    "out of date": (replay_an_old_answer, 1, "is out of date"),
}


@pytest.mark.parametrize("spoil, code, sentence", FAULTS.values(), ids=FAULTS)
def test_no_other_answer_replaces_a_good_one(tmp_path, chain, authority, responder, fetch, spoil, code, sentence):
    fetch(chain)
    good = (tmp_path / "ocsp.der").read_bytes()
    spoil(authority, responder)
    assert sentence in fetch(chain, code)
    assert (tmp_path / "ocsp.der").read_bytes() == good
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca", "ocsp.der"]


def test_a_certificate_without_a_responder(tmp_path, authority, fetch):
    authority.issue("silent", names="DNS:silent")
    assert "names no OCSP responder" in fetch(authority.chain_of("silent"), code=3)


def test_a_chain_without_the_issuer(tmp_path, authority, chain, fetch):
    assert "has no issuer behind" in fetch(authority.directory / "main.pem", code=1)
