"""XML to a raw table: one row a record element, its elements as columns named by their path (HoVaTen/Ho)."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from lxml import etree

from adapters.declaration import Charset, FileShape
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import Flag
from adapters.readers.elements import ElementScanner, root_name
from adapters.readers.encoding import Text, as_text, flagged
from adapters.readers.lines import BLOCK_BYTES
from adapters.readers.markup import parse
from adapters.readers.model import LIMITS, Extents, Numbers, Raw, check_counts, row_flag, string_columns

_Columns = dict[str, list[str | None]]

_REFERENCE = re.compile(rb"&#(x[0-9a-fA-F]{1,8}|[0-9]{1,10});")
_NONCHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")
_HEAD_BYTES = 64 * 1024
_SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_ATTRIBUTES = f"(//@*[namespace-uri() != '{_SCHEMA_INSTANCE}'])[1]"


def read_xml(payload: bytes, shape: FileShape, *, source_id: str) -> Raw:
    """One row a record; an element that holds elements is no column itself, an absent one is null."""
    raw = _Reader(shape, source_id).read(payload)
    check_counts(records=raw.table.num_rows or raw.nameless_rows, columns=0, source_id=source_id)
    return raw


def xml_chunks(stream: BinaryIO, shape: FileShape, *, source_id: str, records: int) -> Iterator[Raw]:
    """The rows of `read_xml`, at most so many at a time: each time a document of its own, cut between records.

    What is wrong after a record is refused when it is reached, so rows may have been given before.
    """
    reader, scanner = _Reader(shape, source_id), ElementScanner((shape.record or "").encode())
    held, origin, at_end = b"", 0, False
    head: bytes | None = None
    while not at_end:
        block = stream.read(BLOCK_BYTES)
        if not origin and not held and block.startswith(BOM_UTF8):
            block, origin = block[len(BOM_UTF8) :], len(BOM_UTF8)
        at_end, held = not block, held + block
        scanner.scan(held)
        cut, done, spans = 0, 0, scanner.spans
        while done < len(spans) and (at_end or len(spans) - done >= records or len(held) - cut > LIMITS.payload_bytes):
            if head is None:
                cut = spans[0][0]
                head = _checked_head(held[:cut], source_id)
            count = sum(end - cut <= LIMITS.payload_bytes for _, end in spans[done : done + records])
            if not count:
                raise _too_large(origin + cut, source_id)
            end = spans[done + count - 1][1]
            yield reader.read_part(head, held[cut:end], origin + cut)
            cut, done = end, done + count
        held, origin = held[cut:], origin + cut
        scanner.forget(done, cut)
        if len(held) > LIMITS.payload_bytes:
            raise _too_large(origin, source_id)
    rest = reader.read((head or b"") + held, origin=origin - len(head or b""))
    if rest.table.num_rows or rest.nameless_rows:
        yield rest


def _checked_head(head: bytes, source_id: str) -> bytes:
    """What is before the first record and is repeated before each chunk's records."""
    if len(head) > _HEAD_BYTES:
        message = f"there are more than {_HEAD_BYTES} bytes before the first record"
        raise RejectedBatchError(RejectionReason.TOO_LARGE, message, source_id=source_id, place="document element")
    return head


def _too_large(origin: int, source_id: str) -> RejectedBatchError:
    message = f"a record is longer than {LIMITS.payload_bytes} bytes, or does not end"
    place = f"byte offset {origin}"
    return RejectedBatchError(RejectionReason.TOO_LARGE, message, source_id=source_id, place=place)


@dataclass(frozen=True)
class _Reader:
    """Documents of one shape to raw tables."""

    shape: FileShape
    source_id: str

    def read(self, payload: bytes, *, origin: int = 0) -> Raw:
        """A whole document, which may hold no record."""
        text = as_text(payload, Charset.UTF_8, source_id=self.source_id, origin=origin)
        text = text.also_damaged(_illegal(text))
        scanner = ElementScanner((self.shape.record or "").encode())
        scanner.scan(text.body, most=LIMITS.records + 1)
        if len(scanner.spans) > LIMITS.records:
            check_counts(records=len(scanner.spans), columns=0, source_id=self.source_id)
        spans = np.array(scanner.spans, np.int64).reshape(-1, 2)
        # A byte order mark is before the declaration, which must come first.
        body = text.body.lstrip(b"\n") if payload.startswith(BOM_UTF8) else text.body
        records = _records(parse(body, source_id=self.source_id), self.shape, source_id=self.source_id)
        columns, flags = _columns(records, self.shape, source_id=self.source_id)
        # Should the parser see other records than the scanner, no bytes are told apart.
        extents = Extents(spans[:, 0], spans[:, 1]) if len(spans) == len(records) else None
        nameless = 0 if columns else len(records)
        raw = Raw(string_columns(columns)[0], flags, payload, extents, nameless_rows=nameless)
        return flagged(raw, text)

    def read_part(self, head: bytes, records: bytes, origin: int) -> Raw:
        """Some records under the document element of the file; `origin` is where they begin."""
        try:
            return self.read(head + records + b"</" + root_name(head) + b">", origin=origin - len(head))
        except RejectedBatchError as error:
            place = f"{error.place} of the records from byte offset {origin}"
            raise RejectedBatchError(error.reason, error.message, source_id=self.source_id, place=place) from None


