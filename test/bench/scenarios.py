"""scenarios.py - what is measured, and what shall be reached: a row for each."""

import pathlib
import re
import time


class Figure:
    """A column: a number out of a load's result; less is better unless it is said otherwise.

    `target` is what the ratio to the best of the others shall be, or with `is_distance` the distance to it;
    `relaxed` the same for a variant that does not wait for a batch.
    """

    def __init__(self, title, of, target=None, *, relaxed=None, more_is_better=False, is_distance=False, decimals=2):
        self.title, self.of, self.target, self.relaxed = title, of, target, relaxed
        self.more_is_better, self.is_distance, self.decimals = more_is_better, is_distance, decimals


class Scenario:
    """`arguments` of the load, and the figures that come of it; the first one decides."""

    seconds = None  # it takes as long as it takes

    def __init__(self, title, arguments, figures, *, key="ecdsa", is_http=False, is_bulk=False, variants=(),
                 check=None):
        self.title, self.arguments, self.figures, self.key = title, arguments, figures, key
        self.is_http, self.is_bulk, self.variants, self.check = is_http, is_bulk, variants, check

    def measure(self, bench, server, options):
        warm = 0.1 if options.smoke else 0.4
        return bench.load(server, *self.arguments, "--warm", warm, "--seconds", options.seconds)


class Memory(Scenario):
    """What connections hold, `seconds` after they have got silent, and when they are closed."""

    def __init__(self, title, arguments, figures, *, connections, seconds):
        super().__init__(title, arguments, figures)
        self.connections, self.after = connections, seconds

    def measure(self, bench, server, options):
        count = min(self.connections, 20) if options.smoke else self.connections
        before = memory_of(server)
        with bench.holding_load(server, *self.arguments, "--hold", "--connections", count) as load:
            time.sleep(0.1 if options.smoke else self.after)  # this is what is asked: the memory so long after
            held = memory_of(server)
            load.order("close", "closed")
            bench.wait_until_idle(server)
            after = memory_of(server)
        return {**{f"held_{what}": (held[what] - before[what]) / count for what in held},
                **{f"after_{what}": (after[what] - before[what]) / count for what in after}}


def memory_of(server):
    """kB: of the processes that serve (PSS; and without what they share with others, which may come and go), and of
    all TCP sockets of this machine."""
    rollups = "".join(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in server.serving())

    def total(name):
        return sum(map(int, re.findall(rf"^{name}: +(\d+) kB", rollups, re.M)))

    pages = int(re.search(r"^TCP:.* mem (\d+)", pathlib.Path("/proc/net/sockstat").read_text(), re.M)[1])
    return {"pss": total("Pss"), "private": total("Private_Dirty"), "kernel": pages * 4}


def cost(unit, title, target, scale=1e6, **more):
    return Figure(title, lambda r: r["used"] / r[unit] * scale, target, **more)


def rate(unit, title="a second", target=None, scale=1.0, decimals=0):
    return Figure(title, lambda r: r[unit] / r["seconds"] * scale, target, more_is_better=True, decimals=decimals)


def sleeps(unit):
    return Figure("sleeps/unit", lambda r: r["switches"] / r[unit])


def time_of(name, target=None, **more):
    return Figure(name.replace("_", " "), lambda r: r[name], target, **more)


BUSY = [Figure("busy", lambda r: r["used"] / r["seconds"]), Figure("load busy", lambda r: r["own"] / r["seconds"])]


def bulk(title, target, *arguments):
    figures = [cost("bytes", "CPU s/GB", target, 1e9), rate("bytes", "GB/s", None, 1e-9, 2), *BUSY]
    return Scenario(title, arguments, figures, is_bulk=True)


def handshakes(title, target, *arguments, **more):
    figures = [cost("handshakes", "CPU us", target, decimals=0), rate("handshakes"), *BUSY, sleeps("handshakes")]
    return Scenario(title, ["silence", "--handshakes", "16", *arguments], figures, **more)


def http(title, target, traffic):
    figures = [cost("units", "CPU us/request", target, decimals=1), rate("units"), *BUSY, sleeps("units")]
    return Scenario(title, [traffic, "--connections", "32"], figures, is_http=True)


def are_resumed(result):
    """Some are not: a connection begins while the ticket of the last one is on its way."""
    return result["resumed"] >= 0.9 * result["handshakes"]


def viewers(title, reads):
    return Memory(title, ["viewers", "--rate", "20000000", "--reads", reads, "--warm", "1"],
                  [Figure("proxy kB", lambda r: r["held_pss"], 1.0, decimals=1),
                   Figure("kernel MB", lambda r: r["held_kernel"] / 1000)], connections=20, seconds=3)


SCENARIOS = {
    "download-1": bulk("download, 1 connection", 0.72, "download", "--connections", "1"),
    "download-8": bulk("download, 8 connections", 0.72, "download", "--connections", "8"),
    "upload-8": bulk("upload, 8 connections", 0.95, "upload", "--connections", "8"),
    "messages": Scenario(
        "500 streams, 20,000 messages of 1-4 kB a second", ["messages", "--connections", "500", "--rate", "20000"],
        [cost("units", "CPU us/message", 0.70, relaxed=0.80, decimals=1), time_of("p50_ms", 0.6, is_distance=True),
         time_of("p99_ms", 1.0), time_of("longest_ms", decimals=1), rate("units"), *BUSY, sleeps("units")],
        variants=["ours/at-once"]),
    "handshake-ecdsa": handshakes("full handshake, ECDSA P-256, with backend connect and close", 0.80),
    "handshake-rsa": handshakes("full handshake, RSA-2048, with backend connect and close", 0.92, key="rsa"),
    "handshake-resumed": handshakes("resumed handshake, TLS 1.3", 0.80, "--resume", check=are_resumed),
    "idle": Memory("2,000 connections that have moved some bytes and are idle", ["silence", "--warm", "0.2"],
                   [Figure("kB each", lambda r: r["held_pss"], 0.80, decimals=1),
                    Figure("when closed", lambda r: r["after_pss"], decimals=1)], connections=2000, seconds=0.5),
    "requests": http("HTTP keep-alive, GET of 1 kB, 32 connections", 0.90, "requests"),
    "posts": http("HTTP keep-alive, POST of 1 byte (RTMPT), answered with 1 kB, 32 connections", None, "posts"),
    "storm": Scenario(
        "100 streams while 64 RSA-2048 handshakes are always in flight",
        ["messages", "--connections", "100", "--rate", "4000", "--handshakes", "64"],
        [time_of("p99_ms", 0.40), rate("handshakes", "handshakes/s", 0.95), time_of("p50_ms"),
         time_of("longest_ms", decimals=1), *BUSY], key="rsa"),
    "burst": Memory("5 s after 1 MB on each of 2,000 connections", ["download", "--limit", "1000000", "--warm", "60"],
                    [Figure("kB each", lambda r: r["held_pss"], 0.80, decimals=1),
                     Figure("when closed", lambda r: r["after_pss"], 1.0, decimals=1)], connections=2000, seconds=5),
    "viewer-slow": viewers("a viewer that is offered 20 MB/s and reads 100 kB/s", 100000),
    "viewer-stuck": viewers("a viewer that is offered 20 MB/s and reads nothing", 0),
}
