#!/usr/bin/env python3
"""guest.py - runs a command on another kernel, one that has kernel TLS, whatever the machine's own has.

    test/lib/guest.py [--qemu KERNEL] [--without-tls] [--seconds N] [--memory MB] -- COMMAND...

User Mode Linux is a kernel that is an ordinary process: Debian's package `user-mode-linux`. It boots in two seconds.
qemu emulates a whole computer for a kernel that real machines run, which takes four times as long. KERNEL is
the directory that such a package of Debian's was unpacked in.

Neither needs root or an image: the root file system is this machine's, read-only, so that what was built here runs
there. /run is the guest's own; so are network (loopback alone), processes and devices. One CPU.
The command runs as root, in the same directory, with TMPDIR in /run; what it prints goes to standard output.
"""

import argparse
import contextlib
import lzma
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
QEMU = "/usr/bin/qemu-system-x86_64"
BUSYBOX = next((path for path in ["/usr/bin/busybox", "/bin/busybox"] if os.path.exists(path)), None)
MODPROBE = next((path for path in ["/usr/sbin/modprobe", "/sbin/modprobe"] if os.path.exists(path)), None)

# What the kernel loads by itself, it asks /sbin/modprobe for; its modules are not where that looks.
MODPROBE_SCRIPT = """#!/bin/sh
exec {modprobe} -d {directory} "$@"
"""

