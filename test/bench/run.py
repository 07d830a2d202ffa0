#!/usr/bin/python3
"""run.py - what the proxy costs beside hitch, haproxy, nginx and stunnel.

    clients ==TLS 1.3==> one of the proxies, one worker on a processor of its own ---> backend

Clients and backend are one program, build/bench/load, on another processor; it compares each byte of messages and bulk.
The proxies take turns within each round, so that whatever else the machine does meets all of them. What is printed for each
are medians over the rounds; the ratio is the median of that within a round, of ours to the best of the others.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(1, str(pathlib.Path(__file__).parents[1]))

import peers  # noqa: E402
from lib.backends import address_of, listening_socket  # noqa: E402
from lib.proxy import BINARIES, TOP  # noqa: E402
from lib.waiting import until  # noqa: E402

LOAD = TOP / "build/bench/load"
LIMIT = 120  # seconds for one load; it takes a few


class Figure:
    """A column: from one load's result a number, less being better unless it is said otherwise."""

    def __init__(self, title, of, target=None, more_is_better=False, decimals=2):
        self.title, self.of, self.target, self.more_is_better, self.decimals = title, of, target, more_is_better, decimals


def per(unit, scale):
    return lambda r: r["used"] / r[unit] * scale


CPU_GB = Figure("CPU s/GB", per("bytes", 1e9))
GB_S = Figure("GB/s", lambda r: r["bytes"] / r["seconds"] / 1e9, more_is_better=True)
BUSY = Figure("busy", lambda r: r["used"] / r["seconds"])
LOAD_BUSY = Figure("load busy", lambda r: r["own"] / r["seconds"])


def sleeps(unit):
    return Figure("sleeps/unit", lambda r: r["switches"] / r[unit])


def with_target(figure, target):
    return Figure(figure.title, figure.of, target, figure.more_is_better, figure.decimals)


class Scenario:
    """`arguments` of the load, and the figures that come of it; the first one decides."""

    def __init__(self, title, arguments, figures, key="ecdsa", is_http=False, others=(), checks=None, seconds=3.0):
        self.title, self.arguments, self.figures, self.key, self.is_http = title, arguments, figures, key, is_http
        self.others, self.checks, self.seconds = others, checks, seconds

    def measure(self, bench, server, seconds):
        return bench.load(server, *self.arguments, "--warm", "0.4", "--seconds", seconds)


class Memory(Scenario):
    """PSS of what serves, before and with connections that are silent."""

    def measure(self, bench, server, seconds):
        before = pss(server)
        with bench.holding_load(server, *self.arguments, "--warm", "0.2") as load:
            time.sleep(self.seconds)  # what is measured is the memory after so long
            held = pss(server)
            count = int(self.arguments[self.arguments.index("--connections") + 1])
            load.order("close", "closed")
            bench.wait_until_idle(server)
            after = pss(server)
        return {"held_kb": (held - before) / count, "after_kb": (after - before) / count}


