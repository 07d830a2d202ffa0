"""verifiers.py - clients that have one root and verify the chain and the name: openssl, GnuTLS, curl and Java."""

import pathlib
import subprocess

BROWSER = pathlib.Path(__file__).parents[1] / "java/Browser.java"


def verify_everywhere(run_program, directory, port, root):
    """Each fetches page.html of https://localhost:PORT, or fails; only the root is known to it."""
    host, address = "localhost", f"localhost:{port}"
    shown = run_program("openssl", "openssl", "s_client", "-connect", address, "-servername", host, "-CAfile", root,
                        "-no-CApath", "-no-CAstore", "-verify_return_error", "-verify_hostname", host)
    assert "Verify return code: 0 (ok)" in shown
    said = run_program("gnutls", "gnutls-cli", "--x509cafile", root, "--port", str(port), host)
    assert "The certificate is trusted" in said
    assert run_program("curl", "curl", "--silent", "--fail", "--cacert", root, "--capath", "/none",
                       f"https://{address}/page.html") == "a page\n"
    subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "root", "-file", root, "-keystore",
                    directory / "trust.p12", "-storepass", "changeit"], check=True, capture_output=True)
    assert run_program("java", "java", f"-Djavax.net.ssl.trustStore={directory}/trust.p12",
                       "-Djavax.net.ssl.trustStorePassword=changeit", BROWSER,
                       f"https://{address}/page.html") == "a page\n"
