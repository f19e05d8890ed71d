"""What files say, read again when one of them changes: keys, certificates and lists are replaced while we run."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from observability.logs import get_logger

log = get_logger(__name__)

Value = TypeVar("Value")
Stamp = tuple[int, int, int]


class Reread(Generic[Value]):
    """The value that `read` makes of `paths`. Safe to share between threads."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], Value]) -> None:
        """Reads at once, and lets whatever `read` raises pass."""
        self._paths = tuple(paths)
        self._read = read
        self._lock = threading.Lock()
        self._stamps = self._look()
        self._value = read()

    def value(self) -> Value:
        """The newest value; the last good one while what lies there cannot be read, as amid a rotation."""
        if self._look() != self._stamps:
            with self._lock:
                stamps = self._look()
                if stamps != self._stamps:
                    self._stamps = stamps
                    try:
                        self._value = self._read()
                    except (OSError, ValueError) as error:
                        log.error("file_unreadable", error_type=type(error).__name__)
        return self._value

    def _look(self) -> tuple[Stamp | None, ...]:
        return tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
