"""Real clients publish to a real Red5 and play from it, through the proxy: natively and tunnelled, on both ports.

Red5 lets a player in at a key frame, and may leave a gap before the next. From there on every frame must come, as it
was published.
"""

import subprocess

import pytest

from lib.media import ffmpeg_player, frames, longest_run, publish
from lib.waiting import until

VIDEO, AUDIO = 0, 1
ENOUGH = {VIDEO: 40, AUDIO: 60}  # frames in a row: about a second and a half


def run_of(stream, clip, file, cut=0):
    """Frames of a stream that were played in a row, without the last `cut`, which may be half written."""
    try:
        sent, played = ([frame for frame in frames(path) if frame[0] == stream] for path in (clip, file))
    except subprocess.CalledProcessError:
        return 0  # there is nothing to see yet
    return longest_run(sent, played[:len(played) - cut])


def plays(clip, file):
    return all(run_of(stream, clip, file, cut=2) >= count for stream, count in ENOUGH.items())


@pytest.mark.parametrize("listener", ["rtmps", "https"])
@pytest.mark.parametrize("scheme", ["rtmps", "rtmpts"])
def test_ffmpeg_publishes_and_plays(red5, proxy, clip, stream, scheme, listener, tmp_path, start_program):
    url = f"{scheme}://127.0.0.1:{proxy.port(listener)}/live/{stream}"
    start_program("publisher", *publish(clip, url))
    red5.wait_for_stream(stream)
    start_program("player", *ffmpeg_player(url, tmp_path / "played.flv"))
    until(lambda: plays(clip, tmp_path / "played.flv"), "frames in a row")
