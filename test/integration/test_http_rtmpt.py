"""RTMP inside HTTPS: ffmpeg's rtmpts:// through the proxy, a stub of the servlet, and a real RTMP server."""

import signal

import pytest

from lib.media import ffmpeg_player, frames, make_clip, publish
from lib.messages import ask, post, read_response
from lib.rtmpt import RtmptStub


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.flv")


@pytest.fixture
def servlet(nginx, closing):
    return closing(RtmptStub(nginx.rtmp_address))


@pytest.fixture
def proxy(start_proxy, servlet, nginx):
    return start_proxy(http_backend=servlet.address, rtmp_backend=nginx.rtmp_address)


def test_ffmpeg_publishes_through_the_tunnel(proxy, servlet, nginx, clip, tmp_path, start_program, run_program):
    """rtmpts:// in, rtmps:// out on the same port: every frame arrives, no POST twice, none out of order. The last
    frame ffmpeg itself throws away when it closes such a tunnel, with any server and no proxy."""
    playing = start_program("player", *ffmpeg_player(f"rtmps://127.0.0.1:{proxy.port()}/live/stream",
                                                     tmp_path / "played.flv"))
    nginx.wait_for_players("stream", 1)
    run_program("publisher", *publish(clip, f"rtmpts://127.0.0.1:{proxy.port()}/live/stream"))
    playing.succeeds()
    sent, played = frames(clip), frames(tmp_path / "played.flv")
    assert played == sent[:len(played)] and len(played) >= len(sent) - 1
    assert servlet.faults == []
    assert servlet.counts["open"] == 1 and servlet.counts["send"] > 10
    proxy.wait_for_sessions(2)


def test_ffmpeg_plays_through_the_tunnel(proxy, servlet, nginx, clip, tmp_path, start_program, run_program):
    playing = start_program("player", *ffmpeg_player(f"rtmpts://127.0.0.1:{proxy.port()}/live/stream",
                                                     tmp_path / "played.flv"))
    nginx.wait_for_players("stream", 1)
    run_program("publisher", *publish(clip, f"rtmps://127.0.0.1:{proxy.port()}/live/stream"))
    playing.succeeds()
    assert frames(tmp_path / "played.flv") == frames(clip)
    assert servlet.faults == []


def test_its_refusals_pass_and_the_connection_goes_on(proxy, servlet, any_tls):
    """Flash asks /fcs/ident2 first, and lives with 404; an unknown session is 400, with its bytes."""
    client = proxy.connect(any_tls)
    for _ in range(2):
        response = ask(client, "/fcs/ident2", "POST", body=b"\0")
        assert (response.status, response.body) == (404, b"not here")
        response = ask(client, "/idle/99/1", "POST", body=b"\0")
        assert (response.status, response.body) == (400, b"\0unknown")
        assert not response.wants_close
    response = ask(client, "/open/1", "POST", "Content-Type: application/x-fcs\r\n", b"\0")
    assert (response.status, response.body) == (200, b"1000\n")
    assert servlet.faults == []


def test_pipelined_posts_stay_in_order(proxy, servlet, any_tls):
    """As many as a client cares to send ahead."""
    client = proxy.connect(any_tls)
    assert ask(client, "/open/1", "POST", body=b"\0").body == b"1000\n"
    client.send(b"".join(post(b"\0", f"/idle/1000/{n}") for n in range(200)))
    assert [read_response(client).status for _ in range(200)] == [200] * 200
    assert servlet.faults == []


def test_a_tunnel_outlives_a_reload(proxy, servlet, any_tls):
    """It is a live stream: ffmpeg and librtmp would not connect anew. A page's connection ends with its response."""
    tunnel, page = proxy.connect(any_tls), proxy.connect(any_tls)
    assert ask(tunnel, "/open/1", "POST", body=b"\0").body == b"1000\n"
    ask(page, "/page")
    proxy.signal(signal.SIGHUP)
    assert page.end() == "close_notify"
    for n in range(3):
        response = ask(tunnel, f"/idle/1000/{n}", "POST", body=b"\0")
        assert response.status == 200 and not response.wants_close
    assert ask(tunnel, "/close/1000/3", "POST", body=b"\0").status == 200
