"""Waiting for other processes: they cannot be told to hurry, so a condition is looked at until it holds."""

import threading
import time
from collections.abc import Callable


def until(holds: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Return once `holds` gives a true value; fails after `seconds`."""
    nobody_sets_this = threading.Event()
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"did not come true within {seconds:.0f} s"
        nobody_sets_this.wait(0.05)
