"""XLSX: cells as stored, archives under a cap, no grid laid out."""

import io
import struct
import zipfile

import pytest
from openpyxl import Workbook

from adapters.declaration import FileFormat
from adapters.errors import RejectionReason
from adapters.readers.model import Raw
from tests.adapters.readers.reading import archive, flags, read, refusal, sheet, workbook

XLSX = FileFormat.XLSX
HEADER = '<row r="1"><c r="A1" t="inlineStr"><is><t>A</t></is></c><c r="B1" t="inlineStr"><is><t>B</t></is></c></row>'


def _rows(rows: str, **others: str) -> list[dict[str, str | None]]:
    return read(workbook(sheet(HEADER + rows), **others), XLSX).table.to_pylist()  # type: ignore[no-any-return]


def _written(*rows: list[object]) -> Raw:
    book = Workbook()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    sink = io.BytesIO()
    book.save(sink)
    return read(sink.getvalue(), XLSX)


def test_workbook_of_a_common_library_is_read() -> None:
    raw = _written(["A", "B"], ["Đặng", 27001000123], [None, 2.5], [True, None])

    assert raw.table.to_pylist() == [
        {"A": "Đặng", "B": "27001000123"},
        {"A": None, "B": "2.5"},
        {"A": "true", "B": None},
    ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c r="A2"><v>1.08501E+11</v></c>', "108501000000"),
        ('<c r="A2"><v>12.0</v></c>', "12"),
        ('<c r="A2"><v>45839.5</v></c>', "45839.5"),
        ('<c r="A2"><v>1_0</v></c>', "1_0"),
        ('<c r="A2"><v>infinity</v></c>', "infinity"),
        ('<c r="A2" t="str"><f>1+1</f><v>x</v></c>', "x"),
        ('<c r="A2"><f>1+1</f><v>2</v></c>', "2"),
        ('<c r="A2" t="e"><v>#REF!</v></c>', "#REF!"),
        ('<c r="A2" t="s"><v>1</v></c>', "rich text"),
        ('<c r="A2" t="inlineStr"><is><t>a_x000D_\nb</t></is></c>', "a\r\nb"),
        ('<c r="A2" t="str"><v>a_x0000_b</v></c>', "a\0b"),
        ('<c r="A2" t="inlineStr"><is><t>_x005F_x0041_</t></is></c>', "_x0041_"),
        ('<c r="A2" t="inlineStr"><is><t>_xD83D__xDE00_</t></is></c>', "\U0001f600"),
    ],
)
def test_cell_is_read_as_stored(cell: str, text: str) -> None:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    shared = (
        f'<sst xmlns="{main}"><si><t>0</t></si><si><r><t>rich </t></r><r><t>text</t></r><rPh><t>x</t></rPh></si></sst>'
    )

    rows = _rows(f'<row r="2">{cell}</row>', **{"xl__sharedStrings.xml": shared})

    assert rows == [{"A": text, "B": None}]


def test_lone_surrogate_costs_its_own_row() -> None:
    cells = ('<c r="A2" t="inlineStr"><is><t>_xD83D_</t></is></c>', '<c r="A3"><v>2</v></c>')

    raw = read(workbook(sheet(HEADER + f'<row r="2">{cells[0]}</row><row r="3">{cells[1]}</row>')), XLSX)

    assert raw.table["A"].to_pylist() == [None, "2"]
    assert flags(raw) == {"ENCODING_INVALID": [0]}


@pytest.mark.parametrize("value", ["", "<v/>", "<v></v>"])
def test_formula_that_was_never_calculated_costs_its_own_row(value: str) -> None:
    rows = (
        f'<row r="2"><c r="A2"><v>1</v></c></row><row r="3"><c r="A3"><f>1+1</f>{value}</c><c r="B3"><v>2</v></c></row>'
    )

    raw = read(workbook(sheet(HEADER + rows)), XLSX)

    assert raw.table["A"].to_pylist() == ["1", None]
    assert flags(raw) == {"RECORD_UNREADABLE": [1]}


def test_rows_and_cells_without_addresses_are_counted() -> None:
    assert _rows("<row><c><v>1</v></c><c><v>2</v></c></row>") == [{"A": "1", "B": "2"}]


def test_blank_rows_are_no_records() -> None:
    assert (
        len(_rows('<row r="2"/><row r="3"><c r="A3"><v>1</v></c></row><row r="9"><c r="B9" t="str"><v> </v></c></row>'))
        == 1
    )


def test_far_cell_is_refused_and_no_grid_is_laid_out() -> None:
    far = HEADER + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'

    assert refusal(workbook(sheet(far)), XLSX) == RejectionReason.TOO_MANY_COLUMNS


def test_value_below_no_header_is_refused() -> None:
    assert refusal(workbook(sheet(HEADER + '<row r="2"><c r="C2"><v>1</v></c></row>')), XLSX) == (
        RejectionReason.UNKNOWN_COLUMN
    )


