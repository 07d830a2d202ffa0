"""peers.py - the proxies that are compared: each with one worker, on a processor of its own, and nothing to log.

All show the same certificate, speak TLS 1.3 with TLS_AES_128_GCM_SHA256 and X25519, give tickets, and pass what comes
to the same backend. What else is set made them cheaper here.
"""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess

from lib.backends import address_of, listening_socket
from lib.proxy import BINARIES, ini_text, open_files
from lib.waiting import PATIENCE, until

PROXY_CPU, *LOAD_CPUS = sorted(os.sched_getaffinity(0))
END = "-----END CERTIFICATE-----\n"
SUITE = "TLS_AES_128_GCM_SHA256"


class Certificate:
    def __init__(self, directory):
        # Alone: each certificate that is sent costs a client with OpenSSL 3.0 more than the proxy.
        self.chain = directory / "certificate.pem"
        self.chain.write_text((directory / "main/fullchain.pem").read_text().partition(END)[0] + END)
        self.key = directory / "main/privkey.pem"
        self.both = directory / "both.pem"
        self.both.write_text(self.chain.read_text() + self.key.read_text())


class Server:
    """A proxy that runs, on `port` of 127.0.0.1."""

    def __init__(self, directory, argv, port, environment=None, inherited=()):
        self.port = port
        self.log = directory / "output.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=inherited,
                env={**os.environ, **(environment or {})}, cwd=directory, preexec_fn=follow_to_the_cpu)
        try:
            until(self.is_ready, f"{argv[0]} accepts connections")
        except AssertionError as error:
            self.close()
            raise RuntimeError(f"{error}\n{self.log.read_text()}") from None
        self.idle_sockets = self.sockets()

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("it ended")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                return client_context().wrap_socket(sock).version()
        except OSError:
            return None  # not yet

    def workers(self):
        pid = self.process.pid
        return list(map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def pids(self):
        return [self.process.pid, *self.workers()]

    def serving(self):
        """Those whose memory grows with connections."""
        return self.workers() or [self.process.pid]

    def sockets(self):
        return sum(name.startswith("socket:") for pid in self.pids() for name in open_files(pid))

    def is_idle(self):
        return self.sockets() <= self.idle_sockets

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            self.process.wait(PATIENCE)


def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def follow_to_the_cpu():
    os.sched_setaffinity(0, {PROXY_CPU})
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: none stays if the benchmark is killed


def free_port():
    """For those who must open their socket themselves."""
    with listening_socket() as sock:
        return sock.getsockname()[1]


def write(directory, name, text):
    path = directory / name
    path.write_text(text)
    return path


# -- each of them: in which directory, with which certificate, "HOST:PORT" of the backend, whether it is HTTP

VARIANTS = {
    "ours": {},
    "ours/at-once": {"batch_delay": "0ms"},
    # the first byte is looked at, and the backend dialled then
    "ours/rtmp": {"protocols": None, "tunnel_backend": None, "rtmp_backend": "{backend}", "tickets": None},
}


def ini_of(variant, certificate, backend, is_http, port):
    kind = {"http_backend": backend} if is_http else {"protocols": "tunnel", "tunnel_backend": backend, "tickets": "on"}
    own = {key: value and value.format(backend=backend) for key, value in variant.items()}
    return ini_text({
        "proxy": {"workers": 1, "stop_timeout": "1s", "log_level": "error", "watch": "off"},
        "certificate main": {"chain": certificate.chain, "key": certificate.key},
        "listener front": {"listen": f"127.0.0.1:{port}", "certificates": "main", "tls": "modern",
                           "ciphersuites": SUITE, "curves": "X25519", **kind, **own},
    })


def ours(directory, certificate, backend, is_http, name="ours"):
    port = free_port()
    ini = write(directory, "proxy.ini", ini_of(VARIANTS[name], certificate, backend, is_http, port))
    return Server(directory, [BINARIES["plain"], "-c", ini], port)


HITCH = """
frontend = {{ host = "127.0.0.1" port = "{port}" }}
backend = "[127.0.0.1]:{backend_port}"
pem-file = "{pem}"
workers = 1
backlog = 4096
tls-protos = TLSv1.3
ciphersuites = "{suite}"
ecdh-curve = "X25519"
daemon = off
syslog = off
log-level = 0
ocsp-dir = ""
{user}
"""


def hitch(directory, certificate, backend, is_http, is_bulk):
    port = free_port()
    conf = write(directory, "hitch.conf", HITCH.format(
        port=port, backend_port=backend.rpartition(":")[2], pem=certificate.both, suite=SUITE,
        user='user = "nobody"' if os.geteuid() == 0 else ""))
    return Server(directory, ["/usr/sbin/hitch", f"--config={conf}"], port)


HAPROXY = """
global
    nbthread 1
    maxconn 5000
    {buffers}

defaults
    mode {mode}
    timeout connect 5s
    timeout client 5m
    timeout server 5m
frontend front
    bind fd@{fd} ssl crt {pem} ssl-min-ver TLSv1.3 ciphersuites {suite} curves X25519
    {front}
    default_backend back
backend back
    server one {backend}
"""


def haproxy(directory, certificate, backend, is_http, is_bulk):
    sock = listening_socket(backlog=4096)
    front = "option forwardfor\n    http-request set-header X-Forwarded-Proto https" if is_http else ""
    conf = write(directory, "haproxy.cfg", HAPROXY.format(
        mode="http" if is_http else "tcp", fd=sock.fileno(), pem=certificate.both, suite=SUITE, backend=backend,
        front=front, buffers="tune.bufsize 131072" if is_bulk else ""))
    with sock:
        return Server(directory, ["/usr/sbin/haproxy", "-db", "-f", conf], sock.getsockname()[1],
                      inherited=[sock.fileno()])


NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log crit; {user}
{load}
events {{ worker_connections 10000; }}
"""
NGINX_TLS = """
listen {listen} ssl; ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {suite}; ssl_ecdh_curve X25519;
ssl_certificate {chain}; ssl_certificate_key {key};
"""
NGINX_STREAM = """
stream {{
    server {{
        {tls}
        proxy_pass {backend}; proxy_timeout 5m; {buffers}
    }}
}}
"""
NGINX_HTTP = """
http {{
    access_log off; keepalive_requests 100000000; client_body_temp_path {directory}; proxy_temp_path {directory};
    fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
    upstream backend {{ server {backend}; keepalive 256; keepalive_requests 100000000; }}
    server {{
        {tls}
        location / {{
            proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""


def nginx(directory, certificate, backend, is_http, is_bulk):
    sock = listening_socket(backlog=4096)
    values = {"directory": directory, "backend": backend, "user": "user root;" if os.geteuid() == 0 else "",
              "buffers": "proxy_buffer_size 64k;" if is_bulk else "",
              "load": "" if is_http else "load_module /usr/lib/nginx/modules/ngx_stream_module.so;",
              "tls": NGINX_TLS.format(listen=address_of(sock), suite=SUITE, chain=certificate.chain,
                                      key=certificate.key)}
    conf = write(directory, "nginx.conf", (NGINX + (NGINX_HTTP if is_http else NGINX_STREAM)).format(**values))
    with sock:
        return Server(directory, ["/usr/sbin/nginx", "-p", directory, "-c", conf, "-e", directory / "error.log"],
                      sock.getsockname()[1], {"NGINX": f"{sock.fileno()};"}, [sock.fileno()])


STUNNEL = """
foreground = yes
pid =
debug = 0
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[front]
accept = 127.0.0.1:{port}
connect = {backend}
cert = {chain}
key = {key}
sslVersion = TLSv1.3
ciphersuites = {suite}
curves = X25519
libwrap = no
TIMEOUTclose = 0
"""


def stunnel(directory, certificate, backend, is_http, is_bulk):
    port = free_port()
    conf = write(directory, "stunnel.conf", STUNNEL.format(
        port=port, backend=backend, chain=certificate.chain, key=certificate.key, suite=SUITE))
    return Server(directory, ["/usr/bin/stunnel4", conf], port)


PEERS = {"hitch": hitch, "haproxy": haproxy, "nginx": nginx, "stunnel": stunnel}
SPEAK_HTTP = {"haproxy", "nginx"}
PROGRAMS = {"hitch": "/usr/sbin/hitch", "haproxy": "/usr/sbin/haproxy", "nginx": "/usr/sbin/nginx",
            "stunnel": "/usr/bin/stunnel4"}


def start(name, directory, certificate, backend, is_http=False, is_bulk=False):
    """`name` runs in a new directory of its own below `directory`. For what `is_bulk` those that can have large buffers,
    which are cheaper there and dearer in memory."""
    own = directory / name.replace("/", "-")
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    own.chmod(0o755)
    if name in VARIANTS:
        return ours(own, certificate, backend, is_http, name)
    return PEERS[name](own, certificate, backend, is_http, is_bulk)
