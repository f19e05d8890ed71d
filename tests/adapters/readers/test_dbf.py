"""DBF: read as an independent reader reads it, and refused where its header lies."""

from datetime import date
from pathlib import Path

import dbfread  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.declaration import Charset, Dialect, FileFormat, read_dialect
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers import LIMITS
from adapters.readers.charsets import as_utf8
from adapters.simulator.writers import write
from tests.adapters.conformance import ROOT
from tests.adapters.readers.reading import dbf, flags, read, refusal

DBF = FileFormat.DBF
FOLDER = ROOT / "dialects" / "insurance-dbf"
NAME = [("TEN", "C", 4)]


def independent(payload: bytes, tmp_path: Path) -> list[dict[str, object]]:
    """The live records as dbfread gives them, text by its Latin-1 bytes."""
    file = tmp_path / "one.dbf"
    file.write_bytes(payload)
    return [dict(record) for record in dbfread.DBF(file, encoding="latin-1", char_decode_errors="strict")]


def test_sample_is_read_as_by_another_reader(tmp_path: Path) -> None:
    payload = (FOLDER / "sample.dbf").read_bytes()
    dialect = read_dialect(FOLDER)

    ours = read(payload, DBF, charset=dialect.file.charset).table.to_pylist()
    theirs = independent(payload, tmp_path)

    assert len(ours) == len(theirs) > 3
    for our, their in zip(ours, theirs, strict=True):
        for name, value in their.items():
            match value:
                case None:
                    due = ""
                case bool():
                    due = str(value).lower()
                case date():
                    due = f"{value:%Y%m%d}"
                case float():
                    due = str(int(value)) if value.is_integer() else str(value)
                case int():
                    due = str(value)
                case _:
                    due = as_utf8(str(value).encode("latin-1"), dialect.file.charset).decode()
            assert our[name] == due, name


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.text("abcđưỡ ", max_size=6), st.integers(0, 10**9), st.booleans()), min_size=1, max_size=9)
)
def test_records_are_read_as_by_another_reader(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, bool]]
) -> None:
    records = [
        (b"*" if deleted else b" ") + text.encode().ljust(20) + str(number).encode().rjust(11)
        for text, number, deleted in rows
    ]
    payload = dbf([("TEN", "C", 20), ("SO", "N", 11)], [*records, b" " + b" " * 31])

    ours = read(payload, DBF).table.to_pylist()
    theirs = independent(payload, tmp_path_factory.mktemp("dbf"))

    assert [row["SO"] for row in ours] == ["" if row["SO"] is None else str(row["SO"]) for row in theirs]
    assert [row["TEN"] for row in ours] == [str(row["TEN"]).encode("latin-1").decode().strip(" ") for row in theirs]


def test_deleted_records_are_no_records_but_are_counted() -> None:
    raw = read(dbf(NAME, [b" a   ", b"*b   ", b" c   ", b"*d   "]), DBF)

    assert raw.table["TEN"].to_pylist() == ["a", "c"]
    assert {flag.code: len(flag.rows) for flag in raw.flags} == {"RECORDS_DELETED": 2}
    assert raw.bytes_of(np.array([0, 1])).to_pylist() == [b" a   ", b" c   "]


def test_nuls_that_fill_a_field_up_are_no_text_but_others_are_flagged() -> None:
    raw = read(dbf(NAME, [b" ab\0\0", b" \0\0\0\0", b" a\0b ", b" c  \0"]), DBF)

    assert raw.table["TEN"].to_pylist() == ["ab", "", None, "c"]
    assert flags(raw) == {"NUL_IN_TEXT": [2]}
    assert raw.flags[0].seen.to_pylist() == [f"byte offset {65 + 2 * 5 + 2}"]


def test_other_mark_of_deletion_is_flagged() -> None:
    assert flags(read(dbf(NAME, [b" a   ", b"xb   "]), DBF)) == {"RECORD_UNREADABLE": [1]}


def test_fractions_and_truth_are_words() -> None:
    fields = [("A", "N", 6), ("B", "F", 6), ("C", "L", 1)]
    raw = read(dbf(fields, [b"   3.00 -1.50T", b" ******      ?", b"   0.10  2.  n"], decimals=2), DBF)

    assert raw.table.to_pylist() == [
        {"A": "3", "B": "-1.50", "C": "true"},
        {"A": "******", "B": "", "C": ""},
        {"A": "0.10", "B": "2.", "C": "false"},
    ]


def test_charset_is_the_declared_one_not_that_of_the_header() -> None:
    payload = bytearray(dbf([("TEN", "C", 6)], [b" Th\xde \xb8 "]))
    payload[29] = 0x03  # says Windows-1252

    assert read(bytes(payload), DBF, charset=Charset.TCVN3).table["TEN"].to_pylist() == ["Thị á"]


