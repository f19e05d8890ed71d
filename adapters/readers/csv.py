"""CSV to a raw table. The separator is declared, never sniffed; a row of the wrong width is flagged and kept."""

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from adapters.declaration import Charset, FileShape
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import Flag
from adapters.readers.charsets import looks_legacy
from adapters.readers.encoding import DAMAGE, Text, as_text, flagged
from adapters.readers.lines import LineReader, line_extents, unclosed_quote
from adapters.readers.model import Extents, Raw, check_counts, check_names, row_flag, with_null_rows

_QUOTE = ord('"')
_USUAL_SEPARATORS = ",;\t|"
_ROWS_SEARCHED = 10  # how far below its place a header is looked for, to say where it stands


@dataclass(frozen=True)
class _Header:
    names: list[str]
    lines: tuple[bytes, ...]  # of the rows they stand in


def read_csv(payload: bytes, shape: FileShape, *, source_id: str, known: Sequence[str] = ()) -> Raw:
    """One row a CSV record after the header; empty lines are no records.

    With `known` columns, a header is refused of whose cells fewer than half are among them: then it is no header, and
    what it holds must not be shown as names of columns.
    """
    text = as_text(payload, shape.charset, source_id=source_id)
    lines = _lines(text, shape)
    header = _header(text, lines, shape, known, source_id=source_id)
    rows = Extents(lines.starts[shape.header_row :], lines.ends[shape.header_row :])
    return _read_rows(text, rows, header, shape, source_id=source_id)


def csv_chunks(
    stream: BinaryIO, shape: FileShape, *, source_id: str, records: int, known: Sequence[str] = ()
) -> Iterator[Raw]:
    """The rows of `read_csv`, at most so many at a time."""
    lines = LineReader(stream, source_id=source_id, quote=_QUOTE, separator=ord(shape.separator))
    head = lines.take(shape.header_row)
    if head is None:
        raise _no_line(source_id)
    text = as_text(head.body + head.after, shape.charset, source_id=source_id)
    header = _header(text, _lines(text, shape), shape, known, source_id=source_id)
    while (piece := lines.take(records)) is not None:
        text = as_text(piece.body, shape.charset, source_id=source_id, origin=piece.origin)
        yield _read_rows(text, _lines(text, shape), header, shape, source_id=source_id)


def _lines(text: Text, shape: FileShape) -> Extents:
    return line_extents(text.body, quote=_QUOTE, separator=ord(shape.separator))


def _read_rows(text: Text, rows: Extents, header: _Header, shape: FileShape, *, source_id: str) -> Raw:
    check_counts(records=len(rows), columns=len(header.names), source_id=source_id)
    first, last = int(rows.starts[0]), int(rows.ends[-1])
    opened = unclosed_quote(text.body[first:last], quote=_QUOTE, separator=ord(shape.separator))
    if opened is not None:
        row = int(rows.rows_of(np.array([first + opened]))[0])
        raise _unclosed(f"row {row} from byte offset {text.origin + int(rows.starts[row])}", source_id)
    table, flags = _parsed(text.part(first, last).utf8(), header.names, shape, source_id=source_id)
    if shape.header_depth > 1:
        flags += row_flag("HEADER_REPEATED", _repeats(text.body, rows, header))
    # A table of another length than the lines would give each row the bytes of another.
    extents = rows if table.num_rows == len(rows) else None
    return flagged(Raw(table=table, flags=flags, payload=text.payload, extents=extents), text)


def _repeats(body: bytes, rows: Extents, header: _Header) -> list[int]:
    """The rows that are one of several rows of names again; of a single one the key tells."""
    widths = rows.ends - rows.starts
    alike = np.flatnonzero(np.isin(widths, [len(line) for line in header.lines])).tolist()
    return [row for row in alike if body[rows.starts[row] : rows.ends[row]] in header.lines]


def _header(text: Text, lines: Extents, shape: FileShape, known: Sequence[str], *, source_id: str) -> _Header:
    """The names of the columns; `lines` begin with those down to the header."""
    if not len(lines):
        raise _no_line(source_id)
    if len(lines) < shape.header_row:
        message = f"the file has {len(lines)} rows, the header is declared in row {shape.header_row}"
        raise RejectedBatchError(RejectionReason.UNREADABLE, message, source_id=source_id, place="header")
    rows = range(shape.header_row - shape.header_depth, shape.header_row)
    _check_header(text, int(lines.starts[rows[0]]), int(lines.ends[rows[-1]]), source_id=source_id)
    try:
        names = _joined([_cells(text, lines, shape, row) for row in rows])
    except csv.Error:
        raise _no_names(source_id) from None
    other = _other_separator(text, lines, shape) if len(names) == 1 else None
    if other is not None:
        message = f"the header has no {shape.separator!r}, but {other!r}"
        raise RejectedBatchError(RejectionReason.WRONG_SEPARATOR, message, source_id=source_id, place="header")
    if known and not _are_known(names, known):
        raise _no_header(text, lines, shape, known, source_id=source_id)
    check_names(names, source_id=source_id)
    return _Header(names, tuple(text.body[lines.starts[row] : lines.ends[row]] for row in rows))