def _illegal(text: Text) -> Numbers:
    """Offsets of what XML cannot hold: control characters and noncharacters, plain or as &#0;"""
    values = np.frombuffer(text.body, np.uint8)
    plain = np.flatnonzero((values < 0x20) & ~np.isin(values, [0x09, 0x0A, 0x0D]))
    spans = [match.span() for match in _NONCHARACTER.finditer(text.body)]
    spans += [match.span() for match in _REFERENCE.finditer(text.body) if not _is_legal(match[1])]
    return np.concatenate([plain, *(np.arange(*span) for span in spans)]).astype(np.int64)


def _is_legal(reference: bytes) -> bool:
    point = int(reference[1:], 16) if reference.startswith(b"x") else int(reference)
    return point in (9, 10, 13) or 0x20 <= point < 0xD800 or 0xE000 <= point < 0xFFFE or 0x10000 <= point < 0x110000


def _records(root: etree._Element, shape: FileShape, *, source_id: str) -> list[etree._Element]:
    """The record elements; anything beside them is refused by name."""
    prefix = f"{{{shape.namespace}}}" if shape.namespace else ""
    if root.tag != f"{prefix}{shape.root}":
        message = f"the document element is not {shape.root} of the declared namespace"
        raise RejectedBatchError(RejectionReason.UNREADABLE, message, source_id=source_id, place="document element")
    attribute = root.xpath(_ATTRIBUTES)
    if attribute:
        raise _unknown("an attribute", source_id)
    records = list(root)
    if len(records) > LIMITS.records:
        check_counts(records=len(records), columns=0, source_id=source_id)
    for name in {record.tag for record in records} - {f"{prefix}{shape.record}"}:
        raise _unknown(etree.QName(name).localname, source_id)
    return records


@dataclass
class _Slot:
    """What is known of one element's place: its column once it has held text, and the places within it."""

    path: str
    cells: list[str | None] | None = None
    inner: dict[str, "_Slot"] = field(default_factory=dict)


def _columns(records: list[etree._Element], shape: FileShape, *, source_id: str) -> tuple[_Columns, tuple[Flag, ...]]:
    columns: _Columns = {}
    repeated: set[int] = set()
    mixed: set[int] = set()
    prefix = f"{{{shape.namespace}}}" if shape.namespace else ""

    def fill(row: int, element: etree._Element, slots: dict[str, _Slot], above: str) -> None:
        for child in element:
            tag = child.tag
            slot = slots.get(tag)
            if slot is None:
                slot = slots[tag] = _Slot(_path(above, tag, prefix, source_id=source_id))
            if len(child):
                fill(row, child, slot.inner, f"{slot.path}/")
                if child.text and not child.text.isspace():
                    mixed.add(row)
                continue
            if slot.cells is None:
                check_counts(records=len(records), columns=len(columns) + 1, source_id=source_id)
                slot.cells = columns[slot.path] = [None] * len(records)
            if slot.cells[row] is not None:
                repeated.add(row)
            slot.cells[row] = child.text or ""

    slots: dict[str, _Slot] = {}
    for row, record in enumerate(records):
        fill(row, record, slots, "")
    return columns, row_flag("FIELD_REPEATED", repeated) + row_flag("RECORD_UNREADABLE", mixed)


def _path(above: str, tag: str, prefix: str, *, source_id: str) -> str:
    if above.count("/") >= LIMITS.depth:
        message = f"elements lie more than {LIMITS.depth} levels deep"
        raise RejectedBatchError(RejectionReason.TOO_DEEP, message, source_id=source_id, place=f"column {above!r}")
    name = etree.QName(tag)
    if not tag.startswith(prefix) or (not prefix and name.namespace):
        raise _unknown(f"{name.localname} of another namespace", source_id)
    return f"{above}{name.localname}"


def _unknown(name: str, source_id: str) -> RejectedBatchError:
    message = "the document holds something that the dialect does not declare"
    return RejectedBatchError(
        RejectionReason.UNKNOWN_COLUMN, message, source_id=source_id, place=f"column {name[:80]!r}"
    )
