"""pebble.py - an ACME server of one's own: Let's Encrypt's Pebble, built from its Go module, with a DNS beside it."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import urllib.request

from lib.proxy import TOP
from lib.waiting import until

VERSION = "v2.10.1"
PROGRAMS = TOP / "build/pebble"
MODULE = "github.com/letsencrypt/pebble/v2/cmd"


def build():
    """None once both programs are there, or why they are not."""
    names = ["pebble", "pebble-challtestsrv"]
    if all((PROGRAMS / name).exists() for name in names):
        return None
    if not shutil.which("go"):
        return "no Go here to build Pebble with"
    try:
        subprocess.run(["go", "install", *(f"{MODULE}/{name}@{VERSION}" for name in names)], text=True, check=True,
                       env={**os.environ, "GOBIN": str(PROGRAMS)}, capture_output=True, timeout=300)
    except subprocess.TimeoutExpired:
        return "Pebble cannot be built within five minutes"
    except subprocess.CalledProcessError as error:
        return f"Pebble cannot be built: {error.stderr.strip().splitlines()[-1]}"
    return None


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Pebble:
    """Serves ACME at `url`, under a certificate of `authority`; asks every host's http-01 challenge at `http_port`."""

    def __init__(self, directory, authority, start_program):
        acme, management, dns, dns_management, self.http_port = (free_port() for _ in range(5))
        authority.issue("pebble", names="DNS:localhost,IP:127.0.0.1")
        self.root_of_server = authority.root
        self.url = f"https://localhost:{acme}/dir"
        self.management = f"https://localhost:{management}"
        (directory / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{acme}", "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(authority.chain_of("pebble", "intermediate")),
            "privateKey": str(authority.key_of("pebble")), "httpPort": self.http_port, "tlsPort": 1,
            "retryAfter": {"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa"}}))
        start_program("dns", PROGRAMS / "pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
                      "-dnsserver", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{dns_management}", "-http01", "",
                      "-https01", "", "-tlsalpn01", "", "-doh", "")
        start_program("pebble", PROGRAMS / "pebble", "-config", directory / "pebble.json", "-dnsserver",
                      f"127.0.0.1:{dns}", environment={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"})
        until(self.is_ready, "Pebble")

    def fetch(self, url):
        context = ssl.create_default_context(cafile=self.root_of_server)
        return urllib.request.urlopen(url, context=context, timeout=10).read()

    def is_ready(self):
        try:
            return self.fetch(self.url)
        except OSError:
            return None

    def root(self):
        """The root of the certificates that it issues, as PEM."""
        return self.fetch(f"{self.management}/roots/0").decode()
