"""Client certificates: who may pass is decided before any backend hears of it."""

import re
import signal
import subprocess

import pytest


class Authority:
    """A CA of clients: openssl's own commands, as an administrator would use them."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.output("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                     "ca.key", "-out", "ca.pem", "-subj", "/O=Example/CN=Clients", "-days", "30")
        (directory / "index.txt").write_text("")
        (directory / "index.txt.attr").write_text("unique_subject = no\n")
        (directory / "serial").write_text("1000\n")
        (directory / "crlnumber").write_text("01\n")
        (directory / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\ncrlnumber=crlnumber\nnew_certs_dir=.\n"
            "certificate=ca.pem\nprivate_key=ca.key\ndefault_md=sha256\ndefault_days=30\ndefault_crl_days=30\n"
            "policy=p\n[p]\norganizationName=optional\ncommonName=supplied\n")

    def output(self, *arguments):
        return subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True,
                              text=True).stdout

    def issue(self, name):
        self.output("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                     "-subj", f"/O=Example/CN={name}")
        self.output("ca", "-config", "ca.cnf", "-batch", "-in", f"{name}.csr", "-out", f"{name}.pem", "-notext")

    def revoke(self, name):
        self.output("ca", "-config", "ca.cnf", "-revoke", f"{name}.pem")

    def publish(self):
        self.output("ca", "-config", "ca.cnf", "-gencrl", "-out", "ca.crl")

    def show(self, context, name):
        context.load_cert_chain(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        return context


@pytest.fixture(scope="session")
def clients(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority") / "clients")
    for name in ("alice", "mallory"):
        authority.issue(name)
    authority.publish()
    return authority


@pytest.fixture
def serve(start_proxy, backend, clients):
    def serve(verify, **keys):
        return start_proxy(client_verify=verify, client_ca=clients.directory / "ca.pem", **keys)

    return serve


def is_refused(proxy, context, backend):
    """In TLS 1.3 the client hears of it after its own end of the handshake; no backend does."""
    client = proxy.connect_silently(context)
    try:
        client.handshake()
        client.send(b"\x03hello")
        client.read(1)
    except (OSError, AssertionError):  # ssl.SSLError is an OSError
        pass
    session = proxy.wait_for_session_of(client)
    assert not backend.was_dialled()
    return session.end == "handshake_failed" and session.backend == "-" and session.error


def test_who_shows_a_good_one_is_in_the_log(serve, backend, certificates, clients, tls):
    proxy = serve("required", rtmp_backend=backend.address)
    client = proxy.connect(clients.show(tls, "alice"))
    client.send(b"\x03hello")
    assert backend.accept().read(6) == b"\x03hello"
    client.close()
    assert proxy.wait_for_session().subject == "CN=alice,O=Example"


@pytest.mark.parametrize("is_resumed", [False, True], ids=["full", "resumed"])
def test_an_http_backend_is_told_who_it_is_and_by_nobody_else(serve, backend, certificates, clients, is_resumed):
    """What the client says of itself in the same words does not get there, however it is spelt."""
    proxy = serve("required", http_backend=backend.address)
    context = clients.show(certificates.context("TLSv1.2"), "alice")
    client = proxy.connect(context)
    if is_resumed:
        client = proxy.connect(context, session=client.tls.session)
        assert client.tls.session_reused
    client.send(b"GET / HTTP/1.1\r\nHost: main.test\r\nX-SSL-Client-Verify: NONE\r\nx-ssl-client-subject: CN=root\r\n"
                b"X_SSL_Client_Serial: 1\r\nX-Ssl_client-Fingerprint: 00\r\nConnection: close, X-SSL-Client-Verify\r\n\r\n")
    head = b""
    server = backend.accept()
    while not head.endswith(b"\r\n\r\n"):
        head += server.read(1)
    told = [line.split(": ", 1) for line in head.decode().splitlines() if re.match("x.ssl", line, re.I)]
    fields = dict(told)
    assert len(fields) == len(told) == 5
    assert fields["X-SSL-Client-Verify"] == "SUCCESS"
    assert fields["X-SSL-Client-Subject"] == "CN=alice,O=Example"
    assert fields["X-SSL-Client-Issuer"] == "CN=Clients,O=Example"
    shown = clients.output("x509", "-in", "alice.pem", "-noout", "-serial", "-fingerprint", "-sha256")
    serial, fingerprint = (line.split("=")[1] for line in shown.splitlines())
    assert fields["X-SSL-Client-Serial"] == serial
    assert fields["X-SSL-Client-Fingerprint"] == fingerprint.replace(":", "").lower()


def test_required_refuses_who_shows_none(serve, backend, tls):
    proxy = serve("required", rtmp_backend=backend.address)
    assert "peer did not return a certificate" in is_refused(proxy, tls, backend)


def test_a_tunnel_dials_nobody_for_whom_it_refuses(serve, backend, tls):
    proxy = serve("required", protocols="tunnel", tunnel_backend=backend.address)
    assert is_refused(proxy, tls, backend)


def test_optional_takes_who_shows_none_but_not_who_shows_a_bad_one(serve, backend, tls, certificates):
    proxy = serve("optional", rtmp_backend=backend.address)
    client = proxy.connect(tls)
    client.send(b"\x03")
    assert backend.accept().read(1) == b"\x03"
    client.close()
    assert proxy.wait_for_session().subject is None
    tls.load_cert_chain(certificates.directory / "main/fullchain.pem", certificates.directory / "main/privkey.pem")
    assert is_refused(proxy, tls, backend)


def test_revocation_takes_effect_at_a_reload_also_for_tickets(serve, backend, clients, certificates, tmp_path):
    """Mallory has a ticket from before; after the reload it opens nothing."""
    context = clients.show(certificates.context("TLSv1.2"), "mallory")
    crl = tmp_path / "clients.crl"
    crl.write_bytes((clients.directory / "ca.crl").read_bytes())
    proxy = serve("required", rtmp_backend=backend.address, client_crl=crl)
    before = proxy.connect(context)
    assert proxy.connect(context, session=before.tls.session).tls.session_reused

    clients.revoke("mallory")
    clients.publish()
    crl.write_bytes((clients.directory / "ca.crl").read_bytes())
    proxy.signal(signal.SIGHUP)
    proxy.wait_for_log("reload done")
    client = proxy.connect_silently(context, session=before.tls.session)
    with pytest.raises(OSError):
        client.handshake()
    assert proxy.wait_for_session_of(client).error == "certificate revoked in the TLS handshake"
    assert proxy.connect(clients.show(certificates.context("TLSv1.2"), "alice"))


@pytest.mark.parametrize("content", [b"", b"garbage", None], ids=["empty", "garbage", "gone"])
def test_a_ca_file_that_breaks_lets_nobody_in_at_a_reload(start_proxy, backend, clients, certificates, tmp_path, content):
    """The running set-up stays, with the CA it knows."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes((clients.directory / "ca.pem").read_bytes())
    proxy = start_proxy(client_verify="required", client_ca=ca, rtmp_backend=backend.address)
    ca.unlink() if content is None else ca.write_bytes(content)
    proxy.signal(signal.SIGHUP)
    proxy.wait_for_log("the running set-up stays")
    assert proxy.find(r"proxy\.ini:\d+: \[listener front\] client_ca: ")
    assert is_refused(proxy, certificates.context("TLSv1.3"), backend)
    assert proxy.connect(clients.show(certificates.context("TLSv1.2"), "alice"))


