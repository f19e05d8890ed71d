"""Every unit hangs together with what it was made of and what it became, whatever events the tables hold."""

from collections import defaultdict
from datetime import date, timedelta

import pytest

from adapters.reference.units import UnitTables, load_units, split_units, units_on, vintages
from tests.adapters.reference.asking import BEFORE, MERGER, ask

ONE_DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def tables() -> UnitTables:
    return load_units()


def test_no_predecessor_outlives_its_successor(tables: UnitTables) -> None:
    ends: dict[str, set[date]] = defaultdict(set)
    begins: dict[str, set[date]] = defaultdict(set)
    for row in tables.units.to_pylist():
        ends[row["code"]].add(row["valid_to"] or date.max)
        begins[row["code"]].add(row["valid_from"] or date.min)

    for pair in tables.crosswalk.to_pylist():
        assert pair["effective_on"] - ONE_DAY in ends[pair["from_code"]], pair
        assert pair["effective_on"] in begins[pair["to_code"]], pair


def test_every_change_leaves_and_reaches_units_in_force(tables: UnitTables) -> None:
    for change in tables.change_dates:
        pairs = [row for row in tables.crosswalk.to_pylist() if row["effective_on"] == change]
        before = set(units_on(change - ONE_DAY)["code"].to_pylist())
        before |= set(units_on(change - ONE_DAY, level="district")["code"].to_pylist())

        assert {row["from_code"] for row in pairs} <= before
        assert {row["to_code"] for row in pairs} <= set(units_on(change)["code"].to_pylist())


def test_residents_of_every_unit_go_somewhere(tables: UnitTables) -> None:
    moves: dict[tuple[str, date], list[str]] = defaultdict(list)
    for row in tables.crosswalk.to_pylist():
        moves[row["from_code"], row["effective_on"]].append(row["residents"])

    for (code, _), residents in moves.items():
        assert residents.count("all") == 1 or residents.count("some") > 1, code
        assert residents.count("all") * residents.count("some") == 0, code


def test_every_code_of_every_list_leads_to_one_unit_or_to_a_case(tables: UnitTables) -> None:
    today = set(units_on(vintages(tables)[-1])["code"].to_pylist())

    for vintage in vintages(tables):
        codes = units_on(vintage)["code"].to_pylist()
        for row in ask(codes=codes, vintage=vintage).to_pylist():
            assert set(row["candidates"]) <= today
            if row["outcome"] == "current":
                assert row["unit_code"] in today
                assert row["resolution"] is not None
            else:
                assert row["outcome"] == "ambiguous"
                assert len(row["candidates"]) > 1
                assert row["would_decide"]


def test_all_former_units_resolve_as_the_crosswalk_says(tables: UnitTables) -> None:
    expected: dict[str, list[str]] = defaultdict(list)
    for pair in sorted(tables.crosswalk.to_pylist(), key=lambda row: row["to_code"]):
        if pair["residents"] != "none":
            expected[pair["from_code"]].append(pair["to_code"])
    assert len(expected) == 10_040
    assert sum(len(units) > 1 for units in expected.values()) == 381

    found = ask(codes=list(expected), vintage=BEFORE)

    assert found["candidates"].to_pylist() == list(expected.values())
    assert [unit is None for unit in found["unit_code"].to_pylist()] == [len(u) > 1 for u in expected.values()]
    assert found["explanation_code"].to_pylist().count("RESIDENTS_DETERMINED") == 60


@pytest.mark.parametrize("vintage", [BEFORE, MERGER, None])
@pytest.mark.parametrize("event", [date(2020, 1, 1), date(2025, 8, 1), None])
@pytest.mark.parametrize("within", [None, "01", "31", "79"])
def test_the_381_never_resolve_by_themselves(vintage: date | None, event: date | None, within: str | None) -> None:
    codes = split_units()["from_code"].to_pylist()
    new = set(units_on(MERGER)["code"].to_pylist())

    for code, row in zip(codes, ask(codes=codes, vintage=vintage, event=event, within=within).to_pylist(), strict=True):
        is_new_code = vintage == MERGER and code in new  # then it is another unit's code: the new one's own
        assert (row["outcome"] == "ambiguous") != is_new_code, code


def test_the_vintage_of_a_reused_code_decides_what_it_leads_to() -> None:
    split = [
        code for code in split_units()["from_code"].to_pylist() if code in set(units_on(MERGER)["code"].to_pylist())
    ]
    determined = split_units(ambiguous_only=False)["from_code"].to_pylist()
    reused = sorted(set(determined) & set(units_on(MERGER)["code"].to_pylist()))

    as_old, as_new = ask(codes=reused, vintage=BEFORE), ask(codes=reused, vintage=MERGER)

    differ = {
        code
        for code, old, new in zip(
            reused, as_old["candidates"].to_pylist(), as_new["candidates"].to_pylist(), strict=True
        )
        if old != new
    }
    assert as_new["unit_code"].to_pylist() == reused
    assert differ >= set(split)
    assert set(as_new["vintage_used"].to_pylist()) == {MERGER}
    assert set(as_old["vintage_used"].to_pylist()) == {BEFORE}


def test_what_made_the_answer_is_said() -> None:
    codes = units_on(MERGER)["code"].to_pylist()
    old = set(units_on(BEFORE)["code"].to_pylist())
    bare, declared = ask(codes=codes).to_pylist(), ask(codes=codes, vintage=MERGER).to_pylist()

    by_vintage = {row["unit_code"] for row in declared if row["decided_by"] == "vintage"}

    assert by_vintage == {code for code, row in zip(codes, bare, strict=True) if row["outcome"] == "ambiguous"}
    assert by_vintage <= old
    early = ask(codes=sorted(by_vintage), event=date(2020, 1, 1)).to_pylist()
    assert {row["decided_by"] for row in early} == {None, "event_date"}
