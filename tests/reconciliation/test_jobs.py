"""A province through all stages on a real database: what is published, what waits for whom, what judgements do."""

from datetime import date, timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation import jobs, review
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Cursor, Decision, Outcome, OutcomeKind, State
from reconciliation.store import balance, feed, landing, status, stuck, tables
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

OLD = date(2025, 6, 30)
LAO_CAI = "15"


def push(engine: sa.Engine, source_id: str, sequence: int, *records: dict[str, object]) -> None:
    where = source(source_id)
    one = batch(sequence, source_id=source_id, payload=f"{source_id} {sequence}".encode())
    landing.land(engine, one, normalised(rows(where.kind, *records)), source=where, now=NOW)


def person(key: str, **said: object) -> dict[str, object]:
    return {
        "source_record_id": key,
        "personal_number": "015080000017",
        "full_name": "Lò Thị Mẩy",
        "birth_year": 1980,
        "birth_month": 5,
        "birth_day": 17,
        "sex": "female",
        "unit_code": "02647",
    } | said


def run(engine: sa.Engine, days: int = 0) -> dict[str, int]:
    counts = jobs.reconcile_records(engine, province_code=LAO_CAI, now=NOW + timedelta(days=days))
    feed.sequence(engine)
    return counts


def state_of(engine: sa.Engine, source_id: str, key: str) -> State:
    return status.status_by_record(engine, source_id=source_id, source_record_id=key, now=NOW).state


def pull(engine: sa.Engine, consumer_id: str = "population") -> pa.Table:
    page = feed.fetch(engine, consumer_id=consumer_id, after=Cursor(epoch=1, sequence=0), limit=10_000)
    return page.tables[RecordKind.PERSON]


def test_a_person_of_a_whole_commune_is_published_on_todays_unit(engine):
    push(engine, "yen-bai.population", 1, person("A", unit_code="04258", unit_vintage=OLD))

    run(engine)

    (change,) = pull(engine).to_pylist()
    assert (change["cause"], change["full_name"], change["personal_number"]) == ("NEW", "Lò Thị Mẩy", "015080000017")
    assert change["unit_code"] == "04252"
    assert state_of(engine, "yen-bai.population", "A") is State.AWAITING_PULL


def test_running_again_changes_nothing(engine):
    push(engine, "yen-bai.population", 1, person("A"), person("B", personal_number=None, full_name="Vàng A Sử"))
    run(engine)
    before = snapshot_of(engine)

    run(engine, days=1)

    assert snapshot_of(engine) == before


def snapshot_of(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    volatile = {"run", "installation"}
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for name, table in tables.metadata.tables.items()
            if name not in volatile
        }


def test_one_person_in_two_former_provinces_becomes_one_subject(engine):
    push(engine, "yen-bai.population", 1, person("A", household_number="1"))
    push(engine, "lao-cai.population", 1, person("B"))

    counts = run(engine)

    assert counts["links"] == 1
    (change,) = pull(engine).to_pylist()
    assert change["full_name"] == "Lò Thị Mẩy"


def test_two_units_that_claim_one_person_wait_for_a_steward_until_one_is_judged(engine):
    push(engine, "yen-bai.population", 1, person("A", unit_code="02647"))
    push(engine, "lao-cai.population", 1, person("B", unit_code="02671"))
    run(engine)
    (case,) = review.open_cases(engine)

    assert case.kind is CaseKind.TWO_UNITS_ONE_PERSON
    assert state_of(engine, "yen-bai.population", "A") is State.AWAITING_STEWARD
    assert pull(engine).num_rows == 0

    proposed = review.judge(
        engine, case.case_id, decision=Decision.UNIT, value="02671", reason="đã xác minh", steward="s1", now=NOW
    )
    review.approve(engine, proposed.judgement_id, steward="s2", now=NOW)  # a former border lies between the two
    assert state_of(engine, "yen-bai.population", "A") is State.AWAITING_RECONCILIATION
    run(engine)

    assert [row["unit_code"] for row in pull(engine).to_pylist()] == ["02671"]
    run(engine, days=1)
    assert review.open_cases(engine) == []
    assert pull(engine).num_rows == 1


def test_a_judgement_survives_the_next_run_and_its_reversal_opens_the_question_again(engine):
    push(engine, "ha-noi.population", 1, person("A", unit_code="00007", unit_vintage=OLD))
    jobs.reconcile_records(engine, province_code="01", now=NOW)
    (case,) = review.open_cases(engine)
    assert case.kind is CaseKind.AMBIGUOUS_UNIT
    assert case.owner == "01/residence"
    chosen = case.evidence["candidates"][-1]

    judgement = review.judge(
        engine,
        case.case_id,
        decision=Decision.UNIT,
        value=chosen,
        reason="công an phường xác nhận",
        steward="s1",
        now=NOW,
    )
    for days in (0, 1, 2):
        jobs.reconcile_records(engine, province_code="01", now=NOW + timedelta(days=days))
        feed.sequence(engine)
    assert [row["unit_code"] for row in pull(engine).to_pylist()] == [chosen]
    assert review.open_cases(engine) == []

    review.reverse(engine, judgement.judgement_id, reason="nhầm hồ sơ", steward="s2", now=NOW)
    jobs.reconcile_records(engine, province_code="01", now=NOW + timedelta(days=3))
    assert [open_case.fingerprint for open_case in review.open_cases(engine)] == [case.fingerprint]


