"""XML parsed so that it can do no harm: no DTD, no entity, no network, no huge tree."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree

from adapters.errors import RejectedBatchError, RejectionReason

_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_DTD = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_FIRST_ELEMENT = re.compile(rb"<[A-Za-z_:]")
_HARMLESS: dict[str, Any] = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
    "encoding": "utf-8",
}


def parse(body: bytes, *, source_id: str, part: str = "document") -> etree._Element:
    """The document element; raises `RejectedBatchError` on a DTD, another encoding or broken markup."""
    _check_beginning(body, source_id, part)
    try:
        root = etree.fromstring(body, etree.XMLParser(**_HARMLESS))
    except etree.XMLSyntaxError as error:
        raise _broken(error, source_id, part) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _dtd(source_id, part)
    return root


def parse_each(blocks: Iterable[bytes], tag: str, *, source_id: str, part: str) -> Iterator[etree._Element]:
    """The elements of one name one after another, refused like `parse`; each is emptied when the next is due.

    The first block holds all that is before the document element.
    """
    parser = etree.XMLPullParser(events=("end",), tag=tag, **_HARMLESS)
    begun = False
    try:
        for block in blocks:
            if not begun:
                _check_beginning(block, source_id, part)
            begun = True
            parser.feed(block)
            for _, element in parser.read_events():
                found: etree._Element = element  # type: ignore[assignment]  # the event asked for has no other
                yield found
                _forget(found)
        root = parser.close()
    except etree.XMLSyntaxError as error:
        raise _broken(error, source_id, part) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _dtd(source_id, part)


def _forget(element: etree._Element) -> None:
    """Frees an element and what is before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _check_beginning(body: bytes, source_id: str, part: str) -> None:
    first = _FIRST_ELEMENT.search(body)
    if _DTD.search(body, 0, first.start() if first else len(body)):
        raise _dtd(source_id, part)
    declared = _ENCODING.match(body)
    if declared and declared[1].lower() not in (b"utf-8", b"us-ascii"):
        message = f"the {part} declares another encoding than UTF-8"
        raise RejectedBatchError(RejectionReason.ENCODING_INVALID, message, source_id=source_id, place=part)


def _broken(error: etree.XMLSyntaxError, source_id: str, part: str) -> RejectedBatchError:
    """The refusal for what the parser says, whose own message may quote the document: only its place is told."""
    place = f"line {error.lineno}"
    if "depth" in str(error).lower():
        message = f"the {part} is nested too deeply"
        return RejectedBatchError(RejectionReason.TOO_DEEP, message, source_id=source_id, place=place)
    message = f"the {part} is no well-formed XML"
    return RejectedBatchError(RejectionReason.UNREADABLE, message, source_id=source_id, place=place)


def _dtd(source_id: str, part: str) -> RejectedBatchError:
    return RejectedBatchError(RejectionReason.DTD_FORBIDDEN, f"the {part} has a DTD", source_id=source_id, place=part)
