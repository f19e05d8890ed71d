"""A file of any size as raw tables one after another, in memory that does not grow with it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import pyarrow as pa

from adapters.declaration import Dialect, FileFormat
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.arrow import arrow_chunks
from adapters.readers.csv import csv_chunks
from adapters.readers.dbf import dbf_chunks
from adapters.readers.fixed_width import fixed_width_chunks
from adapters.readers.jsonl import jsonl_chunks
from adapters.readers.model import LIMITS, Raw
from adapters.readers.xlsx import xlsx_chunks
from adapters.readers.xml import xml_chunks

# Their records name their columns themselves, so that a column may be missing in a chunk and not in the file.
_SELF_NAMING = (FileFormat.JSONL, FileFormat.XML)


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file that follow one another; they are numbered from 0, `first_row` is the first one's number."""

    raw: Raw
    first_row: int


def read_in_chunks(
    stream: BinaryIO, dialect: Dialect, *, source_id: str, records: int = LIMITS.records
) -> Iterator[Chunk]:
    """The rows that `read` gives, at most `records` at a time; the limits of a batch hold for each chunk.

    What `read` refuses is refused here when it is reached: chunks may have been given before. An XLSX must come from a
    seekable stream.
    """
    if not 0 < records <= LIMITS.records:
        raise ValueError(f"a chunk has 1 to {LIMITS.records} records, not {records}")
    is_self_naming = dialect.file.format in _SELF_NAMING
    expected = dict.fromkeys(dialect.required_columns) if is_self_naming else {}
    seen: dict[str, None] = {}
    first_row = 0
    for raw in _raws(stream, dialect, source_id=source_id, records=records):
        seen |= dict.fromkeys(raw.table.column_names)
        whole = _with_columns(raw, expected | seen) if is_self_naming else raw
        yield Chunk(whole, first_row)
        first_row += whole.table.num_rows
    if not first_row:
        raise RejectedBatchError(RejectionReason.EMPTY_BATCH, "the file holds no record", source_id=source_id)
    for name in expected:
        above = name.split("/")
        if not any("/".join(above[:depth]) in seen for depth in range(1, len(above) + 1)):
            message = f"{dialect.name} maps the column, the file lacks it"
            place = f"column {name!r}"
            raise RejectedBatchError(RejectionReason.MISSING_COLUMN, message, source_id=source_id, place=place)


def _raws(stream: BinaryIO, dialect: Dialect, *, source_id: str, records: int) -> Iterator[Raw]:
    shape, known = dialect.file, dialect.source_columns
    match shape.format:
        case FileFormat.CSV:
            found = csv_chunks(stream, shape, source_id=source_id, records=records, known=known)
        case FileFormat.JSONL:
            found = jsonl_chunks(stream, source_id=source_id, records=records, declared=known)
        case FileFormat.XML:
            found = xml_chunks(stream, shape, source_id=source_id, records=records)
        case FileFormat.XLSX:
            found = xlsx_chunks(stream, shape, source_id=source_id, records=records)
        case FileFormat.DBF:
            found = dbf_chunks(stream, shape, source_id=source_id, records=records)
        case FileFormat.FIXED_WIDTH:
            found = fixed_width_chunks(stream, shape, source_id=source_id, records=records)
        case FileFormat.ARROW:
            found = arrow_chunks(stream, source_id=source_id, records=records)
    return found


def _with_columns(raw: Raw, names: dict[str, None]) -> Raw:
    """The table with every column that the file has had so far, or must have; of nulls where it is not here."""
    table, nothing = raw.table, pa.nulls(raw.table.num_rows or raw.nameless_rows, pa.string())
    columns = dict.fromkeys(names, nothing) | dict(zip(table.column_names, table.columns, strict=True))
    schema = pa.schema([pa.field(name, pa.string()) for name in columns])
    return replace(raw, table=pa.table(columns, schema=schema), nameless_rows=0)
