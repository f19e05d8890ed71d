"""Every kind of case from the terminal: raised, shown with its six words, decided, gone, reversed, back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.reference.hamlet_files import read_hamlets
from adapters.reference.units import load_units
from reconciliation import jobs
from reconciliation.conflicts import CATALOGUE
from reconciliation.model import CaseKind, State
from reconciliation.store import hamlets, landing, tables
from tests.gateway.terminal import lienthong
from tests.reconciliation.province import (
    BOOKS,
    HOUSES,
    LAO_CAI,
    OLD,
    OTHER_BOOKS,
    YEN_BAI,
    Province,
    check,
    doubtful,
    household,
    other_person,
    person,
)
from tests.reconciliation.store.landings import batch, normalised, rows, source

HA_NOI, CITIZENS = "ha-noi.population", "ha-noi.citizens"
THIRTY_DAYS = 30  # every wait of the first days is late by then
LEAST = -(2**63)  # a version of which a rule cannot take the negative
PERIOD = {"scheme": "compulsory", "valid_from": date(2020, 1, 1), "valid_to": date(2021, 1, 1)}
NAMES = (
    "Hoàng Văn Tư",
    "Nông Thị Hoa",
    "Lù Seo Chứ",
    "Bàn Thị Lai",
    "Sùng A Dơ",
    "Vi Văn Páo",
    "Tẩn Mẩy Ghến",
    "Đặng Kim",
)


@dataclass(frozen=True, kw_only=True)
class Walk:
    """How a case is decided, and what its update waits for meanwhile; `value` is what the decision names."""

    decision: str = "keep"
    value: Callable[[Any], str] = lambda _: ""  # of the evidence
    waits: State | None = State.AWAITING_STEWARD
    key: str = "A"  # of a record that it is about, before the name of the kind


WALKS: Mapping[CaseKind, Walk] = {
    CaseKind.AMBIGUOUS_UNIT: Walk(
        decision="unit", value=lambda evidence: str(evidence["candidates"][0]), waits=State.AWAITING_UNIT
    ),
    CaseKind.UNKNOWN_UNIT: Walk(decision="withdraw", waits=State.AWAITING_UNIT),
    CaseKind.DOUBTFUL_MATCH: Walk(decision="not_same", waits=State.AWAITING_MATCH),
    CaseKind.TWO_UNITS_ONE_PERSON: Walk(decision="unit", value=lambda evidence: str(evidence["units"][0])),
    CaseKind.ONE_NUMBER_TWO_PEOPLE: Walk(decision="not_same"),
    CaseKind.BOOK_AGAINST_REGISTER: Walk(key="K"),
    CaseKind.TWO_INSURANCE_BOOKS: Walk(key="K"),
    CaseKind.OVERLAPPING_PERIODS: Walk(key="K"),
    CaseKind.CIRCULAR_RELATIONS: Walk(),
    CaseKind.DEATH_THEN_UPDATE: Walk(),
    CaseKind.TWO_PROVINCES_ONE_PERSON: Walk(key="B"),
    CaseKind.HOUSEHOLD_CLASH: Walk(),
    CaseKind.REFUSED_BY_REGISTRY: Walk(),
    CaseKind.MISSING_VERSION: Walk(waits=None),
    CaseKind.DUPLICATE_HAMLET: Walk(waits=None),
    CaseKind.UNSIGNED_EVENT: Walk(decision="withdraw", waits=State.AWAITING_SIGNATURE),
    CaseKind.CITIZEN_CORRECTION: Walk(key="C"),
    CaseKind.POISONED: Walk(decision="withdraw"),
}


class Town:
    """People for one kind each, nobody like another, so that one run raises all kinds beside each other."""

    def __init__(self, province: Province) -> None:
        self.province = province
        self.people = iter(enumerate(NAMES))

    def somebody(self, kind: CaseKind) -> Callable[..., dict[str, object]]:
        """Makes records of one person; their keys end with the kind."""
        number, name = next(self.people)
        own = {
            "personal_number": f"0151800{number:02}017",
            "full_name": name,
            "birth_year": 1950 + 5 * number,
            "birth_month": 1 + number,
            "birth_day": 3 + number,
        }
        return lambda key, **said: person(f"{key} {kind}", **own | {"insurance_number": None} | said)


def raise_in_one_run(province: Province) -> set[CaseKind]:
    """The kinds that records raise by themselves, in Lào Cai."""
    town = Town(province)
    unknown, two_units, shared, against, two_books, overlap, circle, died = (
        town.somebody(kind)
        for kind in (
            CaseKind.UNKNOWN_UNIT,
            CaseKind.TWO_UNITS_ONE_PERSON,
            CaseKind.ONE_NUMBER_TWO_PEOPLE,
            CaseKind.BOOK_AGAINST_REGISTER,
            CaseKind.TWO_INSURANCE_BOOKS,
            CaseKind.OVERLAPPING_PERIODS,
            CaseKind.CIRCULAR_RELATIONS,
            CaseKind.DEATH_THEN_UPDATE,
        )
    )
    number = circle("A")["personal_number"]
    province.push(
        YEN_BAI,
        unknown("A", unit_code="99999"),
        two_units("A"),
        shared("A"),
        against("A"),
        two_books("A"),
        circle("A", father_number=number),
        died("A", died_on=date(2025, 7, 5)),
        doubtful(f"A {CaseKind.DOUBTFUL_MATCH}"),
        person(f"A {CaseKind.DUPLICATE_HAMLET}", hamlet="Tổ dân phố số 02"),
    )
    province.push(
        LAO_CAI,
        two_units("B", unit_code="02671"),
        other_person(f"B {CaseKind.ONE_NUMBER_TWO_PEOPLE}", personal_number=shared("A")["personal_number"]),
        died("B"),
        doubtful(f"B {CaseKind.DOUBTFUL_MATCH}", full_name="Vàng Thị Sáu", sex="male"),
    )
    later = PERIOD | {"valid_from": date(2020, 6, 1), "valid_to": date(2022, 1, 1)}
    province.push(
        BOOKS,
        against("K", insurance_number="0100000001", birth_day=28),
        two_books("K", insurance_number="0100000002"),
        overlap("K", insurance_number="0100000003", **PERIOD),
        overlap("L", insurance_number="0100000003", **later),
    )
    province.push(OTHER_BOOKS, two_books("L", insurance_number="0100000004"))
    _tell_of_hamlets(province)
    province.run()
    return {
        CaseKind.UNKNOWN_UNIT,
        CaseKind.TWO_UNITS_ONE_PERSON,
        CaseKind.ONE_NUMBER_TWO_PEOPLE,
        CaseKind.BOOK_AGAINST_REGISTER,
        CaseKind.TWO_INSURANCE_BOOKS,
        CaseKind.OVERLAPPING_PERIODS,
        CaseKind.CIRCULAR_RELATIONS,
        CaseKind.DEATH_THEN_UPDATE,
        CaseKind.DOUBTFUL_MATCH,
        CaseKind.DUPLICATE_HAMLET,
    }


def _tell_of_hamlets(province: Province) -> None:
    """Two former communes of one of today's had a group 2 each."""
    pairs = load_units().crosswalk.to_pylist()
    former = sorted(row["from_code"] for row in pairs if row["to_code"] == "02647" and row["residents"] == "all")[:2]
    lines = ["former_unit_code,name,unit_code,valid_from,valid_to,renamed_to,source"]
    lines += [f"{code},TDP 2,02647,,,,thử" for code in former]
    content, day = "\n".join(lines).encode(), province.now.date()
    told = read_hamlets(content, province_code="15", source="thử", tables=load_units(), on=day)
    hamlets.tell(province.engine, told, by="o1", now=province.now)


