"""doc/openmeetings.md and doc/red5.md, followed word by word as root on a machine of one's own: the commands are those of
the page, in its order, and its paths are real ones. The machine is a set of namespaces: /etc is a copy, /opt and /usr/local are
empty, the network is new. Not real are certbot, which has a CA elsewhere, and systemd, which would be its first process.
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from lib import media
from lib.openmeetings import HOSTS, LAYOUTS, WANTED, config_of, elements_of, lay_out, properties_of
from lib.nginx import CONFIGURATION
from lib.proxy import TOP
from test_documents import blocks

GUIDE = (TOP / "doc/openmeetings.md").read_text()
RED5_ALONE = (TOP / "doc/red5.md").read_text()
UNIT, = blocks((TOP / "README.md").read_text(), "systemd")
HOST = "cam.example.org"
UNIT_FILE = "/etc/systemd/system/red5-tls-proxy.service"
KEYSTORE = pathlib.Path("conf/keystore.screen")
NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]

MACHINE = r"""
set -eu
cp -a /etc "$T/etc"
mount --bind "$T/etc" /etc
for place in /opt /usr/local; do mount -t tmpfs none $place; done
ip link set lo up
echo "127.0.0.1 cam.example.org" >>/etc/hosts
mkdir -p /usr/local/bin /usr/local/sbin
cp "$T/certbot" "$T/systemctl" /usr/local/bin
cp -a "$T/red5" /opt/red5
/usr/sbin/nginx -p "$T" -c "$T/nginx.conf" -e "$T/nginx-error.log" &
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd "$TOP"
set +eu
trap 'echo "$?: $BASH_COMMAND" >>"$T/failed"' ERR
"""

# Puts the certificate where the real one does.
CERTBOT = """#!/bin/sh
set -eu
[ "$1 $2 $3" = "certonly --standalone -d" ]
mkdir -p "/etc/letsencrypt/live/$4"
cp "$T/certificates/main/"*.pem "/etc/letsencrypt/live/$4"
"""

# Starts what a unit's ExecStart says, as its Type says.
SYSTEMCTL = """#!/bin/bash
set -eu
case "$1" in
daemon-reload) ;;
enable)
    unit=/etc/systemd/system/$3.service
    command=$(sed -n 's/^ExecStart=//p' "$unit")
    if grep -q '^Type=oneshot' "$unit"; then $command; else $command 2>>"$T/proxy.log" & fi
    ;;
*) exit 2 ;;
esac
"""

# What an administrator tries in step 8, from the browser's and from the camera's side.
READY = r"""
for try in $(seq 200); do grep -q 'ready: ' "$T/proxy.log" && break; sleep 0.05; done
"""

TRIED = READY + r"""
curl --silent --show-error --fail --retry 3 --cacert "$T/certificates/ca/root.pem" \
    "https://$HOST:5443/$PAGE" >"$T/fetched"
