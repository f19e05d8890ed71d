"""I10, I12, I16 and I17 of the promises, with the schedules run by Airflow: whatever is killed, doubled or decided."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow.compute as pc
import pytest
import sqlalchemy as sa

from adapters.reference.units import load_units
from gateway.cli.airflow import ROOT
from reconciliation import jobs, review
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Decision
from reconciliation.store import balance, reconciling, tables
from tests.dags.conftest import InAirflow
from tests.dags.registry import LAO_CAI, land_two_sources, settled_state
from tests.reconciliation.province import OLD, YEN_BAI, Province, other_person, person

pytestmark = pytest.mark.airflow

LEAST = -(2**63)  # a version of which a rule cannot take the negative

Killing = Callable[[int], tuple[int, int]]


@pytest.fixture(scope="module")
def killed() -> Iterator["subprocess.Popen[str]"]:
    """killed.py, running."""
    command = [sys.executable, "-m", "tests.dags.killed"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def reconcile(killed: "subprocess.Popen[str]", database_url: str) -> Killing:
    """`reconcile(n)`: a run that is killed before its n-th statement or commit, or at none; how it ended, how far."""
    now = datetime.now(UTC).isoformat()

    def run(kill_at: int) -> tuple[int, int]:
        assert killed.stdin
        assert killed.stdout
        order = {"url": database_url, "province_code": LAO_CAI, "now": now, "kill_at": kill_at}
        killed.stdin.write(json.dumps(order) + "\n")
        killed.stdin.flush()
        answer = json.loads(killed.stdout.readline())
        return answer["code"], answer["begun"]

    return run


def test_i16_killed_anywhere_and_run_again_it_comes_to_the_state_of_a_run_that_was_not(
    in_airflow: InAirflow, engine: sa.Engine, reconcile: Killing
) -> None:
    land_two_sources(engine)
    code, whole = reconcile(0)
    assert (code, whole > 30) == (0, True)
    expected = settled_state(engine)
    assert expected["golden_person"]

    for kill_at in (whole // 3, whole * 2 // 3, whole - 1):
        Province(engine).forget()
        land_two_sources(engine)
        assert reconcile(kill_at) == (-9, kill_at - 1)
    in_airflow("reconcile_records")
    once = settled_state(engine)
    in_airflow("reconcile_records")

    assert once == expected
    assert settled_state(engine) == expected


def test_i16_two_copies_at_once_and_one_that_finds_the_province_taken_change_nothing(
    in_airflow: InAirflow, engine: sa.Engine, reconcile: Killing
) -> None:
    land_two_sources(engine)
    reconcile(0)
    expected = settled_state(engine)
    Province(engine).forget()
    land_two_sources(engine)
    now = datetime.now(UTC)

    with reconciling.province_lock(engine, LAO_CAI):
        taken = in_airflow("reconcile_records")
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(jobs.reconcile_records, engine, province_code=LAO_CAI, now=now) for _ in range(2)]
        counts = [one.result() for one in both]

    assert taken["state"] == "success"
    assert taken["tasks"]["reconcile[0]"]["returned"]["skipped"] == 1
    assert any("skipped" not in one for one in counts)
    assert settled_state(engine) == expected


def test_i12_what_airflow_balances_closes_and_a_loss_is_found_by_the_next_look(
    in_airflow: InAirflow, engine: sa.Engine
) -> None:
    land_two_sources(engine)
    reconciled = in_airflow("reconcile_records")
    with engine.begin() as connection:
        state = tables.update_state
        lost = connection.scalar(sa.select(sa.func.max(state.c.record_id)))
        connection.execute(state.delete().where(state.c.record_id == lost))

    looked = in_airflow("balance_provinces")

    assert reconciled["tasks"]["reconcile[0]"]["returned"]["balance.closed"] == 1
    assert looked["state"] == "success"
    counts = looked["tasks"]["balance[0]"]["returned"]
    assert (counts["closed"], counts["lost"]) == (0, 1)
    found = balance.latest(engine, LAO_CAI)
    assert found is not None
    assert [(one.what, one.row) for one in found.statement.losses] == [("state", lost % tables.ROWS_PER_BATCH)]


def test_f14_a_record_that_breaks_a_rule_costs_itself_and_the_run_says_so(
    in_airflow: InAirflow, engine: sa.Engine
) -> None:
    province = Province(engine)
    province.push(YEN_BAI, person("A"), other_person("P", source_version=LEAST))

    seen = in_airflow("reconcile_records")

    assert seen["state"] == "success"
    counts = seen["tasks"]["reconcile[0]"]["returned"]
    assert (counts["set_aside"], counts["changes.person"], counts["balance.closed"]) == (1, 1, 1)


def test_i10_of_many_who_decide_at_once_while_a_run_goes_on_one_decides(
    in_airflow: InAirflow, engine: sa.Engine
) -> None:
    province = Province(engine)
    province.push(YEN_BAI, person("A", unit_code="99999"), person("B", unit_code="99998", personal_number=None))
    in_airflow("reconcile_records")
    cases = province.cases(CaseKind.UNKNOWN_UNIT)
    now = datetime.now(UTC) + timedelta(seconds=1)

    def decide(place: int) -> bool:
        case = cases[place % len(cases)]
        try:
            review.judge(
                engine,
                case.case_id,
                decision=Decision.UNIT,
                value=["02647", "02671"][place // len(cases) % 2],
                reason="đã xác minh",
                steward=f"s{place}",
                now=now,
            )
        except RejectedRequestError as error:
            assert error.reason == "CASE_DECIDED"
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        decided = [threads.submit(decide, place) for place in range(4 * len(cases))]
        in_airflow("reconcile_records")
        won = sum(one.result() for one in decided)
    in_airflow("reconcile_records")

    assert won == len(cases) == 2
    judged = province.query(sa.select(tables.judgement.c.fingerprint, tables.judgement.c.value))
    assert Counter(row["fingerprint"] for row in judged) == {case.fingerprint: 1 for case in cases}
    placed = province.query(sa.select(tables.placement.c.unit_code).order_by(tables.placement.c.unit_code))
    assert sorted(row["value"] for row in judged) == [row["unit_code"] for row in placed]
    assert province.cases(CaseKind.UNKNOWN_UNIT) == []


def test_i17_each_former_unit_leads_to_one_of_today_or_to_a_question(in_airflow: InAirflow, engine: sa.Engine) -> None:
    crosswalk = load_units().crosswalk
    of_province = pc.is_in(crosswalk["to_code"], value_set=_units_of_lao_cai())
    codes = sorted(set(crosswalk.filter(of_province)["from_code"].to_pylist()))
    province = Province(engine)
    province.push(
        YEN_BAI,
        *(
            person(code, unit_code=code, unit_vintage=OLD, personal_number=f"{number:012d}", full_name=f"Vàng A {code}")
            for number, code in enumerate([*codes, "99999"])
        ),
    )

    in_airflow("reconcile_records")

    placed = province.query(sa.select(tables.placement.c.sent_code, tables.placement.c.unit_code))
    about_units = [case for case in province.cases() if case.kind in {CaseKind.AMBIGUOUS_UNIT, CaseKind.UNKNOWN_UNIT}]
    asked = {key.partition("|")[2] for case in about_units for key in case.record_keys}
    assert {row["sent_code"] for row in placed} == {*codes, "99999"}
    for row in placed:
        assert (row["unit_code"] is None) == (row["sent_code"] in asked), row
    assert len(codes) > 50
    assert "99999" in asked
    assert in_airflow("recode_after_event")["tasks"]["choose_provinces[-1]"]["returned"] == []


def _units_of_lao_cai() -> Any:
    from adapters.reference.units import units_on  # noqa: PLC0415

    units = units_on(date(2025, 9, 1))
    return units.filter(pc.equal(units["province_code"], LAO_CAI))["code"].combine_chunks()
