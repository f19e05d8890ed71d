"""Batches of a wrong shape, in the file of every dialect: columns, counts, repeated records, separators, headers."""

import codecs
from dataclasses import replace

import pyarrow as pa
import pytest

from adapters.declaration import FileFormat
from adapters.errors import RejectedBatchError
from adapters.readers import LIMITS, read
from adapters.simulator.writers import write
from tests.adapters.readers.reading import sheet, workbook
from tests.bad_input.spoiling import (
    NAMES,
    SPOILT,
    dialect_of,
    each_dialect,
    good,
    key_of,
    name_column,
    normalised_file,
    normalised_rows,
    refusal,
    row_of,
    said_of,
    with_cell,
)

_CSV = [name for name in NAMES if dialect_of(name).file.format is FileFormat.CSV]
each_csv = pytest.mark.parametrize("name", _CSV)


@each_dialect
def test_a_column_that_nobody_declared_is_refused_by_its_name(name: str) -> None:
    raw = good(name).append_column("X_LA", pa.array(["a", "b", "c"], pa.string()))
    if dialect_of(name).file.format is FileFormat.FIXED_WIDTH:
        with pytest.raises(RejectedBatchError) as caught:
            normalised_rows(raw, name)
        assert (caught.value.reason, caught.value.place) == ("UNKNOWN_COLUMN", "column 'X_LA'")
        return

    refused = refusal(write(raw, dialect_of(name)), name)

    assert (refused.reason, refused.place) == ("UNKNOWN_COLUMN", "column 'X_LA'")


@each_dialect
def test_a_column_that_is_needed_and_missing_is_refused_by_its_name(name: str) -> None:
    key = key_of(name)
    raw = good(name).drop_columns([key])

    with pytest.raises(RejectedBatchError) as caught:
        normalised_rows(raw, name)

    assert (caught.value.reason, caught.value.place) == ("MISSING_COLUMN", f"column {key!r}")


@each_dialect
def test_the_second_record_of_a_key_is_held_back_and_the_first_lives(name: str) -> None:
    raw = good(name)
    first = raw[key_of(name)].to_pylist()[0]

    result = normalised_file(write(with_cell(raw, key_of(name), value=first, row=2), dialect_of(name)), name)

    assert result.table["row"].to_pylist() == [0, 1]
    assert result.quarantined.select(["row", "codes"]).to_pylist() == [{"row": 2, "codes": ["DUPLICATE_IN_BATCH"]}]


@each_dialect
def test_one_record_is_a_batch_and_none_is_not(name: str) -> None:
    one, none = good(name).slice(0, 1), good(name).slice(0, 0)

    result = normalised_file(write(one, dialect_of(name)), name)
    refused = refusal(write(none, dialect_of(name)), name)

    assert (result.received, result.table.num_rows) == (1, 1)
    assert refused.reason == "EMPTY_BATCH"


@each_dialect
def test_ten_thousand_records_are_read_and_one_more_is_refused(name: str) -> None:
    dialect = replace(dialect_of(name), file=replace(dialect_of(name).file, sheet=None))  # whatever its sheet is called

    most = read(_of_keys(name, LIMITS.records), dialect, source_id="s")

    assert most.table.num_rows == LIMITS.records
    with pytest.raises(RejectedBatchError) as caught:
        read(_of_keys(name, LIMITS.records + 1), dialect, source_id="s")
    assert caught.value.reason == "TOO_MANY_RECORDS"


def _of_keys(name: str, count: int) -> bytes:
    """So many records that say nothing but their key, for all of them must fit into four megabytes."""
    dialect, key = dialect_of(name), key_of(name)
    if dialect.file.format is FileFormat.XLSX:
        head = "".join(f'<c t="inlineStr"><is><t>{column}</t></is></c>' for column in good(name).column_names)
        first = dialect.file.header_row
        place = good(name).column_names.index(key)
        cells = "<c/>" * place
        rows = "".join(f'<row r="{first + 1 + row}">{cells}<c><v>{row}</v></c></row>' for row in range(count))
        return workbook(sheet(f'<row r="{first}">{head}</row>{rows}'))
    keys = pa.array([f"K{number}" for number in range(count)], pa.string())
    blank = pa.nulls(count, pa.string())
    names = good(name).column_names
    if dialect.file.format in {FileFormat.XML, FileFormat.JSONL}:
        names = [key]
    return write(pa.table({column: keys if column == key else blank for column in names}), dialect)


