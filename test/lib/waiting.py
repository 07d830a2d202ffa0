"""waiting.py - every wait of the tests is "until this is so, or a deadline"."""

import concurrent.futures
import contextlib
import time

PATIENCE = 15.0  # seconds for what takes milliseconds: only a failing test ever waits this long


def until(condition, what, timeout=PATIENCE):
    """Ask `condition` until it returns something true, and return that."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {timeout:g} s in vain: {what}"
        time.sleep(0.01)
    return answer


class Stopwatch:
    """How long the lines of a `with` took."""

    def __enter__(self):
        self.start = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.start

    def so_far(self):
        return time.monotonic() - self.start


@contextlib.contextmanager
def meanwhile(*steps):
    """Take these steps one after the other while the lines of a `with` run."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        running = thread.submit(lambda: [step() for step in steps])
        yield
        running.result(PATIENCE)
