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


def test_web_start_verifies_chain_and_host_name(start_proxy, nginx, classes, trust_store, run_program):
    """The root alone is enough for Java, which fetches no missing intermediate."""
    nginx.put_page("page.html", "a page\n")
    proxy = start_proxy(http_backend=nginx.http_address)
    assert run_program("browser", "java", f"-Djavax.net.ssl.trustStore={trust_store}",
                       "-Djavax.net.ssl.trustStorePassword=changeit", "-cp", classes, "Browser",
                       f"https://localhost:{proxy.port()}/page.html") == "a page\n"
    assert proxy.wait_for_session().certificate == "main"