def _check_header(text: Text, start: int, end: int, *, source_id: str) -> None:
    """Refuses a header with bytes that are no text, or one that ends as no other line may."""
    if DAMAGE.encode() in text.body[start:end]:
        is_legacy = text.charset is Charset.UTF_8 and looks_legacy(text.payload[start:end])
        legacy = ", but looks like an older Vietnamese charset" if is_legacy else ""
        message = f"the header is not {text.charset}{legacy}"
        raise RejectedBatchError(RejectionReason.ENCODING_INVALID, message, source_id=source_id, place="header")
    if text.body[end : end + 1] == b"\r" and text.body[end + 1 : end + 2] not in (b"", b"\n"):
        raise _no_names(source_id)


def _are_known(names: Sequence[str], known: Sequence[str]) -> bool:
    """Whether names are those of columns: at least half of them are declared."""
    return 2 * len(set(names) & set(known)) >= len(set(names))


def _cells(text: Text, lines: Extents, shape: FileShape, row: int) -> list[str]:
    """The cells of one line, composed and without outer spaces."""
    line = text.part(int(lines.starts[row]), int(lines.ends[row])).utf8().decode("utf-8", "replace")
    found = next(csv.reader(io.StringIO(line, newline=""), delimiter=shape.separator), [])
    return [" ".join(unicodedata.normalize("NFC", cell).split()) for cell in found]


def _joined(rows: list[list[str]]) -> list[str]:
    """The names of columns under several rows: what an upper cell says holds for the empty ones to its right."""
    if len(rows) == 1:
        return rows[0]
    width = max(map(len, rows))
    names: list[list[str]] = [[] for _ in range(width)]
    for depth, row in enumerate(rows):
        above = ""
        for column, cell in enumerate(row + [""] * (width - len(row))):
            above = cell or (above if depth < len(rows) - 1 else "")
            if above:
                names[column].append(above)
    return ["/".join(parts) for parts in names]


def _other_separator(text: Text, lines: Extents, shape: FileShape) -> str | None:
    """The usual separator that the header has most of instead of the declared one."""
    row = shape.header_row - 1
    line = text.part(int(lines.starts[row]), int(lines.ends[row])).utf8().decode("utf-8", "replace")
    counts = {mark: line.count(mark) for mark in _USUAL_SEPARATORS if mark != shape.separator and mark in line}
    return max(counts, key=lambda mark: counts[mark], default=None)


def _no_header(
    text: Text, lines: Extents, shape: FileShape, known: Sequence[str], *, source_id: str
) -> RejectedBatchError:
    """Says in which rows the declared columns are missing and, if they stand in others, in which."""
    declared, depth = _place(shape.header_row, shape.header_depth), shape.header_depth
    message = f"the declared header, {declared}, does not name the declared columns"
    for end in range(depth, min(len(lines), _ROWS_SEARCHED) + 1):
        try:
            rows = [_cells(text, lines, shape, row) for row in range(end - depth, end)]
        except csv.Error:
            continue
        if _are_known(_joined(rows), known):
            message += f"; they stand in {_place(end, depth)}"
            break
        if _are_known(_joined(rows[::-1]), known):
            message += f"; they stand in {_place(end, depth)} from below to above"
            break
    return RejectedBatchError(
        RejectionReason.MISSING_COLUMN,
        message,
        source_id=source_id,
        place=declared,
        next_step="Export with the header rows, or correct `header_row` and `header_depth` in the dialect.",
    )


def _no_line(source_id: str) -> RejectedBatchError:
    return RejectedBatchError(RejectionReason.EMPTY_BATCH, "the file has no line", source_id=source_id)


def _no_names(source_id: str) -> RejectedBatchError:
    message = "the header is no row of names"
    return RejectedBatchError(RejectionReason.UNREADABLE, message, source_id=source_id, place="header")


def _unclosed(place: str, source_id: str) -> RejectedBatchError:
    message = "the quotes of some row do not close"
    return RejectedBatchError(RejectionReason.UNREADABLE, message, source_id=source_id, place=place)


def _place(row: int, depth: int) -> str:
    return f"row {row}" if depth == 1 else f"rows {row - depth + 1} to {row}"


def _parsed(body: bytes, names: list[str], shape: FileShape, *, source_id: str) -> tuple[pa.Table, tuple[Flag, ...]]:
    """The table with a null row for each record of the wrong width, and those rows flagged."""
    wrong: dict[int, int] = {}

    def skip(row: arrow_csv.InvalidRow) -> str:
        wrong[row.number - 1] = row.actual_columns
        return "skip"

    try:
        table = arrow_csv.read_csv(
            io.BytesIO(body),
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=len(body) + 1, column_names=names),
            parse_options=arrow_csv.ParseOptions(
                delimiter=shape.separator, newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        ).combine_chunks()
    except pa.ArrowInvalid:
        # The library's message quotes the row, which is personal data.
        raise _unclosed("", source_id) from None
    if not wrong:
        return table, ()
    check_counts(records=table.num_rows + len(wrong), columns=len(names), source_id=source_id)
    rows = np.array(sorted(wrong), np.int64)
    seen = pa.array([f"{wrong[row]} fields, {len(names)} are due" for row in rows.tolist()], pa.string())
    return with_null_rows(table, rows), (Flag("FIELD_COUNT", rows, seen),)
