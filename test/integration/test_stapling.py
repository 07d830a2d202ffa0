"""OCSP stapling, as real clients see it. (What is refused, and why: test/unit/test_staple.c.)"""

import datetime
import signal
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from lib.waiting import PATIENCE


@pytest.fixture
def answer(certificates, tmp_path):
    """Writes the CA's answer about the certificate `main`, good ("V") or revoked ("R")."""
    ca, leaf = certificates.directory / "ca", certificates.directory / "main/fullchain.pem"
    number = subprocess.run(["openssl", "x509", "-in", leaf, "-noout", "-serial"], check=True, capture_output=True,
                            text=True).stdout.split("=")[1].strip()

    def write(file, status="V"):
        revoked = "200101000000Z" if status == "R" else ""
        (tmp_path / "index.txt").write_text(f"{status}\t491231235959Z\t{revoked}\t{number}\tunknown\t/CN=main\n")
        subprocess.run(["openssl", "ocsp", "-index", tmp_path / "index.txt", "-CA", ca / "intermediate.pem",
                        "-rsigner", ca / "intermediate.pem", "-rkey", ca / "intermediate-key.pem",
                        "-issuer", ca / "intermediate.pem", "-cert", leaf, "-respout", file, "-ndays", "1"],
                       check=True, capture_output=True)
        return file

    return write


def start(start_proxy, certificates, echo, file):
    main = certificates.sections()["certificate main"]
    return start_proxy(sections={"certificate main": {**main, "ocsp": file}}, protocols="tunnel",
                       tunnel_backend=echo.address)


def stapled(proxy, certificates):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-servername", "main.test",
                           "-CAfile", certificates.root, "-status"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=PATIENCE)
    assert ("OCSP Response Status: successful" in done.stdout) != ("OCSP response: no response sent" in done.stdout)
    return "Cert Status: good" in done.stdout


def test_a_good_answer_is_sent(start_proxy, certificates, echo, answer, tmp_path):
    proxy = start(start_proxy, certificates, echo, answer(tmp_path / "main.ocsp"))
    assert stapled(proxy, certificates)


def test_an_answer_that_says_revoked_is_not(start_proxy, certificates, echo, answer, tmp_path):
    proxy = start(start_proxy, certificates, echo, answer(tmp_path / "main.ocsp", "R"))
    assert not stapled(proxy, certificates)
    assert proxy.find(r"proxy\.ini:\d+: warning: \[certificate main\] ocsp: the CA revoked the certificate at 2020")


def test_answers_change_under_a_reload(start_proxy, certificates, echo, answer, tmp_path):
    file = answer(tmp_path / "main.ocsp", "R")
    proxy = start(start_proxy, certificates, echo, file)
    for count, status in enumerate("VRV", 1):
        answer(file, status)
        proxy.signal(signal.SIGHUP)
        proxy.wait_for_log("reload done", count=count)
        assert stapled(proxy, certificates) == (status == "V")


def answer_until(certificates, file, seconds):
    """A good answer that is over in so many seconds; openssl's own command knows minutes only."""
    ca, leaf = certificates.directory / "ca", certificates.directory / "main/fullchain.pem"
    issuer = x509.load_pem_x509_certificate((ca / "intermediate.pem").read_bytes())
    key = serialization.load_pem_private_key((ca / "intermediate-key.pem").read_bytes(), None)
    now = datetime.datetime.utcnow()
    response = ocsp.OCSPResponseBuilder().add_response(
        x509.load_pem_x509_certificate(leaf.read_bytes()), issuer, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD,
        now - datetime.timedelta(hours=1), now + datetime.timedelta(seconds=seconds), None, None,
    ).responder_id(ocsp.OCSPResponderEncoding.NAME, issuer).sign(key, hashes.SHA256())
    file.write_bytes(response.public_bytes(serialization.Encoding.DER))
    return file


@pytest.mark.long
def test_an_answer_that_ends_while_we_serve(start_proxy, certificates, echo, tmp_path):
    """Not sent from then on, and told of once; a new one is taken up by itself."""
    file = answer_until(certificates, tmp_path / "main.ocsp", 5)
    proxy = start(start_proxy, certificates, echo, file)
    assert stapled(proxy, certificates)
    proxy.wait_for_log(r"warn +\[certificate main\] ocsp: the response is over, nothing is stapled any more")
    assert not stapled(proxy, certificates)
    answer_until(certificates, file, 600)
    proxy.wait_for_log("reload done", timeout=40)
    assert stapled(proxy, certificates)
    assert len(proxy.find("the response is over")) == 1