def raise_in_ha_noi(province: Province) -> set[CaseKind]:
    """Those that need divided wards, another province, or citizens who speak."""
    town, other = Town(province), Province(province.engine, code="15")
    elsewhere, corrected = (
        town.somebody(kind) for kind in (CaseKind.TWO_PROVINCES_ONE_PERSON, CaseKind.CITIZEN_CORRECTION)
    )
    divided = town.somebody(CaseKind.AMBIGUOUS_UNIT)
    other.push(YEN_BAI, elsewhere("A"))
    other.run()
    province.day = other.day
    province.push(
        HA_NOI,
        divided("A", unit_code="00007", unit_vintage=OLD),
        elsewhere("B", unit_code="00004"),
        corrected("A", unit_code="00004"),
    )
    province.push(
        CITIZENS, corrected("C", unit_code="00004", full_name="Nông Thị Hòa An", event_date=date(2025, 8, 20))
    )
    province.run()
    return {CaseKind.AMBIGUOUS_UNIT, CaseKind.TWO_PROVINCES_ONE_PERSON, CaseKind.CITIZEN_CORRECTION}


def raise_with_time(province: Province) -> set[CaseKind]:
    """Those that a registry or a deadline raises."""
    town = Town(province)
    clash = CaseKind.HOUSEHOLD_CLASH
    refused, missing, unsigned, *heads = (
        town.somebody(kind)
        for kind in (CaseKind.REFUSED_BY_REGISTRY, CaseKind.MISSING_VERSION, CaseKind.UNSIGNED_EVENT, clash, clash)
    )
    province.push(YEN_BAI, refused("A"))
    province.run()
    province.refuse()
    province.push(YEN_BAI, missing("A", source_version=2, follows_version=1))
    leading = {"household_number": "7", "relation_to_head": "chủ hộ"}
    province.push(HOUSES, household(f"H {clash}", "7"))
    province.push(YEN_BAI, *(head(key, **leading) for key, head in zip("AB", heads, strict=True)))
    signing = replace(source(LAO_CAI), officers_sign=True)
    told = normalised(rows(signing.kind, unsigned("A", died_on=date(2025, 7, 20))))
    landing.land(province.engine, batch(1, source_id=LAO_CAI), told, source=signing, now=province.now)
    province.day += THIRTY_DAYS
    jobs.flag_stuck_updates(province.engine, now=province.now)
    province.run()
    return {CaseKind.REFUSED_BY_REGISTRY, CaseKind.MISSING_VERSION, CaseKind.UNSIGNED_EVENT, clash}