@each_dialect
def test_a_file_of_more_than_four_megabytes_is_refused_unread(name: str) -> None:
    payload = write(good(name), dialect_of(name))

    assert refusal(payload + b" " * (LIMITS.payload_bytes + 1 - len(payload)), name).reason == "TOO_LARGE"


@each_csv
def test_another_separator_is_named(name: str) -> None:
    declared = dialect_of(name).file.separator
    payload = write(good(name), dialect_of(name))
    for other in {",", ";", "\t", "|"} - {declared}:
        refused = refusal(payload.replace(declared.encode(), other.encode()), name)

        assert refused.reason == "WRONG_SEPARATOR"
        assert refused.place == "header"
        assert repr(other) in refused.message


@each_csv
def test_a_byte_order_mark_is_no_part_of_the_first_column(name: str) -> None:
    payload = write(good(name), dialect_of(name)).removeprefix(codecs.BOM_UTF8)

    with_mark, without = (normalised_file(mark + payload, name) for mark in (codecs.BOM_UTF8, b""))

    assert with_mark.table.equals(without.table)
    assert with_mark.received == good(name).num_rows


@each_csv
def test_a_second_header_within_the_rows_is_held_back(name: str) -> None:
    lines = write(good(name), dialect_of(name)).removeprefix(codecs.BOM_UTF8).splitlines(keepends=True)
    shape = dialect_of(name).file
    header = lines[shape.header_row - shape.header_depth : shape.header_row]

    result = normalised_file(b"".join([*lines[: shape.header_row], *header, *lines[shape.header_row :]]), name)

    assert result.table["row"].to_pylist() == [len(header) + row for row in range(good(name).num_rows)]
    for row in range(len(header)):
        assert "HEADER_REPEATED" in {code for _, code in said_of(result, row)}


@each_csv
def test_a_row_whose_columns_are_shifted_is_named_and_its_neighbours_live(name: str) -> None:
    shape = dialect_of(name).file
    lines = write(good(name), dialect_of(name)).splitlines(keepends=True)
    separator, width = shape.separator.encode(), len(good(name).column_names)
    lines[shape.header_row + SPOILT] = separator + lines[shape.header_row + SPOILT]

    result = normalised_file(b"".join(lines), name)

    assert result.table["row"].to_pylist() == [0, 2]
    (found,) = [one for one in result.findings.to_pylist() if one["row"] == SPOILT]
    assert (found["code"], found["seen"]) == ("FIELD_COUNT", f"{width + 1} fields, {width} are due")


@each_csv
def test_a_header_whose_columns_are_shifted_is_refused(name: str) -> None:
    shape = dialect_of(name).file
    lines = write(good(name), dialect_of(name)).removeprefix(codecs.BOM_UTF8).splitlines(keepends=True)
    for row in range(shape.header_row - shape.header_depth, shape.header_row):
        lines[row] = b"X" + shape.separator.encode() + lines[row]

    refused = refusal(b"".join(lines), name)

    assert refused.reason == "UNKNOWN_COLUMN"
    assert "X" in refused.place


@each_csv
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_the_end_of_a_line_within_quotes_moves_no_row(name: str, end: str) -> None:
    column = name_column(name)
    target = "full_name" if dialect_of(name).mapping_to("full_name") else "head_name"

    result = normalised_file(write(with_cell(good(name), column, value=f"Lan{end}Hoa"), dialect_of(name)), name)

    assert result.table["row"].to_pylist() == [0, 1, 2]
    assert row_of(result)[target] == "Lan Hoa"
    told = {(one["row"], one["column"], one["code"]) for one in result.findings.to_pylist()}
    assert (-1, column, "SPACES_COLLAPSED") in told
