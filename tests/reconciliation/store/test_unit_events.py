"""A change of units that is loaded does what its rehearsal said, to what it touches only, and can be taken back."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from adapters.errors import RejectedUnitsError
from adapters.reference.unit_events import Event, read_folder
from adapters.reference.unit_findings import UnitFault
from adapters.reference.units import load_units, units_on
from reconciliation import jobs, recoding
from reconciliation.model import CaseKind, Decision
from reconciliation.rehearsing import MINUTES_A_CASE
from reconciliation.store import reconciling, tables, unit_events
from tests.adapters.reference.inventing import write_event
from tests.reconciliation.province import (
    HOUSES,
    YEN_BAI,
    Province,
    check,
    check_settled,
    household,
    other_person,
    person,
)
from tests.reconciliation.store.landings import NOW

DAY = date(2025, 10, 1)
AFTER = 40  # days after NOW: the event's day has passed


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


@pytest.fixture
def merger(tmp_path: Path) -> Event:
    """02671 goes whole to 02647, 02680 is divided, 02683 has another name."""
    return read_folder(
        write_event(
            tmp_path / "2025-10-01-merger",
            on=DAY.isoformat(),
            ends=["commune,02671", "commune,02680"],
            begins=["commune,90001,Xã Đông,xa,15,,2", "commune,90002,Xã Tây,xa,15,,2"],
            changes=["commune,02683,Xã Tên Mới,,,,3"],
            crosswalk=["02671,02647,whole,all,1", "02680,90001,part,some,2", "02680,90002,part,some,2"],
        )
    )


def settle(province: Province) -> None:
    """People, houses and groups in the units that the merger touches, and in one that it does not."""
    province.push(
        YEN_BAI,
        person("A", unit_code="02671", hamlet="Tổ dân phố 2"),
        other_person("B", unit_code="02647", hamlet="TDP số 02"),
        other_person("C", unit_code="02680", personal_number="015090000022", full_name="Lù Seo Chứ", birth_year=1970),
        other_person("D", unit_code="02683", personal_number="015090000023", full_name="Hoàng Văn Tư", birth_year=1960),
        other_person("E", unit_code="99999", personal_number="015090000024", full_name="Nông Thị Hoa", birth_year=1950),
    )
    province.push(HOUSES, household("H", "1"), household("K", "1", unit_code="02671"))
    province.run()
    province.apply_all()
    check_settled(province)


def placements(province: Province) -> dict[int, dict[str, Any]]:
    """Every placement, without the rules and the knowledge under which it was found."""
    return {
        row["record_id"]: {name: value for name, value in row.items() if name not in {"rule_version", "known_on"}}
        for row in province.query(sa.select(tables.placement))
    }


def golden(province: Province) -> dict[str, dict[str, Any]]:
    """The golden values of every subject."""
    own = {"feed_seq", "change_id", "xid", "cause", "previous_change_id", "traceparent"}
    return {
        subject: {name: value for name, value in row.items() if name not in own}
        for kind in RecordKind
        for subject, row in province.published(kind).items()
    }


def test_a_rehearsal_says_what_loading_and_reconciling_then_does(province, merger):
    settle(province)
    before, cases = placements(province), len(province.cases())
    numbers = {row["subject_id"]: row["household_number"] for row in province.published(RecordKind.HOUSEHOLD).values()}

    (told,) = jobs.rehearse_event(province.engine, merger, now=province.now, minutes_a_case=MINUTES_A_CASE)
    assert placements(province) == before
    unit_events.load(province.engine, merger, by="o1", now=province.now)
    province.day = AFTER
    counts = province.run()

    after = placements(province)
    changed = [record for record in after if after[record] != before[record]]
    units = {record: (before[record]["unit_code"], after[record]["unit_code"]) for record in changed}
    recoded = [record for record, (was, becomes) in units.items() if was and becomes and was != becomes]
    assert (told.province_code, told.records) == ("15", 7)
    assert told.touched == len(changed) == counts["placements"] == 4
    assert told.recoded == len(recoded) == 2  # a person and a household
    assert told.ambiguous == len(province.cases(CaseKind.AMBIGUOUS_UNIT)) == len(province.cases()) - cases == 1
    assert (told.orphaned, told.settled, told.restated) == (0, 0, 1)  # the unit of another name has another basis
    assert (told.hamlet_names, told.records_in_hamlets) == (1, 2)
    assert told.steward_hours == round(MINUTES_A_CASE / 60, 1)
    now = {row["subject_id"]: row["household_number"] for row in province.published(RecordKind.HOUSEHOLD).values()}
    assert told.households_renumbered == sum(numbers[subject] != now[subject] for subject in now) == 1
    check(province)


def test_loading_emits_what_it_touches_and_unloading_brings_everything_back(province, merger):
    settle(province)
    placed, values, changes = placements(province), golden(province), len(province.changes(RecordKind.PERSON))

    unit_events.load(province.engine, merger, by="o1", now=province.now)
    province.day = AFTER
    there = province.run()
    emitted = province.changes(RecordKind.PERSON)[changes:]
    moved = placements(province)
    quiet = province.run()
    unit_events.unload(province.engine, merger.event_id, by="o2", now=province.now)
    back = province.run()
    returned = province.changes(RecordKind.PERSON)[changes + len(emitted) :]

    assert [(one["cause"], one["unit_code"]) for one in emitted] == [("RECODED", "02647")]
    assert [(one["cause"], one["unit_code"]) for one in returned] == [("RECODED", "02671")]
    assert (there["changes.household"], back["changes.household"]) == (1, 1)
    assert (there["placements"], quiet["placements"], back["placements"]) == (4, 0, 4)
    assert moved != placed
    assert placements(province) == placed
    assert golden(province) == values
    assert province.cases(CaseKind.AMBIGUOUS_UNIT) == []
    check_settled(province)


def test_a_placement_keeps_its_evidence_and_the_version_that_first_gave_its_answer(province, merger):
    settle(province)
    first = {row["record_id"]: row for row in province.query(sa.select(tables.placement))}
    unit_events.load(province.engine, merger, by="o1", now=province.now)
    province.day = AFTER
    province.run()

    rows = {row["record_id"]: row for row in province.query(sa.select(tables.placement))}
    of_old, of_new = {}, {}
    for record, row in rows.items():
        (of_old if row["rule_version"] == first[record]["rule_version"] else of_new)[record] = row
    (moved,) = [row for row in of_new.values() if row["sent_code"] == "02671" and row["record_id"] % 10_000 == 0]
    assert (len(of_old), len(of_new)) == (3, 4)
    assert all(row["known_on"] == first[record]["known_on"] for record, row in of_old.items())
    assert (moved["unit_code"], moved["sent_vintage"], moved["decided_by"]) == ("02647", date(2025, 7, 1), "law")
    assert (moved["basis"], moved["known_on"]) == ("9/NQ-TEST, 1", province.now.date())
    (looked,) = province.query(sa.select(tables.recoding))
    assert (looked["rule_version"], looked["list_begun_on"]) == (moved["rule_version"], DAY)


def test_a_province_is_woken_when_an_event_is_loaded_and_again_on_its_day(province, merger):
    settle(province)

    def wakes(day: int) -> bool:
        return reconciling.provinces_with_landings(province.engine, now=NOW + timedelta(days=day)) == ["15"]

    assert not wakes(AFTER)
    unit_events.load(province.engine, merger, by="o1", now=province.now)
    assert wakes(province.day)
    assert province.run()["placements"] == 0
    assert (wakes(province.day), wakes(AFTER)) == (False, True)


def test_a_judged_unit_is_carried_through_a_later_change_or_asked_about_again(province, merger):
    province.push(YEN_BAI, person("A", unit_code="99999"), other_person("B", unit_code="99998"))
    province.run()
    judged = dict(zip(("02671", "02680"), province.cases(CaseKind.UNKNOWN_UNIT), strict=True))
    for unit, case in judged.items():
        province.judge(case, Decision.UNIT, unit)
    province.run()
    assert {row["unit_code"] for row in placements(province).values()} == {"02671", "02680"}

    unit_events.load(province.engine, merger, by="o1", now=province.now)
    province.day = AFTER
    province.run()

    asked = province.case(CaseKind.AMBIGUOUS_UNIT)
    assert asked.evidence["candidates"] == ["90001", "90002"]
    assert sorted(str(row["unit_code"]) for row in placements(province).values()) == ["02647", "None"]
    province.judge(asked, Decision.UNIT, "90002")
    province.run()
    assert sorted(row["unit_code"] for row in placements(province).values()) == ["02647", "90002"]
    assert province.cases(CaseKind.AMBIGUOUS_UNIT) == []


def test_what_was_known_on_a_day_can_be_asked_later(engine, merger):
    later = NOW + timedelta(days=1)
    unit_events.load(engine, merger, by="o1", now=NOW)
    unit_events.unload(engine, merger.event_id, by="o2", now=later)

    def stands(at: Any) -> bool:
        known = unit_events.tables_known(engine, at=at)
        return "02671" in units_on(DAY, tables=known)["code"].to_pylist()

    assert stands(NOW - timedelta(seconds=1))
    assert not stands(NOW)
    assert stands(later)
    assert unit_events.tables_known(engine) is load_units()
    (entry,) = unit_events.entries(engine)
    assert (entry.recorded_by, entry.revoked_by, entry.revoked_at) == ("o1", "o2", later)
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(tables.unit_event.update().values(content=None))


def test_an_event_is_loaded_once_and_not_taken_from_under_another(engine, merger, tmp_path):
    unit_events.load(engine, merger, by="o1", now=NOW)
    follows = write_event(tmp_path / "2026-follows", on="2026-01-01", changes=["commune,90001,Xã X,,,,"])
    unit_events.load(engine, read_folder(follows), by="o1", now=NOW)
    earlier = write_event(tmp_path / "2025-earlier", on="2025-09-15", changes=["commune,02671,Xã Y,,,,"])

    def faults(call: Any, *given: Any) -> list[UnitFault]:
        with pytest.raises(RejectedUnitsError) as refused:
            call(engine, *given, by="o1", now=NOW)
        return [finding.fault for finding in refused.value.findings]

    assert faults(unit_events.load, merger) == [UnitFault.REPEATED]
    assert faults(unit_events.unload, merger.event_id) == [UnitFault.RESTED_ON]
    assert faults(unit_events.unload, "2026-04-30-dong-nai") == [UnitFault.NOT_LOADED]
    unit_events.load(engine, read_folder(earlier), by="o1", now=NOW)  # what comes after it still fits
    assert len(unit_events.entries(engine)) == 3


def test_rules_that_are_raised_and_change_no_answer_write_no_placement(province, monkeypatch):
    settle(province)
    before = province.query(sa.select(tables.placement))
    with monkeypatch.context() as patch:
        patch.setattr(recoding, "RULES", recoding.RULES + 1)
        assert reconciling.provinces_with_landings(province.engine, now=province.now) == ["15"]

        counts = province.run()

        assert reconciling.provinces_with_landings(province.engine, now=province.now) == []
    (looked,) = province.query(sa.select(tables.recoding))
    assert (counts["placements"], province.query(sa.select(tables.placement))) == (0, before)
    assert looked["rule_version"].startswith(f"{recoding.RULES + 1}-")
