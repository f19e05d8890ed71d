"""A code with its vintage has one answer, a code without has an answer only where every reading agrees."""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.reference import units as reference
from adapters.reference.resolve import RESOLVED, Explanation, Outcome, resolve
from adapters.reference.units import (
    CROSSWALK,
    PROVINCE_CROSSWALK,
    RETIRED_UNITS,
    UNITS,
    UnitTables,
    load_units,
    units_on,
)

BEFORE, MERGER, TODAY = date(2025, 6, 30), date(2025, 7, 1), date(2025, 9, 1)

Row = tuple[str | None, date | None, date | None]


def ask(*rows: Row, as_of: date = TODAY, within: str | None = None, tables: UnitTables | None = None) -> pa.Table:
    codes, vintages, events = zip(*rows, strict=True) if rows else ((), (), ())
    return resolve(
        pa.array(codes, pa.string()),
        pa.array(vintages, pa.date32()),
        pa.array(events, pa.date32()),
        as_of=as_of,
        within=within,
        tables=tables,
    )


def answer(
    code: str | None, vintage: date | None = None, event: date | None = None, **rest: object
) -> dict[str, object]:
    [row] = ask((code, vintage, event), **rest).to_pylist()  # type: ignore[arg-type]
    return row  # type: ignore[no-any-return]


def everything(vintage: date | None) -> tuple[list[str], pa.Table]:
    codes = units_on(BEFORE)["code"].to_pylist()
    return codes, ask(*((code, vintage, None) for code in codes))


def test_every_old_commune_has_an_answer_with_its_legal_basis() -> None:
    codes, answers = everything(BEFORE)

    assert answers.schema == RESOLVED
    outcomes = answers["outcome"].value_counts().to_pylist()
    assert {row["values"]: row["counts"] for row in outcomes} == {"current": 10_035 - 381, "ambiguous": 381}
    assert answers["resolution"].null_count == answers["clause"].null_count == 0
    ambiguous = answers.filter(pc.equal(answers["outcome"], "ambiguous"))
    assert set(ambiguous["explanation_code"].to_pylist()) == {Explanation.RESIDENTS_SPLIT}
    split = set(reference.split_units()["from_code"].to_pylist())
    assert {
        code for code, outcome in zip(codes, answers["outcome"].to_pylist(), strict=True) if outcome != "current"
    } == split


def test_residents_of_sixty_split_communes_are_determined() -> None:
    _, answers = everything(BEFORE)

    assert pc.sum(pc.equal(answers["explanation_code"], Explanation.RESIDENTS_DETERMINED)).as_py() == 60


def test_every_unit_of_today_is_itself() -> None:
    codes = units_on(TODAY)["code"].to_pylist()

    answers = ask(*((code, MERGER, None) for code in codes))

    assert answers["unit_code"].to_pylist() == codes
    assert set(answers["explanation_code"].to_pylist()) == {Explanation.IN_FORCE}
    assert answers["resolution"].null_count == 0


def test_code_without_vintage_is_ambiguous_exactly_where_its_readings_differ() -> None:
    codes, without = everything(None)
    _, as_old = everything(BEFORE)
    today = set(units_on(TODAY)["code"].to_pylist())

    for code, bare, old in zip(codes, without.to_pylist(), as_old.to_pylist(), strict=True):
        union = set(old["candidates"]) | ({code} & today)
        assert set(bare["candidates"]) == union, code
        assert (bare["outcome"] == "current") == (len(union) == 1), code


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("00001", BEFORE, None), ("current", "00097", "WHOLE", BEFORE)),
        (("00001", date(2024, 1, 1), None), ("current", "00097", "WHOLE", BEFORE)),
        (("00004", MERGER, None), ("current", "00004", "IN_FORCE", MERGER)),
        (("00004", TODAY, None), ("current", "00004", "IN_FORCE", MERGER)),
        (("00001", MERGER, None), ("current", "00097", "OLD_CODE_AFTER_MERGER", BEFORE)),
        (("00007", BEFORE, None), ("ambiguous", None, "RESIDENTS_SPLIT", BEFORE)),
        (("00007", MERGER, None), ("ambiguous", None, "OLD_CODE_AFTER_MERGER", BEFORE)),
        (("00010", BEFORE, None), ("retired", "00004", "RETIRED", BEFORE)),
        (("00010", None, None), ("retired", "00004", "RETIRED", BEFORE)),
        (("00004", None, None), ("current", "00004", "SAME_UNDER_BOTH_LISTS", None)),
        (("00001", None, None), ("current", "00097", "ONLY_IN_ONE_LIST", BEFORE)),
        (("00001", None, date(2020, 1, 1)), ("current", "00097", "WHOLE", BEFORE)),
        (("00001", None, MERGER), ("current", "00097", "ONLY_IN_ONE_LIST", BEFORE)),
        (("11948", BEFORE, None), ("current", "11948", "NEW_CODE_BEFORE_MERGER", MERGER)),
        (("318", BEFORE, None), ("current", "11948", "WHOLE", BEFORE)),
        (("268", BEFORE, None), ("unknown", None, "DISTRICT_CODE", BEFORE)),
        (("268", None, TODAY), ("unknown", None, "DISTRICT_CODE", BEFORE)),
        (("001", BEFORE, None), ("ambiguous", None, "DISTRICT_CODE", BEFORE)),
        (("15", MERGER, None), ("unknown", None, "PROVINCE_CODE", MERGER)),
        (("15", BEFORE, None), ("unknown", None, "PROVINCE_CODE", BEFORE)),
        (("15", None, None), ("unknown", None, "PROVINCE_CODE", None)),
        (("99999", None, None), ("unknown", None, "UNKNOWN_CODE", None)),
        (("", None, None), ("unknown", None, "UNKNOWN_CODE", None)),
        ((None, BEFORE, TODAY), ("unknown", None, "NO_CODE", None)),
    ],
)
def test_one_code_has_the_stated_answer(asked: Row, expected: tuple[object, ...]) -> None:
    found = answer(*asked)

    names = ("outcome", "unit_code", "explanation_code", "vintage_used")
    assert tuple(found[name] for name in names) == expected


