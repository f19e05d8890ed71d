"""A sample of an unknown system to the shape of its file, with the evidence for each guess. Pure; never silent.

For whoever writes a dialect. Nothing that takes records in production ever guesses.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from lxml import etree

from adapters.declaration import Charset, FileFormat, FileShape
from adapters.drafting.field_names import field_of
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.arrow import check_table, open_table
from adapters.readers.charsets import LEGACY, as_utf8, undefined
from adapters.readers.csv import read_csv
from adapters.readers.dbf import read_dbf
from adapters.readers.jsonl import read_jsonl
from adapters.readers.markup import parse
from adapters.readers.xlsx import read_xlsx
from adapters.readers.xml import read_xml

SAMPLE = "sample"  # stands for the id of the source that the sample has not got yet
_SEPARATORS = ",;\t|"
_HEADER_ROWS = 8  # a header is looked for down to this row
_LINES = 200
_DBF_VERSIONS = (b"\x03", b"\x30", b"\x31", b"\x83", b"\x8b", b"\xf5")
_SURNAMES = Path(__file__).parent.parent / "reference" / "surnames_vi.csv"


@dataclass(frozen=True)
class Note:
    """Something guessed, or left open, and why; in Vietnamese and English. Never a value of a record."""

    is_open: bool
    place: str  # a key of the declaration
    vi: str
    en: str


@dataclass(frozen=True)
class Sniffed:
    """A sample as read: the shape that reads it, its columns as text, and why that shape."""

    shape: FileShape
    table: pa.Table
    notes: tuple[Note, ...]


def sniff(payload: bytes) -> Sniffed:
    """The shape of a sample. Raises RejectedBatchError when nothing here reads it, saying what to do by hand."""
    if payload.startswith(b"PK\x03\x04"):
        return _workbook(payload)
    if payload.startswith(b"\xff\xff\xff\xff"):
        table = check_table(open_table(payload, source_id=SAMPLE), source_id=SAMPLE).table
        return Sniffed(FileShape(FileFormat.ARROW), table, (_format("Arrow", "the continuation mark of a stream"),))
    if payload[:1] in _DBF_VERSIONS and len(payload) > 32:
        return _dbf(payload)
    start = payload.removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(b"<"):
        return _xml(payload)
    if start.startswith(b"{"):
        table = read_jsonl(payload, source_id=SAMPLE).table
        return Sniffed(FileShape(FileFormat.JSONL), table, (_format("JSON lines", "it begins with an object"),))
    return _csv(payload)


def guessed(place: str, vi: str, en: str) -> Note:
    """A guess and its evidence."""
    return Note(is_open=False, place=place, vi=vi, en=en)


def left_open(place: str, vi: str, en: str) -> Note:
    """Something only a person can say."""
    return Note(is_open=True, place=place, vi=vi, en=en)


def _format(name: str, why: str) -> Note:
    return guessed("file.format", f"{name}, theo các byte đầu", f"{name}: {why}")


def _workbook(payload: bytes) -> Sniffed:
    tries = [FileShape(FileFormat.XLSX, header_row=row) for row in range(1, _HEADER_ROWS + 1)]
    shape, table, known = _best(payload, tries)
    header = guessed(
        "file.header_row",
        f"dòng {shape.header_row}: {known} trên {table.num_columns} tên cột đã biết",
        f"row {shape.header_row}: {known} of {table.num_columns} names are known",
    )
    sheet = left_open("file.sheet", "đọc trang đầu; ghi tên trang nếu khác", "the first sheet is read; name another")
    return Sniffed(shape, table, (_format("XLSX", "a ZIP archive that holds a sheet"), header, sheet))


def _dbf(payload: bytes) -> Sniffed:
    charset, note = _charset(payload[32:])
    shape = FileShape(FileFormat.DBF, charset=charset)
    table = read_dbf(payload, shape, source_id=SAMPLE).table
    return Sniffed(shape, table, (_format("DBF", "its version byte and a header that fits"), note))


def _xml(payload: bytes) -> Sniffed:
    root = parse(payload.removeprefix(codecs.BOM_UTF8), source_id=SAMPLE)
    children = Counter(etree.QName(child).localname for child in root)
    if not children:
        raise _unreadable("the document element has no child, so no record")
    record, count = children.most_common(1)[0]
    name = etree.QName(root)
    shape = FileShape(FileFormat.XML, root=name.localname, record=record, namespace=name.namespace)
    note = guessed(
        "file.record", f"{count} phần tử con có tên này", f"{count} of {len(root)} children of the root have this name"
    )
    table = read_xml(payload, shape, source_id=SAMPLE).table
    return Sniffed(shape, table, (_format("XML", "it begins with <"), note))


def _csv(payload: bytes) -> Sniffed:
    charset, charset_note = _charset(payload)
    has_mark = payload.startswith(codecs.BOM_UTF8)
    text = _text(payload.removeprefix(codecs.BOM_UTF8), charset)
    separator, columns, even = _separator(text)
    plain = FileShape(
        FileFormat.CSV,
        charset=charset,
        separator=separator,
        has_mark=has_mark,
        is_decomposed=any(unicodedata.combining(one) for one in text),
    )
    tries = [
        replace(plain, header_row=row, header_depth=depth)
        for row in range(1, _HEADER_ROWS + 1)
        for depth in (1, 2)
        if depth <= row
    ]
    shape, table, known = _best(payload, tries)
    notes = [
        _format("CSV", f"lines of {columns} fields"),
        charset_note,
        guessed(
            "file.separator",
            f"{even} % số dòng có cùng {columns} ô",
            f"{even} % of the lines have the same {columns} fields with it",
        ),
        guessed(
            "file.header_row",
            f"dòng {shape.header_row}, {shape.header_depth} dòng tiêu đề: {known} tên cột đã biết",
            f"row {shape.header_row}, {shape.header_depth} deep: {known} of {table.num_columns} names are known",
        ),
    ]
    return Sniffed(shape, table, tuple(notes))


def _best(payload: bytes, tries: Sequence[FileShape]) -> tuple[FileShape, pa.Table, int]:
    """The shape under which most columns have a name that is known; the first of equals."""
    found: list[tuple[int, FileShape, pa.Table]] = []
    for shape in tries:
        reader = read_xlsx if shape.format is FileFormat.XLSX else read_csv
        try:
            table = reader(payload, shape, source_id=SAMPLE).table
        except RejectedBatchError:
            continue
        found.append((sum(field_of(name) is not None for name in table.column_names), shape, table))
    known, shape, table = max(found, key=lambda one: one[0], default=(0, tries[0], None))
    if table is None or not known:
        # Without one known name the first record of a file without header would be taken for names, and shown.
        raise _unreadable(f"none of the first {_HEADER_ROWS} rows holds a name of a column that is known")
    return shape, table, known


def _charset(payload: bytes) -> tuple[Charset, Note]:
    """UTF-8 where the bytes are, else the legacy charset in which most surnames can be read."""
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return Charset.UTF_8, guessed("file.charset", "mọi byte là UTF-8 hợp lệ", "every byte is valid UTF-8")
    high = sum(byte >= 0x80 for byte in payload)
    values = np.frombuffer(payload, np.uint8)
    judged = []
    for charset in LEGACY:
        words = Counter(_words(_text(payload, charset)))
        surnames = sum(words[name] for name in _surnames())
        judged.append((surnames, -len(undefined(values, charset)), charset))
    surnames, unread, charset = max(judged, key=lambda one: one[:2])
    if not surnames:
        vi, en = "không phải UTF-8 và không đọc ra họ nào", "no UTF-8, and no surname can be read in any legacy charset"
        return charset, left_open("file.charset", vi, en)
    return charset, guessed(
        "file.charset",
        f"đọc ra {surnames} họ; {high + unread} trên {high} byte cao là chữ của bảng mã",
        f"{surnames} surnames can be read; {high + unread} of {high} high bytes are letters of it",
    )


def _text(payload: bytes, charset: Charset) -> str:
    """The text of a payload, a question mark for each byte that is no letter."""
    if charset is Charset.UTF_8:
        return payload.decode("utf-8", "replace")
    values = np.frombuffer(payload, np.uint8).copy()
    values[undefined(values, charset)] = ord("?")
    return as_utf8(values.tobytes(), charset).decode()


def _words(text: str) -> Iterator[str]:
    for word in re.split(r"[\s,;|\t\"?0-9]+", text):
        if word:
            yield word.capitalize()


@cache
def _surnames() -> frozenset[str]:
    """Surnames with a letter beyond ASCII: what tells one charset from another."""
    with _SURNAMES.open(encoding="utf-8", newline="") as lines:
        return frozenset(row["surname"] for row in csv.DictReader(lines) if not row["surname"].isascii())


def _separator(text: str) -> tuple[str, int, int]:
    """The separator under which most lines have the same number of fields above one, that number and the share."""
    judged = []
    lines = [line for line in text.splitlines() if line.strip()][:_LINES]
    if not lines:
        raise _unreadable("the file is empty")
    for separator in _SEPARATORS:
        widths = Counter(len(fields) for fields in csv.reader(io.StringIO("\n".join(lines)), delimiter=separator))
        width, count = max(
            ((width, n) for width, n in widths.items() if width > 1), key=lambda one: one[1], default=(0, 0)
        )
        judged.append((count, width, separator))
    count, width, separator = max(judged)
    if not width:
        raise _unreadable("no separator divides its lines; a file of fixed width has to be declared field by field")
    return separator, width, count * 100 // len(lines)


def _unreadable(message: str) -> RejectedBatchError:
    return RejectedBatchError(
        RejectionReason.UNREADABLE,
        message,
        source_id=SAMPLE,
        next_step="Start from the nearest dialect instead: lienthong sources, docs/adding-a-source.md.",
    )
