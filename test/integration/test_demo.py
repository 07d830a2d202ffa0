"""make demo's round trip, without a person."""

import os
import re
import subprocess

import pytest

from lib.proxy import BINARIES, TOP


@pytest.mark.long
@pytest.mark.parametrize("build", BINARIES)
def test_the_round_trip_of_the_demo(build):
    """A picture over RTMPS and back, a page and a download over HTTPS, a certificate by SNI."""
    done = subprocess.run(
        [TOP / "scripts/demo", "--check"], env={**os.environ, "RED5_TLS_PROXY": str(BINARIES[build])},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) frames came back", done.stdout)[1]) >= 50
