"""Where an update is: found by key or by receipt, stuck once its deadline has passed, and never half of a move."""

from datetime import timedelta
from uuid import uuid4

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import Receipt, State, UpdateStatus
from reconciliation.store import landing, lifecycle_moves, status, stuck
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

SOURCE = "yen-bai.population"


def land(engine: sa.Engine, sequence: int, *keys: str, version: int = 1, source_id: str = SOURCE) -> Receipt:
    where = source(source_id)
    table = rows(where.kind, *({"source_record_id": key, "source_version": version} for key in keys))
    one = batch(sequence, source_id=source_id, payload=f"{source_id} {sequence}".encode())
    return landing.land(engine, one, normalised(table), source=where, now=NOW)


def by_record(engine: sa.Engine, key: str, *, source_id: str = SOURCE, now=NOW) -> UpdateStatus | None:
    return status.status_by_record(engine, source_id=source_id, source_record_id=key, now=now)


def move(engine: sa.Engine, record_id: int, to: State) -> None:
    with engine.begin() as connection:
        lifecycle_moves.move(
            connection,
            sa.select(sa.literal(record_id, sa.BigInteger)),
            to=to,
            cause="TESTED",
            now=NOW + timedelta(hours=1),
            province_code="15",
            consumer_id="population",
        )


def test_the_newest_version_of_a_record_is_found_and_an_older_one_by_its_receipt(engine):
    first = land(engine, 1, "A", "B")
    second = land(engine, 2, "A", version=7)

    newest = by_record(engine, "A")
    older = status.status_by_receipt(engine, receipt_id=first.receipt_id, row=0, now=NOW)

    assert (newest.source_version, newest.receipt_id, newest.state) == (
        7,
        second.receipt_id,
        State.AWAITING_RECONCILIATION,
    )
    assert (older.source_version, older.receipt_id, older.state) == (1, first.receipt_id, State.SUPERSEDED)
    assert (older.owner, older.deadline, older.is_stuck, older.cause) == (None, None, False, "NEWER_VERSION")
    assert [step.to_state for step in older.history] == [State.AWAITING_RECONCILIATION, State.SUPERSEDED]
    assert by_record(engine, "B").receipt_id == first.receipt_id


def test_one_key_in_two_sources_is_two_records(engine):
    land(engine, 1, "A")
    other = land(engine, 1, "A", source_id="lao-cai.population")

    assert by_record(engine, "A", source_id="lao-cai.population").receipt_id == other.receipt_id
    assert by_record(engine, "A").source_id == SOURCE
    assert by_record(engine, "A", source_id="yen-bai.household") is None


def test_only_the_very_key_is_found(engine):
    land(engine, 1, "A")

    almost = ["", "a", "A ", "A%", "_", "A' OR '1'='1", "𠀀"]

    assert [by_record(engine, key) for key in almost] == [None] * len(almost)


def test_a_receipt_says_nothing_of_rows_that_are_not_its_own(engine):
    first = land(engine, 1, "A")
    land(engine, 2, "B")

    rows_asked = [0, 1, 9_999, 10_000, -1, 2**40]
    found = [status.status_by_receipt(engine, receipt_id=first.receipt_id, row=row, now=NOW) for row in rows_asked]

    assert [one and one.source_record_id for one in found] == ["A", None, None, None, None, None]
    assert status.status_by_receipt(engine, receipt_id=uuid4(), row=0, now=NOW) is None


def test_a_row_in_quarantine_is_no_update(engine):
    held = {"row": 0, "source_record_id": "B", "codes": ["DATE_INVALID"], "raw": b"B;31/02/1980"}
    table = rows(RecordKind.PERSON, {"source_record_id": "A", "row": 1})
    receipt = landing.land(engine, batch(), normalised(table, [held]), source=source(), now=NOW)

    assert status.status_by_receipt(engine, receipt_id=receipt.receipt_id, row=0, now=NOW) is None
    assert by_record(engine, "B") is None
    assert status.status_by_receipt(engine, receipt_id=receipt.receipt_id, row=1, now=NOW) == by_record(engine, "A")


def test_an_update_is_stuck_from_the_moment_after_its_deadline(engine):
    land(engine, 1, "A", "B")
    deadline = by_record(engine, "A").deadline
    moments = [deadline - timedelta(microseconds=1), deadline, deadline + timedelta(microseconds=1)]

    flags = [by_record(engine, "A", now=moment).is_stuck for moment in moments]
    counted = [sum(row.updates for row in stuck.count(engine, now=moment)) for moment in moments]

    assert flags == [False, False, True]
    assert counted == [0, 0, 2]


def test_what_has_ended_is_never_stuck(engine):
    land(engine, 1, "A")
    move(engine, by_record(engine, "A").record_id, State.WITHDRAWN)

    later = NOW + timedelta(days=365)

    assert not by_record(engine, "A", now=later).is_stuck
    assert stuck.count(engine, now=later) == []
    assert stuck.count(engine) == []


def test_what_waits_is_counted_by_state_and_owner(engine):
    land(engine, 1, "A", "B", "C")
    move(engine, by_record(engine, "A").record_id, State.AWAITING_MATCH)
    move(engine, by_record(engine, "B").record_id, State.AWAITING_PULL)

    waiting = [(row.state, row.owner, row.updates) for row in stuck.count(engine)]

    assert waiting == [
        ("awaiting_match", "15/steward", 1),
        ("awaiting_pull", "population/registry", 1),
        ("awaiting_reconciliation", "gateway/operator", 1),
    ]
    assert stuck.by_state(engine) == {state: updates for state, _, updates in waiting}


def test_a_move_made_while_it_is_read_is_seen_whole_or_not_at_all(engine):
    receipt = land(engine, 1, "A")
    record_id = by_record(engine, "A").record_id
    moves = iter([State.AWAITING_MATCH, State.AWAITING_PULL])

    def interrupt(_connection, _cursor, statement, *_) -> None:
        if "FROM update_move" in statement:
            move(engine, record_id, next(moves))

    sa.event.listen(engine, "before_cursor_execute", interrupt)
    found = [
        by_record(engine, "A"),
        status.status_by_receipt(engine, receipt_id=receipt.receipt_id, row=0, now=NOW),
    ]
    sa.event.remove(engine, "before_cursor_execute", interrupt)

    assert [one.state for one in found] == [State.AWAITING_RECONCILIATION, State.AWAITING_MATCH]
    for one in found:
        assert one.history[-1].to_state is one.state


def test_a_status_is_read_by_keys_only(engine):
    """A scan of the ledger for one status would take longer with every batch that ever came."""
    receipt = land(engine, 1, "A")
    asked: list[tuple[str, dict[str, object]]] = []

    def listen(_connection, _cursor, statement, parameters, *_) -> None:
        asked.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", listen)
    by_record(engine, "A")
    status.status_by_receipt(engine, receipt_id=receipt.receipt_id, row=0, now=NOW)
    sa.event.remove(engine, "before_cursor_execute", listen)

    with engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        plans = [
            "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
            for statement, parameters in asked
            if statement.startswith("SELECT")
        ]
    assert len(plans) == 8
    assert [plan for plan in plans if "Seq Scan" in plan] == []
