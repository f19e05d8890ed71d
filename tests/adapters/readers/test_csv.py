"""CSV: one bad row costs itself, a bad file says why."""

import csv
import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.declaration import Charset, FileFormat, FileShape
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers import LIMITS
from adapters.readers.csv import read_csv
from adapters.readers.model import Raw
from tests.adapters.readers.reading import flags, read, refusal

CSV = FileFormat.CSV


def _raw(raw: Raw, row: int) -> bytes:
    return raw.bytes_of(np.array([row]))[0].as_py()  # type: ignore[no-any-return]


def test_values_are_strings_as_written() -> None:
    raw = read(b'A,B\r\n001,"x, ""y"""\r\n,NULL\r\n', CSV)

    assert raw.table.to_pylist() == [{"A": "001", "B": 'x, "y"'}, {"A": "", "B": "NULL"}]


def test_line_ends_within_quotes_belong_to_the_value() -> None:
    raw = read(b'A,B\r\n1,"x\r\ny"\r\n2,z\r\n', CSV)

    assert raw.table["B"].to_pylist() == ["x\r\ny", "z"]
    assert [_raw(raw, row) for row in (0, 1)] == [b'1,"x\r\ny"', b"2,z"]


def test_byte_order_mark_and_blank_lines_are_no_data() -> None:
    raw = read(b"\xef\xbb\xbfA,B\n\n1,2\n\n3,4\n\n", CSV)

    assert raw.table.to_pylist() == [{"A": "1", "B": "2"}, {"A": "3", "B": "4"}]
    assert _raw(raw, 1) == b"3,4"


def test_row_of_another_width_is_flagged_and_kept_in_its_place() -> None:
    raw = read(b"A,B\n1,2\n3\n4,5\n6,7,8\n", CSV)

    assert raw.table["A"].to_pylist() == ["1", None, "4", None]
    assert flags(raw) == {"FIELD_COUNT": [1, 3]}
    assert [_raw(raw, row) for row in (1, 3)] == [b"3", b"6,7,8"]


def test_stray_quote_does_not_shift_the_bytes_of_rows() -> None:
    raw = read(b'A,B\n1,5" x\n2,\xff\n', CSV)

    assert raw.table["B"].to_pylist() == ['5" x', None]
    assert flags(raw) == {"ENCODING_INVALID": [1]}
    assert _raw(raw, 1) == b"2,\xff"


@pytest.mark.parametrize("body", [b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\xaf", b"Vi\xe1"])
def test_invalid_utf8_costs_its_own_row_and_says_where(body: bytes) -> None:
    raw = read("A,B\n1,Đặng\n2,".encode() + body + "\n3,Hoà\n".encode(), CSV)

    assert raw.table["B"].to_pylist() == ["Đặng", None, "Hoà"]
    assert flags(raw) == {"ENCODING_INVALID": [1]}
    offset = int(raw.flags[0].seen[0].as_py().removeprefix("byte offset "))
    assert raw.payload[offset : offset + 1] in body
    assert _raw(raw, 1) == b"2," + body


def test_nul_costs_its_own_row() -> None:
    raw = read(b"A,B\n1,x\0y\n2,z\n", CSV)

    assert raw.table["B"].to_pylist() == [None, "z"]
    assert flags(raw) == {"NUL_IN_TEXT": [0]}
    assert raw.flags[0].seen.to_pylist() == ["byte offset 7"]


def test_tcvn3_is_decoded_where_declared() -> None:
    raw = read(b"A,B\n1,Nguy\xd4n Th\xde \xb8nh\n", CSV, charset=Charset.TCVN3)

    assert raw.table["B"].to_pylist() == ["Nguyễn Thị ánh"]


def test_tcvn3_in_a_utf8_source_is_recognised_and_not_guessed() -> None:
    raw = read(b"A,B\n1,Nguy\xd4n V\xa8n B\xd7nh\n" + "2,Nguyễn\n".encode(), CSV)

    assert raw.table["B"].to_pylist() == [None, "Nguyễn"]
    assert flags(raw) == {"LEGACY_ENCODING": [0]}


def test_byte_without_a_letter_in_tcvn3_costs_its_own_row() -> None:
    raw = read(b"A,B\n1,\x80\n2,V\xa8n\n", CSV, charset=Charset.TCVN3)

    assert raw.table["B"].to_pylist() == [None, "Văn"]
    assert flags(raw) == {"ENCODING_INVALID": [0]}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"A,B\n", RejectionReason.EMPTY_BATCH),
        (b"\n\n", RejectionReason.EMPTY_BATCH),
        (b"A;B\n1;2\n", RejectionReason.WRONG_SEPARATOR),
        (b"A,A\n1,2\n", RejectionReason.DUPLICATE_COLUMN),
        (b"A\rX,B\n1,2\n", RejectionReason.UNREADABLE),
        (b"\xffA,B\n1,2\n", RejectionReason.ENCODING_INVALID),
        ("A,B\n1,2\n".encode("utf-16"), RejectionReason.ENCODING_INVALID),
        (b",".join(b"c%d" % i for i in range(201)) + b"\n1\n", RejectionReason.TOO_MANY_COLUMNS),
        (b"A,B\n" + b"1,2\n" * 10_001, RejectionReason.TOO_MANY_RECORDS),
        (b"A,B\n" + b",\n" * 1_000_000, RejectionReason.TOO_MANY_RECORDS),
    ],
)
def test_file_is_refused(payload: bytes, reason: RejectionReason) -> None:
    assert refusal(payload, CSV) == reason


