"""Files that are whole after a power cut: replaced by rename, appended with a sync, or written in two turns."""

import errno
import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.agent.errors import FatalSpoolError

# What a disk says that has no room for more, by its own size, a quota or a limit of the process.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SLOT_BYTES = 256


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, whatever was there before."""
    fresh = path.with_name(path.name + ".tmp")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(handle, content, at=0)
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)
    sync_folder(path.parent)


def write_all(handle: int, content: bytes, *, at: int) -> None:
    """Write every byte at a place of a file."""
    view = memoryview(content)
    while view:
        written = os.pwrite(handle, view, at)
        view, at = view[written:], at + written


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file of ours, None when there is none or it cannot be read as one."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Be the one process that writes beside `path`. The kernel lets go when the process ends, however it ends.

    Raises FatalSpoolError, naming the process that has it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
            raise FatalSpoolError(
                f"{path.parent}: process {holder or '?'} writes to this spool. "
                "Next: let that agent do the work, or stop it first."
            ) from None
        os.ftruncate(handle, 0)
        write_all(handle, b"%d\n" % os.getpid(), at=0)
        yield
    finally:
        os.close(handle)


class HighWater:
    """The last number that was accepted, of one epoch. Two slots take turns, so that one is always whole."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if os.fstat(self._handle).st_size < 2 * _SLOT_BYTES:
            write_all(self._handle, bytes(2 * _SLOT_BYTES), at=0)
            os.fsync(self._handle)
            sync_folder(path.parent)
        slots = _slots(path.read_bytes())
        newest = max(range(2), key=lambda number: slot["sequence"] if (slot := slots[number]) else -1)
        self._turn = 1 - newest  # a write that is cut off must not take the newest with it

    def raise_to(self, sequence: int, *, epoch: str) -> None:
        """Remember, durably."""
        said = json.dumps({"epoch": epoch, "sequence": sequence}).encode()
        slot = (zlib.crc32(said).to_bytes(4, "big") + said).ljust(_SLOT_BYTES, b"\0")
        write_all(self._handle, slot, at=self._turn * _SLOT_BYTES)
        os.fsync(self._handle)
        self._turn = 1 - self._turn

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def read_high_water(path: Path, *, epoch: str) -> int:
    """The last number accepted in `epoch`; 0 when none was or the file is not there."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return 0
    return max(slot["sequence"] if slot and slot["epoch"] == epoch else 0 for slot in _slots(content))


def _slots(content: bytes) -> list[dict[str, Any] | None]:
    """The two slots, None where one does not hold."""
    found: list[dict[str, Any] | None] = []
    for at in (0, _SLOT_BYTES):
        said = content[at + 4 : at + _SLOT_BYTES].rstrip(b"\0")
        holds = bool(said) and zlib.crc32(said).to_bytes(4, "big") == content[at : at + 4]
        found.append(json.loads(said) if holds else None)
    return found
