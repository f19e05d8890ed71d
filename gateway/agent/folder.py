"""A folder as a source: a file that keeps still becomes a batch, then moves to done/ or refused/.

A name is only ever an entry of the folder itself. Where a file goes it gets a name of ours; its own is shown, escaped.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from itertools import count
from typing import Any

from gateway import caps
from gateway.agent.errors import FatalAgentSettingError, RejectedFileError
from gateway.agent.settings import Folder
from gateway.agent.spool import Spool
from gateway.file_names import day_named
from gateway.reports.plain import plain

VIETNAM = timezone(timedelta(hours=7))
DONE, REFUSED, CORRECTED = "done", "refused", "corrected"
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart", "~")


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of one file: the number of its batch, or why it has none."""

    name: str  # escaped
    sequence: int | None
    error: RejectedFileError | None = None


@dataclass
class WatchedFolder:
    """The files of one folder. `clock` is monotonic: whether a file keeps still is no matter of dates."""

    settings: Folder
    _handle: int
    _seen: dict[tuple[int, str], tuple[tuple[int, int, int], float]] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: Folder) -> "WatchedFolder":
        """Raises FatalAgentSettingError when the folder cannot be used."""
        try:
            for name in (DONE, REFUSED, CORRECTED):
                (settings.path / name).mkdir(parents=True, exist_ok=True)
            return cls(settings, os.open(settings.path, os.O_RDONLY | os.O_DIRECTORY))
        except OSError as error:
            raise FatalAgentSettingError(
                str(settings.path),
                f"{error.strerror}.",
                next_step="make the folder and give the agent the right to it.",
            ) from error

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._handle)

    def take_settled(self, spool: Spool, *, now: float, made_at: str) -> Iterator[Taken]:
        """Take every file that has kept still, in the order of names; corrections of refused batches first.

        Raises RetryableSpoolFullError when the spool has no room: the file stays where it is.
        """
        corrected = os.open(CORRECTED, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._handle)
        try:
            for name in self._settled(corrected, now):
                yield self._take(corrected, name, spool, made_at, is_correction=True)
            for name in self._settled(self._handle, now):
                yield self._take(self._handle, name, spool, made_at, is_correction=False)
        finally:
            os.close(corrected)

    def is_empty(self) -> bool:
        """True when no file waits, settled or not."""
        return not any(True for _ in self._names(self._handle))

    def _names(self, folder: int) -> Iterator[str]:
        for name in os.listdir(folder):
            if name.startswith(".") or name.endswith(UNFINISHED) or (name in {DONE, REFUSED, CORRECTED}):
                continue
            if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                yield name

    def _settled(self, folder: int, now: float) -> list[str]:
        settled, present = [], set()
        for name in sorted(self._names(folder)):
            key = (folder, name) if folder == self._handle else (-1, name)
            present.add(key)
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            shape = (found.st_size, found.st_mtime_ns, found.st_ino)
            before, since = self._seen.get(key, (None, now))
            if shape != before:
                self._seen[key], since = (shape, now), now
            if now - since >= self.settings.settle_seconds:
                settled.append(name)
        ours = folder == self._handle
        self._seen = {
            key: value for key, value in self._seen.items() if key in present or (key[0] == self._handle) != ours
        }
        return settled

    def _take(self, folder: int, name: str, spool: Spool, made_at: str, *, is_correction: bool) -> Taken:
        shown = plain(os.fsencode(name).decode("utf-8", "backslashreplace"))
        suffix = "".join(_SUFFIX.findall(name)[-1:])
        try:
            payload, mark = self._read(folder, name)
            if spool.mark and spool.mark | mark == spool.mark:  # taken, and the agent ended before it was moved
                sequence = int(spool.mark["sequence"])
                self._move(folder, name, DONE, f"{spool.mark['epoch']}-{sequence:012d}", suffix)
                return Taken(name=shown, sequence=sequence)
            corrects = _corrected(name, spool) if is_correction else None
            numbered = {"epoch": spool.epoch, "sequence": corrects or spool.last_sequence + 1}
            day = day_of(name, datetime.fromtimestamp(mark["modified"] / 1e9, VIETNAM).date(), self.settings)
            entry = spool.append(
                payload,
                format=self.settings.format,
                exported_on=day,
                made_at=made_at,
                origin=shown,
                mark=mark | numbered,
                corrects=corrects,
            )
        except RejectedFileError as error:
            stem = f"{made_at[:10]}-{os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino}"
            self._move(folder, name, REFUSED, stem, suffix)
            self._explain(f"{stem}.txt", shown, error)
            return Taken(name=shown, sequence=None, error=error)
        self._move(folder, name, DONE, f"{entry.epoch}-{entry.sequence:012d}", suffix)
        return Taken(name=shown, sequence=entry.sequence)

    def _read(self, folder: int, name: str) -> tuple[bytes, dict[str, Any]]:
        try:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError as error:
            raise RejectedFileError(
                "Không phải tệp thường hoặc không đọc được.", "It is no ordinary file, or cannot be read."
            ) from error
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise RejectedFileError("Không phải tệp thường.", "It is no ordinary file.")
            if found.st_size > caps.MAX_PAYLOAD_BYTES:
                raise RejectedFileError(
                    f"Tệp lớn hơn {caps.MAX_PAYLOAD_BYTES} byte: xuất thành nhiều tệp nhỏ hơn.",
                    f"The file is larger than {caps.MAX_PAYLOAD_BYTES} bytes: export it in smaller files.",
                )
            payload = file.read(caps.MAX_PAYLOAD_BYTES + 1)
        if not payload:
            raise RejectedFileError("Tệp rỗng.", "The file is empty.")
        return payload, {"inode": found.st_ino, "modified": found.st_mtime_ns, "size": found.st_size}

    def _move(self, folder: int, name: str, into: str, stem: str, suffix: str) -> None:
        target = os.open(into, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._handle)
        try:
            with os.scandir(target) as there:
                taken = {one.name for one in there}
            names = (f"{stem}{f'.{number}' if number else ''}{suffix}" for number in count())
            called = next(one for one in names if one not in taken)
            os.rename(name, called, src_dir_fd=folder, dst_dir_fd=target)
            os.fsync(target)
            os.fsync(folder)
        finally:
            os.close(target)

    def _explain(self, called: str, shown: str, error: RejectedFileError) -> None:
        path = self.settings.path / REFUSED / called
        path.write_text(f"{shown}\n{error.vi}\n{error.en}\n", encoding="utf-8")


def day_of(name: str, modified: date, settings: Folder) -> date:
    """The day of the export: as the name has it, or when the file was modified. Raises RejectedFileError."""
    if settings.exported_on == "modified":
        return modified
    if (named := day_named(name)) is not None:
        return named
    raise RejectedFileError(
        "Tên tệp không có ngày xuất, yyyy-mm-dd hoặc yyyymmdd.",
        "The file's name holds no day of export, yyyy-mm-dd or yyyymmdd.",
    )


def _corrected(name: str, spool: Spool) -> int:
    """The number of the refused batch that a file in corrected/ is for: its name begins with it."""
    digits = re.match(r"\d{1,16}", name)
    number = int(digits[0]) if digits else 0
    if (spool.epoch, number) not in spool.stock.refused:
        raise RejectedFileError(
            f"Tên tệp phải bắt đầu bằng số của một lô bị từ chối trong kỳ {spool.epoch}.",
            f"The file's name has to begin with the number of a refused batch of epoch {spool.epoch}.",
        )
    return number
