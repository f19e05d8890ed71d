"""XLSX to a raw table. The archive is unpacked part by part under a cap; the grid is never laid out.

A cell is read as it is stored: a number without its display format, a date as its serial, so that nothing is
interpreted before the dialect says how. (A library that lays out the grid needs terabytes for two far cells.)
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from posixpath import normpath

from lxml import etree

from adapters.declaration import FileShape
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.markup import parse
from adapters.readers.model import LIMITS, Raw, check_counts, check_names, string_columns

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_TARGET = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_TEXT = f"{_SHEET}t"
_VALUE = f"{_SHEET}v"
_SHARED = "xl/sharedStrings.xml"
_LETTERS = re.compile(r"^[A-Z]{1,3}$")
_EXACT = 10**15  # whole numbers up to here are exact in a cell
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_SMALL = 1024 * 1024
_Row = dict[int, str]


def read_xlsx(payload: bytes, shape: FileShape, *, source_id: str) -> Raw:
    """One row a filled row below the header of the declared sheet, or of the first."""
    book = _Book(payload, source_id)
    rows = _rows(book, shape)
    header = next(rows, (0, {}))
    if header[0] != shape.header_row:
        message = f"row {shape.header_row} of the sheet, where the header is declared, is empty"
        raise book.refused(RejectionReason.UNREADABLE, message, place=f"row {shape.header_row}")
    names = {column: name.strip() for column, name in header[1].items() if name.strip()}
    check_names(names.values(), source_id=source_id)
    records = [cells for _, cells in rows if any(map(str.strip, cells.values()))]
    check_counts(records=len(records), columns=len(names), source_id=source_id)
    nameless = {column for cells in records for column in cells} - set(names)
    for column in sorted(nameless):
        if any(cells.get(column, "").strip() for cells in records):
            raise book.refused(RejectionReason.UNKNOWN_COLUMN, "a column has no name", place=f"column {column + 1}")
    table, _ = string_columns({name: [cells.get(column) for cells in records] for column, name in names.items()})
    return Raw(table=table)


class _Book:
    """The parts of a workbook, unpacked one by one and only when needed."""

    def __init__(self, payload: bytes, source_id: str) -> None:
        self._payload = payload
        self._source_id = source_id
        try:
            with zipfile.ZipFile(io.BytesIO(payload)) as archive:
                self._members = {member.filename: member for member in archive.infolist()}
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error):
            message = "the file is no XLSX workbook; older or password-protected workbooks are not read"
            raise self.refused(RejectionReason.UNREADABLE, message) from None

    def refused(self, reason: RejectionReason, message: str, *, place: str = "") -> RejectedBatchError:
        return RejectedBatchError(reason, message, source_id=self._source_id, place=place)

    def has(self, name: str) -> bool:
        return name in self._members

    def part(self, name: str) -> etree._Element:
        """One part, parsed. What the archive says about sizes is not believed."""
        member = self._members.get(name)
        if member is None:
            raise self.refused(RejectionReason.UNREADABLE, "the workbook lacks a part", place=name[:80])
        start = member.header_offset + _LOCAL_HEADER.size
        if not 0 <= member.header_offset <= len(self._payload) - _LOCAL_HEADER.size or member.flag_bits & 1:
            raise self.refused(RejectionReason.UNREADABLE, "the archive is damaged or encrypted", place=name[:80])
        local = _LOCAL_HEADER.unpack(self._payload[member.header_offset : start])
        start += local[-2] + local[-1]
        body = self._unpacked(memoryview(self._payload)[start : start + member.compress_size], member, name)
        if zlib.crc32(body) != member.CRC:
            raise self.refused(RejectionReason.UNREADABLE, "the archive is damaged", place=name[:80])
        return parse(body, source_id=self._source_id, part=name[:80])

    def _unpacked(self, packed: memoryview, member: zipfile.ZipInfo, name: str) -> bytes:
        if member.compress_type == zipfile.ZIP_STORED:
            return bytes(packed)
        if member.compress_type != zipfile.ZIP_DEFLATED:
            raise self.refused(RejectionReason.UNREADABLE, "the archive uses an unusual packing", place=name[:80])
        cap = min(LIMITS.unpacked_bytes, max(_SMALL, len(packed) * LIMITS.ratio))
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            body = inflater.decompress(packed, cap + 1)
        except zlib.error:
            raise self.refused(RejectionReason.UNREADABLE, "the archive is damaged", place=name[:80]) from None
        if len(body) > cap:
            message = f"a part unpacks to more than {cap} bytes"
            raise self.refused(RejectionReason.ARCHIVE_BOMB, message, place=name[:80])
        return body


def _rows(book: _Book, shape: FileShape) -> Iterator[tuple[int, _Row]]:
    """Number and cells, by column from 0, of each row from the header on."""
    texts = _shared_texts(book)
    columns: dict[str, int] = {}
    number = 0
    for row in book.part(_sheet_part(book, shape)).iterfind(f"{_SHEET}sheetData/{_SHEET}row"):
        number = int(row.get("r") or number + 1)
        if number < shape.header_row:
            continue
        cells: _Row = {}
        column = -1
        for cell in row:
            place = cell.get("r")
            column = column + 1 if place is None else _column(place, columns, book)
            text = _text(cell, texts, book)
            if text:
                cells[column] = text
        if cells:
            yield number, cells


def _column(place: str, columns: dict[str, int], book: _Book) -> int:
    """The column of a cell's address, from 0."""
    letters = place.rstrip("0123456789")
    if letters not in columns:
        if not _LETTERS.match(letters):
            raise book.refused(RejectionReason.UNREADABLE, "a cell has no address")
        number = 0
        for letter in letters:
            number = number * 26 + ord(letter) - ord("A") + 1
        if number > LIMITS.columns:
            message = f"a cell stands in column {number}, at most {LIMITS.columns} are read"
            raise book.refused(RejectionReason.TOO_MANY_COLUMNS, message)
        columns[letters] = number - 1
    return columns[letters]


