"""What became of a code: known cases of the law, and properties over every code there is."""

import random

import pytest

from adapters.reference.units import lineage, load_units, units_on
from gateway.console import lineages
from tests.golden import SEED

TABLES = load_units()


def test_a_code_that_changed_its_meaning_says_so() -> None:
    found = lineages.of_code("00004", TABLES)

    assert [row["name"] for row in found.stands] == ["Phường Trúc Bạch", "Phường Ba Đình"]
    assert found.has_two_meanings
    assert [row["to_code"] for row in found.successors] == ["00004"]
    assert {row["clause"] for row in found.predecessors} == {"3"}
    assert found.around == found.predecessors


def test_a_divided_commune_has_all_its_successors_and_their_neighbours() -> None:
    found = lineages.of_code("00112", TABLES)

    targets = {row["to_code"] for row in found.successors}
    assert len(targets) > 1
    assert {row["to_code"] for row in found.around} == targets
    assert {"00112"} < {row["from_code"] for row in found.around}


def test_a_province_has_its_former_ones() -> None:
    found = lineages.of_code("15", TABLES)

    assert {row["from_code"] for row in found.predecessors} == {"10", "15"}
    assert [row["to_code"] for row in lineages.of_code("10", TABLES).successors] == ["15"]
    assert found.has_two_meanings  # 15 was Yên Bái


def test_a_district_stands_without_successors_and_an_unknown_code_is_unknown() -> None:
    assert lineages.of_code("080", TABLES).stands[0]["level"] == "district"
    assert not lineages.of_code("080", TABLES).successors
    assert not lineages.of_code("99999", TABLES).is_known
    assert not lineages.of_code("", TABLES).is_known


def test_what_leads_there_leads_back() -> None:
    dice = random.Random(SEED)
    pairs = dice.sample(lineage(TABLES).to_pylist(), 60)
    for pair in pairs:
        assert pair in lineages.of_code(pair["from_code"], TABLES).successors
        assert pair in lineages.of_code(pair["to_code"], TABLES).predecessors


def test_every_commune_of_today_was_made_of_something() -> None:
    today = units_on(TABLES.change_dates[-1], tables=TABLES)["code"].to_pylist()
    made = set(lineage(TABLES)["to_code"].to_pylist())

    assert set(today) <= made


@pytest.mark.parametrize(("text", "code"), [("trúc bạch", "00004"), ("TRUC BACH", "00004"), ("0000", "00004")])
def test_units_are_found_by_code_or_name_in_any_way_of_writing(text: str, code: str) -> None:
    found = lineages.search(text, TABLES)

    assert 0 < len(found) <= lineages.MOST_FOUND
    assert code in {row["code"] for row in found}


@pytest.mark.parametrize("text", ["", " ", "%%%", "<script>", "'; DROP TABLE x"])
def test_what_is_no_name_finds_nothing(text: str) -> None:
    assert lineages.search(text, TABLES) == []
