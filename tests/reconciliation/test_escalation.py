"""What is late goes up rung by rung, each once; what a unit owned when it ended is its successor's, clock and all."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.reference.unit_events import read_folder
from reconciliation import jobs, lifecycle, review
from reconciliation.directory import OPERATOR, STEERING, directory
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import CaseKind, Decision
from reconciliation.store import escalating, status, tables, unit_events
from tests.adapters.reference.inventing import write_event
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, check, doubtful, person

DAY = "2025-10-01"


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def dead(province: Province, unit: str = "02671") -> None:
    """Somebody who died and is updated in one commune: a question of that commune's desk."""
    province.push(YEN_BAI, person("A", unit_code=unit, died_on=date(2025, 7, 5)))
    province.push(LAO_CAI, person("B", unit_code=unit, event_date=date(2025, 7, 20)))
    province.run()


def events(province: Province, table: sa.Table) -> list[tuple[Any, ...]]:
    query = sa.select(table).order_by(*table.primary_key)
    return [(row["rung"], row["from_owner"], row["to_owner"]) for row in province.query(query)]


def test_what_lies_in_one_commune_is_its_desks_and_what_lies_in_two_the_provinces(province: Province) -> None:
    dead(province)
    province.push(YEN_BAI, doubtful("C", unit_code="02647", birth_month=5, birth_day=17))
    province.push(LAO_CAI, doubtful("D", unit_code="02671", birth_month=5, birth_day=17))
    province.run()

    owners = {case.kind: case.owner for case in province.cases()}
    states = province.query(sa.select(tables.update_state.c.state, tables.update_state.c.owner).distinct())

    assert owners == {CaseKind.DEATH_THEN_UPDATE: "15/02671/steward", CaseKind.TWO_UNITS_ONE_PERSON: "15/steward"}
    assert {(row["state"], row["owner"]) for row in states} == {
        ("awaiting_steward", "15/02671/steward"),
        ("awaiting_steward", "15/steward"),
    }
    check(province)


def test_a_nightly_run_moves_neither_the_clock_nor_the_owner(province: Province) -> None:
    dead(province)
    before = province.dump()

    province.run()

    for name in ("update_state", "update_move", "case"):
        assert province.dump()[name] == before[name]


def test_what_is_late_goes_up_each_rung_once_after_its_working_days(province: Province) -> None:
    dead(province)
    (case,) = province.cases()
    moments = [case.deadline + timedelta(minutes=1)]
    moments += [
        lifecycle.after_working_days(case.deadline, days) + timedelta(minutes=1) for days in lifecycle.RUNGS[1:]
    ]
    ladder = ["15/02671/steward", "15/steward", OPERATOR, STEERING]

    assert jobs.escalate(province.engine, now=case.deadline - timedelta(minutes=1)) == {}
    for rung, moment in enumerate(moments, start=1):
        early = {} if rung == 1 else jobs.escalate(province.engine, now=moment - timedelta(minutes=2))
        counts = jobs.escalate(province.engine, now=moment)
        again = jobs.escalate(province.engine, now=moment)

        assert early == again == {}
        assert counts == ({f"updates.{rung}": 2, f"cases.{rung}": 1} if rung < len(ladder) else {})
        assert province.case().raised_to == ladder[min(rung, 3)]
        found = status.status_by_record(province.engine, source_id=YEN_BAI, source_record_id="A", now=moment)
        assert found is not None
        assert (found.owner, found.raised_to, found.is_stuck) == (ladder[0], ladder[min(rung, 3)], True)
    assert events(province, tables.case_escalation) == [(n, ladder[n - 1], ladder[n]) for n in (1, 2, 3)]
    assert events(province, tables.update_escalation) == 2 * [(n, ladder[n - 1], ladder[n]) for n in (1, 2, 3)]
    assert [one.to_owner for one in escalating.standing(province.engine)] == [STEERING]


def test_what_was_never_looked_at_goes_up_all_its_rungs_at_once(province: Province) -> None:
    dead(province)

    counts = jobs.escalate(province.engine, now=province.now + timedelta(days=90))

    assert counts == {f"{name}.{rung}": n for name, n in (("updates", 2), ("cases", 1)) for rung in (1, 2, 3)}


def test_what_is_decided_in_time_never_goes_up_and_a_new_wait_begins_at_the_bottom(province: Province) -> None:
    dead(province)
    (case,) = province.cases()
    late = case.deadline + timedelta(days=1)
    jobs.escalate(province.engine, now=late)
    province.day = 20
    judgement = province.judge(case, Decision.KEEP)
    province.run()

    counts = jobs.escalate(province.engine, now=late + timedelta(days=60))
    province.reverse(judgement)

    (again,) = province.cases()
    assert again.raised_to is None
    assert again.deadline > case.deadline
    assert counts == {"updates.1": 2, "updates.2": 2}  # they wait for the registry now


def test_reading_by_deadline_looks_at_what_became_late_only(province: Province) -> None:
    dead(province)
    (case,) = province.cases()
    jobs.escalate(province.engine, now=case.deadline + timedelta(days=40))
    with province.engine.begin() as connection:
        connection.execute(tables.update_escalation.delete())  # as if what is long past had to be found again

    counts = jobs.escalate(province.engine, now=case.deadline + timedelta(days=60))

    assert counts == {}


