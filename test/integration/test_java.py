"""Java's two clients: the screen sharer, which trusts anyone, and Web Start, which verifies."""

import pathlib
import subprocess

import pytest

SOURCES = pathlib.Path(__file__).parents[1] / "java"


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    directory = tmp_path_factory.mktemp("classes")
    subprocess.run(["javac", "-d", directory, *SOURCES.glob("*.java")], check=True, timeout=60)
    return directory


@pytest.fixture
def trust_store(certificates, tmp_path, run_program):
    run_program("keytool", "keytool", "-importcert", "-noprompt", "-alias", "root", "-file", certificates.root,
                "-keystore", tmp_path / "trust.p12", "-storepass", "changeit")
    return tmp_path / "trust.p12"


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_screen_sharer_gets_through(start_proxy, nginx, classes, version, run_program):
    """No SNI, no client certificate, trust in anyone: an RTMP handshake with the real server."""
    proxy = start_proxy(rtmp_backend=nginx.rtmp_address)
    assert run_program("sharer", "java", f"-Djdk.tls.client.protocols={version}", "-cp", classes, "Sharer",
                       str(proxy.port())) == "RTMP handshake done\n"
    session = proxy.wait_for_session()
    assert (session.protocol, session.tls, session.sni, session.certificate) == ("rtmp", version, "-", "main")


@pytest.mark.parametrize("protocols", ["TLSv1", "SSLv2Hello,TLSv1"])
def test_a_sharer_of_java_6_gets_through_on_a_legacy_listener(start_proxy, nginx, classes, protocols, tmp_path,
                                                              run_program):
    """Today's Java in the state of then: TLS 1.0, its one cipher, and a first message in the form of SSL 2."""
    (tmp_path / "java.security").write_text("jdk.tls.disabledAlgorithms=\njdk.tls.legacyAlgorithms=\n")
    proxy = start_proxy(rtmp_backend=nginx.rtmp_address, tls="legacy")
    options = [f"-Djava.security.properties={tmp_path}/java.security", f"-Djdk.tls.client.protocols={protocols}",
               "-Djdk.tls.client.cipherSuites=TLS_RSA_WITH_AES_128_CBC_SHA"]
    assert run_program("sharer", "java", *options, "-cp", classes, "Sharer", str(proxy.port())) == "RTMP handshake done\n"
    session = proxy.wait_for_session()
    assert (session.tls, session.cipher) == ("TLSv1", "AES128-SHA")


def test_its_first_message_is_refused_elsewhere(start_proxy, nginx, classes, start_program):
    proxy = start_proxy(rtmp_backend=nginx.rtmp_address)
    start_program("sharer", "java", "-Djdk.tls.client.protocols=SSLv2Hello,TLSv1.2", "-cp", classes, "Sharer",
                  str(proxy.port()))
    assert proxy.wait_for_session().end == "not_tls"


def test_web_start_verifies_chain_and_host_name(start_proxy, nginx, classes, trust_store, run_program):
    """The root alone is enough for Java, which fetches no missing intermediate."""
    nginx.put_page("page.html", "a page\n")
    proxy = start_proxy(http_backend=nginx.http_address)
    assert run_program("browser", "java", f"-Djavax.net.ssl.trustStore={trust_store}",
                       "-Djavax.net.ssl.trustStorePassword=changeit", "-cp", classes, "Browser",
                       f"https://localhost:{proxy.port()}/page.html") == "a page\n"
    assert proxy.wait_for_session().certificate == "main"
