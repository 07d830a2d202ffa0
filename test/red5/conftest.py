"""conftest.py - the tests with a real Red5 are given one of each line, started once."""

import contextlib
import os
import subprocess

import pytest

from lib import maven
from lib.media import make_clip
from lib.proxy import TOP
from lib.red5 import LINES, Red5


@pytest.hookimpl(tryfirst=True)  # before xdist looks for its groups
def pytest_collection_modifyitems(items):
    """All tests of a line in one process, so that there is one Red5 of it."""
    for item in items:
        line = getattr(item, "callspec", None) and item.callspec.params.get("one_red5")
        item.add_marker(pytest.mark.xdist_group(line or "without Red5"))


@pytest.fixture(scope="session", params=LINES)
def one_red5(request, tmp_path_factory):
    try:
        red5 = Red5(tmp_path_factory.mktemp("red5"), request.param)
    except maven.Unreachable as reason:
        pytest.skip(f"Maven Central cannot be reached: {reason}")
    with contextlib.closing(red5):
        yield red5


@pytest.fixture
def red5(one_red5, tmp_path):
    """A real Red5, the same for all tests of its line: each has streams of its own."""
    (tmp_path / "red5.log").symlink_to(one_red5.log)
    return one_red5


@pytest.fixture
def proxy(start_proxy, red5):
    """The usual set-up: https and rtmps, each with both backends."""
    both = {"http_backend": red5.http_address, "rtmp_backend": red5.rtmp_address}
    return start_proxy(listeners={"https": {"certificates": "main", **both}, "rtmps": both})


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """So long that nobody sees its end, unless he waits for it."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.flv", seconds=30, gop=10)


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.flv", seconds=3, gop=10)


@pytest.fixture
def stream(request):
    """A name for a stream that no other test uses."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The directory of test/lib/librtmp.c, compiled."""
    directory = tmp_path_factory.mktemp("programs")
    subprocess.run(["cc", "-O2", "-o", directory / "librtmp", TOP / "test/lib/librtmp.c", "-lrtmp"], check=True)
    return directory


@pytest.fixture
def librtmp(programs, monkeypatch):
    """`librtmp` is a command."""
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
