"""XML parsed so that it can do no harm: no DTD, no entity, no network, no huge tree."""

import re

from lxml import etree

from adapters.errors import RejectedBatchError, RejectionReason

_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_DTD = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_FIRST_ELEMENT = re.compile(rb"<[A-Za-z_:]")


def parse(body: bytes, *, source_id: str, part: str = "document") -> etree._Element:
    """The document element; raises `RejectedBatchError` on a DTD, another encoding or broken markup."""
    first = _FIRST_ELEMENT.search(body)
    if _DTD.search(body, 0, first.start() if first else len(body)):
        raise _dtd(source_id, part)
    declared = _ENCODING.match(body)
    if declared and declared[1].lower() not in (b"utf-8", b"us-ascii"):
        message = f"the {part} declares another encoding than UTF-8"
        raise RejectedBatchError(RejectionReason.ENCODING_INVALID, message, source_id=source_id, place=part)
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        # The parser's message may quote the document, so only its place is told.
        place = f"line {error.lineno}"
        if "depth" in str(error).lower():
            raise RejectedBatchError(
                RejectionReason.TOO_DEEP, f"the {part} is nested too deeply", source_id=source_id, place=place
            ) from None
        message = f"the {part} is no well-formed XML"
        raise RejectedBatchError(RejectionReason.UNREADABLE, message, source_id=source_id, place=place) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _dtd(source_id, part)
    return root


def _dtd(source_id: str, part: str) -> RejectedBatchError:
    return RejectedBatchError(RejectionReason.DTD_FORBIDDEN, f"the {part} has a DTD", source_id=source_id, place=part)
