"""How long each stage took, said while it happens."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stages:
    """A stopwatch with names. Stages may overlap."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str, says: str) -> Iterator[None]:
        """Time what happens inside and say so on the error stream."""
        began = time.monotonic()
        sys.stderr.write(f"  {says} …\n")
        yield
        self._seconds[name] = time.monotonic() - began

    def seconds(self) -> dict[str, float]:
        """The stages' seconds in the order in which they ended, and `total`, the time since the beginning."""
        rounded = {name: round(seconds, 1) for name, seconds in self._seconds.items()}
        return rounded | {"total": round(time.monotonic() - self._began, 1)}