@pytest.mark.parametrize(
    ("head", "shape", "names"),
    [
        (b"Title;;\nA;B\n", {"header_row": 2}, ["A", "B"]),
        (b'"A ""long"" title, \n of two lines"\nx\nA;B\n', {"header_row": 3}, ["A", "B"]),
        (b"\xef\xbb\xbf\n\nA;B\n", {}, ["A", "B"]),
        (b'\xef\xbb\xbf"A;1";B\n', {}, ["A;1", "B"]),
        (b"G;\nA;B\n", {"header_row": 2, "header_depth": 2}, ["G/A", "G/B"]),
        (b"A;G\n;B\n", {"header_row": 2, "header_depth": 2}, ["A", "G/B"]),
        (b"t\nA;\n\n;\n", {"header_row": 3, "header_depth": 2}, ["A", "A"]),
        (b"X;\nG;H\nA;A\n", {"header_row": 3, "header_depth": 3}, ["X/G/A", "X/H/A"]),
        ("T\nA;Ho\u0323\n".encode(), {"header_row": 2}, ["A", "H\u1ecd"]),
    ],
    ids=range(9),
)
def test_header_is_read_from_its_rows(head: bytes, shape: dict[str, int], names: list[str]) -> None:
    if len(set(names)) < len(names):
        assert refusal(head + b"1;2\n", CSV, separator=";", **shape) == RejectionReason.DUPLICATE_COLUMN
        return

    raw = read(head + b"1;2\r\n3;4", CSV, separator=";", **shape)

    assert raw.table.column_names == names
    assert [list(row.values()) for row in raw.table.to_pylist()] == [["1", "2"], ["3", "4"]]
    assert [_raw(raw, row) for row in (0, 1)] == [b"1;2", b"3;4"]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"1,2\n3,4\n", r"at row 2: the declared header, row 2, does not name the declared columns\. Export with"),
        (b"A,B\n1,2\n3,4\n", r"they stand in row 1\."),
        (b"t\nu\nA,B\n1,2\n", r"they stand in row 3\."),
        (b"A,B\n", "the file has 1 rows, the header is declared in row 2"),
    ],
)
def test_missing_header_is_named_and_its_cells_are_not_shown(payload: bytes, message: str) -> None:
    shape = FileShape(CSV, header_row=2)

    with pytest.raises(RejectedBatchError, match=message) as caught:
        read_csv(payload, shape, source_id="x", known=("A", "B"))
    assert "3" not in caught.value.message.replace("row 3", "")


def test_header_rows_in_the_wrong_order_are_named() -> None:
    shape = FileShape(CSV, header_row=2, header_depth=2)

    with pytest.raises(RejectedBatchError, match="rows 1 to 2 from below to above"):
        read_csv(b"A,B\nG,\n1,2\n", shape, source_id="x", known=("G/A", "G/B"))


def test_rows_of_names_that_come_again_are_flagged() -> None:
    raw = read(b"G,\nA,B\n1,2\nA,B\nG,\n3,4\n", CSV, header_row=2, header_depth=2)

    assert flags(raw) == {"HEADER_REPEATED": [1, 2]}


def test_row_of_another_width_says_how_many_fields_it_has() -> None:
    raw = read(b"A,B\n1\n1,2,3\n", CSV)

    assert raw.flags[0].seen.to_pylist() == ["1 fields, 2 are due", "3 fields, 2 are due"]


@pytest.mark.parametrize("quoted", [b'1,"x\n2,y\n', b'1,2\n"3,4', b'1,"x""\n'])
def test_quote_that_never_closes_is_refused_with_its_row(quoted: bytes) -> None:
    with pytest.raises(RejectedBatchError, match=r"at row [01] from byte offset [48]: the quotes"):
        read(b"A,B\n" + quoted, CSV)


@settings(max_examples=100)
@given(st.text(',;"\r\n a', max_size=40))
@example('x" "\n"a\n"')
@example('"a"b"\n"\n')
@example('"a""b"\r\n""\n')
def test_rows_lie_where_the_parser_finds_them(body: str) -> None:
    """The parser and the lines agree on every text, so that each row's bytes are its own."""
    payload = b"A,B\n" + body.encode()

    try:
        raw = read(payload, CSV)
    except RejectedBatchError as error:
        assert error.reason in (RejectionReason.EMPTY_BATCH, RejectionReason.UNREADABLE)
        return
    assert raw.extents is not None
    wrong = flags(raw).get("FIELD_COUNT", [])
    for row in set(range(raw.table.num_rows)) - set(wrong):
        cells = next(csv.reader(io.StringIO(_raw(raw, row).decode(), newline="")))
        assert len(cells) == 2


def test_as_many_records_as_allowed_are_read() -> None:
    raw = read(b"A,B\n" + b"1,2\n" * LIMITS.records, CSV)

    assert raw.table.num_rows == LIMITS.records
