"""Households after the merger: which records are one, who is in them, and what of them no rule may decide."""

import json
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation import households, rekeying
from reconciliation.clustering import ASSIGNMENT
from reconciliation.model import CaseKind, Decision, State
from reconciliation.standing import heads_schema
from tests.reconciliation.province import (
    HOUSES,
    LAO_CAI,
    YEN_BAI,
    Province,
    check_settled,
    household,
    other_person,
    person,
)

OTHER_HOUSES = "lao-cai.household"
RECORD = "151000000123"  # a residence record's number is longer than a book's
Row = dict[str, Any]


def told(houses: list[Row], people: list[Row]) -> list[Row]:
    """The clashes among records of one former commune F and today's unit U, where they do not say otherwise."""
    plain = {"unit_code": "U", "former_unit_code": "F", "household_number": "1", "event_date": date(2025, 8, 1)}
    sources = {RecordKind.HOUSEHOLD: HOUSES, RecordKind.PERSON: YEN_BAI}
    placed = {}
    for kind, said in ((RecordKind.HOUSEHOLD, houses), (RecordKind.PERSON, people)):
        filled = [
            {"source_id": sources[kind], "source_record_id": f"{kind}{place}"} | plain | row
            for place, row in enumerate(said)
        ]
        rows = [row | {"record_key": f"{row['source_id']}|{row['source_record_id']}"} for row in filled]
        placed[kind] = pa.Table.from_pylist(rows, schema=heads_schema(kind))
    asked = placed[RecordKind.HOUSEHOLD].append_column("published_unit", pa.nulls(len(houses), pa.string()))
    identities = rekeying.rekey(
        asked.select(rekeying.HOUSEHOLDS.names).cast(rekeying.HOUSEHOLDS),
        rekeying.IDENTITIES.empty_table(),
        namespace="n",
    )
    keys = placed[RecordKind.PERSON]["record_key"].to_pylist()
    subjects = [row.get("subject", f"s{place}") for place, row in enumerate(people)]
    assignment = pa.table([keys, subjects], schema=ASSIGNMENT)
    found = households.clashes(placed, assignment=assignment, identities=identities).to_pylist()
    return [row | json.loads(row["evidence"]) for row in found]


def reasons(houses: list[Row], people: list[Row]) -> list[str]:
    return sorted(row["reason"] for row in told(houses, people))


HOUSE = {"member_count": 2, "head_personal_number": "n0"}
HEAD = {"relation_to_head": "chủ hộ", "personal_number": "n0"}
WIFE = {"relation_to_head": "vợ", "personal_number": "n1"}
TWO_HOUSES = [HOUSE | {"household_number": "1"}, HOUSE | {"household_number": "2"}]


def test_a_household_with_its_head_is_no_question():
    assert told([HOUSE], [HEAD, WIFE]) == []


def test_two_living_heads_are_asked_about():
    (case,) = told([HOUSE], [HEAD, WIFE | {"relation_to_head": "chủ hộ"}])

    assert (case["kind"], case["reason"]) == (CaseKind.HOUSEHOLD_CLASH, "two_heads")
    assert case["record_keys"] == [f"{YEN_BAI}|person0", f"{YEN_BAI}|person1"]
    assert case["members"] == 2


@pytest.mark.parametrize(
    "second",
    [
        WIFE | {"relation_to_head": "chủ hộ", "died_on": date(2025, 7, 3)},  # the head before
        HEAD | {"subject": "s0"},  # the same person, held twice
    ],
)
def test_a_head_who_died_and_one_who_is_held_twice_are_no_second_head(second: Row):
    assert reasons([HOUSE], [HEAD, second]) == []


def test_a_head_is_missing_when_everybody_is_here_and_nobody_is_the_head():
    assert reasons([HOUSE], [WIFE, WIFE | {"relation_to_head": "con đẻ", "personal_number": "n2"}]) == ["head_missing"]


