"""Which bytes of a file are no text, in which record they lie, and the file with each replaced by one DEL.

One bad byte must cost its own record, not the batch, so the file is made readable with every offset kept; what
was replaced is flagged. TCVN3 is decoded by table where it is declared, and only recognised where it is not.
"""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.declaration import Charset
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import Flag
from adapters.readers.model import Extents, Numbers, Raw, row_flag

DAMAGE = "\x7f"  # DEL: one byte in every charset here, legal in XML and JSON, never in somebody's name
_DEL = 0x7F
_TABLE = Path(__file__).parent.parent / "reference" / "legacy_charsets.csv"
_BOMS_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FEW = 2  # TCVN3 is recognised from two of its letters on; a single stray byte may be anything


@dataclass(frozen=True)
class Text:
    """A payload made readable. `offsets` are the places of DEL that stand for something else in the payload."""

    payload: bytes  # as sent
    body: bytes  # UTF-8 if `charset` is, else in the source's single-byte charset; as long as the payload
    offsets: Numbers
    charset: Charset

    def utf8(self) -> bytes:
        """The body as UTF-8."""
        if self.charset is Charset.UTF_8:
            return self.body
        return codecs.charmap_decode(self.body, "strict", _decoding_table())[0].encode()

    def also_damaged(self, offsets: Numbers) -> "Text":
        """The text with further bytes replaced, because the format cannot hold them."""
        if not len(offsets):
            return self
        found = np.union1d(self.offsets, offsets).astype(np.int64)
        return replace(self, body=_with_del(self.body, found), offsets=found)


def as_text(payload: bytes, charset: Charset, *, source_id: str) -> Text:
    """Finds the NULs and the bytes that the charset has no letter for; a UTF-8 byte order mark becomes spaces."""
    if payload.startswith(_BOMS_16):
        raise RejectedBatchError(
            RejectionReason.ENCODING_INVALID, f"the file is UTF-16, {charset} is declared", source_id=source_id
        )
    body = b"   " + payload[3:] if payload.startswith(codecs.BOM_UTF8) else payload
    values = np.frombuffer(body, np.uint8)
    bad = [np.flatnonzero((values == 0) | (values == _DEL))] if b"\0" in body or b"\x7f" in body else []
    bad.append(_invalid_utf8(body) if charset is Charset.UTF_8 else np.flatnonzero(_undefined()[values]))
    offsets = np.unique(np.concatenate(bad)).astype(np.int64)
    return Text(payload=payload, body=_with_del(body, offsets), offsets=offsets, charset=charset)


def flagged(raw: Raw, text: Text) -> Raw:
    """The raw table with damaged cells emptied and their rows flagged: NUL, legacy or invalid encoding."""
    if not len(text.offsets):
        return raw
    table, broken = _without_damage(raw.table)
    if raw.extents is None:
        return replace(
            raw, table=table, flags=raw.flags + row_flag("ENCODING_INVALID", np.flatnonzero(broken).tolist())
        )
    rows = raw.extents.rows_of(text.offsets)
    first_rows, first = np.unique(rows[rows >= 0], return_index=True)
    offsets = text.offsets[rows >= 0][first]
    codes = [_code(raw, text, int(row), int(offset)) for row, offset in zip(first_rows, offsets, strict=True)]
    flags = tuple(
        Flag(code, first_rows[chosen], pa.array([f"byte offset {offset}" for offset in offsets[chosen]], pa.string()))
        for code in dict.fromkeys(codes)
        if len(chosen := np.flatnonzero(np.array(codes) == code))
    )
    return replace(raw, table=table, flags=raw.flags + flags)


def _code(raw: Raw, text: Text, row: int, offset: int) -> str:
    """What is wrong with a damaged record, judged by its own bytes."""
    assert raw.extents is not None  # noqa: S101  (the caller has looked)
    if text.payload[offset] == 0:
        return "NUL_IN_TEXT"
    record = text.payload[raw.extents.starts[row] : raw.extents.ends[row]]
    return "LEGACY_ENCODING" if text.charset is Charset.UTF_8 and _looks_like_tcvn3(record) else "ENCODING_INVALID"


def _looks_like_tcvn3(record: bytes) -> bool:
    """Every byte above ASCII is a letter of TCVN3, and none is part of UTF-8."""
    high = [byte for byte in record if byte >= 0x80]
    letters = len(high) >= _FEW and not any(_undefined()[byte] for byte in high)
    return letters and all(not ord(character) >= 0x80 for character in record.decode("utf-8", "ignore"))


def _without_damage(table: pa.Table) -> tuple[pa.Table, npt.NDArray[np.bool_]]:
    broken = np.zeros(table.num_rows, np.bool_)
    for index, column in enumerate(table.columns):
        hit = pc.fill_null(pc.match_substring(column, DAMAGE), fill_value=False)
        if pc.any(hit).as_py():
            broken |= hit.to_numpy()
            table = table.set_column(index, table.field(index), pc.if_else(hit, pa.scalar(None, pa.string()), column))
    return table, broken


def _with_del(body: bytes, offsets: Numbers) -> bytes:
    if not len(offsets):
        return body
    values = np.frombuffer(body, np.uint8).copy()
    values[offsets] = _DEL
    return values.tobytes()


def _invalid_utf8(body: bytes) -> Numbers:
    """Offsets of the bytes that are no part of valid UTF-8."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        points = np.frombuffer(body.decode("utf-8", "surrogateescape").encode("utf-32-le", "surrogatepass"), np.uint32)
    else:
        return np.empty(0, np.int64)
    escaped = (points >= 0xDC80) & (points <= 0xDCFF)
    widths = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    widths[escaped] = 1
    return (np.cumsum(widths) - widths)[escaped]


@cache
def _letters() -> dict[int, str]:
    """The letters above ASCII that have a byte of their own in TCVN3."""
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        rows: Iterator[dict[str, str]] = csv.DictReader(lines)
        return {int(row["tcvn3_byte_hex"], 16): row["char"] for row in rows if row["tcvn3_note"] == "own byte"}


@cache
def _decoding_table() -> str:
    return "".join(chr(byte) if byte < 0x80 else _letters().get(byte, DAMAGE) for byte in range(256))


@cache
def _undefined() -> npt.NDArray[np.bool_]:
    return np.array([byte >= 0x80 and byte not in _letters() for byte in range(256)])


def line_extents(body: bytes, *, quote: int | None = None) -> Extents:
    """Lines that are not empty, without their ends; a line end between two `quote` bytes belongs to its line."""
    values = np.frombuffer(body, np.uint8)
    breaks = np.flatnonzero(values == 0x0A)
    if quote is not None:
        quotes = np.flatnonzero(values == quote)
        breaks = breaks[np.searchsorted(quotes, breaks) % 2 == 0]
    starts = np.concatenate([np.zeros(1, np.int64), breaks + 1])
    ends = np.concatenate([breaks, np.full(1, len(body), np.int64)])
    ends = ends - ((ends > starts) & (values[np.maximum(ends - 1, 0)] == 0x0D))
    filled = ends > starts
    return Extents(starts[filled].astype(np.int64), ends[filled].astype(np.int64))
