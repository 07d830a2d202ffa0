"""red5-client, with which OpenMeetings' screen sharer speaks, at the Red5 of its time: natively it trusts anyone and
sends no SNI, tunnelled it verifies chain and host name."""

import subprocess

import pytest

from lib import maven
from lib.browser import HOST
from lib.media import ffmpeg_player, plays
from lib.proxy import TOP
from lib.red5 import SOURCES
from lib.waiting import until

# red5-client before 1.2 gets no further than the handshake with Red5 1.3, whoever is in between.
pytestmark = pytest.mark.parametrize("one_red5", ["1.1.1"], indirect=True)

VERSIONS = ["1.0.10", "1.1.1"]  # OpenMeetings 4.0.10, 4.0.11


@pytest.fixture(scope="session", params=VERSIONS)
def class_path(request, tmp_path_factory):
    try:
        jars = maven.fetch(f"client-{request.param}")
    except maven.Unreachable as reason:
        pytest.skip(f"Maven Central cannot be reached: {reason}")
    classes = tmp_path_factory.mktemp("client")
    subprocess.run(["javac", "-nowarn", "--release", "8", "-Xlint:-options", "-d", classes, "-cp", f"{jars}/lib/*",
                    TOP / "test/java/red5/Client.java"], check=True, timeout=60)
    return f"{classes}:{jars}/lib/*"


@pytest.fixture
def trust_store(certificates, tmp_path, run_program):
    run_program("keytool", "keytool", "-importcert", "-noprompt", "-alias", "root", "-file", certificates.root,
                "-keystore", tmp_path / "trust.p12", "-storepass", "changeit")
    return tmp_path / "trust.p12"


@pytest.fixture
def client(proxy, class_path, trust_store, tmp_path):
    """The command of a client: where it goes and what it does there."""
    (tmp_path / "hosts").write_text(f"127.0.0.1 {HOST}\n")  # SNI has no names without a dot

    def command(scheme, listener, *what, trusts=True):
        trust = [f"-Djavax.net.ssl.trustStore={trust_store}", "-Djavax.net.ssl.trustStorePassword=changeit"]
        return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *(trust if trusts else []),
                f"-Djdk.net.hosts.file={tmp_path}/hosts", f"-Dlogback.configurationFile={SOURCES}/conf/logback.xml",
                "-cp", class_path, "Client", scheme, HOST, str(proxy.port(listener)), *map(str, what)]

    return command


@pytest.mark.parametrize("scheme, listener", [("rtmps", "rtmps"), ("rtmpts", "https"), ("rtmps", "https"),
                                              ("rtmpts", "rtmps")])
def test_calls_and_a_shared_object_in_both_directions(proxy, client, stream, scheme, listener, run_program):
    said = run_program("client", *client(scheme, listener, "calls", stream), environment={})
    for line in (f"echo: {stream}", f"called back: {stream[::-1]}", f"read by the server: {stream}",
                 f"written by the server: {stream}"):
        assert f"{line}\n" in said
    expected = {"rtmps": ("rtmp", "-"), "rtmpts": ("http", HOST)}[scheme]
    assert {(s.protocol, s.sni) for s in proxy.wait_for_sessions(1)} == {expected}


def test_tunnelled_it_verifies(client, proxy, stream, start_program):
    """Without our root it does not say a word; natively it would not mind."""
    program = start_program("client", *client("rtmpts", "https", "calls", stream, trusts=False))
    assert program.process.wait(60) != 0
    assert "PKIX path building failed" in program.log.read_text()
    assert {session.bytes_in for session in proxy.sessions()} == {0}


@pytest.mark.parametrize("scheme", ["rtmps", "rtmpts"])
def test_it_publishes_and_plays(red5, proxy, client, clip, stream, scheme, tmp_path, start_program):
    """What it publishes comes to ffmpeg and to itself, frame by frame. Tunnelled it does not play: it stumbles over
    the first metadata, with any server."""
    start_program("publisher", *client(scheme, "rtmps", "publish", stream, clip))
    red5.wait_for_stream(stream)
    files = tmp_path / "played.flv", tmp_path / "ffmpeg.flv"
    start_program("player", *client("rtmps", "https", "play", stream, files[0]))
    start_program("ffmpeg", *ffmpeg_player(f"rtmps://127.0.0.1:{proxy.port('rtmps')}/live/{stream}", files[1]))
    until(lambda: all(plays(clip, file) for file in files), "frames in a row", timeout=25)
