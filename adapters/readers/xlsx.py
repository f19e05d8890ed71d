"""XLSX to a raw table. The archive is unpacked part by part under a cap; the grid is never laid out.

A cell is read as it is stored: a number without its display format, a date as its serial, so that nothing is
interpreted before the dialect says how. (A library that lays out the grid needs terabytes for two far cells.)
"""

import io
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from posixpath import normpath
from typing import BinaryIO

from lxml import etree

from adapters.declaration import FileShape
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.markup import parse, parse_each
from adapters.readers.model import LIMITS, Raw, check_counts, check_names, row_flag, string_columns

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_TARGET = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_TEXT = f"{_SHEET}t"
_VALUE = f"{_SHEET}v"
_FORMULA = f"{_SHEET}f"
_SHARED = "xl/sharedStrings.xml"
_LETTERS = re.compile(r"^[A-Z]{1,3}$")
_ROW_NUMBER = re.compile(r"^[1-9][0-9]{0,6}$")
_INDEX = re.compile(r"^[0-9]{1,9}$")
_NUMERIC = re.compile(r"^-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?$")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")  # how a workbook writes characters that XML cannot hold
_NO_VALUE = "\0formula"  # one that was never calculated
_EXACT = 10**15  # whole numbers up to here are exact in a cell
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_SMALL = 1024 * 1024
_BLOCK = 64 * 1024  # as many rows are held at once as a block has
_TAIL = 64 * 1024 + 22  # in which an archive ends: its last record and the longest comment
_END, _END_64_LOCATOR = b"PK\5\6", b"PK\6\7"
_Row = dict[int, str]


def read_xlsx(payload: bytes, shape: FileShape, *, source_id: str) -> Raw:
    """One row a filled row below the header of the declared sheet, or of the first."""
    sheet = _Sheet(_Book(io.BytesIO(payload), source_id, sheet_bytes=LIMITS.unpacked_bytes), shape)
    records = list(islice(sheet.records, LIMITS.records + 1))
    check_counts(records=len(records), columns=len(sheet.names), source_id=source_id)
    return sheet.raw(records)


def xlsx_chunks(stream: BinaryIO, shape: FileShape, *, source_id: str, records: int) -> Iterator[Raw]:
    """The rows of `read_xlsx`, at most so many at a time.

    The stream must be seekable, for an archive begins at its end. The sheet may unpack to any size, within the ratio
    that bounds every part.
    """
    sheet = _Sheet(_Book(stream, source_id, sheet_bytes=None), shape)
    while found := list(islice(sheet.records, records)):
        yield sheet.raw(found)


class _Sheet:
    """A sheet whose header has been read: names by column, and the rows below."""

    def __init__(self, book: "_Book", shape: FileShape) -> None:
        rows = _rows(book, shape)
        number, header = next(rows, (0, {}))
        if number != shape.header_row:
            message = f"row {shape.header_row} of the sheet, where the header is declared, is empty"
            raise book.refused(RejectionReason.UNREADABLE, message, place=f"row {shape.header_row}")
        named = {column: unicodedata.normalize("NFC", name.strip()) for column, name in header.items() if name.strip()}
        check_names(named.values(), source_id=book.source_id)
        check_counts(records=1, columns=len(named), source_id=book.source_id)
        self.names: dict[int, str] = named
        self.records: Iterator[_Row] = (cells for _, cells in rows if any(map(str.strip, cells.values())))
        self._book = book

    def raw(self, records: list[_Row]) -> Raw:
        """Some of the rows as a table."""
        nameless = {column for cells in records for column in cells} - set(self.names)
        for column in sorted(nameless):
            if any(cells.get(column, "").strip() for cells in records):
                place = f"column {column + 1}"
                raise self._book.refused(RejectionReason.UNKNOWN_COLUMN, "a column has no name", place=place)
        columns = {name: [_known(cells.get(column)) for cells in records] for column, name in self.names.items()}
        unknown = [row for row, cells in enumerate(records) if _NO_VALUE in cells.values()]
        table, surrogates = string_columns(columns)
        return Raw(
            table=table,
            flags=row_flag("RECORD_UNREADABLE", unknown, "a formula without a value")
            + row_flag("ENCODING_INVALID", surrogates, "lone surrogate"),
        )


