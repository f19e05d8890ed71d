"""DBF (dBase III, FoxPro) to a raw table. Nothing the header says is believed before it fits the file.

The charset is the declared one: the header's language byte is seldom set and often wrong. A number is read as its
digits, without the leading zeros that the program has dropped. A record marked as deleted is no record; its count
is said.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.declaration import FileShape
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import Flag
from adapters.readers.cells import Place, text_columns
from adapters.readers.encoding import as_text, flagged
from adapters.readers.lines import BLOCK_BYTES
from adapters.readers.model import LIMITS, Extents, Raw, check_counts, check_names, row_flag

_HEADER = struct.Struct("<4xIHH20x")  # number of records, bytes of the header, bytes of a record
_FIELD = struct.Struct("<11sc4xBB14x")
_DIALECTS = frozenset({0x03, 0x30, 0x31, 0x83, 0x8B, 0xF5})  # dBase III, FoxPro; with or without memos
_MEMOS = b"MGPB"
_READ = b"CNFDL"
_HIDDEN = b"0"  # FoxPro's own flags of which fields are null
_LIVE, _DELETED, _SPACE = 0x20, 0x2A, 0x20
_END_OF_FILE = b"\x1a"


@dataclass(frozen=True)
class _Field:
    place: Place
    kind: bytes
    decimals: int


@dataclass(frozen=True)
class _Header:
    """What the header says, once it fits."""

    records: int
    header_bytes: int
    record_bytes: int
    fields: tuple[_Field, ...]


def read_dbf(payload: bytes, shape: FileShape, *, source_id: str) -> Raw:
    """One row a record that is not deleted, without the spaces around its values."""
    header = _header(payload, source_id)
    if header.records > LIMITS.records:
        check_counts(records=header.records, columns=0, source_id=source_id)
    end = header.header_bytes + header.records * header.record_bytes
    _check_length(header, len(payload) - header.header_bytes, payload[end:], source_id)
    raw, deleted = _read_records(payload[header.header_bytes : end], header, shape, header.header_bytes, source_id)
    check_counts(records=raw.table.num_rows, columns=len(header.fields), source_id=source_id)
    return _with_deleted(raw, deleted)


def dbf_chunks(stream: BinaryIO, shape: FileShape, *, source_id: str, records: int) -> Iterator[Raw]:
    """The rows of `read_dbf`, at most so many at a time; deleted records are said with the rows after them."""
    start = stream.read(_HEADER.size)
    rest = _HEADER.unpack(start)[1] - _HEADER.size if len(start) == _HEADER.size else 0
    header = _header(start + stream.read(max(rest, 0)), source_id)
    records = max(1, min(records, LIMITS.payload_bytes // header.record_bytes))
    done, deleted, is_empty = 0, 0, True
    while done < header.records:
        wanted = min(records, header.records - done) * header.record_bytes
        area, origin = stream.read(wanted), header.header_bytes + done * header.record_bytes
        if len(area) < wanted:
            _check_length(header, done * header.record_bytes + len(area), b"", source_id)
        raw, found = _read_records(area, header, shape, origin, source_id)
        done, deleted = done + len(area) // header.record_bytes, deleted + found
        if raw.table.num_rows:
            yield _with_deleted(raw, deleted)
            deleted, is_empty = 0, False
    while after := stream.read(BLOCK_BYTES):
        _check_length(header, done * header.record_bytes, after, source_id)
    check_counts(records=0 if is_empty else 1, columns=0, source_id=source_id)


def _header(payload: bytes, source_id: str) -> _Header:
    """The header at the beginning of `payload`."""
    if len(payload) < _HEADER.size or payload[0] not in _DIALECTS:
        raise _unreadable("the file is no DBF of dBase III or FoxPro", source_id, "header")
    records, header_bytes, record_bytes = _HEADER.unpack_from(payload)
    most = (len(payload) - _HEADER.size) // _FIELD.size
    descriptors = [payload[_HEADER.size + _FIELD.size * number :] for number in range(min(most, LIMITS.columns + 1))]
    count = next((number for number, one in enumerate(descriptors) if one[:1] == b"\r"), len(descriptors))
    check_counts(records=1, columns=count, source_id=source_id)
    ends = _HEADER.size + _FIELD.size * count
    if header_bytes > len(payload) or ends >= header_bytes or payload[ends : ends + 1] != b"\r":
        raise _unreadable("the header is cut off or does not end where it says", source_id, "header")
    fields, start = [], 1
    for number in range(count):
        field = _field(payload, number, start, source_id)
        start = field.place.end
        fields.append(field)
    if start != record_bytes or not fields:
        message = f"the fields have {start} bytes, the header says {record_bytes} a record"
        raise _unreadable(message, source_id, "header")
    shown = tuple(field for field in fields if field.kind != _HIDDEN)
    check_names([field.place.name for field in shown], source_id=source_id)
    return _Header(records, header_bytes, record_bytes, shown)


def _field(payload: bytes, number: int, start: int, source_id: str) -> _Field:
    raw_name, kind, width, decimals = _FIELD.unpack_from(payload, _HEADER.size + _FIELD.size * number)
    try:
        name = raw_name.partition(b"\0")[0].decode("ascii").strip()
    except UnicodeDecodeError:
        message = "the name of a field is no ASCII"
        place = f"field {number + 1}"
        raise RejectedBatchError(RejectionReason.ENCODING_INVALID, message, source_id=source_id, place=place) from None
    place = f"column {name!r}"
    if kind in _MEMOS:
        message = "the field is a memo, whose text lies in another file"
        next_step = "Export the memo as a character field, or leave it out of the export."
        raise RejectedBatchError(
            RejectionReason.UNREADABLE, message, source_id=source_id, place=place, next_step=next_step
        )
    if kind not in _READ + _HIDDEN or not width:
        raise _unreadable(f"the field is of type {kind.decode('latin-1')!a} and {width} bytes", source_id, place)
    return _Field(Place(name, start, start + width), kind, decimals)


def _check_length(header: _Header, held: int, after: bytes, source_id: str) -> None:
    """Refuses a file that ends before or goes on after the records that its header counts."""
    whole = held // header.record_bytes
    if whole < header.records:
        message = f"the header counts {header.records} records, the file holds {whole}: it is cut off"
        raise _unreadable(message, source_id, f"record {whole + 1}")
    if after.rstrip(_END_OF_FILE + b"\0"):
        message = f"the file goes on after the {header.records} records that its header counts"
        raise _unreadable(message, source_id, f"record {header.records + 1}")


def _read_records(area: bytes, header: _Header, shape: FileShape, origin: int, source_id: str) -> tuple[Raw, int]:
    """The live records of a part of the file, and how many of it are deleted."""
    count = len(area) // header.record_bytes
    records = np.frombuffer(area, np.uint8).reshape(count, header.record_bytes)
    if b"\0" in area:
        records = _without_padding(records, header)
    text = as_text(records.tobytes(), shape.charset, source_id=source_id, origin=origin)
    live = np.flatnonzero(records[:, 0] != _DELETED)
    starts = live * header.record_bytes
    places = [field.place for field in header.fields]
    read = np.frombuffer(text.body, np.uint8).reshape(records.shape)[live]
    table, cut = text_columns(read, places, shape.charset)
    for index, field in enumerate(header.fields):
        table = table.set_column(index, field.place.name, _typed(table.column(index), field))
    flags = row_flag("RECORD_UNREADABLE", np.flatnonzero(records[live, 0] != _LIVE).tolist(), "mark of deletion")
    flags += row_flag("ENCODING_INVALID", cut, "a letter lies in two fields")
    extents = Extents(starts, starts + header.record_bytes)
    raw = flagged(Raw(table=table, flags=flags, payload=area, extents=extents), text)
    return raw, count - len(live)


def _without_padding(records: npt.NDArray[np.uint8], header: _Header) -> npt.NDArray[np.uint8]:
    """NULs that fill up a field are spaces; others stay, and are flagged."""
    records = records.copy()
    for field in header.fields:
        cells = records[:, field.place.start : field.place.end]
        is_filling = (cells == 0) | (cells == _SPACE)
        at_end = np.logical_and.accumulate(is_filling[:, ::-1], axis=1)[:, ::-1]
        cells[at_end] = _SPACE
    return records


def _typed(values: pa.ChunkedArray, field: _Field) -> pa.ChunkedArray:
    """Numbers without an empty fraction, and truth as a word; everything else as it stands."""
    if field.kind in b"NF" and field.decimals:
        return pc.replace_substring_regex(values, r"^(-?[0-9]+)\.0+$", r"\1")
    if field.kind == b"L":
        yes, no = pa.array(["T", "t", "Y", "y"]), pa.array(["F", "f", "N", "n"])
        words = pc.if_else(pc.is_in(values, value_set=yes), "true", pc.if_else(pc.equal(values, "?"), "", values))
        return pc.if_else(pc.is_in(values, value_set=no), "false", words)
    return values


def _with_deleted(raw: Raw, deleted: int) -> Raw:
    if not deleted:
        return raw
    rows = np.arange(deleted, dtype=np.int64)  # only their number is told
    said = Flag("RECORDS_DELETED", rows, pa.nulls(deleted, pa.string()))
    return Raw(table=raw.table, flags=(*raw.flags, said), payload=raw.payload, extents=raw.extents)


def _unreadable(message: str, source_id: str, place: str) -> RejectedBatchError:
    return RejectedBatchError(RejectionReason.UNREADABLE, message, source_id=source_id, place=place)