def pss(server):
    """kB."""
    return sum(int(re.search(r"^Pss: +(\d+) kB", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
               for pid in server.serving())


def handshakes(title, target, *arguments, key="ecdsa", checks=None):
    return Scenario(title, ["silence", "--handshakes", "16", *arguments],
                    [Figure("CPU us", per("handshakes", 1e6), target, decimals=0),
                     Figure("a second", lambda r: r["handshakes"] / r["seconds"], more_is_better=True, decimals=0),
                     BUSY, LOAD_BUSY, sleeps("handshakes")], key=key, checks=checks)


def are_resumed(result):
    return result["resumed"] >= 0.99 * result["handshakes"]


LATENCY = [Figure("p50 ms", lambda r: r["p50_ms"]), Figure("p99 ms", lambda r: r["p99_ms"], 1.0),
           Figure("longest ms", lambda r: r["longest_ms"], decimals=1)]

SCENARIOS = {
    "download-1": Scenario("download, 1 connection", ["download", "--connections", "1"],
                           [with_target(CPU_GB, 0.72), GB_S, BUSY, LOAD_BUSY]),
    "download-8": Scenario("download, 8 connections", ["download", "--connections", "8"],
                           [with_target(CPU_GB, 0.72), GB_S, BUSY, LOAD_BUSY]),
    "upload-8": Scenario("upload, 8 connections", ["upload", "--connections", "8"],
                         [with_target(CPU_GB, 0.95), GB_S, BUSY, LOAD_BUSY]),
    "messages": Scenario("500 streams, 20,000 messages of 1-4 kB a second",
                         ["messages", "--connections", "500", "--rate", "20000"],
                         [Figure("CPU us/message", per("units", 1e6), 0.70, decimals=1), *LATENCY,
                          Figure("a second", lambda r: r["units"] / r["seconds"], more_is_better=True, decimals=0),
                          BUSY, LOAD_BUSY, sleeps("units")], others=["ours/at-once"]),
    "handshake-ecdsa": handshakes("full handshake, ECDSA P-256, with backend connect and close", 0.80),
    "handshake-rsa": handshakes("full handshake, RSA-2048, with backend connect and close", 0.92, key="rsa"),
    "handshake-resumed": handshakes("resumed handshake, TLS 1.3", 0.80, "--resume", checks=are_resumed),
    "idle": Memory("2,000 idle connections, kB each", ["silence", "--connections", "2000", "--hold"],
                   [Figure("kB each", lambda r: r["held_kb"], 0.80, decimals=1),
                    Figure("after close", lambda r: r["after_kb"], decimals=1)], seconds=0.5),
    "requests": Scenario("HTTP keep-alive, GET of 1 kB, 32 connections", ["requests", "--connections", "32"],
                         [Figure("CPU us/request", per("units", 1e6), 0.90, decimals=1),
                          Figure("a second", lambda r: r["units"] / r["seconds"], more_is_better=True, decimals=0),
                          BUSY, LOAD_BUSY, sleeps("units")], is_http=True),
    "storm": Scenario("100 streams while 64 RSA-2048 handshakes are always in flight",
                      ["messages", "--connections", "100", "--rate", "4000", "--handshakes", "64"],
                      [Figure("p99 ms", lambda r: r["p99_ms"], 0.40),
                       Figure("handshakes/s", lambda r: r["handshakes"] / r["seconds"], 0.95, more_is_better=True,
                              decimals=0),
                       Figure("p50 ms", lambda r: r["p50_ms"]),
                       Figure("longest ms", lambda r: r["longest_ms"], decimals=1), BUSY, LOAD_BUSY], key="rsa"),
    "burst": Memory("memory 5 s after 1 MB on each of 2,000 connections, kB each",
                    ["download", "--connections", "2000", "--limit", "1000000", "--hold", "--warm", "60"],
                    [Figure("kB each", lambda r: r["held_kb"], 0.80, decimals=1),
                     Figure("after close", lambda r: r["after_kb"], 1.0, decimals=1)], seconds=5),
}


class HeldLoad:
    def __init__(self, process):
        self.process = process
        self.wait_for("ready")

    def wait_for(self, word):
        line = self.process.stdout.readline()
        if line.strip() != word:
            raise RuntimeError(f"the load ended without '{word}': {self.process.stderr.read().strip()}")

    def order(self, order, answer):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        self.wait_for(answer)


class Bench:
    """Certificates, the backend's socket, and loads on servers."""

    def __init__(self, directory, stack):
        self.directory, self.stack = directory, stack
        self.listener = stack.enter_context(listening_socket(backlog=4096))
        self.listener.setblocking(False)
        self.certificates = {key: self.make_certificate(key) for key in ("ecdsa", "rsa")}

    def make_certificate(self, key):
        directory = self.directory / key
        subprocess.run([TOP / "scripts/make-certificates", "--main", "localhost,127.0.0.1", "--key", key, directory],
                       check=True, stdout=subprocess.DEVNULL)
        return peers.Certificate(directory)

    def start(self, name, scenario):
        return contextlib.closing(peers.start(name, self.directory, self.certificates[scenario.key],
                                              address_of(self.listener), scenario.is_http))

    def argv(self, server, arguments):
        watched = [word for pid in server.pids() for word in ("--watch", pid)]
        return list(map(str, [LOAD, "--proxy", server.port, "--listener", self.listener.fileno(), *watched, *arguments]))

    def popen(self, server, arguments):
        return subprocess.Popen(self.argv(server, arguments), pass_fds=[self.listener.fileno()], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                preexec_fn=lambda: os.sched_setaffinity(0, set(peers.LOAD_CPUS)))

    def load(self, server, *arguments):
        with self.popen(server, arguments) as process:
            try:
                output, errors = process.communicate(timeout=LIMIT)
            finally:
                process.kill()
        if process.returncode != 0:
            raise RuntimeError(errors.strip() or f"the load ended with {process.returncode}")
        self.wait_until_idle(server)
        return json.loads(output)

    def wait_until_idle(self, server):
        """Until it holds no connection; those that the load did not come to accept are ended here."""
        def is_idle():
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.listener.accept()[0].close()
            return server.is_idle()

        until(is_idle, "the proxy has closed all connections")

    @contextlib.contextmanager
    def holding_load(self, server, *arguments):
        with self.popen(server, arguments) as process:
            try:
                yield HeldLoad(process)
            finally:
                process.kill()


# -- rounds

def run_scenario(bench, scenario, names, rounds, seconds):
    """{name: [result of each round]}; a proxy that fails is named and left out."""
    results, failures = {name: [] for name in names}, {}
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in names:
            if not isinstance(scenario, Memory):
                servers[name] = stack.enter_context(bench.start(name, scenario))
        for turn in range(rounds):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                if name in failures:
                    continue
                try:
                    results[name].append(measure_one(bench, scenario, servers, name, seconds))
                except (RuntimeError, AssertionError) as error:
                    failures[name] = str(error)
    for name in failures:
        del results[name]
    return results, failures


def measure_one(bench, scenario, servers, name, seconds):
    if name in servers:
        result = scenario.measure(bench, servers[name], seconds)
    else:  # memory of a process that has done nothing else
        with bench.start(name, scenario) as server:
            result = scenario.measure(bench, server, seconds)
    if scenario.checks and not scenario.checks(result):
        raise RuntimeError(f"not what was to be measured: of {result['handshakes']} handshakes {result['resumed']} were resumed")
    return result


def ratio(figure, own, others):
    """The median over the rounds of ours to the best of the others."""
    best = max if figure.more_is_better else min
    rows = list(zip(*([figure.of(r) for r in row] for row in others)))
    ours = [figure.of(r) for r in own]
    return statistics.median(mine / best(row) if best(row) else 1.0 for mine, row in zip(ours, rows))


# -- output

def table(scenario, results):
    """Lines of Markdown."""
    figures = scenario.figures
    others = [rows for name, rows in results.items() if not name.startswith("ours")]
    yield "| proxy | " + " | ".join(f.title for f in figures) + " |"
    yield "| --- |" + " ---: |" * len(figures)
    for name, rows in results.items():
        yield f"| {name} | " + " | ".join(
            f"{statistics.median(map(f.of, rows)):.{f.decimals}f}" for f in figures) + " |"
    for name, rows in results.items():
        if name.startswith("ours") and others:
            yield f"| {name} to the best | " + " | ".join(cell(f, rows, others) for f in figures) + " |"


def cell(figure, own, others):
    value = ratio(figure, own, others)
    if figure.target is None:
        return f"{value:.2f} x"
    met = value >= figure.target if figure.more_is_better else value <= figure.target
    return f"{value:.2f} x ({'' if met else 'not '}{'>=' if figure.more_is_better else '<='} {figure.target:.2f})"


def missing(names):
    if not LOAD.exists() or not BINARIES["plain"].exists():
        return "run.py: build/bench/load or build/red5-tls-proxy is missing; make all build/bench/load"
    if not peers.LOAD_CPUS:
        return "run.py: this needs two processors, one for the proxy and one for the load"
    for name in names:
        if name in peers.PROGRAMS and not pathlib.Path(peers.PROGRAMS[name]).exists():
            return f"run.py: {peers.PROGRAMS[name]} is missing; scripts/install-deps --bench installs it"
    return None


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Scenarios: " + " ".join(SCENARIOS))
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="all without one; a beginning will do")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="for each measurement")
    parser.add_argument("--quick", action="store_true", help="2 s for each measurement")
    parser.add_argument("--peers", default=",".join(peers.PEERS), help="hitch,haproxy,nginx (default); '' for none")
    parser.add_argument("--ours", default="", help="further variants of ours: at-once, rtmp")
    return parser.parse_args()


def chosen(words):
    names = [name for name in SCENARIOS if not words or any(name.startswith(word) for word in words)]
    for word in words:
        if not any(name.startswith(word) for name in SCENARIOS):
            sys.exit(f"run.py: there is no scenario '{word}'; there are {' '.join(SCENARIOS)}")
    return names


def main():
    options = arguments()
    others = [name for name in options.peers.split(",") if name]
    variants = [f"ours/{name}" for name in options.ours.split(",") if name]
    names = chosen(options.scenarios)
    if complaint := missing(others):
        sys.exit(complaint)
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        pathlib.Path(directory).chmod(0o755)
        bench = Bench(pathlib.Path(directory), stack)
        for name in names:
            scenario = SCENARIOS[name]
            proxies = ["ours", *variants, *(p for p in others if not (scenario.is_http and p in ("hitch", "stunnel")))]
            begun = time.monotonic()
            results, failures = run_scenario(bench, scenario, proxies, options.rounds,
                                             options.seconds or (2 if options.quick else 3))
            print(f"\n## {name}: {scenario.title}\n")
            print("\n".join(table(scenario, results)))
            for proxy, why in failures.items():
                print(f"\n{proxy} failed: {why}")
            print(f"\n{options.rounds} rounds, {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
