"""openmeetings_script.py - scripts/openmeetings, as an administrator calls it."""

import collections
import subprocess

from lib.proxy import BINARIES, TOP, ini_text

SCRIPT = TOP / "scripts/openmeetings"
LISTENER = {"certificates": "main", "http_backend": "127.0.0.1:5080", "rtmp_backend": "127.0.0.1:1935"}

Line = collections.namedtuple("Line", "kind where text")


class Openmeetings:
    """Runs it with a proxy.ini of `directory`."""

    def __init__(self, directory, certificates):
        self.ini, self.certificates = directory / "proxy.ini", certificates
        self.write_ini()

    def write_ini(self, **listeners):
        """Without listeners: those that are there when none is written."""
        sections = {name: keys for name, keys in self.certificates.sections().items() if name == "certificate main"}
        sections.update({f"listener {name}": {**LISTENER, **keys} for name, keys in listeners.items()})
        self.ini.write_text(ini_text(sections))

    def start(self, command, red5, *options):
        return subprocess.run([SCRIPT, command, red5, "-c", self.ini, "--proxy", BINARIES["plain"], *options],
                              capture_output=True, text=True, timeout=60)

    def __call__(self, command, red5, *options, code=0):
        """What it said; a refusal is one sentence on standard error."""
        done = self.start(command, red5, *options)
        assert done.returncode == code, done.stdout + done.stderr
        assert not done.stderr or done.stderr.startswith("openmeetings: ")
        return done.stdout + done.stderr

    def findings(self, command, red5, *options, code=0):
        """The lines with a kind and a place."""
        lines = [line for line in self(command, red5, *options, code=code).splitlines()
                 if line[:9] in ("ok       ", "missing  ", "fault    ", "note     ")]
        return [Line(line[:8].strip(), *line[9:].split(": ", 1)) for line in lines]
