"""doctor.py - `red5-tls-proxy doctor` on a proxy.ini, and what it has found out."""

import json
import os
import socket
import subprocess

from lib.proxy import BINARIES, SANITIZERS


class Report:
    """`checks` as they are in the JSON."""

    def __init__(self, text):
        report = json.loads(text)
        self.checks = report["checks"]
        assert all(set(check) == {"name", "subject", "severity", "message", "advice"} for check in self.checks)
        self.faults, self.warnings = ([c for c in self.checks if c["severity"] == s] for s in ("fault", "warning"))
        assert (report["faults"], report["warnings"]) == (len(self.faults), len(self.warnings))

    def of(self, name, subject=""):
        """(severity, message) of each check of this name whose subject has this in it."""
        return [(c["severity"], c["message"]) for c in self.checks if c["name"] == name and subject in c["subject"]]

    def one(self, name, subject=""):
        found = self.of(name, subject)
        assert len(found) == 1, found or self.checks
        return found[0]

    def severities(self, name, subject=""):
        return {severity for severity, _ in self.of(name, subject)}


def run_doctor(ini, *arguments, environment=None, prefix=()):
    return subprocess.run([*prefix, BINARIES["asan"], "doctor", "-c", ini, *arguments], timeout=60, text=True,
                          capture_output=True, env={**os.environ, **SANITIZERS, **(environment or {})})


def examine(ini, *arguments, **keywords):
    """The report; exit code 1 where there is a fault, else 0."""
    done = run_doctor(ini, "--json", *arguments, **keywords)
    assert done.stderr == "", done.stderr
    report = Report(done.stdout)
    assert done.returncode == bool(report.faults), done.stdout
    return report


class Ports:
    """Ports of the kernel's choice that stay ours: a server with SO_REUSEADDR can listen on them."""

    def __init__(self):
        self.sockets = []

    def take(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        self.sockets.append(sock)
        return sock.getsockname()[1]

    def close(self):
        for sock in self.sockets:
            sock.close()
