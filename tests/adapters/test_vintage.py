"""A column is judged by its own codes: confirmed, inferred or contradicted, and never by few of them."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.reference.units import CROSSWALK, UNITS, UnitTables, load_units, province_successors, units_on
from adapters.vintage import FEWEST_RECORDS, STRAY_SHARE, Verdict, VintageJudgement, judge_vintage

BEFORE, MERGER, EXPORT = date(2025, 6, 30), date(2025, 7, 1), date(2025, 9, 1)
PROVINCES = units_on(MERGER, level="province")["code"].to_pylist()


def old_codes(province: str) -> list[str]:
    former = {row["from_code"] for row in province_successors().to_pylist() if row["to_code"] == province}
    return [row["code"] for row in units_on(BEFORE).to_pylist() if row["province_code"] in former]


def new_codes(province: str) -> list[str]:
    return [row["code"] for row in units_on(MERGER).to_pylist() if row["province_code"] == province]


def judged(
    codes: Sequence[str | None], declared: date | None, *, province: str = "15", exported_on: date = EXPORT
) -> VintageJudgement:
    return judge_vintage(
        pa.array(codes, pa.string()), declared=declared, exported_on=exported_on, province_code=province
    )


@pytest.mark.parametrize("province", PROVINCES)
def test_full_columns_of_every_province_are_told_apart(province: str, dice: random.Random) -> None:
    old = dice.choices(old_codes(province), k=2_000)
    new = dice.choices(new_codes(province), k=2_000)

    verdicts = {
        (name, declared): (found.verdict, found.vintage)
        for name, codes in (("old", old), ("new", new))
        for declared in (BEFORE, MERGER, None)
        for found in [judged(list(codes), declared, province=province)]
    }

    assert verdicts == {
        ("old", BEFORE): (Verdict.CONFIRMED, BEFORE),
        ("old", MERGER): (Verdict.CONTRADICTED, None),
        ("old", None): (Verdict.INFERRED, BEFORE),
        ("new", BEFORE): (Verdict.CONTRADICTED, None),
        ("new", MERGER): (Verdict.CONFIRMED, MERGER),
        ("new", None): (Verdict.INFERRED, MERGER),
    }


@pytest.mark.parametrize("declared", [BEFORE, MERGER, None])
def test_a_column_half_recoded_is_mixed(declared: date | None, dice: random.Random) -> None:
    for province in ("01", "15", "31", "79"):
        codes = dice.choices(old_codes(province), k=1_000) + dice.choices(new_codes(province), k=1_000)

        found = judged(list(codes), declared, province=province)

        assert (found.verdict, found.vintage) == (Verdict.MIXED, None)


def test_a_few_stray_old_codes_leave_a_declaration_standing(dice: random.Random) -> None:
    new, only_old = new_codes("15"), sorted(set(old_codes("15")) - set(units_on(MERGER)["code"].to_pylist()))
    strays = dice.choices(only_old, k=int(1_000 * STRAY_SHARE) - 1)

    found = judged([*dice.choices(new, k=1_000), *strays], MERGER)

    assert (found.vintage, found.verdict, found.only_old) == (MERGER, Verdict.CONFIRMED, len(strays))
    more = [*dice.choices(new, k=1_000), *dice.choices(only_old, k=100)]
    assert judged(more, MERGER).verdict is Verdict.MIXED


def test_few_codes_prove_nothing() -> None:
    today = set(units_on(MERGER)["code"].to_pylist())
    kept = [code for code in old_codes("15") if code in today]
    gone = [code for code in old_codes("15") if code not in today]

    assert judged([kept[0]] * 5_000, None).verdict is Verdict.UNKNOWN  # one commune's own system, recoded or not
    declared = judged([kept[0]] * 5_000, BEFORE)
    assert (declared.verdict, declared.vintage, declared.both) == (Verdict.DECLARED, BEFORE, 5_000)
    assert declared.old_likelihood == pytest.approx(0.31, abs=0.02)
    assert judged([gone[0]] * (FEWEST_RECORDS - 1), MERGER).verdict is Verdict.DECLARED
    assert judged([gone[0]] * 5_000, MERGER).verdict is Verdict.CONTRADICTED


def test_nothing_known_is_unknown_or_as_declared() -> None:
    for codes in ([], [None, None], ["99999", "x"]):
        assert judged(list(codes), None).verdict is Verdict.UNKNOWN
        assert judged(list(codes), MERGER).vintage == MERGER
    assert judged(["99999", None, "268"], None).neither == 2


def test_codes_that_only_the_new_list_has_contradict_the_old_one() -> None:
    only_new = sorted(set(units_on(MERGER)["code"].to_pylist()) - set(units_on(BEFORE)["code"].to_pylist()))
    assert len(only_new) == 5

    found = judged([only_new[0]] * 100, BEFORE, province="31")

    assert (found.verdict, found.vintage, found.only_new) == (Verdict.CONTRADICTED, None, 100)
    assert judged([only_new[0]] * 100, None, province="31").vintage == MERGER


def test_before_the_first_change_there_is_one_list(dice: random.Random) -> None:
    codes: list[str | None] = [*dice.choices(old_codes("15"), k=100), "99999"]

    early = judged(codes, None, exported_on=date(2025, 5, 1))
    declared = judged(codes, BEFORE, exported_on=date(2025, 5, 1))

    assert (early.vintage, early.verdict, early.neither) == (BEFORE, Verdict.INFERRED, 1)
    assert (declared.vintage, declared.verdict) == (BEFORE, Verdict.CONFIRMED)


def _with_a_later_merger(province: str) -> tuple[UnitTables, list[str]]:
    """The tables after a made-up day on which every other commune of a province is joined to its neighbour."""
    day, tables = date(2027, 1, 1), load_units()
    own = new_codes(province)
    pairs = list(zip(own[1::2], own[::2], strict=False))
    ending = {code for code, _ in pairs}
    units = [
        row | {"valid_to": date(2026, 12, 31)} if row["code"] in ending and row["valid_to"] is None else row
        for row in tables.units.to_pylist()
    ]
    rows = [
        dict.fromkeys(CROSSWALK.names, "test")
        | {"from_code": code, "to_code": kept, "effective_on": day, "relation": "whole", "residents": "all"}
        for code, kept in pairs
    ]
    crosswalk = pa.concat_tables([tables.crosswalk, pa.Table.from_pylist(rows, schema=CROSSWALK)])
    changed = replace(tables, units=pa.Table.from_pylist(units, schema=UNITS), crosswalk=crosswalk)
    return changed, [code for code in own if code not in ending]


def test_with_three_lists_each_column_is_known_for_what_it_is(dice: random.Random) -> None:
    tables, newest = _with_a_later_merger("15")
    columns = {BEFORE: old_codes("15"), MERGER: new_codes("15"), date(2027, 1, 1): newest}

    for vintage, codes in columns.items():
        sent = pa.array(dice.choices(codes, k=2_000))
        found = judge_vintage(sent, declared=None, exported_on=date(2027, 2, 1), province_code="15", tables=tables)
        assert (found.vintage, found.verdict) == (vintage, Verdict.INFERRED)
    untouched = pa.array(dice.choices(new_codes("01"), k=2_000))
    elsewhere = judge_vintage(untouched, declared=None, exported_on=date(2027, 2, 1), province_code="01", tables=tables)
    assert (elsewhere.vintage, elsewhere.verdict) == (date(2027, 1, 1), Verdict.INFERRED)


CODES = st.lists(
    st.one_of(
        st.none(), st.sampled_from(old_codes("15")), st.sampled_from(new_codes("01")), st.text("0123456789", max_size=6)
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(codes=CODES, declared=st.sampled_from([BEFORE, MERGER, None]))
def test_every_record_is_counted_once_and_order_is_nothing(codes: list[str | None], declared: date | None) -> None:
    found = judged(codes, declared)

    counted = found.only_old + found.only_new + found.both + found.neither
    assert counted == sum(code is not None for code in codes)
    assert judged(codes[::-1], declared) == found
    assert 0 <= found.old_likelihood <= 1
    if found.vintage is not None and declared is not None:
        assert found.vintage == declared
    assert (found.vintage is None) == (found.verdict in {Verdict.CONTRADICTED, Verdict.MIXED, Verdict.UNKNOWN})
