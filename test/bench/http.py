#!/usr/bin/python3
"""http.py - requests per second, and processor time for each, beside nginx and haproxy.

    wrk ==TLS 1.3, keep-alive==> one of the three, one worker on a CPU of its own ---> nginx, a page of 1 kB

Load and backend share the other CPUs. The proxies take turns within each round, so that whatever else the machine
does meets all of them. A round in which one of them had to wait for its CPU, because something else ran there, counts
for nothing, unless all were such. What is printed are medians, of what was measured and of the ratios within a round.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

sys.path[0] = str(pathlib.Path(__file__).parents[1])  # and not this directory, whose http.py is not the library's

from lib.backends import address_of, listening_socket  # noqa: E402
from lib.proxy import BINARIES, TOP, Proxy, stat  # noqa: E402
from lib.waiting import PATIENCE, until  # noqa: E402

NEEDED = {"nginx": "/usr/sbin/nginx", "haproxy": "/usr/sbin/haproxy", "wrk": "/usr/bin/wrk",
          "red5-tls-proxy": BINARIES["plain"]}
PROXY_CPU, *LOAD_CPUS = sorted(os.sched_getaffinity(0))
CONNECTIONS = 32

NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log; {user}
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 100000000; client_body_temp_path {directory}; proxy_temp_path {directory};
    fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
    {http}
}}
"""
NGINX_BACKEND = """
server {{
    listen {listen};
    location = /page {{ return 200 "{page}"; }}
    location / {{ default_type application/x-fcs; return 200 "x"; }}
}}
"""
NGINX_PROXY = """
upstream backend {{ server {backend}; keepalive 256; keepalive_requests 100000000; }}
server {{
    listen {listen} ssl; ssl_protocols TLSv1.3;
    ssl_certificate {chain}; ssl_certificate_key {key};
    location / {{
        proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
        proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto https;
    }}
}}
"""
HAPROXY = """
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 1m
    timeout server 1m
frontend front
    bind fd@{fd} ssl crt {pem} ssl-min-ver TLSv1.3
    option forwardfor
    http-request set-header X-Forwarded-Proto https
    default_backend back
backend back
    server one {backend}
"""
LOADS = {
    "GET, a page of 1 kB": ("/page", ""),
    "POST of 1 byte (RTMPT)": ("/idle/1/1", 'wrk.method = "POST" wrk.body = "\\0"'
                                            ' wrk.headers["Content-Type"] = "application/x-fcs"'),
}


class Server:
    """A process with one listening socket, which it inherits so that the kernel can choose the port."""

    def __init__(self, cpus, argv, sock, environment):
        self.address = address_of(sock)
        self.process = subprocess.Popen(
            argv, pass_fds=[sock.fileno()], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        sock.close()

    def pids(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


def nginx(directory, name, cpus, http, **values):
    sock = listening_socket()
    directory = directory / name
    directory.mkdir()
    text = NGINX.format(directory=directory, user="user root;" if os.geteuid() == 0 else "",
                        http=http.format(listen=address_of(sock), **values))
    (directory / "nginx.conf").write_text(text)
    argv = [NEEDED["nginx"], "-p", directory, "-c", directory / "nginx.conf", "-e", directory / "error.log"]
    return Server(cpus, argv, sock, {"NGINX": f"{sock.fileno()};"})


def haproxy(directory, chain, key, backend):
    sock = listening_socket()
    (directory / "both.pem").write_text(chain.read_text() + key.read_text())
    conf = directory / "haproxy.cfg"
    conf.write_text(HAPROXY.format(fd=sock.fileno(), pem=directory / "both.pem", backend=backend))
    return Server({PROXY_CPU}, [NEEDED["haproxy"], "-db", "-f", conf], sock, {})


class Ours(Proxy):
    """One worker, which follows its master to the CPU."""

    def __init__(self, directory, chain, key, backend):
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {PROXY_CPU})
        super().__init__(directory, {
            "proxy": {"workers": 1, "stop_timeout": "1s"}, "certificate main": {"chain": chain, "key": key},
            "listener front": {"listen": "127.0.0.1:0", "certificates": "main", "http_backend": backend}}, "plain")
        os.sched_setaffinity(0, before)
        self.address = "%s:%d" % self.addresses["front"]

    def pids(self):
        return [self.pid, *self.workers()]


def cpu_seconds(pids):
    return sum(sum(map(int, stat(pid)[11:13])) for pid in pids) / os.sysconf("SC_CLK_TCK")


def waited_seconds(pids):
    """How long they were ready to run, and something else ran instead."""
    return sum(int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1]) for pid in pids) / 1e9


