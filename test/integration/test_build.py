"""What make builds and installs: hardened by default, and complete."""

import os
import re
import subprocess

from lib.proxy import BINARIES, TOP


def readelf(*options):
    return subprocess.run(["readelf", "-W", *options, BINARIES["plain"]], capture_output=True, text=True, check=True).stdout


def make(*arguments, **options):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", "-C", TOP, *arguments], capture_output=True, text=True, env=environment, **options)


def test_the_program_is_position_independent():
    assert "DYN (" in readelf("--file-header")


def test_relocations_are_read_only():
    assert "GNU_RELRO" in readelf("--segments")
    assert re.search(r"BIND_NOW|Flags:.*\bNOW\b", readelf("--dynamic"))


def test_the_stack_is_not_executable():
    [stack] = [line.split() for line in readelf("--segments").splitlines() if "GNU_STACK" in line]
    assert "RWE" not in stack and "E" not in stack


def test_the_compiler_watches_stack_and_buffers():
    symbols = readelf("--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert "__snprintf_chk" in symbols


def test_no_library_is_linked_but_those_named():
    needed = [line.split("[")[1].rstrip("]") for line in readelf("--dynamic").splitlines() if "(NEEDED)" in line]
    assert {name.split(".so")[0] for name in needed} <= {"libssl", "libcrypto", "libuv", "libinih", "libllhttp", "libc"}


def test_install_puts_everything_below_destdir(tmp_path):
    done = make("install", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    assert done.returncode == 0, done.stderr
    installed = tmp_path / "usr/sbin/red5-tls-proxy"
    assert subprocess.run([installed, "-V"], capture_output=True).returncode == 0
    assert (tmp_path / "usr/share/doc/red5-tls-proxy/proxy.ini").is_file()
    deploy = tmp_path / "usr/share/red5-tls-proxy/scripts/acme-deploy"
    assert subprocess.run([deploy, "--help"], capture_output=True).stdout.startswith(b"Usage: ")
    assert (deploy.parent / "install-certificate").is_file(), "which acme-deploy calls"
    assert {path.parts[len(tmp_path.parts)] for path in tmp_path.rglob("*")} == {"usr"}


def test_help_lists_every_target():
    listed = make("help").stdout
    for target in ("all", "test", "demo", "install", "help"):
        assert f"make {target}" in listed
