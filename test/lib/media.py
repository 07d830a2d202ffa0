"""media.py - a short clip, its frames, and the programs that publish and play it."""

import itertools
import subprocess

FFMPEG = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin"]

# ffmpeg and rtmpdump use GnuTLS on Debian, which takes its versions from a file named in the environment.
ONLY_TLS_1_2 = "[overrides]\ndisabled-version = tls1.3\n"


VIDEO, AUDIO = 0, 1
ENOUGH = {VIDEO: 40, AUDIO: 60}  # frames in a row: about a second and a half


def make_clip(path, seconds=2, gop=25):
    """A moving test picture and a tone, in H.264 and AAC; every `gop`th picture is a key frame."""
    subprocess.run([*FFMPEG, "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i", "sine",
                    "-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
                    "-g", str(gop), "-c:a", "aac", path], check=True, timeout=60 + seconds / 2)
    return path


def frames(path):
    """(stream, size, checksum) of every frame in a file."""
    output = subprocess.run([*FFMPEG, "-i", path, "-c", "copy", "-f", "framemd5", "-"],
                            check=True, capture_output=True, text=True, timeout=60).stdout
    rows = [row.split(",") for row in output.splitlines() if not row.startswith("#")]
    return [(int(row[0]), int(row[4]), row[5].strip()) for row in rows]


def longest_run(sent, played):
    """How many of the frames played last are those that were sent, one after the other."""
    ends = [n for n, frame in enumerate(sent, 1) if played and frame == played[-1]]
    return max((common_end(sent[:end], played) for end in ends), default=0)


def common_end(some, others):
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(reversed(some), reversed(others)))
    return sum(1 for _ in same)


def run_of(stream, clip, file, cut=0):
    """Frames of a stream that were played in a row, without the last `cut`, which may be half written."""
    try:
        sent, played = ([frame for frame in frames(path) if frame[0] == stream] for path in (clip, file))
    except subprocess.CalledProcessError:
        return 0  # there is nothing to see yet
    return longest_run(sent, played[:len(played) - cut])


def plays(clip, file):
    """Did enough frames come, one after the other?"""
    return all(run_of(stream, clip, file, cut=2) >= count for stream, count in ENOUGH.items())


def publish(clip, url, *options):
    return [*FFMPEG, "-re", "-i", clip, "-c", "copy", "-f", "flv", *options, url]


def ffmpeg_player(url, file):
    return [*FFMPEG, "-i", url, "-c", "copy", "-flush_packets", "1", file]


def rtmpdump_player(url, file):
    return ["rtmpdump", "--quiet", "--live", "--rtmp", url, "--flv", file]