@pytest.mark.parametrize(
    ("house", "people"),
    [
        (HOUSE | {"member_count": 3}, [WIFE, WIFE]),  # the head may still come
        (HOUSE, [WIFE, {"personal_number": "n0", "relation_to_head": None}]),  # named by the household
        (HOUSE | {"head_name": "LÒ THỊ MẨY"}, [WIFE, {"full_name": "Lò Thị Mẩy"}]),
        (HOUSE, [WIFE | {"relation_to_head": None}] * 2),  # a source that says nothing of relations
        (HOUSE, []),
    ],
)
def test_a_head_who_may_come_or_whom_the_household_names_is_not_missing(house: Row, people: list[Row]):
    assert reasons([house], people) == []


def test_a_household_that_names_a_dead_head_is_asked_about_and_not_the_one_who_died():
    (case,) = told([HOUSE | {"member_count": 1}], [HEAD | {"died_on": date(2025, 7, 3)}])

    assert case["reason"] == "head_dead"
    assert case["record_keys"] == [f"{HOUSES}|household0"]


def test_a_member_of_two_households_of_one_unit_is_asked_about():
    twice = [WIFE | {"household_number": number, "subject": "s1"} for number in ("1", "2")]

    (case,) = told(TWO_HOUSES, [HEAD, *twice])

    assert case["reason"] == "member_of_two"
    assert case["record_keys"] == [f"{YEN_BAI}|person1", f"{YEN_BAI}|person2"]
    assert len(case["households"]) == 2


@pytest.mark.parametrize(
    "second",
    [
        {"relation_to_head": "ở nhờ/ở thuê/khác"},
        {"event_date": date(2025, 9, 1)},  # the household was divided, or somebody married into another
        {"unit_code": "V"},  # TWO_UNITS_ONE_PERSON asks
    ],
)
def test_a_lodger_and_somebody_who_moved_are_members_of_one(second: Row):
    twice = [WIFE | {"household_number": number, "subject": "s1"} for number in ("1", "2")]

    assert reasons(TWO_HOUSES, [HEAD, twice[0], twice[1] | second]) == []


def test_a_temporary_residence_that_now_lies_in_the_permanent_commune_is_no_conflict():
    houses = [HOUSE, HOUSE | {"household_number": "2", "former_unit_code": "G"}]
    people = [WIFE | {"subject": "s1"}, WIFE | {"subject": "s1", "household_number": "2", "former_unit_code": "G"}]

    assert reasons(houses, [HEAD, *people]) == []


def test_one_residence_record_in_two_units_is_asked_about():
    houses = [HOUSE | {"household_number": RECORD}, HOUSE | {"household_number": RECORD, "unit_code": "V"}]

    assert reasons(houses, []) == ["two_units"]
    assert reasons([one | {"household_number": "1"} for one in houses], []) == []  # books of two communes


def test_the_question_is_the_same_under_other_ids_and_another_when_others_claim():
    second = WIFE | {"relation_to_head": "chủ hộ"}

    (one,) = told([HOUSE], [HEAD, second])
    (renamed,) = told([HOUSE], [HEAD | {"subject": "z"}, second | {"subject": "y"}])
    (more,) = told([HOUSE], [HEAD, second, {"relation_to_head": "chủ hộ", "personal_number": "n5"}])

    assert one["fingerprint"] == renamed["fingerprint"] != more["fingerprint"]