def raise_alone(province: Province) -> set[CaseKind]:
    """What makes a run look for it: with nobody beside it that is soon found."""
    province.push(YEN_BAI, Town(province).somebody(CaseKind.POISONED)("A", source_version=LEAST))
    province.run()
    return {CaseKind.POISONED}


TOWNS: Mapping[str, tuple[str, Callable[[Province], set[CaseKind]]]] = {
    "records": ("15", raise_in_one_run),
    "ha-noi": ("01", raise_in_ha_noi),
    "time": ("15", raise_with_time),
    "rule": ("15", raise_alone),
}
WHO = ("--reason", "đã xác minh", "--json", "--steward")


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Callable[..., str]:
    """`lienthong queue …`, that has to go well."""
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database_url)

    def said(*words: object) -> str:
        told = lienthong("queue", *words)
        assert told.code == 0, (words, told.err)
        return told.out

    return said


def listed(queue: Callable[..., str], code: str) -> dict[CaseKind, dict[str, Any]]:
    """The open cases of a province by kind: those that were meant, not what else their people are asked about."""
    cases = [json.loads(line) for line in queue("list", "--province", code, "--limit", 100, "--json").splitlines()]
    meant = [case for case in cases if all(key.endswith(f" {case['kind']}") for key in case["record_keys"])]
    assert len({case["kind"] for case in meant}) == len(meant)
    return {CaseKind(case["kind"]): case for case in meant}


def decided(queue: Callable[..., str], case: dict[str, Any]) -> int:
    """The judgement that decides a case as its walk says; a second person, where there has to be one, says no first."""
    walk = WALKS[CaseKind(case["kind"])]
    value = walk.value(case["evidence"])
    words = ("judge", case["case_id"], walk.decision, *(["--value", value] if value else []), *WHO, "an")
    judged = json.loads(queue(*words))
    if judged["needs_approval"]:
        refused = json.loads(queue("refuse", judged["judgement_id"], *WHO, "bình"))
        assert refused["reverses"] == judged["judgement_id"]
        judged = json.loads(queue(*words))
        queue("approve", judged["judgement_id"], "--steward", "bình")
    return int(judged["judgement_id"])


def states(province: Province, kinds: set[CaseKind]) -> dict[CaseKind, str]:
    """The state of the update that each kind's walk names."""
    state, found = tables.update_state.c, {}
    for table in tables.record_tables.values():
        query = sa.select(table.c.source_record_id, state.state)
        query = query.join(tables.update_state, state.record_id == table.c.record_id)
        found |= {row["source_record_id"]: row["state"] for row in province.query(query)}
    return {kind: found[f"{WALKS[kind].key} {kind}"] for kind in kinds}


def test_every_kind_is_walked() -> None:
    assert set(WALKS) == set(CaseKind)


@pytest.mark.parametrize("town", TOWNS)
def test_cases_are_raised_shown_decided_gone_reversed_and_back(
    engine: sa.Engine, queue: Callable[..., str], town: str
) -> None:
    code, raised = TOWNS[town]
    province = Province(engine, code=code)
    kinds = raised(province)
    cases = listed(queue, code)
    assert set(cases) == kinds
    before = states(province, kinds)
    assert {kind: before[kind] for kind in kinds if WALKS[kind].waits} == {
        kind: WALKS[kind].waits for kind in kinds if WALKS[kind].waits
    }
    for kind, case in cases.items():
        shown, asked = queue("show", case["case_id"]), CATALOGUE[kind]
        clear = (asked.question_vi, asked.question_en, "trách nhiệm", "thẩm quyền", "thời gian", "kết quả")
        assert all(words in shown for words in clear), shown
        assert case["owner"].startswith(f"{code}/")
    check(province)

    judgements = {kind: decided(queue, case) for kind, case in cases.items()}
    assert listed(queue, code) == {}
    province.run()
    jobs.flag_stuck_updates(engine, now=province.now)
    assert listed(queue, code) == {}
    after = states(province, kinds)
    assert not [kind for kind in kinds if WALKS[kind].waits and after[kind] == before[kind]]
    check(province)

    for judgement_id in judgements.values():
        queue("reverse", judgement_id, *WHO, "chi")
    province.run()
    jobs.flag_stuck_updates(engine, now=province.now)
    back = listed(queue, code)
    assert {kind: case["case_id"] for kind, case in back.items()} == {
        kind: case["case_id"] for kind, case in cases.items()
    }
    check(province)
