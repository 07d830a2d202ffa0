"""Browsers' traffic: downloads, uploads and many requests on one connection, with curl against real servers."""

import hashlib
import subprocess

import pytest

from lib.backends import HashingHttpServer

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def make_file(path, size):
    """A sparse file in which every 64 KiB begin with their own place, so that loss and disorder show."""
    with path.open("wb") as file:
        for place in range(0, size, 64 * KIB):
            file.seek(place)
            file.write(place.to_bytes(8, "big"))
        file.truncate(size)
    return path


def checksum(stream):
    """Read to the end and store nothing."""
    return hashlib.file_digest(stream, "sha256").hexdigest()


def checksum_of(path):
    with path.open("rb") as file:
        return checksum(file)


def curl(proxy, path, *options, version="1.3"):
    return subprocess.Popen(
        ["curl", "--silent", "--show-error", "--fail", "--insecure", f"--tlsv{version}", "--tls-max", version,
         *options, f"https://127.0.0.1:{proxy.port()}/{path}"], stdout=subprocess.PIPE)


def output(program):
    with program:
        return program.stdout.read().decode()


@pytest.mark.long
@pytest.mark.parametrize("version, size", [("1.3", GIB), ("1.2", 64 * MIB)])
def test_a_download_arrives_whole(start_proxy, nginx, version, size):
    """1 GiB from nginx to curl, with equal checksums."""
    file = make_file(nginx.root / "download", size)
    proxy = start_proxy(http_backend=nginx.http_address)
    with curl(proxy, "download", version=version) as download:
        assert checksum(download.stdout) == checksum_of(file)
    assert proxy.wait_for_session().bytes_out > size


@pytest.mark.long
@pytest.mark.parametrize("version, size", [("1.3", GIB), ("1.2", 64 * MIB)])
def test_an_upload_arrives_whole(start_proxy, closing, tmp_path, version, size):
    """1 GiB from curl to a server that answers with the checksum."""
    file = make_file(tmp_path / "upload", size)
    proxy = start_proxy(http_backend=closing(HashingHttpServer()).address)
    assert output(curl(proxy, "", "--upload-file", file, version=version)) == checksum_of(file)
    assert proxy.wait_for_session().bytes_in > size


def test_uploads_and_downloads_run_side_by_side(start_proxy, nginx, tmp_path):
    """Four each way at once, over two workers."""
    file = make_file(nginx.root / "download", 16 * MIB)
    proxy = start_proxy(proxy={"workers": 2}, http_backend=nginx.http_address)
    downloads = [curl(proxy, "download") for _ in range(4)]
    uploads = [curl(proxy, f"upload-{n}", "--upload-file", file) for n in range(4)]
    for program in downloads:
        with program:
            assert checksum(program.stdout) == checksum_of(file)
    for n, program in enumerate(uploads):
        assert output(program) == ""
        assert checksum_of(nginx.root / f"upload-{n}") == checksum_of(file)


def test_many_requests_share_a_connection(start_proxy, nginx):
    """A kept-alive connection is one session."""
    nginx.put_page("page.html", "a page\n")
    proxy = start_proxy(http_backend=nginx.http_address)
    assert output(curl(proxy, "page.html?[1-50]")) == "a page\n" * 50
    assert proxy.wait_for_session().end == "client_closed"
