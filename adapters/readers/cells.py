"""Cells of fixed places to columns of text: a matrix of bytes, one row a record, cut and decoded column by column."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.declaration import Charset
from adapters.readers.charsets import Bytes, code_points
from adapters.readers.model import Numbers, string_columns

_SPACE = 0x20


@dataclass(frozen=True)
class Place:
    """Where the cells of a column lie in each record: first byte and the byte after the last."""

    name: str
    start: int
    end: int


def text_columns(records: npt.NDArray[np.uint8], places: list[Place], charset: Charset) -> tuple[pa.Table, set[int]]:
    """The cells without the spaces around them, and the rows in which a cell's edge cuts a letter of UTF-8 in two."""
    columns, broken = {}, set()
    for place in places:
        cells, offsets = _trimmed(records[:, place.start : place.end])
        if charset is Charset.UTF_8:
            columns[place.name], cut = _checked(cells, offsets)
            broken |= cut
        else:
            columns[place.name] = _decoded(cells, offsets, charset)
    schema = pa.schema([pa.field(place.name, pa.string()) for place in places])
    return pa.table(columns, schema=schema), broken


def _trimmed(cells: npt.NDArray[np.uint8]) -> tuple[Bytes, Numbers]:
    """The bytes of all cells one after another, without spaces at either end, and where each begins."""
    width = cells.shape[1]
    filled = cells != _SPACE
    first = np.where(filled.any(axis=1), filled.argmax(axis=1), width)
    last = width - filled[:, ::-1].argmax(axis=1)
    place = np.arange(width)
    kept = (place >= first[:, None]) & (place < last[:, None])
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept.sum(axis=1))])
    return cells[kept], offsets.astype(np.int64)


def _decoded(cells: Bytes, offsets: Numbers, charset: Charset) -> pa.Array:
    begins = np.zeros(len(cells) + 1, np.bool_)
    begins[offsets] = True
    points, is_first = code_points(cells, charset, begins[:-1])
    widths = (1 + (points >= 0x80).astype(np.int64) + (points >= 0x800)) * is_first
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(widths)])
    text = points[is_first].astype("<u4").tobytes().decode("utf-32-le").encode()
    return _strings(pa.string(), text, ends[offsets])


def _checked(cells: Bytes, offsets: Numbers) -> tuple[pa.Array, set[int]]:
    raw = _strings(pa.binary(), cells.tobytes(), offsets)
    try:
        return raw.cast(pa.string()), set()
    except pa.ArrowInvalid:
        values = [value.decode("utf-8", "surrogateescape") for value in raw.to_pylist()]
        table, broken = string_columns({"": values})
        return table.column(0).combine_chunks(), broken


def _strings(kind: pa.DataType, body: bytes, offsets: Numbers) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets.astype(np.int32).tobytes()), pa.py_buffer(body)]
    return pa.Array.from_buffers(kind, len(offsets) - 1, buffers)
