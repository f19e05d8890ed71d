"""What every reader returns, and the bounds that every reader keeps."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import Flag

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Limits:
    """Bounds of one batch. A batch beyond one is refused; a value beyond `value_bytes` only quarantines its row."""

    payload_bytes: int = 4 * 1024 * 1024
    records: int = 10_000
    columns: int = 200
    value_bytes: int = 4_000
    depth: int = 4  # levels within a record
    unpacked_bytes: int = 64 * 1024 * 1024  # of each part of an archive that is read
    ratio: int = 200  # unpacked to packed, of a part above one MiB


LIMITS = Limits()


@dataclass(frozen=True)
class Extents:
    """Where each record lies in the payload: first byte and the byte after the last, by row."""

    starts: Numbers
    ends: Numbers

    def __len__(self) -> int:
        return len(self.starts)

    def rows_of(self, offsets: Numbers) -> Numbers:
        """The row that holds each byte offset; −1 for bytes between records."""
        rows = np.searchsorted(self.starts, offsets, side="right") - 1
        inside = (rows >= 0) & (offsets < self.ends[np.maximum(rows, 0)]) if len(self) else np.zeros(len(rows), bool)
        return np.where(inside, rows, -1)


@dataclass(frozen=True)
class Raw:
    """A file as read: one row a record, even a broken one, every column a string.

    `flags` are about whole rows. `extents` is None where the format keeps no bytes of a record apart.
    """

    table: pa.Table
    flags: tuple[Flag, ...] = ()
    payload: bytes = b""
    extents: Extents | None = None
    nameless_rows: int = 0  # rows that name no column, where none does: the table has no column and so no row

    def bytes_of(self, rows: Numbers) -> pa.Array:
        """The exact bytes of some records as the source sent them; null where the format keeps none."""
        if self.extents is None:
            return pa.nulls(len(rows), pa.binary())
        spans = zip(self.extents.starts[rows].tolist(), self.extents.ends[rows].tolist(), strict=True)
        return pa.array([self.payload[start:end] for start, end in spans], pa.binary())


def check_counts(*, records: int, columns: int, source_id: str) -> None:
    """Refuses a batch of no record, or of more records or columns than the limits allow."""
    if records == 0:
        raise RejectedBatchError(RejectionReason.EMPTY_BATCH, "the file holds no record", source_id=source_id)
    if records > LIMITS.records:
        message = f"{records} records, at most {LIMITS.records} are read"
        raise RejectedBatchError(RejectionReason.TOO_MANY_RECORDS, message, source_id=source_id)
    if columns > LIMITS.columns:
        message = f"{columns} columns, at most {LIMITS.columns} are read"
        raise RejectedBatchError(RejectionReason.TOO_MANY_COLUMNS, message, source_id=source_id)


def check_names(names: Iterable[str], *, source_id: str) -> None:
    """Refuses a header in which two columns share a name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            message = "two columns have the same name"
            raise RejectedBatchError(
                RejectionReason.DUPLICATE_COLUMN, message, source_id=source_id, place=f"column {name!r}"
            )
        seen.add(name)


def row_flag(code: str, rows: Iterable[int], seen: str | None = None) -> tuple[Flag, ...]:
    """A flag on whole rows, each showing the same words."""
    found = np.array(sorted(set(rows)), np.int64)
    return (Flag(code, found, pa.array([seen] * len(found), pa.string())),) if len(found) else ()


def string_columns(columns: dict[str, list[str | None]]) -> tuple[pa.Table, set[int]]:
    """Lists of text as a table, and the rows that hold a lone surrogate, which no encoding can carry."""
    broken: set[int] = set()
    arrays = []
    for values in columns.values():
        try:
            array = pa.array(values, pa.string())
        except UnicodeEncodeError:
            lone = {row for row, value in enumerate(values) if value is not None and not is_encodable(value)}
            broken |= lone
            array = pa.array([None if row in lone else value for row, value in enumerate(values)], pa.string())
        arrays.append(array)
    return pa.table(arrays, schema=pa.schema([pa.field(name, pa.string()) for name in columns])), broken


def with_null_rows(table: pa.Table, rows: Numbers) -> pa.Table:
    """The table with a row of nulls put in at each of `rows`, counted in the result; they ascend."""
    if not len(rows):
        return table
    count = table.num_rows + len(rows)
    is_null = np.zeros(count, np.bool_)
    is_null[rows] = True
    places = np.cumsum(~is_null) - 1
    return table.take(pa.array(places, mask=is_null)).combine_chunks()


def is_encodable(text: str) -> bool:
    """Whether text has no lone surrogate."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
