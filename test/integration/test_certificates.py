"""Which certificate a client is shown, and that the chain behind it is complete."""

import pytest

SHOWN = {"main": "main.test", "screen": "screen.test"}  # the first name in each


@pytest.fixture
def proxy(start_proxy, backend):
    return start_proxy(rtmp_backend=backend.address)


@pytest.mark.parametrize("asked, certificate", [
    ("main.test", "main"),
    ("screen.test", "screen"),
    ("SCREEN.Test", "screen"),
    ("cam.screen.test", "screen"),
    ("CAM.SCREEN.TEST", "screen"),
    ("two.levels.screen.test", "main"),
    ("unknown.test", "main"),
    (None, "main"),
])
def test_the_name_a_client_asks_for_chooses_the_certificate(proxy, tls, asked, certificate):
    """Exact names and wildcards, in any case; the first certificate is for everybody else."""
    client = proxy.connect(tls, sni=asked)
    assert client.certificate_names()[0] == SHOWN[certificate]
    client.close()
    session = proxy.wait_for_session()
    assert session.certificate == certificate
    assert session.sni.lower() == (asked or "-").lower()


def test_listeners_have_certificates_of_their_own(start_proxy, backend, any_tls):
    """A port for screen sharing shows `screen` to clients without SNI."""
    to_backend = {"rtmp_backend": backend.address}
    proxy = start_proxy(listeners={"rtmps": to_backend, "screen": {"certificates": "screen", **to_backend}})
    assert proxy.connect(any_tls, listener="rtmps").certificate_names()[0] == "main.test"
    assert proxy.connect(any_tls, listener="screen").certificate_names()[0] == "screen.test"


@pytest.mark.parametrize("name", ["main.test", "cam.screen.test"])
def test_a_client_that_has_only_the_root_verifies_the_chain(proxy, certificates, name, run_program):
    """The intermediate is sent, the root is not."""
    shown = run_program("s_client", "openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}",
                        "-CAfile", certificates.root, "-no-CApath", "-no-CAstore", "-verify_return_error",
                        "-servername", name, "-verify_hostname", name, "-showcerts")
    assert "Verify return code: 0 (ok)" in shown
    assert shown.count("BEGIN CERTIFICATE") == 2


def test_a_chain_file_may_have_any_order(start_proxy, backend, certificates, any_tls, tmp_path):
    """The intermediate before the leaf: the client is shown leaf, then intermediate."""
    end = "-----END CERTIFICATE-----\n"
    leaf, intermediate = (certificates.directory / "main/fullchain.pem").read_text().split(end)[:2]
    (tmp_path / "chain.pem").write_text(intermediate + end + leaf + end)
    reverse = {"chain": "chain.pem", "key": certificates.directory / "main/privkey.pem"}
    proxy = start_proxy(sections={"certificate reverse": reverse}, certificates="reverse",
                        rtmp_backend=backend.address)
    assert proxy.connect(any_tls).certificate_names()[0] == "main.test"


def test_an_ecdsa_certificate_is_served(start_proxy, backend, make_certificates):
    """Both TLS versions, by a chain of ECDSA keys."""
    ecdsa = make_certificates("--key", "ecdsa")
    proxy = start_proxy(sections=ecdsa.sections(), rtmp_backend=backend.address)
    for version in ("TLSv1.2", "TLSv1.3"):
        assert proxy.connect(ecdsa.context(version)).certificate_names()[0] == "main.test"