# The guest's first process. The kernel is told to stop by the key that a console would send.
INIT = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run LC_ALL=C.UTF-8 TMPDIR=/run/tmp IN_GUEST={name}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs run /run
mkdir -p /run/tmp /run/result /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
mount {result} /run/result
ip link set lo up
echo {directory}/{modprobe} >/proc/sys/kernel/modprobe
stty -F /dev/{terminal} -opost
(cd {cwd} && exec sh {directory}/command) </dev/null >/dev/{terminal} 2>&1
echo $? >/run/result/code
echo {stop} >/proc/sysrq-trigger
sleep 60
"""


# In qemu something has to mount the root file system first.
FIRST_INIT = """#!/busybox sh
for module in /modules/*; do /busybox insmod $module; done
/busybox mount -t 9p -o ro,version=9p2000.L,msize=500000,cache=loose root /root
/busybox mount -t devtmpfs dev /root/dev
exec /busybox switch_root /root {directory}/init
"""


class Missing(Exception):
    """There is no such kernel here; the text says what to do."""


class UserMode:
    """Its memory is a file that is deleted already; each process of the guest is one of this machine's."""

    modules = pathlib.Path("/usr/lib/uml/modules")

    def check(self):
        if not os.path.exists(LINUX) or not MODPROBE:
            raise Missing("needs User Mode Linux (Debian: user-mode-linux and kmod, or scripts/install-deps --test)")

    def names(self, directory):
        return {"name": "uml", "terminal": "tty1", "stop": "o", "result": f"-t hostfs -o {directory}/result result"}

    def argv(self, directory, memory):
        return [LINUX, f"mem={memory}M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={directory}/init",
                "con=null", "con1=null,fd:1", "quiet", "loglevel=1"]


class Qemu:
    """Directories of this machine come by 9p. It ends with a reboot, that is at once: a Linux that was told to power
    off did not always."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.modules = kernel / "lib/modules"

    def check(self):
        if not os.path.exists(QEMU) or not BUSYBOX or not MODPROBE:
            raise Missing("needs qemu (Debian: qemu-system-x86, busybox-static and kmod)")
        if not list(self.kernel.glob("boot/vmlinuz-*")):
            raise Missing(f"no kernel in {self.kernel}/boot")

    def names(self, _):
        return {"name": "qemu", "terminal": "ttyS0", "stop": "b", "result": "-t 9p -o version=9p2000.L result"}

    def argv(self, directory, memory):
        (directory / "initrd").write_bytes(cpio(self.first_files(directory)))
        share = "security_model=none,multidevs=remap"
        return [QEMU, "-accel", "tcg", "-cpu", "max", "-m", f"{memory}M", "-nodefaults", "-no-reboot",
                "-display", "none", "-serial", "stdio",
                "-virtfs", f"local,path=/,mount_tag=root,readonly=on,{share}",
                "-virtfs", f"local,path={directory}/result,mount_tag=result,{share}",
                "-kernel", next(self.kernel.glob("boot/vmlinuz-*")), "-initrd", directory / "initrd",
                "-append", "quiet loglevel=1 mitigations=off panic=-1"]

    def first_files(self, directory):
        """The first root file system: (path, mode, content)."""
        yield from ((name, 0o40755, b"") for name in ("dev", "root", "modules"))
        yield "busybox", 0o100755, pathlib.Path(BUSYBOX).read_bytes()
        yield "init", 0o100755, FIRST_INIT.format(directory=directory).encode()
        for number, module in enumerate(self.first_modules()):
            yield f"modules/{number}", 0o100644, lzma.decompress(module.read_bytes())

    def first_modules(self):
        """What mounting 9p takes, each after those that it needs."""
        version = next(self.modules.iterdir()).name
        argv = [MODPROBE, "-d", self.kernel, "-S", version, "-a", "--show-depends", "9p", "9pnet_virtio"]
        shown = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        return dict.fromkeys(pathlib.Path(path) for path in re.findall(r"^insmod (\S+)", shown, re.MULTILINE))


def cpio(files):
    """What the kernel takes for its first root file system (Documentation/driver-api/early-userspace/buffer-format)."""
    def padded(data):
        return data + bytes(-len(data) % 4)

    archive = b""
    for number, (name, mode, content) in enumerate([*files, ("TRAILER!!!", 0, b"")], start=1):
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        header = "070701" + "".join(f"{field:08x}" for field in fields)
        archive += padded(header.encode() + name.encode() + b"\0") + padded(content)
    return archive


def write_script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def prepare(machine, directory, command, has_tls):
    """What the guest finds in `directory`."""
    (directory / "lib").mkdir()
    (directory / "lib/modules").symlink_to(machine.modules.resolve())
    (directory / "result").mkdir()
    names = {"directory": directory, "modprobe": "modprobe" if has_tls else "none", "cwd": shlex.quote(os.getcwd())}
    write_script(directory / "modprobe", MODPROBE_SCRIPT.format(**{**names, "modprobe": MODPROBE}))
    write_script(directory / "init", INIT.format(**names, **machine.names(directory)))
    (directory / "command").write_text(command)


def boot(argv, directory, seconds, stdout):
    """Start the kernel and wait for its end; all its processes are in one group."""
    kernel = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.DEVNULL,
                              start_new_session=True, env={**os.environ, "TMPDIR": str(directory)})
    try:
        kernel.wait(seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(kernel.pid, signal.SIGKILL)
        kernel.wait()


def run(command, machine=UserMode(), seconds=120, memory=1024, has_tls=True, stdout=None):
    """Run a shell command; its exit code. Raises Missing, or subprocess.TimeoutExpired."""
    machine.check()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="guest-"))
    try:
        prepare(machine, directory, command, has_tls)
        boot(machine.argv(directory, memory), directory, seconds, stdout)
        code = directory / "result/code"
        assert code.exists(), "the guest ended without a result"
        return int(code.read_text())
    finally:
        shutil.rmtree(directory)


def name():
    """Of the guest that this process runs in: "uml" or "qemu"; None outside."""
    return os.environ.get("IN_GUEST")


def is_here():
    return name() is not None


def counters():
    """The kernel's statistics of TLS, where it has any: {"TlsTxSw": 3, ...}."""
    file = pathlib.Path("/proc/net/tls_stat")
    return {name: int(count) for name, count in re.findall(r"(\w+)\s+(\d+)", file.read_text())} if file.exists() else {}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qemu", type=pathlib.Path, metavar="KERNEL", help="in qemu; a package, unpacked there")
    parser.add_argument("--without-tls", action="store_true", help="the guest cannot load any module")
    parser.add_argument("--seconds", type=int, default=120, help="how long it may take")
    parser.add_argument("--memory", type=int, default=1024, help="in MB")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    machine = Qemu(given.qemu) if given.qemu else UserMode()
    try:
        sys.exit(run(shlex.join(given.command), machine, given.seconds, given.memory, not given.without_tls))
    except Missing as missing:
        sys.exit(f"guest.py: {missing}")
    except subprocess.TimeoutExpired:
        sys.exit(f"guest.py: not done within {given.seconds} s")


if __name__ == "__main__":
    main()
