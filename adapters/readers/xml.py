"""XML to a raw table: one row a record element, its elements as columns named by their path (HoVaTen/Ho)."""

import re
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from lxml import etree

from adapters.declaration import Charset, FileShape
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import Flag
from adapters.readers.encoding import Text, as_text, flagged
from adapters.readers.markup import parse
from adapters.readers.model import LIMITS, Extents, Numbers, Raw, check_counts, row_flag, string_columns

_REFERENCE = re.compile(rb"&#(x[0-9a-fA-F]{1,8}|[0-9]{1,10});")
_NONCHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")
_SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_ATTRIBUTES = f"(//@*[namespace-uri() != '{_SCHEMA_INSTANCE}'])[1]"


def read_xml(payload: bytes, shape: FileShape, *, source_id: str) -> Raw:
    """One row a record; an element that holds elements is no column itself, an absent one is null."""
    text = as_text(payload, Charset.UTF_8, source_id=source_id)
    text = text.also_damaged(_illegal(text))
    extents = _extents(text.body, (shape.record or "").encode())
    if len(extents):
        check_counts(records=len(extents), columns=0, source_id=source_id)
    root = parse(text.body, source_id=source_id)
    records = _records(root, shape, source_id=source_id)
    table, flags = _table(records, shape, source_id=source_id)
    # Markup in a comment or in CDATA can look like a record; then no bytes are told apart.
    raw = Raw(table=table, flags=flags, payload=payload, extents=extents if len(extents) == len(records) else None)
    return flagged(raw, text)


def _extents(body: bytes, record: bytes) -> Extents:
    """Where something that looks like a record element begins and ends."""
    spans: list[tuple[int, int]] = []
    begun: int | None = None
    for match in re.finditer(re.escape(record) + rb"(?=[\s/>])", body):
        opening = body.rfind(b"<", 0, match.start())
        close = body.find(b">", match.end()) + 1
        before = body[opening + 1 : match.start()]
        if before.startswith(b"/"):
            if begun is not None:
                spans.append((begun, close))
            begun = None
        elif not before or before.endswith(b":"):
            is_empty = body[close - 2 : close] == b"/>"
            if is_empty:
                spans.append((opening, close))
            begun = None if is_empty else opening
    found = np.array(spans, np.int64).reshape(-1, 2)
    return Extents(found[:, 0], found[:, 1])


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


def _table(records: list[etree._Element], shape: FileShape, *, source_id: str) -> tuple[pa.Table, tuple[Flag, ...]]:
    columns: dict[str, list[str | None]] = {}
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
    return string_columns(columns)[0], row_flag("FIELD_REPEATED", repeated) + row_flag("RECORD_UNREADABLE", mixed)


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
