"""One file of the spool: a header, then batches one after another, each under checksums of its own.

Reading never fails on damage: whole batches are found again after it, and what lies between is told. docs/agent.md
states the form byte by byte.
"""

import hashlib
import json
import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

SEGMENT = b"LTSEG01\n"
RECORD = b"\x89LTB"
_SEGMENT_HEAD = struct.Struct(">8sII")  # magic, length and CRC-32 of the header
_RECORD_HEAD = struct.Struct(">4sIQII")  # magic, length of header and body, CRC-32 of both
_COVERED = struct.Struct(">IQ")  # the lengths, which the header's CRC covers as well
MOST_HEADER_BYTES = 64 * 1024
MOST_BODY_BYTES = 64 * 1024 * 1024

Mark = dict[str, Any]  # where the producer is: JSON values, its own affair


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the spool knows of one batch. `origin` is the name it came by, for people; `mark` where its producer was."""

    epoch: str
    sequence: int
    format: str  # a value of reconciliation.model.BatchFormat
    exported_on: date
    record_count: int
    sha256: bytes
    size: int
    made_at: str  # this machine's clock, RFC 3339; it orders nothing
    origin: str = ""
    corrects: bool = False  # it takes the place of a batch that was refused
    mark: Mark | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a batch lies: its header at `offset`, its payload at `body`, the next batch at `end`."""

    path: Path
    offset: int
    body: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """A segment as it was found. `has_head` is False when its header cannot be read; its batches can."""

    path: Path
    has_head: bool
    mark: Mark | None  # of the last batch before this segment
    entries: tuple[tuple[Entry, Place], ...]
    good_end: int  # the end of the last whole batch
    size: int
    holes: tuple[tuple[int, int], ...] = field(default=())  # damaged stretches between whole batches, from and to
    damaged: tuple[int, ...] = field(default=())  # sequences whose header is whole and whose payload is not


def write_segment_head(*, epoch: str, first_sequence: int, mark: Mark | None) -> bytes:
    """The first bytes of a segment."""
    header = _json({"epoch": epoch, "first_sequence": first_sequence, "mark": mark})
    return _SEGMENT_HEAD.pack(SEGMENT, len(header), zlib.crc32(header)) + header


def write_record(entry: Entry, payload: bytes) -> bytes:
    """A batch as it stands in a segment."""
    header = _json(
        {
            "epoch": entry.epoch,
            "sequence": entry.sequence,
            "format": entry.format,
            "exported_on": entry.exported_on.isoformat(),
            "record_count": entry.record_count,
            "sha256": entry.sha256.hex(),
            "made_at": entry.made_at,
            "origin": entry.origin,
            "corrects": entry.corrects,
            "mark": entry.mark,
        }
    )
    lengths = _COVERED.pack(len(header), len(payload))
    head = _RECORD_HEAD.pack(
        RECORD, len(header), len(payload), zlib.crc32(header, zlib.crc32(lengths)), zlib.crc32(payload)
    )
    return head + header + payload


def scan(path: Path, *, epoch: str, check_payloads: bool = True) -> Scanned:
    """Everything that is whole in a segment of `epoch`, and where it is not. Only OSError is raised.

    What names another epoch is no batch of this segment, whatever it looks like: a payload may hold anything.
    """
    size = path.stat().st_size
    if not size:
        return Scanned(path=path, has_head=False, mark=None, entries=(), good_end=0, size=0)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        begun = _segment_head(data)
        header, good_end = begun or ({}, 0)
        entries: list[tuple[Entry, Place]] = []
        holes, damaged = [], []
        for found, is_whole in _records(data, good_end, epoch, check_payloads=check_payloads):
            entry, place = _entry(found, path)
            if not is_whole:
                damaged.append(entry.sequence)
                continue
            if place.offset > good_end:
                holes.append((good_end, place.offset))
            entries.append((entry, place))
            good_end = place.end
    return Scanned(
        path=path,
        has_head=begun is not None,
        mark=header.get("mark"),
        entries=tuple(entries),
        good_end=good_end,
        size=size,
        holes=tuple(holes),
        damaged=tuple(damaged),
    )


def read_payload(entry: Entry, place: Place) -> bytes | None:
    """The payload of a batch, None when it is no longer the one that was written."""
    with place.path.open("rb") as file:
        file.seek(place.body)
        payload = file.read(place.end - place.body)
    return payload if hashlib.sha256(payload).digest() == entry.sha256 else None


@dataclass(frozen=True)
class _Found:
    header: dict[str, Any]
    offset: int
    body: int
    end: int


def _records(data: mmap.mmap, at: int, epoch: str, *, check_payloads: bool) -> Iterator[tuple[_Found, bool]]:
    """Each batch whose header is whole, and whether its payload is too; after damage the next one is looked for."""
    while at < len(data):
        found = _record(data, at)
        if found is None or found.header["epoch"] != epoch:
            at = data.find(RECORD, at + 1)
            if at < 0:
                return
            continue
        is_whole = found.end <= len(data) and (
            not check_payloads or zlib.crc32(data[found.body : found.end]) == _body_crc(data, at)
        )
        yield found, is_whole
        # A payload that is not whole may hide the beginning of the next batch: look for it inside.
        at = found.end if is_whole else found.body


def _segment_head(data: mmap.mmap) -> tuple[dict[str, Any], int] | None:
    if len(data) < _SEGMENT_HEAD.size:
        return None
    magic, length, crc = _SEGMENT_HEAD.unpack_from(data)
    header = data[_SEGMENT_HEAD.size : _SEGMENT_HEAD.size + length]
    if magic != SEGMENT or length > MOST_HEADER_BYTES or len(header) < length or zlib.crc32(header) != crc:
        return None
    return json.loads(header), _SEGMENT_HEAD.size + length


def _record(data: mmap.mmap, at: int) -> _Found | None:
    if len(data) - at < _RECORD_HEAD.size:
        return None
    magic, length, size, crc, _ = _RECORD_HEAD.unpack_from(data, at)
    if magic != RECORD or length > MOST_HEADER_BYTES or size > MOST_BODY_BYTES:
        return None
    begin = at + _RECORD_HEAD.size
    header = data[begin : begin + length]
    if len(header) < length or zlib.crc32(header, zlib.crc32(_COVERED.pack(length, size))) != crc:
        return None
    return _Found(json.loads(header), at, begin + length, begin + length + size)


def _body_crc(data: mmap.mmap, at: int) -> int:
    return int(_RECORD_HEAD.unpack_from(data, at)[4])


def _entry(found: _Found, path: Path) -> tuple[Entry, Place]:
    header = found.header
    entry = Entry(
        epoch=header["epoch"],
        sequence=int(header["sequence"]),
        format=header["format"],
        exported_on=date.fromisoformat(header["exported_on"]),
        record_count=int(header["record_count"]),
        sha256=bytes.fromhex(header["sha256"]),
        size=found.end - found.body,
        made_at=header["made_at"],
        origin=header["origin"],
        corrects=bool(header["corrects"]),
        mark=header["mark"],
    )
    return entry, Place(path=path, offset=found.offset, body=found.body, end=found.end)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")
