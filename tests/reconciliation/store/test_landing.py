"""A batch lands whole and once; its receipt is the same for ever; versions of a record only rise."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.model import State
from reconciliation.store import landing, status, tables
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

pytestmark = pytest.mark.every_server


def land(engine: sa.Engine, sequence: int, *records: dict[str, object], payload: bytes | None = None):
    table = rows(RecordKind.PERSON, *records)
    one = batch(sequence, payload=payload or f"payload {sequence}".encode())
    return landing.land(engine, one, normalised(table), source=source(), now=NOW)


def status_of(engine: sa.Engine, key: str):
    return status.status_by_record(engine, source_id="yen-bai.population", source_record_id=key, now=NOW)


def test_a_landed_record_has_a_state_an_owner_and_a_deadline(engine):
    receipt = land(engine, 1, {"source_record_id": "A", "unit_code": "02647"})

    found = status_of(engine, "A")

    assert (receipt.received, receipt.accepted, receipt.replayed) == (1, 1, False)
    assert found.state is State.AWAITING_RECONCILIATION
    assert found.owner == "gateway/operator"
    assert found.deadline > NOW
    assert [move.to_state for move in found.history] == [State.AWAITING_RECONCILIATION]
    assert status.status_by_receipt(engine, receipt_id=receipt.receipt_id, row=0, now=NOW) == found
    assert status.status_by_receipt(engine, receipt_id=receipt.receipt_id, row=1, now=NOW) is None


def test_the_same_batch_again_gets_the_same_receipt(engine):
    first = land(engine, 1, {"source_record_id": "A"})

    again = land(engine, 1, {"source_record_id": "A"})

    assert again.replayed
    assert again.receipt_id == first.receipt_id
    assert again.landed_at == first.landed_at
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.update_state)) == 1


def test_the_same_key_with_other_bytes_is_refused(engine):
    land(engine, 1, {"source_record_id": "A"})

    with pytest.raises(RejectedRequestError) as refused:
        land(engine, 1, {"source_record_id": "B"}, payload=b"other bytes")

    assert refused.value.reason == "IDEMPOTENCY_KEY_REUSED"
    assert status_of(engine, "B") is None


def test_one_batch_sent_on_sixteen_connections_lands_once(engine):
    with ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(lambda _: land(engine, 1, {"source_record_id": "A"}), range(16)))

    assert len({receipt.receipt_id for receipt in receipts}) == 1
    assert sum(not receipt.replayed for receipt in receipts) == 1


def test_a_newer_version_supersedes_and_a_late_one_is_superseded(engine):
    land(engine, 1, {"source_record_id": "A", "source_version": 1})
    land(engine, 2, {"source_record_id": "A", "source_version": 3})

    late = land(engine, 3, {"source_record_id": "A", "source_version": 2})

    assert (late.accepted, late.superseded) == (0, 1)
    assert status_of(engine, "A").source_version == 3
    with engine.connect() as connection:
        states = sa.select(tables.update_state.c.state, tables.update_state.c.cause).order_by(
            tables.update_state.c.record_id
        )
        assert list(connection.execute(states)) == [
            ("superseded", "NEWER_VERSION"),
            ("awaiting_reconciliation", "LANDED"),
            ("superseded", "LATE_VERSION"),
        ]


def test_a_repeated_version_is_superseded_and_other_content_under_it_stands_with_a_finding(engine):
    land(
        engine,
        1,
        {"source_record_id": "A", "full_name": "Lò Thị Mẩy"},
        {"source_record_id": "B", "full_name": "Giàng A Páo"},
    )

    again = land(
        engine,
        2,
        {"source_record_id": "A", "full_name": "Lò Thị Mẩy"},
        {"source_record_id": "B", "full_name": "Giàng A Lử"},
    )

    assert (again.accepted, again.superseded, again.findings) == (1, 1, 1)
    assert status_of(engine, "B").receipt_id == again.receipt_id
    assert status_of(engine, "A").receipt_id != again.receipt_id
    (finding,) = landing.list_findings(engine, again.receipt_id, after=0, limit=10)
    assert (finding.code, finding.row, finding.source_record_id) == ("VERSION_REUSED", 1, "B")


def test_a_record_in_quarantine_keeps_its_bytes_and_the_batch_lives(engine):
    held = {"row": 1, "source_record_id": "B", "codes": ["DATE_INVALID"], "raw": b"B;31/02/1980"}
    table = rows(RecordKind.PERSON, {"source_record_id": "A"})

    receipt = landing.land(engine, batch(payload=b"both rows"), normalised(table, [held]), source=source(), now=NOW)

    assert (receipt.received, receipt.accepted, receipt.quarantined, receipt.findings) == (2, 1, 1, 1)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(tables.quarantine.c.raw)) == b"B;31/02/1980"
        assert connection.scalar(sa.select(tables.batch.c.payload)) == b"both rows"


def test_the_last_durable_sequence_stops_at_the_first_gap(engine):
    for sequence in (1, 2, 4):
        land(engine, sequence, {"source_record_id": str(sequence)})

    assert landing.last_durable_sequence(engine, source_id="yen-bai.population", epoch="e1") == 2
    assert landing.last_durable_sequence(engine, source_id="yen-bai.population", epoch="e2") == 0


def test_the_unit_before_the_merger_stays_known_when_a_newer_version_names_todays(engine):
    land(engine, 1, {"source_record_id": "A", "unit_code": "04252", "unit_vintage": date(2025, 6, 30)})
    land(engine, 2, {"source_record_id": "A", "source_version": 2, "unit_code": "04279"})

    with engine.connect() as connection:
        assert connection.scalar(sa.select(tables.record_head.c.former_unit_code)) == "04252"


def in_all(engine: sa.Engine, *counted: sa.Table) -> list[int]:
    with engine.connect() as connection:
        return [connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in counted]


def test_versions_that_arrive_in_any_order_end_with_the_highest(engine):
    orders = list(itertools.permutations((1, 2, 3)))
    sequence = itertools.count(1)
    receipts = [
        land(engine, next(sequence), {"source_record_id": f"{order}", "source_version": version})
        for order in orders
        for version in order
    ]

    for order in orders:
        assert status_of(engine, f"{order}").source_version == 3
        assert status_of(engine, f"{order}").state is State.AWAITING_RECONCILIATION
    with engine.connect() as connection:
        counts = sa.select(tables.update_state.c.state, sa.func.count()).group_by("state")
        assert dict(connection.execute(counts).all()) == {"awaiting_reconciliation": 6, "superseded": 12}
    assert all(one.received == one.accepted + one.superseded + one.quarantined == 1 for one in receipts)


def test_batches_of_one_source_on_many_connections_end_with_the_highest_version(engine, dice):
    versions = list(range(1, 17))
    dice.shuffle(versions)
    keys = [str(number) for number in range(20)]

    def bring(version: int):
        shuffled = random.Random(version).sample(keys, len(keys))  # in an order of its own: who locks in it deadlocks
        records = [{"source_record_id": key, "source_version": version} for key in shuffled]
        return land(engine, version, *records)

    with ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(bring, versions))

    assert {status_of(engine, key).source_version for key in keys} == {16}
    assert sum(one.accepted + one.superseded for one in receipts) == in_all(engine, tables.update_state)[0] == 16 * 20
    with engine.connect() as connection:
        standing = sa.select(tables.update_state.c.record_id).where(tables.update_state.c.state != "superseded")
        heads = sa.select(tables.record_head.c.record_id)
        assert set(connection.scalars(standing)) == set(connection.scalars(heads))


def test_a_batch_that_fails_on_its_way_leaves_nothing_and_its_number_is_free(engine):
    held = {"row": 1, "source_record_id": "B", "codes": ["DATE_INVALID"], "raw": None}
    table = rows(RecordKind.PERSON, {"source_record_id": "A"})
    broken = normalised(table, [held, held])  # two rows of one number, found when all else is written

    with pytest.raises(psycopg.errors.UniqueViolation, match="quarantine_pkey"):
        landing.land(engine, batch(), broken, source=source(), now=NOW)

    everything = [*tables.record_tables.values(), tables.batch, tables.record_head, tables.update_state]
    assert in_all(engine, *everything, tables.update_move, tables.finding, tables.quarantine) == [0] * 9
    assert not landing.land(engine, batch(), normalised(table, [held]), source=source(), now=NOW).replayed


def test_a_batch_of_the_most_records_has_its_own_numbers(engine):
    full = [{"source_record_id": str(number)} for number in range(tables.ROWS_PER_BATCH)]

    first = land(engine, 1, *full)
    second = land(engine, 2, {"source_record_id": "one more"})

    last_row = status.status_by_receipt(engine, receipt_id=first.receipt_id, row=tables.ROWS_PER_BATCH - 1, now=NOW)
    assert first.accepted == tables.ROWS_PER_BATCH
    assert last_row.source_record_id == str(tables.ROWS_PER_BATCH - 1)
    assert status_of(engine, "one more").record_id == last_row.record_id + 1
    assert status_of(engine, "one more").receipt_id == second.receipt_id


def test_a_receipt_is_found_by_its_key_and_bytes_only(engine):
    landed = land(engine, 1, {"source_record_id": "A"})
    key = {"source_id": landed.source_id, "epoch": landed.epoch, "sequence": 1}

    found = landing.find_receipt(engine, **key, sha256=landed.sha256)
    others = [
        landing.find_receipt(engine, **key | changed, sha256=landed.sha256)
        for changed in ({"sequence": 2}, {"epoch": "e2"}, {"source_id": "lao-cai.population"})
    ]
    with pytest.raises(RejectedRequestError) as refused:
        landing.find_receipt(engine, **key, sha256=b"other")

    assert found == replace(landed, replayed=True)
    assert others == [None] * 3
    assert refused.value.reason == "IDEMPOTENCY_KEY_REUSED"
    assert "next sequence" in refused.value.next_step


def test_findings_are_read_page_by_page_in_order(engine):
    held = [
        {"row": row, "source_record_id": f"{row}", "codes": ["DATE_INVALID"], "raw": b"x"} for row in reversed(range(7))
    ]
    receipt = landing.land(engine, batch(), normalised(rows(RecordKind.PERSON), held), source=source(), now=NOW)

    read = []
    while page := landing.list_findings(engine, receipt.receipt_id, after=len(read), limit=3):
        read += page

    assert [one.row for one in read] == list(reversed(range(7)))
    assert landing.list_findings(engine, uuid4(), after=0, limit=3) == []


def test_a_landing_rings_when_it_is_durable_and_not_before(engine):
    with engine.connect() as listening:
        driver = listening.connection.driver_connection
        driver.commit()
        driver.autocommit = True
        driver.execute(f"LISTEN {landing.LANDED_CHANNEL}")
        land(engine, 1, {"source_record_id": "A"})
        land(engine, 1, {"source_record_id": "A"})  # a replay rings nobody

        heard = [(one.channel, one.payload) for one in driver.notifies(timeout=0, stop_after=10)]
        driver.autocommit = False

    assert heard == [("lienthong_landed", "15")]