def test_a_ticket_does_not_lead_to_a_listener_that_asks_for_more(start_proxy, backend, clients, certificates):
    ask = {"client_verify": "required", "client_ca": clients.directory / "ca.pem"}
    proxy = start_proxy(listeners={"open": {"rtmp_backend": backend.address},
                                   "strict": {"rtmp_backend": backend.address, **ask}})
    context = certificates.context("TLSv1.2")
    first = proxy.connect(context, listener="open")
    assert proxy.connect(context, listener="open", session=first.tls.session).tls.session_reused
    client = proxy.connect_silently(context, listener="strict", session=first.tls.session)
    with pytest.raises(OSError):
        client.handshake()
    assert proxy.wait_for_session_of(client).end == "handshake_failed"


@pytest.mark.parametrize("keys, complaint", [
    ({"client_verify": "required"}, "client_ca: is missing; client_verify needs it"),
    ({"client_verify": "required", "client_ca": "nothing.pem"}, r"client_ca: .*nothing\.pem cannot be read"),
    ({"client_ca": "nothing.pem"}, "client_ca: does nothing without client_verify"),
    ({"client_crl": "nothing.pem"}, "client_crl: does nothing without client_verify"),
])
def test_what_stops_the_start(start_proxy, keys, complaint, tmp_path):
    with pytest.raises(AssertionError):
        start_proxy(rtmp_backend="127.0.0.1:1", **keys)
    log = (tmp_path / "proxy.log").read_text()
    assert re.search(rf"proxy\.ini:\d+: \[listener front\] {complaint}", log)