def test_split_code_that_was_kept_is_undecided_without_vintage() -> None:
    split = reference.split_units()
    kept = [code for code in split["from_code"].to_pylist() if code in set(units_on(TODAY)["code"].to_pylist())]
    assert kept

    bare, old = ask(*((code, None, None) for code in kept)), ask(*((code, BEFORE, None) for code in kept))
    new, earlier = (
        ask(*((code, MERGER, None) for code in kept)),
        ask(*((code, None, date(2025, 6, 1)) for code in kept)),
    )

    assert set(bare["explanation_code"].to_pylist()) == {Explanation.VINTAGE_UNDECLARED}
    assert set(bare["outcome"].to_pylist()) == set(old["outcome"].to_pylist()) == {Outcome.AMBIGUOUS}
    assert new["unit_code"].to_pylist() == kept
    assert set(earlier["explanation_code"].to_pylist()) == {Explanation.RESIDENTS_SPLIT}


def test_retired_code_whose_successor_was_split_stays_ambiguous() -> None:
    retired = load_units().retired
    split = set(reference.split_units()["from_code"].to_pylist())
    rows = retired.filter(pc.equal(retired["status"], "retired_code")).to_pylist()
    found = ask(*((row["former_code"], BEFORE, None) for row in rows if row["unit_code"] in split)).to_pylist()

    assert len(found) == 28
    assert {(row["outcome"], row["explanation_code"]) for row in found} == {("ambiguous", "RETIRED_THEN_SPLIT")}


def test_asked_before_the_merger_a_later_unit_is_what_it_was_made_of() -> None:
    several, none = answer("00004", MERGER, as_of=BEFORE), answer("11948", MERGER, as_of=BEFORE)
    own = answer("00004", BEFORE, as_of=BEFORE)

    assert (several["outcome"], several["explanation_code"]) == ("ambiguous", "LATER_UNIT_OF_SEVERAL")
    assert len(several["candidates"]) == 9  # type: ignore[arg-type]
    assert (none["outcome"], none["explanation_code"]) == ("unknown", "LATER_UNIT_OF_NONE")
    assert (own["unit_code"], own["explanation_code"]) == ("00004", "IN_FORCE")
    assert answer("318", BEFORE, as_of=BEFORE)["explanation_code"] == "DISTRICT_CODE"


def test_asked_before_the_merger_an_unchanged_unit_is_itself() -> None:
    pairs = load_units().crosswalk
    unchanged = pairs.filter(pc.equal(pairs["transfer"], "unchanged"))
    assert unchanged.num_rows == 127

    answers = ask(*((code, MERGER, None) for code in unchanged["to_code"].to_pylist()), as_of=BEFORE)

    assert answers["unit_code"].to_pylist() == unchanged["from_code"].to_pylist()
    assert set(answers["explanation_code"].to_pylist()) == {Explanation.LATER_UNIT_WHOLE}


def test_a_rename_changes_no_answer() -> None:
    codes = units_on(TODAY)["code"].to_pylist()
    rows = [(code, MERGER, None) for code in codes]

    assert ask(*rows, as_of=date(2026, 5, 1)) == ask(*rows, as_of=TODAY)