def test_letter_cut_by_the_edge_of_a_field_costs_its_row() -> None:
    raw = read(dbf([("A", "C", 2), ("B", "C", 2)], [b" x" + "ê".encode() + b"y", b" abcd"]), DBF)

    assert flags(raw) == {"ENCODING_INVALID": [0]}
    assert raw.table["A"].to_pylist()[1] == "ab"


def test_foxpro_header_with_its_backlink_is_read() -> None:
    whole = dbf(NAME, [], version=0x30, header=33 + 32 + 263, count=1)

    raw = read(whole[: 33 + 32] + b"\0" * 263 + b" a   ", DBF)

    assert raw.table["TEN"].to_pylist() == ["a"]


@pytest.mark.parametrize("missing", range(1, 7))
def test_file_that_is_cut_off_is_refused(missing: int) -> None:
    whole = dbf(NAME, [b" a   ", b" b   "])

    if missing == 1:  # the mark of the end alone
        assert read(whole[:-1], DBF).table.num_rows == 2
    else:
        assert refusal(whole[:-missing], DBF) == RejectionReason.UNREADABLE


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x03", RejectionReason.UNREADABLE),
        (b"PK\x03\x04" + b"\0" * 100, RejectionReason.UNREADABLE),
        (dbf(NAME, [b" a   "], version=2), RejectionReason.UNREADABLE),
        (dbf(NAME, []), RejectionReason.EMPTY_BATCH),
        (dbf(NAME, [b"*a   "]), RejectionReason.EMPTY_BATCH),
        (dbf(NAME, [b" a   "], count=0), RejectionReason.UNREADABLE),
        (dbf(NAME, [b" a   "], count=2), RejectionReason.UNREADABLE),
        (dbf(NAME, [b" a   "], count=2**32 - 1), RejectionReason.TOO_MANY_RECORDS),
        (dbf(NAME, [b" a   "], header=64), RejectionReason.UNREADABLE),
        (dbf(NAME, [b" a   "], header=0), RejectionReason.UNREADABLE),
        (dbf(NAME, [b" a   "], header=65_535), RejectionReason.UNREADABLE),
        (dbf(NAME, [b" a   "], record=0), RejectionReason.UNREADABLE),
        (dbf(NAME, [b" a   "], record=65_535), RejectionReason.UNREADABLE),
        (dbf([], [b" "]), RejectionReason.UNREADABLE),
        (dbf([("A", "C", 0)], [b" "]), RejectionReason.UNREADABLE),
        (dbf([("A", "M", 10)], [b" " * 11]), RejectionReason.UNREADABLE),
        (dbf([("A", "I", 4)], [b" " * 5]), RejectionReason.UNREADABLE),
        (dbf([("Đ", "C", 4)], [b" a   "]), RejectionReason.ENCODING_INVALID),
        (dbf([*NAME, *NAME], [b" " * 9]), RejectionReason.DUPLICATE_COLUMN),
    ],
    ids=range(19),
)
def test_file_is_refused(payload: bytes, reason: RejectionReason) -> None:
    assert refusal(payload, DBF) == reason


@pytest.mark.parametrize(("more", "is_read"), [(0, True), (1, False)])
def test_bounds_of_records_and_columns_are_exact(more: int, is_read: bool) -> None:
    long = dbf([("A", "C", 1)], [b" a"] * (LIMITS.records + more))
    wide = dbf(
        [(f"A{number}", "C", 1) for number in range(LIMITS.columns + more)], [b" " * (LIMITS.columns + more + 1)]
    )

    if is_read:
        assert read(long, DBF).table.num_rows == LIMITS.records
        assert read(wide, DBF).table.num_columns == LIMITS.columns
    else:
        assert refusal(long, DBF) == RejectionReason.TOO_MANY_RECORDS
        assert refusal(wide, DBF) == RejectionReason.TOO_MANY_COLUMNS


@settings(max_examples=60)
@given(place=st.integers(0, 200), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_and_loses_no_record_in_silence(place: int, byte: int) -> None:
    whole = dbf([("TEN", "C", 20), ("SO", "N", 9)], [b" " + b"a" * 20 + b"        1"] * 4)
    changed = whole[:place] + bytes([byte]) + whole[place + 1 :]

    try:
        raw = read(changed, DBF)
    except RejectedBatchError:
        return
    deleted = sum(len(flag.rows) for flag in raw.flags if flag.code == "RECORDS_DELETED")
    assert raw.table.num_rows + deleted == 4


def test_memo_is_named_with_what_to_do() -> None:
    with pytest.raises(Exception, match=r"column 'GHI_CHU'.*Export the memo as a character field"):
        read(dbf([("GHI_CHU", "M", 10)], [b" " * 11]), DBF)


def test_what_is_written_is_read() -> None:
    dialect: Dialect = read_dialect(FOLDER)
    first = read((FOLDER / "sample.dbf").read_bytes(), DBF, charset=dialect.file.charset).table

    again = read(write(first.select(list(dialect.source_columns)), dialect), DBF, charset=dialect.file.charset).table

    assert again.select(first.column_names).to_pylist() == first.to_pylist()