def test_bomb_is_refused_before_it_is_unpacked() -> None:
    assert refusal(workbook(sheet(HEADER + " " * 50_000_000)), XLSX) == RejectionReason.ARCHIVE_BOMB


def test_archive_that_lies_about_its_sizes_is_refused() -> None:
    packed = bytearray(workbook(sheet(HEADER + " " * 50_000_000)))
    name = b"xl/worksheets/sheet1.xml"
    entry = packed.rindex(name) - 46
    packed[entry + 24 : entry + 28] = struct.pack("<L", 1000)  # the unpacked size in the directory

    assert refusal(bytes(packed), XLSX) == RejectionReason.ARCHIVE_BOMB


def test_parts_beside_the_sheet_are_never_unpacked() -> None:
    bomb = " " * 50_000_000

    assert _rows('<row r="2"><c r="A2"><v>1</v></c></row>', **{"xl__media__picture.png": bomb, "..__..__x": "y"}) == [
        {"A": "1", "B": None}
    ]


def test_archive_of_too_many_parts_is_refused() -> None:
    whole = bytearray(workbook(sheet(HEADER + '<row r="2"><c r="A2"><v>1</v></c></row>')))
    end = whole.rindex(b"PK\x05\x06")
    whole[end + 12 : end + 16] = struct.pack("<L", 4 * 1024 * 1024 + 1)

    assert refusal(bytes(whole), XLSX) == RejectionReason.ARCHIVE_BOMB


def test_archive_of_too_many_parts_of_the_long_kind_is_refused() -> None:
    whole = workbook(sheet(HEADER))
    end = whole.rindex(b"PK\x05\x06")
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, 2**40, 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)

    assert refusal(whole[:end] + record + locator + whole[end:], XLSX) == RejectionReason.ARCHIVE_BOMB


def test_entities_in_a_part_are_refused() -> None:
    bad = '<!DOCTYPE x [<!ENTITY a "b">]>' + sheet(HEADER)

    assert refusal(workbook(bad), XLSX) == RejectionReason.DTD_FORBIDDEN


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"PK\x03\x04 not really", RejectionReason.UNREADABLE),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 512, RejectionReason.UNREADABLE),
        (archive({"x": "y"}), RejectionReason.UNREADABLE),
        (workbook(sheet("")), RejectionReason.UNREADABLE),
        (workbook(sheet(HEADER)), RejectionReason.EMPTY_BATCH),
        (workbook(sheet(HEADER.replace("B<", "A<"))), RejectionReason.DUPLICATE_COLUMN),
        (workbook(sheet(HEADER + '<row r="2"><c r="??"><v>1</v></c></row>')), RejectionReason.UNREADABLE),
        (workbook(sheet(HEADER + '<row r="2"><c r="A2" t="s"><v>7</v></c></row>')), RejectionReason.UNREADABLE),
        (
            workbook(sheet(HEADER + f'<row r="2"><c r="A2" t="s"><v>{"9" * 5_000}</v></c></row>')),
            RejectionReason.UNREADABLE,
        ),
        (workbook(sheet(HEADER + '<row r="2="><c r="A2"><v>1</v></c></row>')), RejectionReason.UNREADABLE),
        (workbook(sheet(HEADER + f'<row r="{"9" * 5_000}"><c r="A2"><v>1</v></c></row>')), RejectionReason.UNREADABLE),
        (
            workbook(sheet(HEADER + '<row><c t="str"><v>1</v></c></row>' * 10_001)),
            RejectionReason.TOO_MANY_RECORDS,
        ),
    ],
    ids=range(12),
)
def test_file_is_refused(payload: bytes, reason: RejectionReason) -> None:
    assert refusal(payload, XLSX) == reason


def test_damaged_archive_is_refused() -> None:
    whole = workbook(sheet(HEADER))
    start = whole.index(b"xl/worksheets/sheet1.xml") + len("xl/worksheets/sheet1.xml")
    damaged = whole[:start] + b"\xff" * 20 + whole[start + 20 :]

    assert zipfile.is_zipfile(io.BytesIO(damaged))
    assert refusal(damaged, XLSX) == RejectionReason.UNREADABLE


def test_archive_whose_checksum_differs_is_refused() -> None:
    whole = workbook(sheet(HEADER + '<row r="2"><c r="A2"><v>1</v></c></row>'))
    entry = whole.rindex(b"xl/worksheets/sheet1.xml") - 46

    assert refusal(whole[: entry + 16] + b"\0\0\0\0" + whole[entry + 20 :], XLSX) == RejectionReason.UNREADABLE


def test_missing_sheet_is_named() -> None:
    assert refusal(workbook(sheet(HEADER)), XLSX, sheet="Danh sách") == RejectionReason.UNREADABLE