class _Book:
    """The parts of a workbook, unpacked block by block and only when needed. What it says of sizes is not believed."""

    def __init__(self, stream: BinaryIO, source_id: str, *, sheet_bytes: int | None) -> None:
        self._stream = stream
        self.source_id = source_id
        self.sheet_bytes = sheet_bytes
        if _directory_bytes(stream) > LIMITS.payload_bytes:
            raise self.refused(RejectionReason.ARCHIVE_BOMB, "the archive has too many parts")
        try:
            with zipfile.ZipFile(stream) as archive:
                self._members = {member.filename: member for member in archive.infolist()}
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error):
            message = "the file is no XLSX workbook; older or password-protected workbooks are not read"
            raise self.refused(RejectionReason.UNREADABLE, message) from None

    def refused(self, reason: RejectionReason, message: str, *, place: str = "") -> RejectedBatchError:
        return RejectedBatchError(reason, message, source_id=self.source_id, place=place)

    def has(self, name: str) -> bool:
        return name in self._members

    def part(self, name: str) -> etree._Element:
        """One part, parsed as a whole."""
        return parse(b"".join(self._unpacked(name, LIMITS.unpacked_bytes)), source_id=self.source_id, part=name[:80])

    def each(self, name: str, tag: str, *, most_bytes: int | None) -> Iterator[etree._Element]:
        """The elements of one name of a part; the part may have any size if `most_bytes` is None."""
        return parse_each(self._unpacked(name, most_bytes), tag, source_id=self.source_id, part=name[:80])

    def _unpacked(self, name: str, most_bytes: int | None) -> Iterator[bytes]:
        member = self._members.get(name)
        if member is None:
            raise self.refused(RejectionReason.UNREADABLE, "the workbook lacks a part", place=name[:80])
        packed = self._packed(member, name)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            blocks = self._inflated(packed, name)
        elif member.compress_type == zipfile.ZIP_STORED:
            blocks = packed
        else:
            raise self.refused(RejectionReason.UNREADABLE, "the archive uses an unusual packing", place=name[:80])
        total = checksum = 0
        for block in blocks:
            total, checksum = total + len(block), zlib.crc32(block, checksum)
            if most_bytes is not None and total > most_bytes:
                message = f"a part unpacks to more than {most_bytes} bytes"
                raise self.refused(RejectionReason.ARCHIVE_BOMB, message, place=name[:80])
            yield block
        if checksum != member.CRC:
            raise self.refused(RejectionReason.UNREADABLE, "the archive is damaged", place=name[:80])

    def _packed(self, member: zipfile.ZipInfo, name: str) -> Iterator[bytes]:
        """The bytes of a part as they lie in the archive."""
        damaged = self.refused(RejectionReason.UNREADABLE, "the archive is damaged or encrypted", place=name[:80])
        if member.header_offset < 0 or member.flag_bits & 1:
            raise damaged
        self._stream.seek(member.header_offset)
        header = self._stream.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size:
            raise damaged
        local = _LOCAL_HEADER.unpack(header)
        place, left = member.header_offset + len(header) + local[-2] + local[-1], member.compress_size
        while left > 0:
            self._stream.seek(place)  # another part may have been read in between
            block = self._stream.read(min(left, _BLOCK))
            if not block:
                raise damaged
            place, left = place + len(block), left - len(block)
            yield block

    def _inflated(self, packed: Iterable[bytes], name: str) -> Iterator[bytes]:
        """The unpacked bytes, as long as they are not too many for the packed ones."""
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        taken = given = 0
        for block in packed:
            taken, rest = taken + len(block), block
            while rest:
                try:
                    found = inflater.decompress(rest, _BLOCK)
                except zlib.error:
                    raise self.refused(RejectionReason.UNREADABLE, "the archive is damaged", place=name[:80]) from None
                rest, given = inflater.unconsumed_tail, given + len(found)
                cap = max(_SMALL, taken * LIMITS.ratio)
                if given > cap:
                    message = f"a part unpacks to more than {cap} bytes"
                    raise self.refused(RejectionReason.ARCHIVE_BOMB, message, place=name[:80])
                yield found


def _directory_bytes(stream: BinaryIO) -> int:
    """How long the list of parts says it is, which is read as a whole; 0 where there is none."""
    length = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, length - _TAIL))
    tail = stream.read(_TAIL)
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + 22:
        return 0
    found: int = struct.unpack_from("<I", tail, end + 12)[0]
    locator = tail[max(0, end - 20) : end]
    if locator.startswith(_END_64_LOCATOR) and len(locator) == 20:
        stream.seek(min(struct.unpack_from("<Q", locator, 8)[0], length))
        record = stream.read(56)
        return int(struct.unpack_from("<Q", record, 40)[0]) if len(record) == 56 else found
    return found


def _rows(book: _Book, shape: FileShape) -> Iterator[tuple[int, _Row]]:
    """Number and cells, by column from 0, of each row from the header on."""
    texts = _shared_texts(book)
    columns: dict[str, int] = {}
    number = 0
    for row in book.each(_sheet_part(book, shape), f"{_SHEET}row", most_bytes=book.sheet_bytes):
        number = _row_number(row.get("r"), number + 1, book)
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


def _row_number(stated: str | None, due: int, book: _Book) -> int:
    if stated is None:
        return due
    if not _ROW_NUMBER.match(stated):
        raise book.refused(RejectionReason.UNREADABLE, "a row states a number that is none", place=f"row {due}")
    return int(stated)


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
        is_open = not stored and cell.find(_FORMULA) is not None
        return _NO_VALUE if is_open else _number(stored)
    if kind == "s":
        if not _INDEX.match(stored) or int(stored) >= len(texts):
            raise book.refused(RejectionReason.UNREADABLE, "a cell names a text that is not there")
        return texts[int(stored)]
    if kind == "b":
        return "true" if stored == "1" else "false"
    # A formula's text, an ISO date, or an error such as "#REF!", which only a step that knows a form refuses.
    return _unescaped(stored)


def _known(text: str | None) -> str | None:
    return None if text == _NO_VALUE else text


def _number(stored: str) -> str:
    """A number as a person would write it: 1.08501E+11 is 108501000000, 12.0 is 12."""
    if stored.isdecimal():
        return stored
    if not _NUMERIC.match(stored):
        return stored
    number = float(stored)
    return str(int(number)) if number.is_integer() and abs(number) < _EXACT else repr(number)


def _shared_texts(book: _Book) -> list[str]:
    if not book.has(_SHARED):
        return []
    return [_plain(item) for item in book.each(_SHARED, f"{_SHEET}si", most_bytes=LIMITS.unpacked_bytes)]


def _plain(item: etree._Element) -> str:
    """The text of a string item without its formatting and its phonetic hints."""
    if len(item) == 1 and item[0].tag == _TEXT:
        return _unescaped(item[0].text or "")
    runs = [*item.iterfind(_TEXT), *item.iterfind(f"{_SHEET}r/{_TEXT}")]
    return "".join(_unescaped(run.text or "") for run in runs)


def _unescaped(text: str) -> str:
    """Text with its escapes as the characters they stand for: "_x000D_" is the end of a line typed elsewhere."""
    if "_x" not in text:
        return text
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")  # joins pairs


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
