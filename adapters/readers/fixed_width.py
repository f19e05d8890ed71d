"""Lines of fixed width to a raw table: each field at its place; a line of another length is flagged and kept."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from adapters.declaration import FileShape
from adapters.findings import Flag
from adapters.readers.cells import Place, text_columns
from adapters.readers.encoding import Text, as_text, flagged
from adapters.readers.lines import LineReader, line_extents
from adapters.readers.model import Extents, Raw, check_counts, check_names, row_flag, with_null_rows

_END_OF_FILE = 0x1A  # what DOS programs write after the last line


def read_fixed_width(payload: bytes, shape: FileShape, *, source_id: str) -> Raw:
    """One row a line that is not empty, without the spaces around its values."""
    return _read_lines(as_text(payload, shape.charset, source_id=source_id), shape, source_id=source_id)


def fixed_width_chunks(stream: BinaryIO, shape: FileShape, *, source_id: str, records: int) -> Iterator[Raw]:
    """The rows of `read_fixed_width`, at most so many at a time."""
    lines = LineReader(stream, source_id=source_id)
    while (piece := lines.take(records)) is not None:
        text = as_text(piece.body, shape.charset, source_id=source_id, origin=piece.origin)
        if piece.origin == 0 or len(_lines(text)):
            yield _read_lines(text, shape, source_id=source_id)


def _lines(text: Text) -> Extents:
    lines = line_extents(text.body)
    values = np.frombuffer(text.body, np.uint8)
    is_end = (lines.ends - lines.starts == 1) & (values[lines.starts] == _END_OF_FILE)
    return Extents(lines.starts[~is_end], lines.ends[~is_end])


def _read_lines(text: Text, shape: FileShape, *, source_id: str) -> Raw:
    lines = _lines(text)
    check_counts(records=len(lines), columns=len(shape.fields), source_id=source_id)
    check_names([field.name for field in shape.fields], source_id=source_id)
    ends = np.cumsum([field.width for field in shape.fields]).tolist()
    places = [Place(field.name, end - field.width, end) for field, end in zip(shape.fields, ends, strict=True)]
    widths = lines.ends - lines.starts
    good, wrong = np.flatnonzero(widths == ends[-1]), np.flatnonzero(widths != ends[-1])
    values = np.frombuffer(text.body, np.uint8)
    table, cut = text_columns(values[lines.starts[good][:, None] + np.arange(ends[-1])], places, shape.charset)
    seen = pa.array([f"{width} bytes, {ends[-1]} are due" for width in widths[wrong].tolist()], pa.string())
    flags: tuple[Flag, ...] = (Flag("FIELD_COUNT", wrong, seen),) if len(wrong) else ()
    flags += row_flag("ENCODING_INVALID", good[sorted(cut)].tolist(), "a letter lies in two fields")
    raw = Raw(table=with_null_rows(table, wrong), flags=flags, payload=text.payload, extents=lines)
    return flagged(raw, text)
