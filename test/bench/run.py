#!/usr/bin/python3
"""run.py - what the proxy costs beside hitch, haproxy, nginx and stunnel.

    clients ==TLS 1.3==> one of the proxies, one worker on a processor of its own ---> backend

Clients and backend are one program, build/bench/load, on another processor; it compares each byte of messages and bulk.
The proxies take turns within each round, so that whatever else the machine does meets all of them. What is printed for
each are medians over the rounds; the ratio is the median of that within a round, of ours to the best of the others.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(1, str(pathlib.Path(__file__).parents[1]))

import peers  # noqa: E402
from lib.backends import address_of, listening_socket  # noqa: E402
from lib.proxy import BINARIES, TOP  # noqa: E402
from lib.waiting import PATIENCE, until  # noqa: E402
from scenarios import SCENARIOS, Memory  # noqa: E402

LOAD = TOP / "build/bench/load"
LIMIT = 120  # seconds for one load; it takes a few


class HeldLoad:
    def __init__(self, process, word="ready"):
        self.process = process
        self.wait_for(word)

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
                                              address_of(self.listener), scenario.is_http, scenario.is_bulk))

    def argv(self, server, arguments):
        watched = [word for pid in server.pids() for word in ("--watch", pid)]
        ends = ["--proxy", server.port, "--listener", self.listener.fileno()]
        return list(map(str, [LOAD, *ends, *watched, *arguments]))

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
        return json.loads(output.splitlines()[-1])  # the first one says "measuring"

    def traced_load(self, server, *arguments):
        """Its result, and how often the proxy made which system call while it was measured."""
        counts = self.directory / "calls"
        attached = [word for pid in server.serving() for word in ("-p", str(pid))]
        with self.popen(server, arguments) as process:
            try:
                HeldLoad(process, "measuring")
                tracer = subprocess.Popen(["strace", "-q", "-c", "-f", "-U", "name,calls", "-o", counts, *attached])
                output, errors = process.communicate(timeout=LIMIT)
                tracer.send_signal(signal.SIGINT)
                tracer.wait(PATIENCE)
            finally:
                process.kill()
        self.wait_until_idle(server)
        rows = re.findall(r"^(\w+) +(\d+)$", counts.read_text(), re.M)
        return json.loads(output), {name: int(count) for name, count in rows if name != "total"}

    def understands(self, name):
        """Does this version of ours know the keys of a variant?"""
        ini = peers.write(self.directory, "try.ini", peers.ini_of(
            peers.VARIANTS.get(name, {}), self.certificates["ecdsa"], "127.0.0.1:9", False, 1))
        return subprocess.run([BINARIES["plain"], "-t", "-c", ini], capture_output=True).returncode == 0

    def wait_until_idle(self, server):
        """Until it holds no connection; those that the load did not come to accept are ended here."""
        def is_idle():
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.listener.accept()[0].close()
            return server.is_idle()

        until(is_idle, "the proxy has closed all connections", 2 * PATIENCE)

    @contextlib.contextmanager
    def holding_load(self, server, *arguments):
        with self.popen(server, arguments) as process:
            try:
                yield HeldLoad(process)
            finally:
                process.kill()


# -- rounds

def run_scenario(bench, scenario, names, options):
    """{name: [result of each round]}, and of those that failed why: they are left out."""
    results, failures = {name: [] for name in names}, {}
    rounds = min(options.rounds, 2) if isinstance(scenario, Memory) else options.rounds  # memory varies little
    with contextlib.ExitStack() as stack:
        servers = {}
        for turn in range(rounds):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                if name in failures:
                    continue
                try:
                    results[name].append(measure_one(bench, scenario, servers, stack, name, options))
                except (RuntimeError, AssertionError) as error:
                    failures[name] = str(error)
    return {name: rows for name, rows in results.items() if name not in failures}, failures


def measure_one(bench, scenario, servers, stack, name, options):
    if isinstance(scenario, Memory):  # of a process that has done nothing else
        with bench.start(name, scenario) as server:
            return scenario.measure(bench, server, options)
    if name not in servers:
        servers[name] = stack.enter_context(bench.start(name, scenario))
    result = scenario.measure(bench, servers[name], options)
    if scenario.check and not scenario.check(result):
        raise RuntimeError(f"this is not what was to be measured: {result}")
    return result


def count_calls(bench, scenario, name, options):
    """Lines: system calls for each unit. strace slows the proxy down, so more comes at once than without."""
    if isinstance(scenario, Memory):
        return
    with bench.start(name, scenario) as server:
        result, calls = bench.traced_load(server, *scenario.arguments, "--warm", "1", "--seconds", options.seconds)
    unit, number = next((unit, result[unit]) for unit in ("units", "handshakes", "bytes") if result[unit])
    if unit == "bytes":
        unit, number = "MB", number / 1e6
    yield f"{name}: {sum(calls.values()) / number:.2f} for each of {number:.0f} {unit}: " + ", ".join(
        f"{call} {count / number:.2f}" for call, count in sorted(calls.items(), key=lambda row: -row[1])[:10])


# -- output

def beside(figure, own, others):
    """The median over the rounds of ours to the best of the others in that round."""
    best = max if figure.more_is_better else min
    rounds = [(figure.of(mine), best(map(figure.of, theirs))) for mine, *theirs in zip(own, *others)]
    if figure.is_distance:
        return statistics.median(mine - theirs for mine, theirs in rounds)
    ratios = [mine / theirs for mine, theirs in rounds if theirs]
    return statistics.median(ratios) if ratios else None


def verdict(figure, name, own, others):
    value = beside(figure, own, others)
    if value is None:
        return "-"
    text = f"{value:+.2f}" if figure.is_distance else f"{value:.2f} x"
    target = figure.relaxed or figure.target if name == "ours/at-once" else figure.target
    if target is None:
        return text
    is_met = value >= target if figure.more_is_better else value <= target
    return f"{text} ({'' if is_met else 'not '}{'>=' if figure.more_is_better else '<='} {target:.2f})"


def table(figures, results):
    """Lines of Markdown."""
    others = [rows for name, rows in results.items() if not name.startswith("ours")]
    yield "| proxy | " + " | ".join(f.title for f in figures) + " |"
    yield "| --- |" + " ---: |" * len(figures)
    for name, rows in results.items():
        medians = [f"{statistics.median(map(f.of, rows)):.{f.decimals}f}" for f in figures]
        yield f"| {name} | " + " | ".join(medians) + " |"
    for name, rows in results.items():
        if name.startswith("ours") and others:
            yield f"| {name}, to the best | " + " | ".join(verdict(f, name, rows, others) for f in figures) + " |"


def remarks(scenario, results):
    """What makes figures worth less."""
    for name, rows in results.items():
        if not isinstance(scenario, Memory):
            if (waited := statistics.median(r["waited"] / r["seconds"] for r in rows)) > 0.05:
                yield f"{name} waited {waited:.0%} of the time for its processor: something else ran there."
            if statistics.median(r["own"] / r["seconds"] for r in rows) > 0.95:
                yield f"{name}: the load had no time left; its rate is the load's."


def output_of(*argv):
    return subprocess.run(argv, capture_output=True, text=True, cwd=TOP).stdout.strip()


def machine(names):
    """Lines: on what, and with which versions."""
    model = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    packages = [{"stunnel": "stunnel4"}.get(name, name) for name in names]
    congestion = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    yield (f"{model[1] if model else platform.machine()}, {os.cpu_count()} processors; Linux {platform.release()}, "
           f"TCP with {congestion}.")
    versions = [output_of("dpkg-query", "-W", "-f", "${Package} ${Version}", name) for name in [*packages, "libssl3"]]
    yield f"red5-tls-proxy {output_of('git', 'describe', '--always', '--dirty')}; {', '.join(versions)}."


class Report:
    """Lines to stdout, and to a file if there is one."""

    def __init__(self, file):
        self.file = file

    def __call__(self, *lines):
        for out in (sys.stdout, self.file):
            if out:
                print(*lines, sep="\n", file=out, flush=True)


# -- arguments

def missing(names):
    if not LOAD.exists() or not BINARIES["plain"].exists():
        return "build/bench/load or build/red5-tls-proxy is missing; 'make all build/bench/load' makes them"
    if not peers.LOAD_CPUS:
        return "this needs two processors, one for the proxy and one for the load"
    for name in names:
        if name not in peers.PROGRAMS:
            return f"there is no peer '{name}'; there are {', '.join(peers.PROGRAMS)}"
        if not pathlib.Path(peers.PROGRAMS[name]).exists():
            return f"{peers.PROGRAMS[name]} is missing; 'scripts/install-deps --bench' installs it"
    return None


def listed(text):
    return [word for word in text.split(",") if word]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Scenarios: " + ", ".join(SCENARIOS))
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="its name, or how it begins; all without one")
    parser.add_argument("--rounds", type=int, help="how many: 3; of memory at most 2")
    parser.add_argument("--seconds", type=float, help="of each measurement: 3")
    parser.add_argument("--quick", action="store_true", help="1.5 s for each, 2 rounds: a scenario in less than 40 s")
    parser.add_argument("--smoke", action="store_true", help="does it work? One short round with few connections")
    parser.add_argument("--peers", type=listed, default=list(peers.PEERS), metavar="NAME,...",
                        help="hitch,haproxy,nginx,stunnel; '' for none")
    parser.add_argument("--ours", type=listed, default=[], metavar="NAME,...",
                        help="variants of ours beside it: at-once (batch_delay = 0us), rtmp (looks at the first byte)")
    parser.add_argument("--count", action="store_true", help="instead: system calls for each unit, by strace")
    parser.add_argument("--report", type=argparse.FileType("w"), metavar="FILE", help="what is printed, as Markdown")
    parser.add_argument("--json", type=argparse.FileType("w"), metavar="FILE", help="all results")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.smoke else 2 if options.quick else 3)
    options.seconds = options.seconds or (0.3 if options.smoke else 1.5 if options.quick else 3)
    for word in options.scenarios:
        if not any(name.startswith(word) for name in SCENARIOS):
            parser.error(f"there is no scenario '{word}'; there are {', '.join(SCENARIOS)}")
    options.names = [name for name in SCENARIOS if any(map(name.startswith, options.scenarios or [""]))]
    if unknown := [name for name in options.ours if f"ours/{name}" not in peers.VARIANTS]:
        parser.error(f"there is no variant '{unknown[0]}' of ours; see --help")
    if complaint := missing(options.peers):
        parser.error(complaint)
    return options


def proxies_for(bench, scenario, options):
    """Who takes part; of ours as well what this version understands."""
    variants = [*scenario.variants, *(f"ours/{name}" for name in options.ours)]
    able = [name for name in options.peers if not scenario.is_http or name in peers.SPEAK_HTTP]
    return ["ours", *(name for name in dict.fromkeys(variants) if bench.understands(name)), *able]


def main():
    options = arguments()
    report, everything = Report(options.report), {}
    report(f"# Cost beside others, {time.strftime('%Y-%m-%d', time.gmtime())}", "", *machine(options.peers), "",
           f"{options.rounds} rounds of {options.seconds:g} s; medians, and the median of the ratios within a round.")
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        pathlib.Path(directory).chmod(0o755)
        bench = Bench(pathlib.Path(directory), stack)
        for name in options.names:
            scenario = SCENARIOS[name]
            report("", f"## {name}: {scenario.title}", "")
            proxies = proxies_for(bench, scenario, options)
            if options.count:
                for proxy in proxies:
                    report(*count_calls(bench, scenario, proxy, options))
                continue
            results, failures = run_scenario(bench, scenario, proxies, options)
            everything[name] = results
            report(*table(scenario.figures, results), "", *remarks(scenario, results),
                   *(f"{proxy} failed: {why}" for proxy, why in failures.items()))
            if "ours" in failures:
                everything.pop(name)
    if options.json:
        json.dump(everything, options.json)
    sys.exit(0 if options.count or len(everything) == len(options.names) else 1)


if __name__ == "__main__":
    main()
