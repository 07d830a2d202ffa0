"""programs.py - real clients: ffmpeg, rtmpdump, curl, openssl, java. What they print stays in a log file."""

import os
import signal
import subprocess

from lib.waiting import until

DEADLINE = 60  # seconds; the longest of these programs needs ten


class Program:
    """A program that runs beside the test."""

    def __init__(self, log, *argv, environment=None, stdin=subprocess.DEVNULL):
        self.log = log
        self.log.write_text(f"$ {' '.join(map(str, argv))}\n")
        self.process = subprocess.Popen(
            argv, stdin=stdin, stdout=self.log.open("a"), stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})})

    def type(self, text):
        """For a program that was started with a pipe to its stdin."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_for(self, text):
        until(lambda: text in self.log.read_text(), f"{text!r} in {self.log.name}")

    def succeeds(self, timeout=DEADLINE):
        """Wait for its end; what it printed."""
        assert self.process.wait(timeout) == 0, f"see {self.log.name}"
        return self.log.read_text().partition("\n")[2]

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def run(log, *argv, environment=None, timeout=DEADLINE):
    """Run a program to its end; what it printed."""
    program = Program(log, *argv, environment=environment)
    try:
        return program.succeeds(timeout)
    finally:
        program.end()
