"""Where an update is: found by key or by receipt, stuck once its deadline has passed, and never half of a move."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import EVERYTHING, Receipt, Sight, State, UpdateAsked, UpdateStatus
from reconciliation.store import landing, lifecycle_moves, registers, status, stuck
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


def test_the_end_of_the_history_is_the_state_while_moves_are_made(engine):
    """One statement reads both, and so one snapshot."""
    receipt = land(engine, 1, "A")
    record_id = by_record(engine, "A").record_id
    asked = [
        UpdateAsked(sight=EVERYTHING, source_id=SOURCE, source_record_id="A"),
        UpdateAsked(sight=EVERYTHING, receipt_id=receipt.receipt_id),
    ]

    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(
            lambda: [
                move(engine, record_id, to) for _ in range(20) for to in (State.AWAITING_MATCH, State.AWAITING_UNIT)
            ]
        )
        found = []
        while not moving.done():
            found += status.find(engine, asked, now=NOW)
    moving.result()

    assert found
    for one in found:
        assert one.history[-1].to_state is one.state


@pytest.mark.every_server
def test_many_questions_of_many_sights_are_answered_each_by_its_own(engine):
    """Whoever asks beside others gets what it would get alone, in the order of the questions."""
    sources = [SOURCE, "lao-cai.population", "yen-bai.household"]
    receipts = {one: land(engine, 1, "A", "B", source_id=one) for one in sources}
    sights = [
        EVERYTHING,
        Sight(),
        *(Sight(source_ids=(one,)) for one in sources),
        Sight(source_ids=tuple(sources)),
        Sight(areas=((RecordKind.PERSON, ""),)),
        Sight(areas=((RecordKind.PERSON, "15"), (RecordKind.HOUSEHOLD, "01"))),
        Sight(areas=((RecordKind.INSURANCE, ""),)),
    ]
    asked = [
        question
        for sight in sights
        for one in sources
        for question in (
            UpdateAsked(sight=sight, receipt_id=receipts[one].receipt_id, row=1),
            UpdateAsked(sight=sight, receipt_id=receipts[one].receipt_id, row=2),
            UpdateAsked(sight=sight, source_id=one, source_record_id="A"),
            UpdateAsked(sight=sight, source_id=one, source_record_id="C"),
            UpdateAsked(sight=sight),
        )
    ]
    random.Random(1).shuffle(asked)

    together = status.find(engine, asked, now=NOW)
    alone = [status.find(engine, [one], now=NOW)[0] for one in asked]

    assert together == alone
    seen = {
        sight: {one.source_id for one, ask in zip(together, asked, strict=True) if one and ask.sight == sight}
        for sight in sights
    }
    yen_bai = {one for one in sources if source(one).province_code == "15"}
    persons = {one for one in sources if source(one).kind is RecordKind.PERSON}
    assert [seen[sight] for sight in sights] == [
        set(sources),
        set(),
        *({one} for one in sources),
        set(sources),
        persons,
        persons & yen_bai,
        set(),
    ]


def test_who_lost_its_grant_sees_nothing_and_those_who_ask_beside_it_what_is_theirs(engine):
    for one in (SOURCE, "lao-cai.population"):
        land(engine, 1, "A", source_id=one)
    registers.sources.revoke(engine, SOURCE, by="tester", now=NOW)
    asked = [
        UpdateAsked(sight=Sight(source_ids=(one,)), source_id=one, source_record_id="A")
        for one in (SOURCE, "lao-cai.population")
    ]

    lost, kept = status.find(engine, asked, now=NOW)

    assert lost is None
    assert kept.source_id == "lao-cai.population"


def statements_of(engine: sa.Engine, call: Callable[[], object]) -> list[tuple[str, dict[str, object]]]:
    """What `call` asks of the database, with its parameters."""
    asked: list[tuple[str, dict[str, object]]] = []

    def listen(_connection, _cursor, statement, parameters, *_) -> None:
        asked.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", listen)
    call()
    sa.event.remove(engine, "before_cursor_execute", listen)
    return asked


def test_many_statuses_are_read_by_one_statement_and_by_keys_only(engine):
    """A scan of the ledger for one status would take longer with every batch that ever came."""
    receipt = land(engine, 1, "A")
    questions = [
        UpdateAsked(sight=EVERYTHING, source_id=SOURCE, source_record_id="A"),
        UpdateAsked(sight=Sight(areas=((RecordKind.PERSON, ""),)), receipt_id=receipt.receipt_id),
    ] * 50

    asked = statements_of(engine, lambda: status.find(engine, questions, now=NOW))

    ((statement, parameters),) = asked
    with engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
    assert "Seq Scan" not in plan
    assert plan.count("Index") >= 5


def test_what_is_unknown_and_what_is_anothers_are_one_query_of_one_form(engine):
    """The statement is the same to the letter; of a record that is not the caller's nothing at all is looked up."""
    theirs = land(engine, 1, "A", source_id="lao-cai.population")
    sight = Sight(source_ids=(SOURCE,))

    asked = [
        statements_of(
            engine,
            lambda receipt_id=receipt_id: status.find(
                engine, [UpdateAsked(sight=sight, receipt_id=receipt_id)], now=NOW
            ),
        )
        for receipt_id in (theirs.receipt_id, uuid4())
    ]

    unlike = [[{k: v for k, v in given.items() if k != "receipt_ids"} for _, given in one] for one in asked]
    assert [statement for statement, _ in asked[0]] == [statement for statement, _ in asked[1]]
    assert unlike[0] == unlike[1]


def test_the_second_wall_stands_though_the_statement_would_show_everything(engine, monkeypatch):
    """A fault in what the statement says of sights shows a source no other's update: the database hides the rows."""
    receipts = [land(engine, 1, "A", source_id=one) for one in (SOURCE, "lao-cai.population")]
    monkeypatch.setattr(status, "_rights", lambda _: iter(["all"]))

    own, others = (
        status.find(engine, [UpdateAsked(sight=Sight(source_ids=(SOURCE,)), receipt_id=one.receipt_id)], now=NOW)[0]
        for one in receipts
    )

    assert own.source_id == SOURCE
    assert others is None


def test_a_reader_goes_on_after_its_connection_was_lost(engine):
    land(engine, 1, "A")
    asked = [UpdateAsked(sight=EVERYTHING, source_id=SOURCE, source_record_id="A")]
    with closing(status.Reader()) as reader:
        before = reader.find(engine, asked, now=NOW)
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

        after = reader.find(engine, asked, now=NOW)

    assert after == before
    assert after[0] is not None
