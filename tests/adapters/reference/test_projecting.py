"""Today's unit on a former list is exact only where one former unit can be meant."""

from collections import Counter
from datetime import date

import pyarrow as pa

from adapters.reference.projecting import PROJECTED, project
from adapters.reference.units import load_units, units_on
from tests.adapters.reference.asking import BEFORE, MERGER, ask

NEW = units_on(MERGER)["code"].combine_chunks()


def projected(*rows: tuple[str, str | None, date | None], to: date = BEFORE) -> list[tuple[object, ...]]:
    units, codes, vintages = zip(*rows, strict=True)
    table = project(
        pa.array(units),
        to=to,
        sent_codes=pa.array(codes, pa.string()),
        sent_vintages=pa.array(vintages, pa.date32()),
    )
    return [(row["former_code"], row["is_exact"], row["decided_by"]) for row in table.to_pylist()]


def test_every_unit_of_today_is_made_of_what_the_crosswalk_says() -> None:
    made_of: dict[str, set[str]] = {}
    communes = set(units_on(BEFORE)["code"].to_pylist())
    for pair in load_units().crosswalk.to_pylist():
        if pair["residents"] != "none" and pair["from_code"] in communes:
            made_of.setdefault(pair["to_code"], set()).add(pair["from_code"])

    table = project(NEW, to=BEFORE)

    assert table.schema.equals(PROJECTED)
    for unit, row in zip(NEW.to_pylist(), table.to_pylist(), strict=True):
        assert row["candidates"] == sorted(made_of.get(unit, set()))
        assert row["is_exact"] == (row["former_code"] is not None) == (len(row["candidates"]) == 1)
    assert Counter(table["is_exact"].to_pylist()) == {False: 3_184, True: 137}


def test_on_its_own_list_a_unit_is_itself() -> None:
    table = project(NEW, to=MERGER)

    assert table["former_code"].to_pylist() == NEW.to_pylist()
    assert set(table["is_exact"].to_pylist()) == {True}


def test_the_code_a_record_was_sent_with_tells_which_former_unit() -> None:
    assert projected(
        ("00004", "00013", BEFORE),
        ("00004", "00013", None),  # only the old list has the code
        ("00004", "00010", BEFORE),  # closed: what it was in the list asked for
        ("00004", "00001", BEFORE),  # no candidate
        ("00004", None, None),
    ) == [
        ("00013", True, "record"),
        ("00013", True, "record"),
        ("00004", True, "record"),
        (None, False, None),
        (None, False, None),
    ]


def test_a_code_of_todays_list_is_not_taken_for_the_same_code_of_the_former_one() -> None:
    assert projected(("00004", "00004", MERGER), ("00004", "00004", None), ("00004", "00004", BEFORE)) == [
        (None, False, None),
        (None, False, None),
        ("00004", True, "record"),
    ]


def test_where_residents_went_and_came_back_the_record_is_found_again() -> None:
    former = units_on(BEFORE)["code"].to_pylist()
    placed = [
        (code, row["unit_code"])
        for code, row in zip(former, ask(codes=former, vintage=BEFORE).to_pylist(), strict=True)
    ]
    whole = [(unit, code, BEFORE) for code, unit in placed if unit is not None]

    assert [row[0] for row in projected(*whole)] == [code for _, code, _ in whole]


def test_no_rows_are_an_empty_table() -> None:
    assert project(pa.array([], pa.string()), to=BEFORE, sent_codes=pa.array([], pa.string())).num_rows == 0