def _invented_tables() -> UnitTables:
    """Two mergers in a made-up country of two provinces: A and B of 2025 are joined, and in 2027 A passes to Z."""

    def commune(code: str, province: str, start: date | None, end: date | None) -> tuple[object, ...]:
        return ("commune", code, f"Xã {code}", "xa", None, province, start, end, "test", "R" if start else None, None)

    second = date(2027, 1, 1)
    units = [
        commune("10001", "01", None, BEFORE),
        commune("10002", "01", None, BEFORE),
        commune("10003", "02", None, BEFORE),
        commune("10001", "01", MERGER, date(2026, 12, 31)),
        commune("10003", "02", MERGER, None),
        commune("10001", "02", second, None),  # the code is given again, elsewhere
        commune("10009", "01", second, None),
    ]
    pairs = [
        ("10001", "10001", MERGER, "whole", "whole", "all", "R1", "1", "test", None),
        ("10002", "10001", MERGER, "whole", "whole", "all", "R1", "1", "test", None),
        ("10003", "10003", MERGER, "whole", "unchanged", "all", "R1", "2", "test", None),
        ("10001", "10009", second, "whole", "whole", "all", "R2", "1", "test", None),
    ]

    def table(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
        columns = list(zip(*rows, strict=True)) or [()] * len(schema)
        return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)

    return UnitTables(
        units=table(units, UNITS),
        crosswalk=table(pairs, CROSSWALK),
        province_crosswalk=table([], PROVINCE_CROSSWALK),
        retired=table([], RETIRED_UNITS),
    )


def test_a_later_event_is_new_rows_and_answers_are_carried_through_it() -> None:
    tables, later = _invented_tables(), date(2027, 6, 1)

    carried = answer("10002", BEFORE, as_of=later, tables=tables)
    untouched = answer("10003", BEFORE, as_of=later, tables=tables)

    assert (carried["unit_code"], carried["resolution"], carried["clause"]) == ("10009", "R1; R2", "1")
    assert untouched["unit_code"] == "10003"
    assert answer("10003", MERGER, as_of=later, tables=tables)["unit_code"] == "10003"
    assert answer("10001", date(2026, 1, 1), as_of=later, tables=tables)["unit_code"] == "10009"
    assert answer("10002", BEFORE, as_of=TODAY, tables=tables)["unit_code"] == "10001"


def test_province_of_the_source_decides_between_readings_but_overrules_no_vintage() -> None:
    tables, later = _invented_tables(), date(2027, 6, 1)

    bare = answer("10001", as_of=later, tables=tables)
    inside_01 = answer("10001", as_of=later, tables=tables, within="01")
    inside_02 = answer("10001", as_of=later, tables=tables, within="02")
    declared = answer("10001", MERGER, as_of=later, tables=tables, within="02")

    assert (bare["explanation_code"], bare["candidates"]) == ("VINTAGE_UNDECLARED", ["10001", "10009"])
    assert (inside_01["explanation_code"], inside_01["unit_code"]) == ("OTHER_READING_OUTSIDE_PROVINCE", "10009")
    assert (inside_02["explanation_code"], inside_02["unit_code"]) == ("OTHER_READING_OUTSIDE_PROVINCE", "10001")
    assert declared["unit_code"] == "10009"


CODES = st.one_of(
    st.none(),
    st.sampled_from(units_on(BEFORE)["code"].to_pylist()),
    st.sampled_from(units_on(TODAY)["code"].to_pylist()),
    st.sampled_from(load_units().retired["former_code"].to_pylist()),
    st.sampled_from(units_on(BEFORE, level="district")["code"].to_pylist()),
    st.text("0123456789", max_size=6),
)
DAYS = st.one_of(st.none(), st.sampled_from([BEFORE, MERGER]), st.dates(date(2000, 1, 1), date(2030, 1, 1)))
ROWS = st.lists(st.tuples(CODES, DAYS, DAYS), max_size=30)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(rows=ROWS, cut=st.integers(0, 30))
def test_answers_are_elementwise(rows: list[Row], cut: int) -> None:
    whole = ask(*rows)

    assert whole.num_rows == len(rows)
    assert pa.concat_tables([ask(*rows[:cut]), ask(*rows[cut:])]).to_pylist() == whole.to_pylist()
    assert ask(*reversed(rows)).to_pylist() == whole.to_pylist()[::-1]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(rows=ROWS, as_of=st.sampled_from([BEFORE, MERGER, TODAY, date(2026, 5, 1)]))
def test_answers_are_well_formed(rows: list[Row], as_of: date) -> None:
    today = set(units_on(as_of)["code"].to_pylist())

    for (code, _, _), row in zip(rows, ask(*rows, as_of=as_of).to_pylist(), strict=True):
        candidates = row["candidates"]
        assert set(candidates) <= today
        assert candidates == sorted(candidates)
        match Outcome(row["outcome"]):
            case Outcome.CURRENT | Outcome.RETIRED:
                assert candidates == [row["unit_code"]]
            case Outcome.AMBIGUOUS:
                assert row["unit_code"] is None
                assert len(candidates) > 1
            case Outcome.UNKNOWN:
                assert row["unit_code"] is None
                assert candidates == []
        Explanation(row["explanation_code"])
        assert (code is None) == (row["explanation_code"] == Explanation.NO_CODE)