ffmpeg -hide_banner -loglevel error -nostdin -re -i "$T/clip.flv" -c copy -f flv "rtmps://$HOST:8443/live/one"
cp -a $RED5 "$T/enabled"
"""


def why_not():
    if os.geteuid() != 0:
        return "namespaces need root"
    done = subprocess.run([*NAMESPACES, "mount", "-t", "tmpfs", "none", "/opt"], capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else None


needs_namespaces = pytest.mark.skipif(bool(why_not()), reason=why_not() or "")


@pytest.mark.long
@needs_namespaces
@pytest.mark.parametrize("version", ["2.1.0", "3.0.7", "4.0.11"])
def test_the_guide_is_followed_word_by_word(tmp_path, version):
    """There, and back again."""
    layout, commands = LAYOUTS[version], blocks(GUIDE, "sh")
    back = next(number for number, block in enumerate(commands) if "openmeetings undo" in block)
    before = prepare(tmp_path, version)
    failed = follow(tmp_path, f"PAGE=openmeetings/{layout.config or 'WEB-INF/lib/' + layout.jars[0]}", *commands[:back], TRIED,
                    *commands[back:], 'cp -a $RED5 "$T/undone"')
    assert failed == ["1: ./openmeetings check $RED5",
                      *([] if layout.config else ["1: ./openmeetings override $RED5"])], "config.xml is no more in 4.0"

    assert properties_of(tmp_path / "enabled").items() >= {**HOSTS, "rtmps.port": "8443"}.items()
    if layout.config:
        assert WANTED.items() <= elements_of(tmp_path / "fetched").items()
        enabled = config_of(tmp_path / "enabled", version).read_bytes()
        assert enabled == (tmp_path / "fetched").read_bytes()
        assert enabled == (tmp_path / "etc/red5-tls-proxy/openmeetings-config.xml").read_bytes()
    assert_sessions(tmp_path)
    after = files_of(tmp_path / "undone")
    assert len(after.pop(KEYSTORE)) > 1000
    assert after == before
    shutil.rmtree(tmp_path / "etc")


@pytest.mark.long
@needs_namespaces
def test_the_guide_for_a_red5_alone_is_followed_word_by_word(tmp_path):
    """With the steps of the other one that it says hold here as well."""
    steps = re.split(r"^\*\*(?=\d\.)", GUIDE, flags=re.M)[1:]
    before, after = ([block for step in steps if step[0] in numbers for block in blocks(step, "sh")]
                     for numbers in ("123", "56"))
    words, (own, *commands) = blocks(GUIDE, "sh")[0], blocks(RED5_ALONE, "sh")
    publish, play = (next(block for block in commands if word in block) for word in ("-re -i clip.flv", "played.flv"))
    commands.remove(publish)
    commands.remove(play)
    prepare(tmp_path, None)
    failed = follow(tmp_path, words, *before, own, *after, READY, 'cp "$T/clip.flv" .',
                    play.replace("\n", " &"), publish, "wait $!", 'cp played.flv "$T"', *commands, 'cp -a $RED5 "$T/enabled"')
    assert failed == ["1: ./openmeetings check $RED5"]
    assert properties_of(tmp_path / "enabled").items() >= HOSTS.items()
    assert len(media.frames(tmp_path / "played.flv")) > 20
    assert_sessions(tmp_path)
    shutil.rmtree(tmp_path / "etc")


def follow(directory, *commands):
    """Run them all in one shell; those that failed, with their exit codes."""
    script = "\n".join([MACHINE, f"mkdir -p /etc/systemd/system; cp $T/unit {UNIT_FILE}", *commands])
    done = subprocess.run([*NAMESPACES, "bash", "-c", script], env={**os.environ, "T": str(directory), "TOP": str(TOP)},
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    (directory / "said.log").write_text(done.stdout + done.stderr)
    return (directory / "failed").read_text().splitlines()


def assert_sessions(directory):
    """HTTP and RTMP went through the proxy."""
    log = (directory / "proxy.log").read_text()
    assert re.search(r"session \d+ https \S+ > 127.0.0.1:5080 protocol=http .*certificate=main", log)
    assert re.search(r"session \d+ rtmps \S+ > 127.0.0.1:1935 protocol=rtmp .*certificate=main", log)


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def prepare(directory, version):
    """What the machine is made of; the files of its Red5. It has nothing for the screen sharer, as it comes."""
    assert UNIT_FILE in GUIDE and UNIT_FILE in (TOP / "README.md").read_text()
    red5 = lay_out(directory, version)
    (red5 / KEYSTORE).unlink(missing_ok=True)
    properties = red5 / "conf/red5.properties"
    properties.write_bytes(properties.read_bytes().replace(b"rtmps.screen.keystorepass=screenpassword\r\n", b""))
    (directory / "www").mkdir()
    (directory / "www/openmeetings").symlink_to("/opt/red5/webapps/openmeetings")
    (directory / "nginx.conf").write_text(CONFIGURATION.format(
        directory=directory, http="listen 127.0.0.1:5080;", rtmp="listen 127.0.0.1:1935;", user="user root;"))
    subprocess.run([TOP / "scripts/make-certificates", "--main", HOST, directory / "certificates"], check=True,
                   stdout=subprocess.DEVNULL)
    media.make_clip(directory / "clip.flv", seconds=3)
    for name, text in {"certbot": CERTBOT, "systemctl": SYSTEMCTL, "unit": UNIT}.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return files_of(red5)
