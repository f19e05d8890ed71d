"""Bytes that are no text, legacy text, look-alike and invisible characters, in the file of every dialect."""

import pyarrow as pa
import pytest

from adapters.declaration import Charset, FileFormat
from adapters.normalise import Normalised
from adapters.readers.charsets import LEGACY, encode
from adapters.simulator.writers import write
from adapters.steps import fold_tone
from tests.bad_input.spoiling import (
    NAMES,
    SPOILT,
    dialect_of,
    each_dialect,
    good,
    is_writable,
    name_column,
    normalised_file,
    refusal,
    row_of,
    said_of,
    sent,
    with_cell,
    written_with,
)

_NAME = "Nguyễn Thị Thắm"
_NOT_UTF8 = (
    b"Tran\xff Van",
    b"\xc0\xaf Tran Van",
    b"Tran V\xe1\xban",
    b"Tran\xed\xa0\x80Van",
    b"Tr\xf8\x88\x80\x80\x80n",
)
_WITHOUT_A_LETTER = {Charset.TCVN3: b"Tran\x80Van", Charset.VNI: b"Tran\x80Van", Charset.VISCII: b"Tran\x7fVan"}

# A part of a workbook that is no UTF-8 is no XML: the workbook as a whole is refused.
_OF_BYTES = [name for name in NAMES if dialect_of(name).file.format is not FileFormat.XLSX]
each_of_bytes = pytest.mark.parametrize("name", _OF_BYTES)


def _check_only_the_spoilt_row_is_held_back(result: Normalised, name: str) -> None:
    rest = [row for row in range(good(name).num_rows) if row != SPOILT]
    assert result.quarantined["row"].to_pylist() == [SPOILT]
    assert result.table["row"].to_pylist() == rest
    expected = sent(good(name), name).table.take(pa.array(rest))
    assert result.table.to_pylist() == expected.to_pylist()
    assert said_of(result, row=None) == said_of(result)


def _target(name: str) -> str:
    return "full_name" if dialect_of(name).mapping_to("full_name") else "head_name"


@each_dialect
def test_nul_costs_its_record_and_says_where(name: str) -> None:
    bad = b"_x0000_Tran" if dialect_of(name).file.format is FileFormat.XLSX else b"Tran\0Van A"
    payload = written_with(name, name_column(name), bad)

    result = normalised_file(payload, name)

    _check_only_the_spoilt_row_is_held_back(result, name)
    (found,) = [one for one in result.findings.to_pylist() if one["row"] == SPOILT]
    assert found["code"] == "NUL_IN_TEXT"
    if dialect_of(name).file.format not in {FileFormat.XLSX, FileFormat.ARROW}:
        assert found["seen"] == f"byte offset {payload.index(bad) + bad.index(0)}"
        assert bad in result.quarantined["raw"][0].as_py()


@each_of_bytes
def test_bytes_that_are_no_letter_cost_their_record_and_say_where(name: str) -> None:
    shape = dialect_of(name).file
    for bad in _NOT_UTF8 if shape.charset is Charset.UTF_8 else [_WITHOUT_A_LETTER[shape.charset]]:
        payload = written_with(name, name_column(name), bad)

        result = normalised_file(payload, name)

        _check_only_the_spoilt_row_is_held_back(result, name)
        (found,) = [one for one in result.findings.to_pylist() if one["row"] == SPOILT]
        assert found["code"] in {"ENCODING_INVALID", "LEGACY_ENCODING"}  # two such bytes may be letters of another
        if shape.format is not FileFormat.ARROW:
            first = next(place for place in range(len(bad)) if bad[place] > 0x7E)
            assert found["seen"] == f"byte offset {payload.index(bad) + first}"


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("population-jsonl", rb"\ud83d Tran"),
        ("household-jsonl", rb"Tran \udc00"),
        ("household-xlsx", b"_xD83D_Tran"),
        ("insurance-xlsx", b"Tran_xDC00_"),
    ],
)
def test_lone_surrogate_behind_an_escape_costs_its_record(name: str, bad: bytes) -> None:
    result = normalised_file(written_with(name, name_column(name), bad), name)

    _check_only_the_spoilt_row_is_held_back(result, name)
    assert said_of(result) == [(None, "ENCODING_INVALID")]


