"""Real clients at a real Tomcat."""

import hashlib
import os
import re
import ssl

import pytest
import websocket

from lib.messages import ask

MIB = 1 << 20


@pytest.fixture
def proxy(start_proxy, tomcat):
    return start_proxy(http_backend=tomcat.address)


@pytest.fixture
def curl(proxy, certificates, run_program):
    """Runs curl on a path of the proxy's; what it printed."""
    numbers = iter(range(1000))
    def run(path, *options):
        return run_program(f"curl-{next(numbers)}", "curl", "--silent", "--show-error", "--cacert", certificates.root,
                           *options, f"https://localhost:{proxy.port()}{path}")

    return run


def digest(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}"


def test_requests_share_a_connection(proxy, curl):
    """Twenty requests are one session."""
    text = curl("/echo?[1-20]")
    assert re.findall(r"^target GET /echo\?(\d+)$", text, re.M) == [str(n) for n in range(1, 21)]
    assert proxy.wait_for_session().end == "client_closed"


def test_tomcat_believes_itself_to_be_where_the_client_asked(proxy, curl):
    """Host comes as it was sent, with its port."""
    assert f"://localhost:{proxy.port()}/echo\n" in curl("/echo")


@pytest.mark.parametrize("options", [["-H", "Expect: 100-continue"], ["-H", "Expect:"],
                                     ["-H", "Transfer-Encoding: chunked"]], ids=["expect", "length", "chunked"])
def test_an_upload_arrives_whole(curl, tmp_path, options):
    (tmp_path / "file").write_bytes(data := os.urandom(20 * MIB))
    assert curl("/upload", "--upload-file", tmp_path / "file", *options) == digest(data) + "\n"


def test_a_form_with_two_files(curl, tmp_path):
    """multipart/form-data, as browsers send it."""
    (tmp_path / "one").write_bytes(one := os.urandom(MIB))
    (tmp_path / "two").write_bytes(two := b"x")
    text = curl("/upload", "-F", f"one=@{tmp_path}/one", "-F", f"two=@{tmp_path}/two")
    assert text == f"one {digest(one)}\ntwo {digest(two)}\n"


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("size", [0, 1, 40 * MIB])
def test_a_download_arrives_whole(curl, tmp_path, framing, size):
    """However Tomcat says where it ends."""
    curl(f"/download?bytes={size}&framing={framing}", "--fail", "--output", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == bytes(size)


def test_an_old_client(curl, tmp_path):
    """HTTP/1.0 knows no chunks: Tomcat is asked in that version too, and its end is the end."""
    curl(f"/download?bytes={MIB}", "--http1.0", "--fail", "--output", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == bytes(MIB)


def test_a_part_of_a_file(curl):
    """Range and 206 pass untouched."""
    text = curl("/login.html", "--range", "2-8", "--include")
    assert re.match(r"HTTP/1\.1 206 ", text) and re.search(r"^Content-Range: bytes 2-8/\d+$", text, re.M)
    assert text.endswith("\n\ndoctype")


def test_a_page_that_has_not_changed(proxy, any_tls):
    """304 and an answer to HEAD have a length and no body; what follows them is the next answer."""
    client = proxy.connect(any_tls)
    page = ask(client, "/login.html")
    same = ask(client, "/login.html", fields=f"If-None-Match: {page.get('ETag')}\r\n")
    head = ask(client, "/login.html", "HEAD")
    assert [page.status, same.status, head.status] == [200, 304, 200]
    assert head.get("Content-Length") == page.get("Content-Length") == str(len(page.body))
    assert ask(client, "/login.html").body == page.body


@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_an_answer_without_a_page(curl, status):
    """Its connection goes on."""
    text = curl(f"/status?is={status}&n=[1-2]", "--include")
    assert re.findall(r"^HTTP/1\.1 (\d+)", text, re.M) == [str(status)] * 2


def test_the_trailers_of_an_answer(curl):
    text = curl("/trailers", "--raw", "--include")
    assert text.endswith("\n7\na body\n\n0\nX-Checksum: 0815\n\n")


def test_an_answer_that_takes_its_time(curl):
    """Tomcat reads the body, and answers 2 s later."""
    options = ["--data", "x", "-H", "Content-Type: application/octet-stream"]  # no form, which Tomcat would read itself
    assert curl("/slow?ms=2000", *options) == f"done {digest(b'x')}\n"


def test_a_websocket(proxy, certificates):
    """Texts and binary messages of every length class both ways, ping, and a close in order."""
    socket = websocket.create_connection(f"wss://localhost:{proxy.port()}/socket", timeout=15,
                                         sslopt={"ca_certs": str(certificates.root), "cert_reqs": ssl.CERT_REQUIRED})
    for size in (0, 1, 125, 126, 4096, 65535, 65536, MIB):
        socket.send_binary(data := os.urandom(size))
        assert socket.recv() == data
    socket.send("grüße")
    assert socket.recv() == "grüße"
    socket.ping("there?")
    assert socket.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"there?")
    socket.close()
    assert proxy.wait_for_session().protocol == "http"