@pytest.mark.parametrize("heirs", [["02647"], ["90001", "90002"]])
def test_what_a_unit_owned_when_it_ended_is_its_successors(
    province: Province, tmp_path: Path, heirs: list[str]
) -> None:
    dead(province)
    before = province.query(sa.select(tables.update_state).order_by(tables.update_state.c.record_id))
    pairs = [f"02671,{heir},{'whole,all' if len(heirs) == 1 else 'part,some'},1" for heir in heirs]
    begins = [f"commune,{heir},Xã {heir},xa,15,,2" for heir in heirs if heir != "02647"]
    folder = write_event(tmp_path / "2025-10-01-end", on=DAY, ends=["commune,02671"], begins=begins, crosswalk=pairs)
    unit_events.load(province.engine, read_folder(folder), by="o1", now=province.now)
    jobs.escalate(province.engine, now=province.now)
    assert province.case().owner == "15/02671/steward"
    province.day = 40

    counts = jobs.escalate(province.engine, now=province.now)

    heir = f"15/{heirs[0]}/steward" if len(heirs) == 1 else "15/steward"
    assert province.case().owner == heir
    assert (counts["handed_over.updates"], counts["handed_over.cases"]) == (2, 1)
    after = province.query(sa.select(tables.update_state).order_by(tables.update_state.c.record_id))
    assert after == [row | {"owner": heir} for row in before]
    (told,) = province.query(sa.select(tables.succession))
    assert (told["from_owner"], told["to_owner"], told["updates"], told["cases"]) == ("15/02671/steward", heir, 2, 1)
    known = directory(province.now.astimezone(VIETNAM).date(), tables=unit_events.tables_known(province.engine))
    assert all(known.is_reachable(one) for one in escalating.owners(province.engine))
    assert "handed_over.updates" not in jobs.escalate(province.engine, now=province.now)
    province.run()
    assert all(known.is_reachable(one) for one in escalating.owners(province.engine))


class KilledError(Exception):
    """The process is gone."""


def overdue_and_orphaned(province: Province, folder: Path) -> datetime:
    """Much is late, and the unit that it is with has ended; return when."""
    dead(province)
    province.push(YEN_BAI, doubtful("C", unit_code="02647"))
    province.run()
    event = write_event(
        folder / "2025-10-01-end", on=DAY, ends=["commune,02671"], crosswalk=["02671,02647,whole,all,1"]
    )
    unit_events.load(province.engine, read_folder(event), by="o1", now=province.now)
    return province.now + timedelta(days=60)


def left(province: Province) -> dict[str, list[tuple[object, ...]]]:
    dumped = province.dump()
    dumped["succession"] = [row[1:] for row in dumped["succession"]]  # without its number
    return dumped


def test_f18_killed_at_any_statement_and_run_again_it_comes_to_the_same_state(
    province: Province, tmp_path: Path
) -> None:
    now = overdue_and_orphaned(province, tmp_path)
    before = {
        name: province.query(sa.select(table)) for name, table in (("u", tables.update_state), ("c", tables.case))
    }
    statements, allowed, killed = 0, 10**6, 0

    def dying(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements > allowed:
            raise KilledError

    sa.event.listen(province.engine, "before_cursor_execute", dying)
    try:
        jobs.escalate(province.engine, now=now)
        needed, whole = statements, left(province)
        assert needed > 20
        with province.engine.begin() as connection:  # as it was before
            for table in (tables.update_escalation, tables.case_escalation, tables.succession, tables.run):
                connection.execute(table.delete())
            for row in before["u"]:
                where = tables.update_state.c.record_id == row["record_id"]
                connection.execute(tables.update_state.update().where(where).values(owner=row["owner"]))
            for row in before["c"]:
                where = tables.case.c.case_id == row["case_id"]
                connection.execute(tables.case.update().where(where).values(owner=row["owner"]))
        for allowed in range(0, needed, 3):  # noqa: B007 - `dying` reads it
            statements = 0
            try:
                jobs.escalate(province.engine, now=now)
            except KilledError:
                killed += 1
        allowed, statements = 10**6, 0
        jobs.escalate(province.engine, now=now)
    finally:
        sa.event.remove(province.engine, "before_cursor_execute", dying)

    assert killed > 5
    assert left(province) == whole
    check(province)


def test_f19_four_copies_at_once_do_what_one_does(province: Province, tmp_path: Path) -> None:
    now = overdue_and_orphaned(province, tmp_path)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: jobs.escalate(province.engine, now=now), range(4)))

    once = {name: sum(one.get(name, 0) for one in counts) for name in set().union(*counts)}
    (told,) = province.query(sa.select(tables.succession))
    assert (told["updates"], told["cases"]) == (once["handed_over.updates"], once["handed_over.cases"])
    raised = province.query(sa.select(tables.update_escalation.c.rung))
    assert len(raised) == sum(number for name, number in once.items() if name.startswith("updates."))
    assert jobs.escalate(province.engine, now=now) == {}
    check(province)


def test_the_queue_lists_whom_a_case_has_gone_up_to(province: Province) -> None:
    dead(province)
    (case,) = province.cases()
    jobs.escalate(province.engine, now=case.deadline + timedelta(hours=1))

    (listed,) = review.open_cases(province.engine, province_code="15")

    assert (listed.owner, listed.raised_to) == ("15/02671/steward", "15/steward")
