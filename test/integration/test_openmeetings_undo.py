"""scripts/openmeetings undo: whatever happened in between, what was there before comes back, and nothing of anybody's is
lost without being told."""

import fcntl
import os
import shutil
import signal
import subprocess

import pytest

from lib.openmeetings import WANTED, config_of, contents, elements_of, lay_out
from lib.openmeetings_script import SCRIPT
from lib.proxy import BINARIES

# Runs the script and kills it before its Nth change to the file system, or lets it end if there are fewer.
KILLED = """
import os, runpy, signal, sys

changes = ["os.rename", "os.remove"]
count = int(sys.argv[1])
sys.argv = sys.argv[2:]

def watch(event, arguments):
    global count
    if event in changes or event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR) and "/dev" not in str(arguments[0]):
        count -= 1
        if count == 0:
            os.kill(os.getpid(), 9)

sys.addaudithook(watch)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_killed(openmeetings, count, command, red5):
    """Whether it was killed."""
    done = subprocess.run(["/usr/bin/python3", "-c", KILLED, str(count), SCRIPT, command, red5, "-c", openmeetings.ini,
                           "--proxy", BINARIES["plain"]], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.fixture
def red5(tmp_path):
    """Files that belong to nobody special, with rights of their own."""
    red5 = lay_out(tmp_path, "3.0.7")
    (red5 / "conf/red5.properties").chmod(0o640)
    if os.geteuid() == 0:
        os.chown(red5 / "conf/red5.properties", 65534, 65534)
    return red5


def copies_of(red5):
    """The same installation again and again."""
    kept = shutil.copytree(red5, red5.parent / "kept")
    while True:
        shutil.rmtree(red5)
        shutil.copytree(kept, red5)
        if os.geteuid() == 0:
            os.chown(red5 / "conf/red5.properties", 65534, 65534)
        yield contents(red5)


@pytest.mark.long
@pytest.mark.parametrize("then", ["undo", "enable"])
def test_enable_may_be_killed_anywhere(openmeetings, red5, then):
    """Then undo puts everything back; or a second enable does the rest, and undo puts that back."""
    for count, before in enumerate(copies_of(red5), 1):
        if not run_killed(openmeetings, count, "enable", red5):
            break
        if then == "enable":
            openmeetings("enable", red5)
            assert WANTED.items() <= elements_of(config_of(red5, "3.0.7")).items()
        openmeetings("undo", red5)
        assert contents(red5) == before
    assert count > 10


@pytest.mark.long
def test_undo_may_be_killed_anywhere(openmeetings, red5):
    """Then undo does the rest."""
    for count, before in enumerate(copies_of(red5), 1):
        openmeetings("enable", red5)
        if not run_killed(openmeetings, count, "undo", red5):
            break
        openmeetings("undo", red5)
        assert contents(red5) == before
    assert count > 3


@pytest.mark.long
def test_enable_with_other_ports_may_be_killed_anywhere(openmeetings, red5):
    """A file may then be as it was, as the first or as the second enable made it."""
    for count, before in enumerate(copies_of(red5), 1):
        openmeetings.write_ini()
        openmeetings("enable", red5)
        openmeetings.write_ini(https={"listen": "*:443"}, rtmps={"listen": "*:9443"})
        if not run_killed(openmeetings, count, "enable", red5):
            break
        openmeetings("undo", red5)
        assert contents(red5) == before
    assert count > 5


def append(path, text):
    path.write_bytes(path.read_bytes() + text)


def test_what_was_edited_since_is_not_overwritten(openmeetings, red5):
    """Neither file is then put back; --force does, and keeps the edited one."""
    before = contents(red5)
    openmeetings("enable", red5)
    append(red5 / "conf/red5.properties", b"mine=1\n")
    edited = contents(red5)
    assert "conf/red5.properties was edited after enable; --force" in openmeetings("undo", red5, code=1)
    assert contents(red5) == edited
    openmeetings("undo", red5, "--force")
    kept, = (path for path in contents(red5) if path not in before)
    assert kept.name.startswith("red5.properties.2")
    mine = contents(red5)[kept]
    assert mine[0].endswith(b"mine=1\n") and mine[1] == before[red5.joinpath("conf/red5.properties").relative_to(red5)][1]
    (red5 / kept).unlink()
    assert contents(red5) == before


def test_what_was_edited_between_two_enables_is_not_overwritten(openmeetings, red5):
    """The second enable keeps the edit, so undo may not forget it."""
    openmeetings("enable", red5)
    path = red5 / "conf/red5.properties"
    path.write_bytes(path.read_bytes().replace(b"http.host=127.0.0.1", b"mine=1\nhttp.host=0.0.0.0"))
    openmeetings("enable", red5)
    assert b"http.host=127.0.0.1" in path.read_bytes() and b"mine=1" in path.read_bytes()
    assert "conf/red5.properties was edited after enable" in openmeetings("undo", red5, code=1)
    assert b"mine=1" in path.read_bytes()


def test_what_was_put_back_by_hand_is_well(openmeetings, red5):
    before = contents(red5)
    openmeetings("enable", red5)
    for backup in red5.rglob("*.before-red5-tls-proxy"):
        shutil.copy2(backup, backup.with_suffix(""))
    openmeetings("undo", red5)
    assert {path: what[0] for path, what in contents(red5).items()} == {path: what[0] for path, what in before.items()}


def test_a_file_that_is_gone_comes_back_by_force(openmeetings, red5):
    before = contents(red5)
    openmeetings("enable", red5)
    config_of(red5, "3.0.7").unlink()
    assert "config.xml is gone; --force" in openmeetings("undo", red5, code=1)
    openmeetings("undo", red5, "--force")
    assert contents(red5) == before


@pytest.mark.parametrize("do", [lambda backup: backup.unlink(), lambda backup: append(backup, b"\n")],
                         ids=["gone", "changed"])
def test_without_its_copy_no_file_is_put_back(openmeetings, red5, do):
    openmeetings("enable", red5)
    do(red5 / "conf/red5.properties.before-red5-tls-proxy")
    after = contents(red5)
    for options in ([], ["--force"]):
        assert "red5.properties.before-red5-tls-proxy is gone or was changed" in openmeetings("undo", red5, *options, code=1)
        assert contents(red5) == after


@pytest.mark.parametrize("text", ["{", "[]", '{"conf/red5.properties": 1}', '{"../x": {"before": "", "after": []}}',
                                  '{"/etc/passwd": {"before": "", "after": []}}'])
def test_a_damaged_record_is_not_believed(openmeetings, red5, text):
    openmeetings("enable", red5)
    (red5 / "red5-tls-proxy.undo").write_text(text)
    after = contents(red5)
    assert "red5-tls-proxy.undo is damaged; compare" in openmeetings("undo", red5, code=1)
    openmeetings.write_ini(https={"listen": "*:443"}, rtmps={"listen": "*:9443"})
    assert "red5-tls-proxy.undo is damaged; compare" in openmeetings("enable", red5, code=1)
    assert contents(red5) == after


def test_copies_without_a_record_are_left_to_the_administrator(openmeetings, red5):
    openmeetings("enable", red5)
    (red5 / "red5-tls-proxy.undo").unlink()
    after = contents(red5)
    assert "red5-tls-proxy.undo, but " in openmeetings("undo", red5, code=1)
    openmeetings.write_ini(https={"listen": "*:443"}, rtmps={"listen": "*:9443"})
    assert "is of an earlier enable" in openmeetings("enable", red5, code=1)
    assert contents(red5) == after


@pytest.mark.parametrize("command", ["enable", "undo"])
def test_two_at_once_do_not_meet(openmeetings, red5, command):
    folder = os.open(red5, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    before = contents(red5)
    assert "another openmeetings is at work" in openmeetings(command, red5, code=1)
    assert contents(red5) == before
    os.close(folder)
