"""Real RTMPS clients reach a real RTMP server, and every frame comes back as it went in."""

import signal

import pytest

from lib.backends import HashingHttpServer
from lib.media import ONLY_TLS_1_2, ffmpeg_player, frames, make_clip, publish, rtmpdump_player

PLAYERS = {"ffmpeg": ffmpeg_player, "rtmpdump": rtmpdump_player}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.flv")


@pytest.fixture
def proxy(start_proxy, nginx):
    """The usual set-up: https and rtmps, each with both backends."""
    both = {"http_backend": nginx.http_address, "rtmp_backend": nginx.rtmp_address}
    return start_proxy(listeners={"https": {"certificates": "main", **both}, "rtmps": both})


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def gnutls(request, tmp_path):
    """An environment in which GnuTLS clients speak one TLS version."""
    (tmp_path / "gnutls.conf").write_text(ONLY_TLS_1_2 if request.param == "TLSv1.2" else "")
    return {"GNUTLS_SYSTEM_PRIORITY_FILE": str(tmp_path / "gnutls.conf")}, request.param


@pytest.mark.parametrize("player", PLAYERS)
def test_a_player_gets_every_frame_that_was_published(proxy, nginx, clip, player, gnutls, tmp_path, start_program,
                                                      run_program):
    """H.264 and AAC over RTMPS to the server and back out again, with either TLS version."""
    environment, version = gnutls
    url = f"rtmps://127.0.0.1:{proxy.port('rtmps')}/live/stream"
    playing = start_program("player", *PLAYERS[player](url, tmp_path / "played.flv"), environment=environment)
    nginx.wait_for_players("stream", 1)
    run_program("publisher", *publish(clip, url), environment=environment)
    playing.succeeds()
    assert frames(tmp_path / "played.flv") == frames(clip)
    assert {(s.listener, s.protocol, s.tls) for s in proxy.wait_for_sessions(2)} == {("rtmps", "rtmp", version)}


def test_a_live_stream_outlives_reloads(proxy, nginx, clip, tmp_path, start_program):
    """Its workers are of a generation that nobody else gets to any more; every frame arrives."""
    url = f"rtmps://127.0.0.1:{proxy.port('rtmps')}/live/stream"
    playing = start_program("player", *ffmpeg_player(url, tmp_path / "played.flv"))
    nginx.wait_for_players("stream", 1)
    publishing = start_program("publisher", *publish(clip, url))
    count = 0
    while publishing.process.poll() is None:  # two seconds
        count += 1
        proxy.signal(signal.SIGHUP)
        proxy.wait_for_log("reload done", count=count)
    publishing.succeeds()
    assert count > 1
    playing.succeeds()
    assert frames(tmp_path / "played.flv") == frames(clip)


@pytest.mark.long
def test_twenty_players_get_every_frame(proxy, nginx, clip, tmp_path, start_program, run_program):
    """One publisher, twenty players."""
    url = f"rtmps://127.0.0.1:{proxy.port('rtmps')}/live/stream"
    files = [tmp_path / f"played-{n}.flv" for n in range(20)]
    players = [start_program(file.stem, *ffmpeg_player(url, file)) for file in files]
    nginx.wait_for_players("stream", 20)
    run_program("publisher", *publish(clip, url))
    for player in players:
        player.succeeds()
    assert all(frames(file) == frames(clip) for file in files)
    proxy.wait_for_sessions(21)


@pytest.mark.parametrize("name, certificate", [("localhost", "main"), ("cam.screen.test", "screen")])
def test_a_publisher_is_shown_the_certificate_it_asks_for(proxy, certificates, clip, name, certificate, run_program):
    """ffmpeg verifies chain and name of `main` and of `screen`, chosen by SNI on one port."""
    run_program("publisher", *publish(clip, f"rtmps://localhost:{proxy.port('rtmps')}/live/stream",
                                      "-tls_verify", "1", "-ca_file", certificates.root, "-verifyhost", name))
    session = proxy.wait_for_session()
    assert (session.sni, session.certificate) == (name, certificate)


def test_rtmp_on_the_https_listener_reaches_the_rtmp_server(proxy, nginx, clip, run_program):
    """The first byte decides, not the port."""
    run_program("publisher", *publish(clip, f"rtmps://127.0.0.1:{proxy.port('https')}/live/stream"))
    session = proxy.wait_for_session()
    assert (session.listener, session.protocol, session.backend) == ("https", "rtmp", nginx.rtmp_address)


def test_http_on_the_rtmps_listener_reaches_the_http_server(proxy, nginx, run_program):
    """The first byte decides, not the port."""
    nginx.put_page("page.html", "a page")
    assert "a page" in run_program("curl", "curl", "-sk", f"https://127.0.0.1:{proxy.port('rtmps')}/page.html")
    session = proxy.wait_for_session()
    assert (session.listener, session.protocol, session.backend) == ("rtmps", "http", nginx.http_address)


def test_rtmp_tunnelled_in_https_reaches_the_http_server(start_proxy, closing, start_program, tmp_path):
    """ffmpeg's rtmpts:// begins with a POST to /open/1."""
    servlet = closing(HashingHttpServer())
    proxy = start_proxy(http_backend=servlet.address, rtmp_backend="127.0.0.1:1")
    player = ffmpeg_player(f"rtmpts://127.0.0.1:{proxy.port()}/live/stream", tmp_path / "played.flv")
    start_program("player", *player).process.wait(60)  # the stand-in speaks no RTMP: the player gives up
    assert servlet.requests[0] == "POST /open/1 HTTP/1.1"
    assert {session.protocol for session in proxy.sessions()} == {"http"}


def test_gstreamer_publishes_and_plays(proxy, nginx, clip, tmp_path, start_program, run_program):
    """rtmp2sink and rtmp2src; the sink may drop the last audio frame when it closes, with any server."""
    url = f"rtmps://127.0.0.1:{proxy.port('rtmps')}/live/stream"
    playing = start_program("player", "gst-launch-1.0", "-q", "rtmp2src", f"location={url}", "tls-validation-flags=0",
                            "!", "filesink", f"location={tmp_path}/played.flv")
    nginx.wait_for_players("stream", 1)
    run_program("publisher", *"gst-launch-1.0 -q flvmux name=mux streamable=true !".split(),
                "rtmp2sink", f"location={url}", "tls-validation-flags=0", "filesrc", f"location={clip}",
                *"! flvdemux name=clip clip.video ! queue ! h264parse ! mux.video"
                 " clip.audio ! queue ! aacparse ! mux.audio".split())
    playing.succeeds()
    for stream in (0, 1):
        sent, played = ([frame for frame in frames(file) if frame[0] == stream]
                        for file in (clip, tmp_path / "played.flv"))
        assert played == sent[:len(played)] and len(played) >= len(sent) - 1
