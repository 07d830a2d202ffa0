"""hosts.py - machines of a test: network namespaces, each on a cable of its own to the first.

    outside  <==veth==>  server  <==veth==>  container

What a test starts or connects `with host.inside():` is in that machine.
"""

import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000  # linux/sched.h
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*argv, **keywords):
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30, **keywords).stdout


def why_not():
    """Why there can be no such machines here; None where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"try-{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
        run("ip", "netns", "del", name)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no network namespaces here: {getattr(error, 'stderr', error)}"


def enter(file):
    if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Host:
    def __init__(self, name):
        self.name = f"{name}-{os.getpid()}"
        run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *argv, **keywords):
        """Run a program in this machine; what it printed."""
        return run("ip", "netns", "exec", self.name, *argv, **keywords)

    @contextlib.contextmanager
    def inside(self):
        """For the lines of a `with` this thread is in the machine: its new sockets and programs stay there."""
        with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{self.name}") as there:
            enter(there)
            try:
                yield self
            finally:
                enter(before)

    def cable(self, other, number):
        """Connect two machines: 10.77.NUMBER.1 and fd77:NUMBER::1 here, .2 and ::2 there."""
        run("ip", "link", "add", f"v{number}", "netns", self.name, "type", "veth",
            "peer", "name", f"v{number}", "netns", other.name)
        for host, last in ((self, 1), (other, 2)):
            host.add_address(number, last)
            host.run("ip", "link", "set", f"v{number}", "up")

    def add_address(self, number, last):
        self.run("ip", "addr", "add", f"10.77.{number}.{last}/24", "dev", f"v{number}")
        self.run("ip", "addr", "add", f"fd77:{number}::{last}/64", "dev", f"v{number}", "nodad")

    def close(self):
        run("ip", "netns", "del", self.name)
