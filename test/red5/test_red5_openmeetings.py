"""scripts/openmeetings and a real Red5: what it sets is what Red5 does."""

import contextlib
import pathlib
import urllib.request

import pytest

from lib import maven
from lib.media import publish
from lib.red5 import LINES, Red5

EVERYWHERE, LOOPBACK = "00000000", "0100007F"  # as /proc/net/tcp writes them


def listens_at(port):
    """The addresses that somebody listens on at this port, IPv6 ones as well."""
    tables = [pathlib.Path("/proc/net", family).read_text().splitlines()[1:] for family in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table]
    return {row[1].partition(":")[0][-8:] for row in rows if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port}


def port_of(address):
    return int(address.rpartition(":")[2])


@pytest.fixture(params=LINES)
def open_red5(request, tmp_path):
    """Gives Red5 after `prepare`, which finds it listening everywhere, as it comes."""

    def start(prepare):
        (tmp_path / "red5").mkdir()

        def open_and_prepare(red5):
            properties = tmp_path / "red5/conf/red5.properties"
            properties.write_text(properties.read_text().replace("host=127.0.0.1", "host=0.0.0.0"))
            prepare(red5)

        try:
            return stack.enter_context(contextlib.closing(Red5(tmp_path / "red5", request.param, open_and_prepare)))
        except maven.Unreachable as reason:
            pytest.skip(f"Maven Central cannot be reached: {reason}")

    with contextlib.ExitStack() as stack:
        yield start


@pytest.mark.parametrize("open_red5", LINES[:1], indirect=True)
def test_an_open_red5_listens_everywhere(open_red5):
    """What the next test changes."""
    red5 = open_red5(lambda red5: None)
    assert {frozenset(listens_at(port_of(address))) for address in (red5.http_address, red5.rtmp_address)} == {
        frozenset([EVERYWHERE])}


def test_after_enable_red5_listens_to_the_proxy_alone(open_red5, openmeetings, start_proxy, certificates, tmp_path,
                                                      run_program, short_clip):
    """And still takes pages by any host name, and streams."""

    def enable(red5):
        backends = {"http_backend": red5.http_address, "rtmp_backend": red5.rtmp_address}
        openmeetings.write_ini(https={"listen": "*:5443", **backends}, rtmps={"listen": "*:8443", **backends})
        openmeetings("enable", tmp_path / "red5")
        openmeetings("check", tmp_path / "red5")

    red5 = open_red5(enable)
    for address in (red5.http_address, red5.rtmp_address):
        assert listens_at(port_of(address)) == {LOOPBACK}
    proxy = start_proxy(http_backend=red5.http_address, rtmp_backend=red5.rtmp_address)
    request = urllib.request.Request(f"https://127.0.0.1:{proxy.port()}/live/pages/streams",
                                     headers={"Host": "cam.example.org"})
    with urllib.request.urlopen(request, timeout=15, context=certificates.context()) as page:
        assert page.status == 200
    run_program("publish", *publish(short_clip, f"rtmps://127.0.0.1:{proxy.port()}/live/one"))
