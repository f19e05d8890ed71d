"""Search by id, and the audit log: what is found, of whose provinces, and that nobody's values are in it."""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from reconciliation import jobs
from reconciliation.model import CaseKind, Decision, State, StewardGrant
from reconciliation.store import auditing, cases, judgements, landing, searching, users
from reconciliation.store.auditing import Act
from reconciliation.store.registers import stewards
from reconciliation.store.tables import batch as ledger
from reconciliation.store.tables import case
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source
from tests.reconciliation.test_jobs import person, push

LAO_CAI, HA_NOI = "15", "01"
FAR = NOW + timedelta(days=9_999)


@pytest.fixture
def asked(engine: sa.Engine) -> sa.Engine:
    """A person in two units of Lào Cai: a case about the records C and B; and a batch with rows in quarantine."""
    sent = {"personal_number": "010080000025", "full_name": "Vàng A Sử"}
    push(engine, "lao-cai.population", 1, person("B", **sent))
    push(engine, "yen-bai.population", 1, person("C", **sent, unit_code="04252"))
    held = [{"row": row, "codes": ["DATE_INVALID"], "source_record_id": "X", "raw": b"x"} for row in range(3)]
    where = source()
    landing.land(engine, batch(2, payload=b"2"), normalised(rows(where.kind), held), source=where, now=NOW)
    jobs.reconcile_records(engine, province_code=LAO_CAI, now=NOW)
    return engine


def the_case(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(sa.select(case.c.case_id)).scalar_one()


def test_a_case_is_found_by_its_number_and_by_each_of_its_records(asked: sa.Engine) -> None:
    case_id = the_case(asked)

    found = searching.case_by_id(asked, case_id, province_codes={LAO_CAI})
    about = searching.cases_of_record(asked, source_id="yen-bai.population", source_record_id="C", province_codes=None)

    assert found is not None
    assert (found.kind, found.is_open) == (CaseKind.TWO_UNITS_ONE_PERSON, True)
    assert about == [found]
    assert (
        searching.cases_of_record(asked, source_id="yen-bai.population", source_record_id="B", province_codes=None)
        == []
    )


def test_nothing_is_found_of_provinces_one_may_not_see(asked: sa.Engine) -> None:
    with asked.connect() as connection:
        receipt_id = connection.execute(sa.select(ledger.c.receipt_id).where(ledger.c.quarantined == 3)).scalar_one()
    record = {"source_id": "yen-bai.population", "source_record_id": "C"}

    assert searching.case_by_id(asked, the_case(asked), province_codes={HA_NOI}) is None
    assert searching.cases_of_record(asked, **record, province_codes=frozenset()) == []
    assert searching.receipt(asked, receipt_id, province_codes={HA_NOI}) is None
    assert searching.record(asked, **record, now=NOW, sources={"ha-noi.population"}) is None
    assert searching.receipt_row(asked, receipt_id=receipt_id, row=0, now=NOW, sources=frozenset()) is None


def test_a_receipt_tells_its_batch_and_a_record_where_it_is(asked: sa.Engine) -> None:
    with asked.connect() as connection:
        receipts = dict(connection.execute(sa.select(ledger.c.quarantined, ledger.c.receipt_id)).all())

    found = searching.receipt(asked, receipts[3], province_codes={LAO_CAI})
    update = searching.record(asked, source_id="yen-bai.population", source_record_id="C", now=NOW, sources=None)
    same = searching.receipt_row(asked, receipt_id=update.receipt_id, row=0, now=NOW, sources=None)  # type: ignore[union-attr]

    assert found is not None
    assert list(found.held) == [(0, "DATE_INVALID"), (1, "DATE_INVALID"), (2, "DATE_INVALID")]
    assert same == update
    assert update is not None
    assert update.state is State.AWAITING_STEWARD
    assert searching.receipt(asked, uuid4(), province_codes=None) is None


def test_a_search_looks_along_indexes(asked: sa.Engine) -> None:
    plan = sa.text("EXPLAIN SELECT * FROM \"case\" WHERE record_keys @> ARRAY['yen-bai.population|C']")
    with asked.connect() as connection:
        connection.execute(sa.text("SET enable_seqscan = off"))
        assert "case_record_keys_idx" in str(connection.execute(plan).all())


def test_the_audit_log_has_every_act_the_latest_first(asked: sa.Engine) -> None:
    users.tell(asked, "export", user_id="vien", told={"what": "units"}, now=NOW + timedelta(hours=2))
    with asked.begin() as connection:
        about = cases.find_case(connection, the_case(asked))
        assert about is not None
        judgements.append(
            connection, fingerprint=about.fingerprint, decision=Decision.KEEP, value=None, reason="Vàng A Sử đã nói",
            steward="thao", now=NOW + timedelta(hours=1),
        )  # fmt: skip

    log = auditing.entries(asked, before=FAR)

    assert [one.at for one in log] == sorted((one.at for one in log), reverse=True)
    assert [(one.act, one.who) for one in log[:2]] == [(Act.USER, "vien"), (Act.JUDGED, "thao")]
    assert log[1].case_id == the_case(asked)
    assert Act.SOURCE_GRANTED in {one.act for one in auditing.entries(asked, before=FAR, limit=10_000)}
    assert "Vàng" not in str(log)


def test_the_audit_log_is_cut_by_moment_person_act_and_province(asked: sa.Engine) -> None:
    users.tell(asked, "export", user_id="vien", told={}, now=NOW)

    def of(**cut: object) -> int:
        return len(auditing.entries(asked, **{"before": FAR, "limit": 10_000, **cut}))  # type: ignore[arg-type]

    assert of(who="vien") == 1
    assert of(who="vien", before=NOW) == of(who="nobody") == of(province_codes={LAO_CAI}) == 0
    assert of(acts=[Act.USER]) == 1
    assert of() > 1
    assert of(limit=1) == 1


def test_what_a_steward_was_granted_and_lost_is_in_the_audit_log(asked: sa.Engine) -> None:
    given = StewardGrant(
        steward="thao", identity_uris=(), province_codes=(LAO_CAI,), kinds=(), may_approve=False, purpose="desk",
        legal_reference="QĐ 1", granted_from=NOW.date(),
    )  # fmt: skip
    stewards.give(asked, given, by="quan", now=NOW)
    stewards.revoke(asked, "thao", by="quan", now=NOW + timedelta(hours=1))

    log = auditing.entries(asked, before=FAR, acts=[Act.STEWARD_GRANTED])

    assert [(one.who, one.about, one.detail) for one in log] == [
        ("quan", "thao", "revoked"),
        ("quan", "thao", "granted"),
    ]


def test_every_act_has_a_table_behind_it(asked: sa.Engine) -> None:
    for act in Act:
        assert isinstance(auditing.entries(asked, before=FAR, acts=[act]), list)
