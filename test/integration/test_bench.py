"""make bench: each scenario runs, and its load notices a wrong byte. What it measures here is worth nothing."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from lib.backends import ThreadedStandIn, listening_socket
from lib.ends import Peer
from lib.proxy import TOP

LOAD = TOP / "build/bench/load"
PASSED = 50_000  # bytes each way, before one is changed

sys.path.append(str(TOP / "test/bench"))

from scenarios import SCENARIOS, Memory  # noqa: E402

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the benchmark needs two processors")


class Corrupter(ThreadedStandIn):
    """Passes bytes on to a backend and back, and changes one each way."""

    def __init__(self, backend):
        super().__init__()
        self.backend = backend

    def serve(self, peer):
        backend = Peer(socket.create_connection(self.backend))
        threading.Thread(target=self.pass_on, args=[backend, peer], daemon=True).start()
        self.pass_on(peer, backend)

    def pass_on(self, source, target):
        passed = 0
        with contextlib.suppress(OSError):  # the load ends when it has noticed
            while data := bytearray(source.receive()):
                if passed <= PASSED < passed + len(data):
                    data[PASSED - passed] ^= 1
                passed += len(data)
                target.send(data)


@pytest.mark.long
def test_each_scenario_runs(tmp_path):
    results = tmp_path / "results.json"
    report = tmp_path / "report.md"
    done = subprocess.run(
        [TOP / "test/bench/run.py", "--smoke", "--peers", "", "--json", results, "--report", report],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    of = json.loads(results.read_text())
    assert list(of) == list(SCENARIOS)
    for name, scenario in SCENARIOS.items():
        result = of[name]["ours"][0]
        if isinstance(scenario, Memory):
            assert result["held_private"] > 1, f"{name}: a connection needs memory"
        else:
            assert result["used"] > 0 and result["own"] > 0, name
            assert result["bytes"] or result["handshakes"], f"{name}: nothing passed"
        if name in ("messages", "storm"):
            assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["longest_ms"]
    assert re.search(r"^## storm: .*\n\n\| proxy \| p99 ms \|", report.read_text(), re.M)


@pytest.mark.parametrize("traffic, complaint", [
    (["download"], "bytes arrived that were not sent so"),
    (["upload"], "bytes arrived that were not sent so"),
    (["messages", "--rate", "1000"], "a message arrived that was not"),
], ids=lambda value: value[0] if isinstance(value, list) else "")
def test_a_wrong_byte_is_noticed(start_proxy, closing, traffic, complaint):
    with listening_socket() as backend:
        backend.setblocking(False)
        corrupter = closing(Corrupter(backend.getsockname()))
        proxy = start_proxy(protocols="tunnel", tunnel_backend=corrupter.address)
        done = subprocess.run(
            [LOAD, *traffic, "--connections", "1", "--proxy", str(proxy.port()), "--listener", str(backend.fileno()),
             "--warm", "0", "--seconds", "20"], pass_fds=[backend.fileno()], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and complaint in done.stderr, done.stderr
