"""Dates and texts written in a declared style are read back as they were."""

import json
import unicodedata
from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.catalogue import load as load_catalogue
from adapters.declaration import Charset, FileFormat, FileShape, FixedField
from adapters.readers.charsets import encode, letters
from adapters.readers.csv import read_csv
from adapters.readers.xml import read_xml
from adapters.simulator import rendering
from adapters.simulator.writers import write_csv, write_fixed_width, write_jsonl, write_xml
from adapters.steps.dates import STYLES, day, moment, partial_date
from adapters.steps.model import Context

EXPORTED_ON = date(2025, 8, 15)
WHOLE = [style for style in STYLES if style == "serial" or "d" in style]
DATES = st.dates(date(1926, 1, 1), EXPORTED_ON)


def styles_of(style: str) -> tuple[str, ...]:
    return (style, "yyyy-mm-dd") if style == "serial" else (style,)


@pytest.mark.parametrize("style", WHOLE)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(days=st.lists(st.none() | DATES, min_size=1, max_size=5))
def test_birth_dates_survive_their_style(style: str, days: list[date | None]) -> None:
    columns = [
        pa.array([None if one is None else getattr(one, part) for one in days], type_)
        for part, type_ in (("year", pa.int16()), ("month", pa.int8()), ("day", pa.int8()))
    ]

    written = rendering._partial_dates(*columns, styles=styles_of(style))

    assert [column.to_pylist() for column in partial_date(written, Context(EXPORTED_ON, styles_of(style))).values] == [
        column.to_pylist() for column in columns
    ]


@pytest.mark.parametrize("style", ["dd/mm/yyyy", "yyyymmdd"])
def test_a_year_alone_is_no_first_of_january(style: str) -> None:
    year, none = pa.array([1950], pa.int16()), pa.array([None], pa.int8())

    zeros = rendering._partial_dates(year, none, none, styles=(style,))
    alone = rendering._partial_dates(year, none, none, styles=(style, "yyyy"))

    assert zeros.to_pylist() == [{"dd/mm/yyyy": "00/00/1950", "yyyymmdd": "19500000"}[style]]
    assert alone.to_pylist() == ["1950"]


@pytest.mark.parametrize("style", WHOLE)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(seconds=st.integers(0, 1_755_000_000))
def test_moments_survive_as_precisely_as_their_style_states(style: str, seconds: int) -> None:
    step = rendering.step_seconds((style,))
    local = seconds + rendering.VIETNAM_SECONDS
    version = local - local % step - rendering.VIETNAM_SECONDS
    styles = styles_of(style)

    written = rendering._moments(pa.array([version]), styles)

    found, _ = moment(written, Context(EXPORTED_ON, styles)).values
    assert found.to_pylist() == [version]


@pytest.mark.parametrize("style", WHOLE)
def test_days_survive_their_style(style: str) -> None:
    days = [EXPORTED_ON - timedelta(days=number) for number in range(0, 400, 37)]

    written = rendering._days(pa.array(days, pa.date32()), styles_of(style))

    assert day(written, Context(EXPORTED_ON, styles_of(style))).values[0].to_pylist() == days


@pytest.mark.parametrize("charset", [one for one in Charset if one is not Charset.UTF_8])
def test_every_letter_of_a_legacy_charset_survives_but_for_the_case_of_tcvn3(charset: Charset) -> None:
    own, every = letters(charset), list(letters(Charset.VNI))
    text = pa.array([f"a{letter}" for letter in every])
    shape = FileShape(FileFormat.CSV, charset=charset)

    payload = write_csv(pa.table({"HO_TEN": text}), shape)

    found = read_csv(payload, shape, source_id="test").table["HO_TEN"].to_pylist()
    assert found == [f"a{letter if letter in own else letter.lower()}" for letter in every]
    assert len(every) == 134


def test_header_of_two_rows_is_written_as_it_is_read() -> None:
    shape = FileShape(FileFormat.CSV, separator=";", header_row=3, header_depth=2, has_mark=True, is_decomposed=True)
    raw = pa.table({"STT": ["1"], "Hộ/Mã": ["Đỗ"], "Hộ/Số": ["ệ"], "Ghi chú": [None]})

    payload = write_csv(raw, shape, title="Danh sách")

    assert payload.decode("utf-8-sig").splitlines()[1:3] == [
        unicodedata.normalize("NFD", "STT;Hộ;;Ghi chú"),
        unicodedata.normalize("NFD", ";Mã;Số;"),
    ]
    found = read_csv(payload, shape, source_id="test").table
    assert found.column_names == raw.column_names
    assert [unicodedata.normalize("NFC", value) for value in found.to_pylist()[0].values()] == ["1", "Đỗ", "ệ", ""]


def test_value_wider_than_its_field_is_not_cut() -> None:
    shape = FileShape(FileFormat.FIXED_WIDTH, charset=Charset.VNI, fields=(FixedField("A", 3),))

    assert write_fixed_width(pa.table({"A": ["xé", None]}), shape) == b"xe\xf9\r\n   \r\n"
    with pytest.raises(ValueError, match="a value of A has more than 3 bytes"):
        write_fixed_width(pa.table({"A": ["xéy"]}), shape)


def test_a_letter_outside_the_charset_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode("Kpă ŏ", Charset.TCVN3)


def test_markup_and_quotes_are_escaped() -> None:
    value = '<&>"\\ \t'
    raw = pa.table({"a/b": pa.array([value, None]), "a/c": pa.array(["1", None])})
    xml = FileShape(FileFormat.XML, root="R", record="B")
    dialect = replace(next(iter(load_catalogue().dialects.values())), mappings=(), file=xml)

    as_xml, as_lines = write_xml(raw, dialect), write_jsonl(raw, dialect)

    assert read_xml(as_xml, xml, source_id="test").table["a/b"].to_pylist() == [value, None]
    assert [json.loads(line) for line in as_lines.splitlines()] == [
        {"a": {"b": value, "c": "1"}},
        {"a": {"b": None, "c": None}},
    ]


def test_a_column_that_a_dialect_needs_is_never_left_out() -> None:
    dialect = load_catalogue().dialects["insurance-bhyt-xml"]
    raw = pa.table({name: pa.array([None], pa.string()) for name in dialect.source_columns})

    found = read_xml(write_xml(raw, dialect), dialect.file, source_id="test").table

    assert set(dialect.required_columns) <= set(found.column_names)
    assert not set(dialect.ignored) & set(found.column_names)