# --- in the store ---------------------------------------------------------------------------------------------


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def test_two_records_of_one_residence_record_are_one_household_and_part_again_with_their_ids(province):
    province.push(HOUSES, household("H", "7"))
    province.push(OTHER_HOUSES, household("K", "8"))
    province.run()
    apart = set(province.published(RecordKind.HOUSEHOLD))

    province.push(HOUSES, household("H", RECORD, source_version=2))
    province.push(OTHER_HOUSES, household("K", RECORD, source_version=2))
    province.run()
    merged = province.one(RecordKind.HOUSEHOLD)
    province.push(OTHER_HOUSES, household("K", "8", source_version=3))
    province.run()

    assert len(apart) == 2
    assert merged["household_number"] == RECORD
    assert merged["former_number"] in {"7", "8"}
    assert set(province.published(RecordKind.HOUSEHOLD)) == apart
    gone = [row for row in province.changes(RecordKind.HOUSEHOLD) if row["cause"] == "MERGED"]
    assert [row["replaced_by"] for row in gone] == [merged["subject_id"]]
    assert {row["cause"] for row in province.changes(RecordKind.HOUSEHOLD)[-2:]} == {"UNMERGED", "CORRECTED"}
    check_settled(province)


def test_whoever_still_names_the_book_is_of_the_household_that_has_a_residence_record_now(province):
    province.push(HOUSES, household("H", "7"))
    province.push(YEN_BAI, person("A", household_number="7"), other_person("B", household_number="7"))
    province.run()
    province.push(HOUSES, household("H", RECORD, source_version=2))
    province.push(YEN_BAI, person("A", household_number=RECORD, source_version=2))

    province.run()

    (house,) = province.published(RecordKind.HOUSEHOLD)
    assert {row["household_id"] for row in province.published().values()} == {house}
    assert {row["household_number"] for row in province.published().values()} == {RECORD}
    check_settled(province)


def test_a_household_that_is_divided_takes_whom_the_later_event_names(province):
    province.push(HOUSES, household("H", "7"))
    province.push(YEN_BAI, person("A", household_number="7"), other_person("B", household_number="7"))
    province.run()
    province.push(HOUSES, household("N", "9"))
    province.push(LAO_CAI, other_person("C", household_number="9", event_date=date(2025, 8, 20)))
    province.push(YEN_BAI, other_person("B", household_number="9", event_date=date(2025, 8, 20), source_version=2))

    province.run()

    numbers = {row["full_name"]: row["household_number"] for row in province.published().values()}
    assert numbers == {"Lò Thị Mẩy": "7", "Giàng A Páo": "9"}
    assert province.cases(CaseKind.HOUSEHOLD_CLASH) == []
    check_settled(province)


def test_a_dead_head_holds_the_household_until_it_names_another_and_not_the_death(province):
    head = {"head_personal_number": "015180000017", "member_count": 2}
    province.push(HOUSES, household("H", "7", **head))
    dead = person("A", household_number="7", relation_to_head="chủ hộ", died_on=date(2025, 8, 2))
    province.push(YEN_BAI, dead)
    province.run()

    case = province.case(CaseKind.HOUSEHOLD_CLASH)
    assert case.evidence["reason"] == "head_dead"
    assert province.state(HOUSES, "H") is State.AWAITING_STEWARD
    assert province.state(YEN_BAI, "A") is State.AWAITING_PULL
    province.push(HOUSES, household("H", "7", head_personal_number="015090000021", source_version=2))
    province.run()

    assert province.cases() == []
    assert province.state(HOUSES, "H") is State.AWAITING_PULL
    check_settled(province)


def test_a_clash_can_be_kept_or_lose_a_record(province):
    both = {"household_number": "7", "relation_to_head": "chủ hộ"}
    province.push(HOUSES, household("H", "7"))
    province.push(YEN_BAI, person("A", **both), other_person("B", **both))
    province.run()
    case = province.case(CaseKind.HOUSEHOLD_CLASH)
    kept = province.judge(case, Decision.KEEP)
    province.run()
    assert len(province.published()) == 2

    province.reverse(kept)
    province.judge(province.case(CaseKind.HOUSEHOLD_CLASH), Decision.WITHDRAW, f"{YEN_BAI}|B")
    province.run()

    assert [row["full_name"] for row in province.published().values()] == ["Lò Thị Mẩy"]
    assert province.cases() == []
    check_settled(province)
