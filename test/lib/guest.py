#!/usr/bin/env python3
"""guest.py - runs a command on another kernel, one that has kernel TLS, whatever the machine's own has.

    test/lib/guest.py [--without-tls] [--seconds N] [--memory MB] -- COMMAND...

User Mode Linux is a kernel that is an ordinary process: Debian's package `user-mode-linux`. Its root file system is
this machine's, read-only, so that what was built here runs there. /run is its own; so are network (loopback
alone), processes and devices. One CPU. It needs no root, no image and no virtual machine, and boots in two seconds.
The command runs as root, in the same directory, with TMPDIR in /run; what it prints goes to standard output.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

LINUX = "/usr/bin/linux.uml"
MODULES = pathlib.Path("/usr/lib/uml/modules")
MODPROBE = next((path for path in ["/usr/sbin/modprobe", "/sbin/modprobe"] if os.path.exists(path)), None)

# What the kernel loads by itself, it asks /sbin/modprobe for; its modules are not where that looks.
MODPROBE_SCRIPT = """#!/bin/sh
exec {modprobe} -d {directory} "$@"
"""

# The guest's first process. The kernel is told to stop by the key that a console would send.
INIT = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run LC_ALL=C.UTF-8 TMPDIR=/run/tmp IN_GUEST=yes
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs run /run
mkdir -p /run/tmp /run/result /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
mount -t hostfs result /run/result -o {directory}/result
ip link set lo up
echo {directory}/{modprobe} >/proc/sys/kernel/modprobe
stty -F /dev/tty1 -opost
(cd {cwd} && exec sh {directory}/command) </dev/null >/dev/tty1 2>&1
echo $? >/run/result/code
echo o >/proc/sysrq-trigger
sleep 60
"""


class Missing(Exception):
    """There is no such kernel here; the text says what to do."""


def check():
    if not os.path.exists(LINUX) or not MODPROBE:
        raise Missing("needs User Mode Linux (Debian: user-mode-linux and kmod, or scripts/install-deps --test)")


def write_script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def prepare(directory, command, has_tls):
    """What the guest finds in `directory`."""
    (directory / "lib").mkdir()
    (directory / "lib/modules").symlink_to(MODULES)
    (directory / "result").mkdir()
    names = {"directory": directory, "modprobe": "modprobe" if has_tls else "none", "cwd": shlex.quote(os.getcwd())}
    write_script(directory / "modprobe", MODPROBE_SCRIPT.format(**{**names, "modprobe": MODPROBE}))
    write_script(directory / "init", INIT.format(**names))
    (directory / "command").write_text(command)


def boot(directory, seconds, memory, stdout):
    """Start the kernel and wait for its end. Its memory is a file that is deleted already; each process of the guest is
    one of this machine's, in the same group."""
    argv = [LINUX, f"mem={memory}M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={directory}/init",
            "con=null", "con1=null,fd:1", "quiet", "loglevel=1"]
    kernel = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.DEVNULL,
                              start_new_session=True, env={**os.environ, "TMPDIR": str(directory)})
    try:
        kernel.wait(seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(kernel.pid, signal.SIGKILL)
        kernel.wait()


def run(command, seconds=120, memory=1024, has_tls=True, stdout=None):
    """Run a shell command; its exit code. Raises Missing, or subprocess.TimeoutExpired."""
    check()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="guest-"))
    try:
        prepare(directory, command, has_tls)
        boot(directory, seconds, memory, stdout)
        code = directory / "result/code"
        assert code.exists(), "the guest ended without a result"
        return int(code.read_text())
    finally:
        shutil.rmtree(directory)


def is_here():
    """Whether this process runs in such a guest."""
    return "IN_GUEST" in os.environ


def counters():
    """The kernel's statistics of TLS, where it has any: {"TlsTxSw": 3, ...}."""
    file = pathlib.Path("/proc/net/tls_stat")
    return {name: int(count) for name, count in re.findall(r"(\w+)\s+(\d+)", file.read_text())} if file.exists() else {}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without-tls", action="store_true", help="the guest cannot load any module")
    parser.add_argument("--seconds", type=int, default=120, help="how long it may take")
    parser.add_argument("--memory", type=int, default=1024, help="in MB")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    try:
        sys.exit(run(shlex.join(given.command), given.seconds, given.memory, not given.without_tls))
    except Missing as missing:
        sys.exit(f"guest.py: {missing}")
    except subprocess.TimeoutExpired:
        sys.exit(f"guest.py: not done within {given.seconds} s")


if __name__ == "__main__":
    main()
