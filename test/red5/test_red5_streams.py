"""Real clients publish to a real Red5 and play from it, through the proxy: natively and tunnelled, on both ports.

Red5 lets a player in at a key frame, and may leave a gap before the next. From there on every frame must come, as it
was published.
"""

import pytest

from lib.media import ffmpeg_player, frames, plays, publish, rtmpdump_player
from lib.waiting import until


def gstreamer_publisher(clip, url):
    return [*"gst-launch-1.0 -q flvmux name=mux streamable=true !".split(),
            "rtmp2sink", f"location={url}", "tls-validation-flags=0", "sync=true", "filesrc", f"location={clip}",
            *"! flvdemux name=clip clip.video ! queue ! h264parse ! mux.video"
             " clip.audio ! queue ! aacparse ! mux.audio".split()]


# GStreamer does not tunnel, and asks Red5 for a file where it wants a live stream: it publishes alone.
PUBLISHERS = {
    "ffmpeg": ("rtmps", publish),
    "ffmpeg-tunnelled": ("rtmpts", publish),
    "gstreamer": ("rtmps", gstreamer_publisher),
    "librtmp": ("rtmps", lambda clip, url: ["librtmp", "publish", url, clip]),
    "librtmp-tunnelled": ("rtmpts", lambda clip, url: ["librtmp", "publish", url, clip]),
}
PLAYERS = {
    "ffmpeg": ("rtmps", ffmpeg_player),
    "ffmpeg-tunnelled": ("rtmpts", ffmpeg_player),
    "rtmpdump": ("rtmps", rtmpdump_player),
    "rtmpdump-tunnelled": ("rtmpts", rtmpdump_player),
    "librtmp": ("rtmps", lambda url, file: ["librtmp", "play", url, file]),
    "librtmp-tunnelled": ("rtmpts", lambda url, file: ["librtmp", "play", url, file]),
}


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_every_player_gets_what_a_publisher_sends(red5, proxy, clip, stream, librtmp, publisher, tmp_path,
                                                  start_program):
    """In through one port, out through the other, to players of all kinds at once."""
    def address(scheme, listener):
        return f"{scheme}://127.0.0.1:{proxy.port(listener)}/live/{stream}"

    scheme, command = PUBLISHERS[publisher]
    start_program("publisher", *command(clip, address(scheme, "rtmps")))
    red5.wait_for_stream(stream)
    for name, (scheme, command) in PLAYERS.items():
        start_program(name, *command(address(scheme, "https"), tmp_path / f"{name}.flv"))
    waiting = set(PLAYERS)

    def all_play():
        waiting.difference_update([name for name in waiting if plays(clip, tmp_path / f"{name}.flv")])
        return not waiting

    until(all_play, "frames in a row for every player", timeout=25)


@pytest.mark.parametrize("scheme", ["rtmps", "rtmpts"])
def test_the_end_of_a_stream_arrives_too(red5, proxy, short_clip, stream, librtmp, scheme, tmp_path, start_program):
    """When the publisher hangs up. The very last frames Red5 itself may lose then, and ffmpeg the last of a tunnel."""
    publishing = start_program("publisher", *publish(
        short_clip, f"{scheme}://127.0.0.1:{proxy.port('rtmps')}/live/{stream}"))
    red5.wait_for_stream(stream)
    file = tmp_path / "played.flv"
    start_program("player", "librtmp", "play", f"rtmps://127.0.0.1:{proxy.port('rtmps')}/live/{stream}", file)
    publishing.succeeds()
    end = frames(short_clip)[-5:]
    until(lambda: any(frame in end for frame in frames(file)), "the end of the stream")
