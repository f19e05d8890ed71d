"""What every step keeps, whatever text it meets."""

import re
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.findings import CATALOGUE, SHAPE_LENGTH
from adapters.steps import STEPS, Context, Option, Stepped, fold_name, fold_tone
from adapters.steps.dates import STYLES
from adapters.steps.lists import LISTS

_ALPHABET = st.one_of(
    st.sampled_from("0123456789/-:T .ễàịĐÐNGUYnguy'\u0300\u0323\u200b\u202e\u00a0"),
    st.characters(exclude_categories=["Cs"]),
)
_TEXT = st.one_of(
    st.none(),
    st.text(_ALPHABET, max_size=20),
    st.from_regex(r"\A[0-9]{1,15}\Z"),
    st.from_regex(r"\A[0-3]?[0-9]/[01]?[0-9]/([0-9]{2}|[0-9]{4})\Z"),
    st.dates(date(1800, 1, 1), date(2200, 12, 31)).map(str),
    st.sampled_from(["Nam", "nữ", "1", "Chủ hộ", "Kinh", "BHYT", "0", "NGUYễN"]),
)
_VALUES = st.lists(_TEXT, max_size=8)
_EVERY_STYLE = tuple(STYLES)
_OPTIONS = [
    (name, styles, code_list, is_number)
    for name, step in STEPS.items()
    for styles in ([_EVERY_STYLE] if step.option is Option.STYLE else [()])
    for code_list in (LISTS if step.option is Option.LIST else [None])
    for is_number in ((False,) if step.is_text or step.option else (False, True))
] + [("partial_date", (style,), None, False) for style in STYLES]
_TEXT_STEPS = [name for name, step in STEPS.items() if step.is_text]
EXPORTED_ON = date(2025, 7, 15)


def _run(name: str, values: list[str | None], context: Context) -> Stepped:
    return STEPS[name].run(pa.array(values, pa.string()), context)


def _rows(stepped: Stepped) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in stepped.values), strict=True))


def _flags(stepped: Stepped) -> set[tuple[str, int]]:
    return {(flag.code, row) for flag in stepped.flags for row in flag.rows.tolist()}


@pytest.mark.parametrize("option", _OPTIONS, ids=lambda option: "-".join(map(str, option)))
@settings(max_examples=25)
@given(values=_VALUES)
@example(values=[])
@example(values=["1234567890123456789012345678901234567890"])
def test_step_is_null_preserving_row_by_row_and_of_the_declared_types(
    option: tuple[str, tuple[str, ...], str | None, bool], values: list[str | None]
) -> None:
    name, styles, code_list, is_number = option
    context = Context(EXPORTED_ON, styles, code_list, is_number)

    stepped = _run(name, values, context)
    turned = _run(name, values[::-1], context)

    assert tuple(column.type for column in stepped.values) == STEPS[name].produces
    for column in stepped.values:
        column.validate(full=True)
        assert len(column) == len(values)
    nulls = {row for row, value in enumerate(values) if value is None}
    assert all(set(_rows(stepped)[row]) == {None} for row in nulls)
    assert nulls.isdisjoint(row for _, row in _flags(stepped))
    assert _rows(turned) == _rows(stepped)[::-1]
    assert _flags(turned) == {(code, len(values) - 1 - row) for code, row in _flags(stepped)}
    for flag in stepped.flags:
        assert flag.code in CATALOGUE
        assert len(flag.seen) == len(flag.rows)
        assert all(len(seen or "") <= SHAPE_LENGTH for seen in flag.seen.to_pylist())


@pytest.mark.parametrize("name", _TEXT_STEPS)
@given(values=_VALUES)
def test_text_step_done_twice_changes_nothing_more(name: str, values: list[str | None]) -> None:
    once = _run(name, values, Context(EXPORTED_ON)).values[0]

    twice = STEPS[name].run(once, Context(EXPORTED_ON)).values[0]

    assert twice.to_pylist() == once.to_pylist()


@given(day=st.dates(date(1900, 3, 1), EXPORTED_ON))
def test_every_style_gives_back_the_day_it_was_written_from(day: date) -> None:
    written = {
        "yyyy-mm-dd": day.isoformat(),
        "yyyymmdd": f"{day:%Y%m%d}",
        "yyyymmddHHMM": f"{day:%Y%m%d}0000",
        "dd/mm/yyyy": f"{day.day:02}/{day.month:02}/{day.year}",
        "yyyy-mm-ddTHH:MM:SS": f"{day.isoformat()}T00:00:00",
        "dd/mm/yyyy HH:MM": f"{day.day}/{day.month}/{day.year} 00:00",
    }

    for style, value in written.items():
        stepped = _run("partial_date", [value], Context(EXPORTED_ON, (style,)))
        assert _rows(stepped) == [(day.year, day.month, day.day)]


@given(day=st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_past_day_is_the_day_until_the_export_and_null_from_then_on(day: date) -> None:
    stepped = _run("past_day", [day.isoformat()], Context(EXPORTED_ON, ("yyyy-mm-dd",)))

    assert _rows(stepped) == [(day if day <= EXPORTED_ON else None,)]
    assert _flags(stepped) == ({("DATE_IN_FUTURE", 0)} if day > EXPORTED_ON else set())


@given(day=st.dates(date(1906, 1, 9), EXPORTED_ON))
def test_serial_gives_back_its_day(day: date) -> None:
    serial = (day - date(1899, 12, 30)).days

    assert _rows(_run("partial_date", [str(serial)], Context(EXPORTED_ON, ("serial",)))) == [
        (day.year, day.month, day.day)
    ]


@given(names=_VALUES)
def test_folding_is_stable_and_null_preserving(names: list[str | None]) -> None:
    column = pa.array(names, pa.string())

    for fold in (fold_name, fold_tone):
        folded = fold(column)
        assert folded.is_null().to_pylist() == column.is_null().to_pylist()
        assert len(folded) == len(column)


_DATE_LIKE = st.one_of(
    st.from_regex(r"\A[0-9]{1,2}[/.-][0-9]{1,2}[/.-]([0-9]{2}|[0-9]{4})( [0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?\Z"),
    st.from_regex(r"\A[0-9]{4}([/.-][0-9]{1,2}([/.-][0-9]{1,2})?)?\Z"),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+]07:00|[.][0-9]+)?\Z"),
    st.from_regex(r"\A[0-9]{4,12}([.][0-9]{1,3})?\Z"),
    st.text("0123456789/-.:T ", max_size=12),
)


@pytest.mark.parametrize("style", [style for style in STYLES if style != "serial"])
@settings(max_examples=30)
@given(value=_DATE_LIKE)
def test_a_style_reads_what_its_pattern_reads(style: str, value: str) -> None:
    matched = re.fullmatch(STYLES[style], value, re.ASCII)

    stepped = _run("partial_date", [value], Context(date(2150, 1, 1), (style,)))

    invalid = ("DATE_INVALID", 0) in _flags(stepped)
    year, month, day = (column[0].as_py() for column in stepped.values)
    if matched is None:
        assert invalid
    elif not invalid and year is not None:
        stated = {name: int(digits) for name, digits in matched.groupdict().items() if name in ("y", "yy", "m", "d")}
        assert (month or 0, day or 0) == (stated.get("m", 0), stated.get("d", 0))
        assert year % 100 == stated.get("y", stated.get("yy", 0)) % 100
        assert "y" not in stated or year == stated["y"]
