"""Fixed width: fields at their places, lines of another length kept as they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.declaration import Charset, FileFormat, FixedField
from adapters.errors import RejectionReason
from adapters.readers import LIMITS
from adapters.readers.charsets import encode, letters
from adapters.readers.model import Raw
from tests.adapters.readers.reading import flags, refusal
from tests.adapters.readers.reading import read as read_file

FIXED = FileFormat.FIXED_WIDTH
FIELDS = (FixedField("A", 3), FixedField("B", 5))


def read(payload: bytes, charset: Charset = Charset.UTF_8) -> Raw:
    return read_file(payload, FIXED, fields=FIELDS, charset=charset)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_fields_are_cut_and_trimmed(end: bytes) -> None:
    raw = read(end.join([b"1  ab   ", b"", b"123  x y", b"        ", b""]))

    assert raw.table.to_pylist() == [{"A": "1", "B": "ab"}, {"A": "123", "B": "x y"}, {"A": "", "B": ""}]
    assert raw.bytes_of(np.array([1])).to_pylist() == [b"123  x y"]


def test_lines_of_another_length_are_flagged_and_kept() -> None:
    raw = read(b"1  ab   \n1  ab    \n1  ab  \n2  cd   ")

    assert raw.table["A"].to_pylist() == ["1", None, None, "2"]
    assert flags(raw) == {"FIELD_COUNT": [1, 2]}
    assert raw.flags[0].seen.to_pylist() == ["9 bytes, 8 are due", "7 bytes, 8 are due"]
    assert raw.bytes_of(np.array([1, 2])).to_pylist() == [b"1  ab    ", b"1  ab  "]


def test_mark_of_the_end_and_byte_order_mark_are_no_lines() -> None:
    assert read(b"\xef\xbb\xbf1  ab   \r\n\x1a").table.to_pylist() == [{"A": "1", "B": "ab"}]


def test_letters_of_viscii_in_the_place_of_control_characters_are_letters() -> None:
    raw = read(b"\x02\x05\x06\x14\x19\x1e  ", Charset.VISCII)

    assert raw.table.to_pylist() == [{"A": "ẲẴẪ", "B": "ỶỸỴ"}]
    assert flags(raw) == {}


def test_damage_costs_its_own_line_and_says_where() -> None:
    raw = read(b"1  ab   \n2  \xa5b   \n3  a\0   \n", Charset.VNI)

    assert raw.table["B"].to_pylist() == ["ab", None, None]
    assert flags(raw) == {"ENCODING_INVALID": [1], "NUL_IN_TEXT": [2]}
    assert [flag.seen.to_pylist() for flag in raw.flags] == [["byte offset 12"], ["byte offset 22"]]


def test_a_letter_of_two_bytes_never_lies_in_two_fields() -> None:
    raw = read(b"12a\xf9b   \n12 a\xf9   \n", Charset.VNI)

    assert raw.table["A"].to_pylist() == ["12a", "12"]
    assert "\0" in raw.table["B"][0].as_py()  # which normalising refuses
    assert raw.table["B"][1].as_py() == "á"


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.text(sorted(letters(Charset.VISCII)), max_size=3), st.text("ab ", max_size=5)), min_size=1)
)
def test_what_is_written_is_read(rows: list[tuple[str, str]]) -> None:
    lines = [encode(first.ljust(3) + second.ljust(5), Charset.VISCII) for first, second in rows]

    raw = read(b"\n".join(lines), Charset.VISCII)

    kept = [row for row in range(len(rows)) if row not in flags(raw).get("ENCODING_INVALID", [])]
    assert [raw.table["B"][row].as_py() for row in kept] == [rows[row][1].strip(" ") for row in kept]
    assert [raw.table["A"][row].as_py() for row in kept] == [rows[row][0] for row in kept]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\n\r\n", RejectionReason.EMPTY_BATCH),
        (b"\x1a", RejectionReason.EMPTY_BATCH),
        (b"1  ab   \n" * (LIMITS.records + 1), RejectionReason.TOO_MANY_RECORDS),
        ("1  ab   \n".encode("utf-16"), RejectionReason.ENCODING_INVALID),
    ],
    ids=range(4),
)
def test_file_is_refused(payload: bytes, reason: RejectionReason) -> None:
    assert refusal(payload, FIXED, fields=FIELDS) == reason


def test_as_many_records_as_allowed_are_read() -> None:
    assert read(b"1  ab   \n" * LIMITS.records).table.num_rows == LIMITS.records
