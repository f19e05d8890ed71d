"""XML: nothing is fetched, expanded or nested beyond need; one bad record costs itself."""

from pathlib import Path

import numpy as np
import pytest

from adapters.declaration import FileFormat
from adapters.errors import RejectionReason
from adapters.readers.model import Raw
from tests.adapters.readers.reading import NAMESPACE, flags, read, refusal

SHAPE = {"root": "L", "record": "R", "namespace": NAMESPACE}


def _document(*records: bytes) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?><L xmlns="urn:test">' + b"".join(records) + b"</L>"


def _read(*records: bytes) -> Raw:
    return read(_document(*records), FileFormat.XML, **SHAPE)


def _refusal(payload: bytes) -> RejectionReason:
    return refusal(payload, FileFormat.XML, **SHAPE)


def test_elements_become_columns_by_path() -> None:
    raw = _read(b"<R><a>1</a><n><x>2</x></n></R>", b"<R><a/><n><y><![CDATA[<3>]]></y></n></R>", b"<R/>")

    assert raw.table.to_pylist() == [
        {"a": "1", "n/x": "2", "n/y": None},
        {"a": "", "n/x": None, "n/y": "<3>"},
        {"a": None, "n/x": None, "n/y": None},
    ]


def test_prefix_comments_and_references_change_nothing() -> None:
    payload = (
        b'<p:L xmlns:p="urn:test"><!-- <p:R> --><p:R><p:a>H<!-- x -->o\xc3\xa0 &amp; &#272;</p:a></p:R>'
        b"<?x y?><p:R ><p:a>2</p:a></p:R ></p:L>"
    )

    raw = read(payload, FileFormat.XML, **SHAPE)

    assert raw.table["a"].to_pylist() == ["Hoà & Đ", "2"]


def test_bytes_of_a_record_are_exact() -> None:
    raw = _read(b"<R><a>1</a></R>", b"<R/>", b"<R\n><a>2</a></R >")

    assert raw.bytes_of(np.array([0, 1, 2])).to_pylist() == [b"<R><a>1</a></R>", b"<R/>", b"<R\n><a>2</a></R >"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff", "ENCODING_INVALID"),
        (b"\xe1(", "ENCODING_INVALID"),
        (b"&#0;", "ENCODING_INVALID"),
        (b"&#x1F;", "ENCODING_INVALID"),
        (b"&#xD800;", "ENCODING_INVALID"),
        (b"\x01", "ENCODING_INVALID"),
        (b"\xef\xbf\xbf", "ENCODING_INVALID"),
        (b"x\0", "NUL_IN_TEXT"),
        (b"Nguy\xd4n V\xa8n", "LEGACY_ENCODING"),
    ],
)
def test_bad_bytes_cost_their_own_record(body: bytes, code: str) -> None:
    raw = _read(b"<R><a>1</a></R>", b"<R><a>" + body + b"</a></R>", b"<R><a>3</a></R>")

    assert raw.table["a"].to_pylist() == ["1", None, "3"]
    assert flags(raw) == {code: [1]}
    assert raw.bytes_of(np.array([1])).to_pylist() == [b"<R><a>" + body + b"</a></R>"]


def test_repeated_field_and_stray_text_are_flagged() -> None:
    raw = _read(b"<R><a>1</a><a>2</a></R>", b"<R><n>stray<x>1</x></n></R>", b"<R><a>3</a></R>")

    assert flags(raw) == {"FIELD_REPEATED": [0], "RECORD_UNREADABLE": [1]}


def test_external_entity_is_refused_unread(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="utf-8")
    payload = f'<!DOCTYPE L [<!ENTITY x SYSTEM "{secret.as_uri()}">]><L xmlns="urn:test"><R><a>&x;</a></R></L>'

    assert _refusal(payload.encode()) == RejectionReason.DTD_FORBIDDEN


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (_document(), RejectionReason.EMPTY_BATCH),
        (b'<!DOCTYPE L><L xmlns="urn:test"><R/></L>', RejectionReason.DTD_FORBIDDEN),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<!DOCTYPE L [<!ENTITY a "b">]><L/>', RejectionReason.DTD_FORBIDDEN),
        (_document(b"<R>")[:-4], RejectionReason.UNREADABLE),
        (_document(b"<R><a>&unknown;</a></R>"), RejectionReason.UNREADABLE),
        (b'<L xmlns="urn:other"><R/></L>', RejectionReason.UNREADABLE),
        (_document(b'<R b="1"><a>1</a></R>'), RejectionReason.UNKNOWN_COLUMN),
        (_document(b"<R " + b" ".join(b'a%d="1"' % i for i in range(200_000)) + b"/>"), RejectionReason.UNKNOWN_COLUMN),
        (_document(b"<S/>"), RejectionReason.UNKNOWN_COLUMN),
        (
            _document(b'<R><i:include xmlns:i="http://www.w3.org/2001/XInclude" href="other.xml"/></R>'),
            RejectionReason.UNKNOWN_COLUMN,
        ),
        (_document(b"<R>" + b"<a>" * 20 + b"</a>" * 20 + b"</R>"), RejectionReason.TOO_DEEP),
        (_document(b"<R>" + b"<a>" * 3000 + b"</a>" * 3000 + b"</R>"), RejectionReason.TOO_DEEP),
        (_document(b"<R/>" * 900_000), RejectionReason.TOO_MANY_RECORDS),
        (_document(b"<R>" + b"".join(b"<c%d/>" % i for i in range(201)) + b"</R>"), RejectionReason.TOO_MANY_COLUMNS),
        (
            b'<?xml version="1.0" encoding="windows-1258"?><L xmlns="urn:test"><R/></L>',
            RejectionReason.ENCODING_INVALID,
        ),
        ('<L xmlns="urn:test"><R/></L>'.encode("utf-16"), RejectionReason.ENCODING_INVALID),
    ],
    ids=range(16),
)
def test_file_is_refused(payload: bytes, reason: RejectionReason) -> None:
    assert _refusal(payload) == reason


def test_message_of_a_refusal_quotes_nothing_of_the_document() -> None:
    with pytest.raises(Exception, match="UNREADABLE") as caught:
        _read(b"<R><a>Nguyen Van An</b></R>")

    assert "Nguyen" not in str(caught.value)
    assert caught.value.__suppress_context__
