"""Certificates are renewed while somebody publishes and others play: nobody misses a frame."""

import os
import shutil
import signal

import pytest

from lib.media import AUDIO, VIDEO, ffmpeg_player, frames, make_clip, publish, run_of
from lib.waiting import until

SECONDS = int(os.environ.get("SOAK_SECONDS", 8))  # of the stream; `make soak` has half an hour


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.flv", seconds=SECONDS, gop=10)


@pytest.fixture
def renew(make_certificates, certificates, tmp_path):
    """Puts another certificate with its key in the place of `main`, which lies in tmp_path."""
    def put(source):
        shutil.copytree(source.directory / "main", tmp_path / "main", dirs_exist_ok=True)

    put(certificates)
    return lambda: put(make_certificates())


@pytest.fixture
def proxy(start_proxy, red5, renew, tmp_path):
    both = {"http_backend": red5.http_address, "rtmp_backend": red5.rtmp_address}
    main = {"chain": tmp_path / "main/fullchain.pem", "key": tmp_path / "main/privkey.pem"}
    return start_proxy(listeners={"https": both, "rtmps": both}, sections={"certificate main": main},
                       build="plain" if SECONDS > 60 else "asan")


def serial(proxy, context):
    context.check_hostname = False
    return proxy.connect(context, listener="rtmps").tls.getpeercert(binary_form=True)


@pytest.mark.long
def test_streams_outlive_renewals(red5, proxy, renew, any_tls, long_clip, stream, librtmp, tmp_path, start_program):
    """Three of them: those who are there stay with their old certificate, whoever comes gets the new one. Natively
    and tunnelled."""
    any_tls.verify_mode = 0
    address = "{}://127.0.0.1:{}/live/{}".format
    publishing = start_program("publisher", *publish(long_clip, address("rtmps", proxy.port("rtmps"), stream)))
    red5.wait_for_stream(stream)
    files = [tmp_path / name for name in ("native.flv", "tunnelled.flv", "ffmpeg.flv")]
    start_program("native", "librtmp", "play", address("rtmps", proxy.port("rtmps"), stream), files[0])
    start_program("tunnelled", "librtmp", "play", address("rtmpts", proxy.port("https"), stream), files[1])
    start_program("ffmpeg", *ffmpeg_player(address("rtmpts", proxy.port("rtmps"), stream), files[2]))
    size = long_clip.stat().st_size
    for quarter in (1, 2, 3):
        until(lambda: all(file.exists() for file in files) and files[0].stat().st_size >= size * quarter / 5,
              f"{quarter} fifths of the stream", timeout=SECONDS)
        before = serial(proxy, any_tls)
        renew()
        proxy.signal(signal.SIGHUP)
        proxy.wait_for_log("reload done", count=quarter)
        assert serial(proxy, any_tls) != before
    publishing.succeeds(timeout=SECONDS + 60)

    end = frames(long_clip)[-5:]  # of the very last Red5 may lose some
    for file in files[:2]:  # librtmp writes each frame at once
        until(lambda: any(frame in end for frame in frames(file)), f"the end of the stream in {file.name}")
    for file in files:
        for kind in (VIDEO, AUDIO):
            sent = sum(frame[0] == kind for frame in frames(long_clip))
            assert run_of(kind, long_clip, file, cut=10) > sent / 2, (file.name, kind)