@pytest.mark.parametrize(
    ("name", "written"),
    [(name, one) for name in _OF_BYTES for one in LEGACY if dialect_of(name).file.charset is not one],
)
def test_text_of_another_charset_is_seen_and_never_decoded_by_guess(name: str, written: Charset) -> None:
    shape = dialect_of(name).file
    spoilt = written_with(name, name_column(name), encode(_NAME, written), alone=True)

    result = normalised_file(spoilt, name)

    _check_only_the_spoilt_row_is_held_back(result, name)
    codes = {code for _, code in said_of(result)}
    assert codes <= {"LEGACY_ENCODING", "ENCODING_INVALID", "CHARSET_DOUBTFUL"}
    assert "LEGACY_ENCODING" in codes or shape.format is FileFormat.ARROW or shape.charset is Charset.VNI


@each_dialect
@pytest.mark.parametrize("disguise", [*LEGACY, Charset.UTF_8])
def test_text_read_in_the_wrong_charset_by_the_sender_is_seen(name: str, disguise: Charset) -> None:
    """Legacy bytes, or UTF-8, that somebody read as Latin-1 and wrote again as Unicode."""
    bytes_ = _NAME.encode() if disguise is Charset.UTF_8 else encode(_NAME, disguise)
    spoilt = with_cell(good(name), name_column(name), value=bytes_.decode("latin-1"))

    result = sent(spoilt, name)

    _check_only_the_spoilt_row_is_held_back(result, name)
    assert "LEGACY_ENCODING" in {code for _, code in said_of(result)}


@each_dialect
@pytest.mark.parametrize(
    ("value", "kept", "code"),
    [
        ("Nguye\u0302\u0303n Thi\u0323 Tha\u0306\u0301m", _NAME, "COMPOSED"),
        ("Nguyễn\u00a0Thị\u00a0Thắm", _NAME, "SPACES_COLLAPSED"),
        ("Nguyễn Thị\u200b Thắm", _NAME, "INVISIBLE_CHARACTER"),
        ("\u202eNguyễn Thị Thắm\u202c", _NAME, "INVISIBLE_CHARACTER"),
        ("\u202dNguyễn Thị Thắm", _NAME, "INVISIBLE_CHARACTER"),
        ("\u2067Nguyễn Thị Thắm\u2069", _NAME, "INVISIBLE_CHARACTER"),
        ("\u00d0ặng Thị Thắm", "\u0110ặng Thị Thắm", "DSTROKE_REPLACED"),
        ("Nguyễn Thị H\u043ea", "Nguyễn Thị H\u043ea", "MIXED_SCRIPT"),
        ("Nguyễn Thị H\u03bfa", "Nguyễn Thị H\u03bfa", "MIXED_SCRIPT"),
    ],
)
def test_look_alike_and_invisible_characters_are_told(name: str, value: str, kept: str, code: str) -> None:
    column = name_column(name)

    result = sent(with_cell(good(name), column, value=value), name)

    assert row_of(result)[_target(name)].endswith(kept)
    told = {(one["row"], one["code"]) for one in result.findings.to_pylist() if column in str(one["column"])}
    assert (SPOILT, code) in told or (-1, code) in told
    assert result.quarantined.num_rows == 0


@each_dialect
def test_either_place_of_a_tone_is_stored_as_sent_and_equal_for_matching(name: str) -> None:
    column = name_column(name)
    kept = []
    for value in ("Lê Thị Hòa", "Lê Thị Hoà", "Lê Thị Hy", "Lê Thị Hi"):
        spoilt = with_cell(good(name), column, value=value)
        result = normalised_file(write(spoilt, dialect_of(name)), name)
        assert is_writable(spoilt, name)
        assert said_of(result) == []
        assert row_of(result)[_target(name)].endswith(value)
        kept.append(row_of(result)[_target(name)])

    one, other, with_y, with_i = fold_tone(pa.array(kept)).to_pylist()

    assert one == other
    assert with_y != with_i


@pytest.mark.parametrize("name", ["household-xlsx", "insurance-xlsx"])
def test_workbook_whose_text_is_no_utf8_is_refused_as_unreadable(name: str) -> None:
    assert refusal(written_with(name, name_column(name), b"Tran\xffVan"), name).reason == "UNREADABLE"