def measure(server, path, script, seconds):
    """Requests per second, microseconds of processor time for each, and the share of the time spent waiting for it."""
    pids = server.pids()
    used, waited = cpu_seconds(pids), waited_seconds(pids)
    output = subprocess.run(
        ["taskset", "-c", ",".join(map(str, LOAD_CPUS)), NEEDED["wrk"], "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s",
         "-s", script, f"https://{server.address}{path}"],
        check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    used, waited = cpu_seconds(pids) - used, waited_seconds(pids) - waited
    assert not re.search(r"^ *(Socket errors|Non-2xx)", output, re.M), output
    requests = int(re.search(r"(\d+) requests in", output)[1])
    return float(re.search(r"Requests/sec: +([\d.]+)", output)[1]), used / requests * 1e6, waited / seconds


def undisturbed(of):
    """Those rounds in which no proxy waited for its CPU to speak of; all, if there is none."""
    rounds = range(len(next(iter(of.values()))))
    quiet = [n for n in rounds if all(rows[n][2] < 0.05 for rows in of.values())]
    return {name: [rows[n] for n in quiet or rounds] for name, rows in of.items()}, len(quiet), len(rounds)


def beside(rows, ours):
    """For rate and cost, the median of the ratios within the rounds."""
    return [statistics.median(row[n] / own[n] for row, own in zip(rows, ours)) for n in (0, 1)]


def table(results):
    for load, of in results.items():
        of, quiet, rounds = undisturbed(of)
        print(f"\n{load}, {CONNECTIONS} connections, {quiet} of {rounds} rounds undisturbed\n\n"
              "| proxy | requests/s | beside ours | CPU for a request | beside ours |\n"
              "| --- | ---: | ---: | ---: | ---: |")
        for name, rows in of.items():
            rate, cost, _ = map(statistics.median, zip(*rows))
            rates, costs = beside(rows, of["red5-tls-proxy"])
            print(f"| {name} | {rate:.0f} | {rates:.2f} x | {cost:.1f} us | {costs:.2f} x |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=3, help="for each measurement")
    options = arguments.parse_args()
    missing = [name for name, path in NEEDED.items() if not pathlib.Path(path).exists()]
    if missing or not LOAD_CPUS or not shutil.which("taskset"):
        sys.exit(f"http.py: missing: {', '.join(missing) or 'a second CPU, or taskset'}; nothing was measured")

    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        subprocess.run([TOP / "scripts/make-certificates", "--main", "localhost,127.0.0.1", directory], check=True,
                       stdout=subprocess.DEVNULL)
        chain, key = directory / "main/fullchain.pem", directory / "main/privkey.pem"

        def start(make, *values, **more):
            return stack.enter_context(contextlib.closing(make(directory, *values, **more)))

        backend = start(nginx, "backend", LOAD_CPUS, NGINX_BACKEND, page="x" * 1024).address
        servers = {
            "red5-tls-proxy": start(Ours, chain, key, backend),
            "nginx": start(nginx, "nginx", {PROXY_CPU}, NGINX_PROXY, backend=backend, chain=chain, key=key),
            "haproxy": start(haproxy, chain, key, backend),
        }
        results = {load: {name: [] for name in servers} for load in LOADS}
        for turn in range(options.rounds):
            for number, (load, (path, text)) in enumerate(LOADS.items()):
                script = directory / f"load-{number}.lua"
                script.write_text(text)
                order = list(servers)
                for server in order[turn % 3:] + order[:turn % 3]:
                    until(lambda: measure_is_possible(servers[server]), f"an answer of {server}")
                    results[load][server].append(measure(servers[server], path, script, options.seconds))
        table(results)


def measure_is_possible(server):
    return subprocess.run(["curl", "-skf", "--tlsv1.3", f"https://{server.address}/page"], timeout=PATIENCE,
                          stdout=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    main()
