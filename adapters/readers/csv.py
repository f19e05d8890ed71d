"""CSV to a raw table. The separator is declared, never sniffed; a row of the wrong width is flagged and kept."""

import csv
import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from adapters.declaration import FileShape
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.encoding import DAMAGE, Text, as_text, flagged, line_extents
from adapters.readers.model import Extents, Raw, check_counts, check_names, row_flag

_QUOTE = ord('"')
_USUAL_SEPARATORS = ",;\t|"


def read_csv(payload: bytes, shape: FileShape, *, source_id: str) -> Raw:
    """One row a CSV record after the header; empty lines are no records."""
    text = as_text(payload, shape.charset, source_id=source_id)
    extents = line_extents(text.body, quote=_QUOTE)
    names = _header(text, extents, shape, source_id=source_id)
    check_counts(records=len(extents) - 1, columns=len(names), source_id=source_id)
    table, wrong_width = _parsed(text.utf8(), names, shape, source_id=source_id)
    raw = Raw(
        table=table,
        flags=row_flag("FIELD_COUNT", wrong_width, f"{len(names)} fields are due"),
        payload=payload,
        extents=_rows(text.body, extents, table.num_rows),
    )
    return flagged(raw, text)


def _header(text: Text, extents: Extents, shape: FileShape, *, source_id: str) -> list[str]:
    if not len(extents):
        raise RejectedBatchError(RejectionReason.EMPTY_BATCH, "the file has no line", source_id=source_id)
    if DAMAGE.encode() in text.body[: extents.ends[0]]:
        message = f"the header is not {shape.charset}"
        raise RejectedBatchError(RejectionReason.ENCODING_INVALID, message, source_id=source_id, place="header")
    header = replace(text, body=text.body[: extents.ends[0]]).utf8().decode().lstrip()
    try:
        names = [name.strip() for name in next(csv.reader([header], delimiter=shape.separator), [])]
    except csv.Error:
        message = "the header is no row of names"
        raise RejectedBatchError(RejectionReason.UNREADABLE, message, source_id=source_id, place="header") from None
    other = next((mark for mark in _USUAL_SEPARATORS if mark != shape.separator and mark in header), None)
    if len(names) == 1 and other is not None:
        message = f"the header has no {shape.separator!r}, but {other!r}"
        raise RejectedBatchError(RejectionReason.WRONG_SEPARATOR, message, source_id=source_id, place="header")
    check_names(names, source_id=source_id)
    return names


def _parsed(body: bytes, names: list[str], shape: FileShape, *, source_id: str) -> tuple[pa.Table, list[int]]:
    """The table with a null row for each record of the wrong width, and the numbers of those rows."""
    wrong_width: list[int] = []

    def skip(row: arrow_csv.InvalidRow) -> str:
        wrong_width.append(row.number - 2)  # counted from 1, header included
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
        )
    except pa.ArrowInvalid:
        # The library's message quotes the row, which is personal data.
        raise RejectedBatchError(
            RejectionReason.UNREADABLE, "the quotes of some row do not close", source_id=source_id
        ) from None
    table = table.slice(1).combine_chunks()  # without the header
    if not wrong_width:
        return table, []
    count = table.num_rows + len(wrong_width)
    check_counts(records=count, columns=len(names), source_id=source_id)
    good = np.setdiff1d(np.arange(count), wrong_width)
    places = np.zeros(count, np.int64)
    places[good] = np.arange(len(good))
    return table.take(pa.array(places, mask=~np.isin(np.arange(count), good))).combine_chunks(), wrong_width


def _rows(body: bytes, extents: Extents, count: int) -> Extents | None:
    """Where each row lies, if the lines agree with the parser; a stray quote makes them count differently."""
    for found in (extents, line_extents(body)):
        if len(found) == count + 1:
            return Extents(found.starts[1:], found.ends[1:])
    return None
