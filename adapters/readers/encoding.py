"""Which bytes of a file are no text, in which record they lie, and the file with each replaced by one DEL.

One bad byte must cost its own record, not the batch, so the file is made readable with every offset kept; what
was replaced is flagged. A legacy charset is decoded by table where it is declared, and only recognised where it is not.
"""

import codecs
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.declaration import Charset
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import Flag
from adapters.readers.charsets import as_utf8, looks_legacy, undefined
from adapters.readers.model import Numbers, Raw, row_flag
from adapters.readers.spelling import strange_letters

DAMAGE = "\x7f"  # DEL: one byte in every charset here, legal in XML and JSON, never in somebody's name
_DEL = 0x7F
_BOMS_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Text:
    """A payload made readable. `offsets` are the places of DEL that stand for something else in the payload."""

    payload: bytes  # as sent
    body: bytes  # in the source's charset; as long as the payload
    offsets: Numbers
    charset: Charset
    origin: int = 0  # where in the file the payload begins

    def utf8(self) -> bytes:
        """The body as UTF-8."""
        return self.body if self.charset is Charset.UTF_8 else as_utf8(self.body, self.charset)

    def part(self, start: int, end: int | None = None) -> "Text":
        """The body from one offset to another, as a text of its own."""
        return replace(self, body=self.body[start:end])

    def also_damaged(self, offsets: Numbers) -> "Text":
        """The text with further bytes replaced, because the format cannot hold them."""
        if not len(offsets):
            return self
        found = np.union1d(self.offsets, offsets).astype(np.int64)
        return replace(self, body=_with_del(self.body, found), offsets=found)


def as_text(payload: bytes, charset: Charset, *, source_id: str, origin: int = 0) -> Text:
    """Finds the NULs and the bytes that the charset has no letter for; a UTF-8 byte order mark becomes empty lines."""
    if not origin and payload.startswith(_BOMS_16):
        raise RejectedBatchError(
            RejectionReason.ENCODING_INVALID, f"the file is UTF-16, {charset} is declared", source_id=source_id
        )
    body = b"\n\n\n" + payload[3:] if not origin and payload.startswith(codecs.BOM_UTF8) else payload
    values = np.frombuffer(body, np.uint8)
    bad = [np.flatnonzero((values == 0) | (values == _DEL))] if b"\0" in body or b"\x7f" in body else []
    bad.append(_invalid_utf8(body) if charset is Charset.UTF_8 else undefined(values, charset))
    offsets = np.unique(np.concatenate(bad)).astype(np.int64)
    return Text(payload=payload, body=_with_del(body, offsets), offsets=offsets, charset=charset, origin=origin)


def flagged(raw: Raw, text: Text) -> Raw:
    """The raw table with damaged cells emptied and their rows flagged: NUL, legacy or invalid encoding.

    So are the rows of a legacy charset that read as if they were written, or might be written, in another one.
    """
    return _with_misread(_with_damaged(raw, text), text)


def _with_damaged(raw: Raw, text: Text) -> Raw:
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
        _at(code, first_rows[chosen], offsets[chosen], text)
        for code in dict.fromkeys(codes)
        if len(chosen := np.flatnonzero(np.array(codes) == code))
    )
    return replace(raw, table=table, flags=raw.flags + flags)


def _with_misread(raw: Raw, text: Text) -> Raw:
    if text.charset is Charset.UTF_8 or raw.extents is None:
        return raw
    found = strange_letters(np.frombuffer(text.payload, np.uint8), raw.extents, text.charset)
    news = ~np.isin(found.doubtful, raw.extents.rows_of(text.offsets))  # of a damaged record enough is said
    told = (
        _at("LEGACY_ENCODING", found.wrong, found.wrong_at, text),
        _at("CHARSET_DOUBTFUL", found.doubtful[news], found.doubtful_at[news], text),
    )
    return replace(raw, flags=(*raw.flags, *(flag for flag in told if len(flag.rows))))


def _at(code: str, rows: Numbers, offsets: Numbers, text: Text) -> Flag:
    """A flag that says at which byte of the file each row goes wrong."""
    seen = pa.array([f"byte offset {offset}" for offset in (offsets + text.origin).tolist()], pa.string())
    return Flag(code, rows, seen)


def _code(raw: Raw, text: Text, row: int, offset: int) -> str:
    """What is wrong with a damaged record, judged by its own bytes."""
    assert raw.extents is not None  # noqa: S101  (the caller has looked)
    if text.payload[offset] == 0:
        return "NUL_IN_TEXT"
    record = text.payload[raw.extents.starts[row] : raw.extents.ends[row]]
    return "LEGACY_ENCODING" if text.charset is Charset.UTF_8 and looks_legacy(record) else "ENCODING_INVALID"


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