def test_a_case_is_decided_once(engine):
    push(engine, "ha-noi.population", 1, person("A", unit_code="00007", unit_vintage=OLD))
    jobs.reconcile_records(engine, province_code="01", now=NOW)
    (case,) = review.open_cases(engine)
    review.judge(engine, case.case_id, decision=Decision.WITHDRAW, reason="trùng", steward="s1", now=NOW)

    with pytest.raises(RejectedRequestError) as second:
        review.judge(engine, case.case_id, decision=Decision.WITHDRAW, reason="trùng", steward="s2", now=NOW)

    assert second.value.reason == "CASE_DECIDED"
    assert state_of(engine, "ha-noi.population", "A") is State.WITHDRAWN


def test_applied_and_refused_close_or_return_the_update(engine):
    push(
        engine,
        "yen-bai.population",
        1,
        person("A"),
        person("B", personal_number="015190000021", full_name="Giàng Seo Phừ", birth_year=1990, sex="male"),
    )
    run(engine)
    head = feed.head(engine)
    feed.acknowledge(engine, consumer_id="population", upto=head, now=NOW)
    assert state_of(engine, "yen-bai.population", "A") is State.AWAITING_OUTCOME

    told = [
        Outcome(feed_seq=1, kind=OutcomeKind.APPLIED),
        Outcome(feed_seq=2, kind=OutcomeKind.REFUSED, reason="DATE_MISMATCH"),
    ]
    assert feed.report(engine, consumer_id="population", outcomes=told, now=NOW) == 2
    assert feed.report(engine, consumer_id="population", outcomes=told, now=NOW) == 0

    states = {state_of(engine, "yen-bai.population", key) for key in "AB"}
    assert states == {State.APPLIED, State.AWAITING_STEWARD}
    (case,) = review.open_cases(engine)
    assert (case.kind, case.evidence["reason"]) == (CaseKind.REFUSED_BY_REGISTRY, "DATE_MISMATCH")

    review.judge(
        engine, case.case_id, decision=Decision.SEND_AGAIN, reason="đã sửa ở cơ sở dữ liệu", steward="s1", now=NOW
    )
    feed.sequence(engine)
    assert pull(engine)["cause"].to_pylist()[-1] == "SENT_AGAIN"
    run(engine, days=1)
    assert feed.head(engine).sequence == 3


def test_a_waiting_update_is_stuck_when_its_deadline_has_passed(engine):
    push(engine, "yen-bai.population", 1, person("A"))

    assert stuck.count(engine, now=NOW) == []
    (late,) = stuck.count(engine, now=NOW + timedelta(days=10))

    assert (late.state, late.owner, late.updates) == ("awaiting_reconciliation", "gateway/operator", 1)
    assert jobs.flag_stuck_updates(engine, now=NOW + timedelta(days=10)) == {
        "awaiting_reconciliation gateway/operator": 1
    }


def test_what_came_in_is_what_is_there(engine):
    push(engine, "yen-bai.population", 1, person("A"), person("C", personal_number=None, unit_code="99999"))
    push(engine, "yen-bai.population", 2, person("A", source_version=2))
    push(engine, "lao-cai.population", 1, person("B"))
    run(engine)

    (row,) = balance.conservation(engine)
    assert (row.received, row.accepted, row.superseded, row.pending) == (4, 2, 1, 1)
    assert row.closed
    by_unit = balance.units(engine, RecordKind.PERSON)
    assert all(unit.closed for unit in by_unit)
    assert sum(unit.doubles for unit in by_unit) == 1
    assert sum(unit.subjects for unit in by_unit) == balance.subjects_published(engine)["person"]


def test_a_household_number_that_clashes_in_todays_unit_is_rekeyed_and_keeps_its_alias(engine):
    two = [
        {"source_record_id": key, "household_number": "000000001", "unit_code": code, "unit_vintage": OLD}
        for key, code in (("H1", "04252"), ("H2", "04258"))
    ]
    push(engine, "yen-bai.household", 1, *two)

    run(engine)

    page = feed.fetch(engine, consumer_id="population", after=Cursor(epoch=1, sequence=0), limit=10)
    published = page.tables[RecordKind.HOUSEHOLD].to_pylist()
    assert len({row["unit_code"] for row in published}) == 1
    assert len({row["household_number"] for row in published}) == 2
    assert {row["former_number"] for row in published} == {"000000001"}


def test_a_snapshot_holds_what_the_feed_has_published(engine, tmp_path):
    push(engine, "yen-bai.population", 1, person("A"))
    run(engine)

    counts = jobs.publish_snapshot(engine, consumer_id="population", folder=tmp_path, now=NOW)

    assert counts == {"rows.person": 1, "rows.household": 0}
    assert len(list(tmp_path.rglob("manifest.json"))) == 1
    again = jobs.publish_snapshot(engine, consumer_id="population", folder=tmp_path, now=NOW)
    assert again == counts