def _text(cell: etree._Element, texts: list[str], book: _Book) -> str:
    """A cell's stored value as text; empty for none."""
    if not len(cell):
        return ""
    kind, last = cell.get("t"), cell[-1]
    if kind == "inlineStr":
        return _plain(last)
    stored = (last.text if last.tag == _VALUE else cell.findtext(_VALUE)) or ""
    if kind is None or kind == "n":
        return stored if stored.isdecimal() else _number(stored)
    if kind == "s":
        if not stored.isdecimal() or int(stored) >= len(texts):
            raise book.refused(RejectionReason.UNREADABLE, "a cell names a text that is not there")
        return texts[int(stored)]
    if kind == "b":
        return "true" if stored == "1" else "false"
    return stored  # a formula's text, an ISO date, or an error such as "#REF!", which no step takes for a value


def _number(stored: str) -> str:
    """A number as a person would write it: 1.08501E+11 is 108501000000, 12.0 is 12."""
    try:
        number = float(stored)
    except ValueError:
        return stored
    return str(int(number)) if number.is_integer() and abs(number) < _EXACT else repr(number)


def _shared_texts(book: _Book) -> list[str]:
    if not book.has(_SHARED):
        return []
    return [_plain(item) for item in book.part(_SHARED).iterfind(f"{_SHEET}si")]


def _plain(item: etree._Element) -> str:
    """The text of a string item without its formatting and its phonetic hints."""
    if len(item) == 1 and item[0].tag == _TEXT:
        return item[0].text or ""
    runs = [*item.iterfind(_TEXT), *item.iterfind(f"{_SHEET}r/{_TEXT}")]
    return "".join(run.text or "" for run in runs)


def _sheet_part(book: _Book, shape: FileShape) -> str:
    """The name of the part that holds the declared sheet, or the first one."""
    sheets = list(book.part("xl/workbook.xml").iterfind(f"{_SHEET}sheets/{_SHEET}sheet"))
    chosen = [sheet for sheet in sheets if shape.sheet in (None, sheet.get("name"))]
    if not chosen:
        raise book.refused(RejectionReason.UNREADABLE, f'the workbook has no sheet "{shape.sheet}"', place="sheet")
    relation = chosen[0].get(_RELATION)
    for target in book.part("xl/_rels/workbook.xml.rels").iterfind(_TARGET):
        if target.get("Id") == relation:
            path = target.get("Target") or ""
            return path.lstrip("/") if path.startswith("/") else normpath(f"xl/{path}")
    raise book.refused(RejectionReason.UNREADABLE, "the workbook does not say where its sheet is", place="sheet")
