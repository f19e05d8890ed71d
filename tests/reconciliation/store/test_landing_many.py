"""However batches are grouped, each becomes what it would have become alone; none takes another with it."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Receipt
from reconciliation.store import landing, status, tables
from reconciliation.store.landing import Arrival, HeldUpError
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

SOURCES = ("yen-bai.population", "lao-cai.population")
KEYS = "ABC"

_ways = count()


def arrival(sequence: int, *records: dict[str, object], source_id: str = SOURCES[0], epoch: str = "e1", held: int = 0):
    table = rows(RecordKind.PERSON, *records)
    held_rows = [{"row": len(records), "source_record_id": "Q", "codes": ["DATE_INVALID"], "raw": b"q"}] * held
    payload = f"{source_id} {sequence} {records}".encode()
    one = batch(sequence, source_id=source_id, epoch=epoch, payload=payload)
    return Arrival(one, normalised(table, held_rows), source(source_id))


# A batch: whose it is, and (version, name) of some of the keys; a group: how many batches go together.
record = st.tuples(st.integers(1, 3), st.sampled_from(["Lò Thị Mẩy", "Giàng A Páo"]))
content = st.tuples(st.sampled_from(SOURCES), st.dictionaries(st.sampled_from(KEYS), record, min_size=1))
coming = st.lists(st.tuples(content, st.booleans()), min_size=1, max_size=8)
groups = st.lists(st.integers(1, 5), min_size=8, max_size=8)


def arrivals(contents, way: str) -> list[Arrival]:
    """Batches of one way of landing, which knows nothing of the other's; some are sent twice."""
    found = []
    for number, ((source_id, its), is_sent_twice) in enumerate(contents, start=1):
        records = [
            {"source_record_id": f"{way}{key}", "source_version": version, "full_name": name}
            for key, (version, name) in sorted(its.items())
        ]
        found += [arrival(number, *records, source_id=source_id, epoch=way)] * (1 + is_sent_twice)
    return found


def outcome(receipt: Receipt) -> tuple[object, ...]:
    return receipt.sequence, receipt.accepted, receipt.superseded, receipt.findings, receipt.replayed


def stands(engine: sa.Engine, way: str) -> list[object]:
    """Everything that is told of the records of one way, without its name."""
    told: list[object] = []
    for source_id in SOURCES:
        for key in KEYS:
            found = status.status_by_record(engine, source_id=source_id, source_record_id=way + key, now=NOW)
            told.append(found and (found.source_version, found.state, found.cause, len(found.history)))
    version, state = tables.record_tables[RecordKind.PERSON], tables.update_state
    every = (
        sa.select(version.c.source_id, sa.func.right(version.c.source_record_id, 1), version.c.source_version)
        .add_columns(version.c.full_name, state.c.state, state.c.cause, tables.record_head.c.record_id.is_not(None))
        .join(state, state.c.record_id == version.c.record_id)
        .outerjoin(tables.record_head, tables.record_head.c.record_id == version.c.record_id)
        .where(version.c.source_record_id.startswith(way))
        .order_by(version.c.record_id)
    )
    with engine.connect() as connection:
        return told + [tuple(row) for row in connection.execute(every)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=coming, sizes=groups)
def test_batches_become_the_same_however_they_are_grouped(engine, contents, sizes):
    alone, together = f"{next(_ways):05d}-", f"{next(_ways):05d}-"
    one_by_one = [verdict for one in arrivals(contents, alone) for verdict in landing.land_many(engine, [one], now=NOW)]
    waiting, grouped = arrivals(contents, together), []
    while waiting:
        size = sizes[len(grouped) % len(sizes)]
        grouped += landing.land_many(engine, waiting[:size], now=NOW)
        waiting = waiting[size:]

    assert [outcome(one) for one in grouped] == [outcome(one) for one in one_by_one]
    assert stands(engine, together) == stands(engine, alone)


def test_what_came_under_a_used_version_is_told_of_its_own_batch(engine):
    first = arrival(1, {"source_record_id": "A", "full_name": "Lò Thị Mẩy"})
    second = arrival(2, {"source_record_id": "B"}, {"source_record_id": "A", "full_name": "Giàng A Páo"})

    receipts = landing.land_many(engine, [first, second], now=NOW)

    assert [one.findings for one in receipts] == [0, 1]
    (said,) = landing.list_findings(engine, receipts[1].receipt_id, after=0, limit=10)
    assert (said.code, said.row, said.source_record_id) == ("VERSION_REUSED", 1, "A")


@pytest.mark.every_server
def test_a_batch_that_the_database_refuses_takes_no_other_with_it(engine):
    poison = arrival(2, {"source_record_id": "B"}, held=2)  # two rows of one number
    verdicts = landing.land_many(
        engine,
        [arrival(1, {"source_record_id": "A"}), poison, arrival(1, {"source_record_id": "C"}, source_id=SOURCES[1])],
        now=NOW,
    )

    assert [isinstance(one, Receipt) for one in verdicts] == [True, False, True]
    assert isinstance(verdicts[1], psycopg.errors.UniqueViolation)
    with engine.connect() as connection:
        landed = sa.select(tables.batch.c.source_id, tables.batch.c.sequence).order_by(tables.batch.c.batch_id)
        assert connection.execute(landed).all() == [(SOURCES[0], 1), (SOURCES[1], 1)]


def test_a_key_used_for_other_bytes_is_refused_in_its_place(engine):
    landing.land_many(engine, [arrival(1, {"source_record_id": "A"})], now=NOW)
    group = [
        arrival(2, {"source_record_id": "B"}),
        arrival(1, {"source_record_id": "other"}),
        arrival(3, {"source_record_id": "C"}),
        arrival(3, {"source_record_id": "other"}),
        arrival(3, {"source_record_id": "C"}),
    ]

    told = landing.land_many(engine, group, now=NOW)

    assert [isinstance(one, RejectedRequestError) for one in told] == [False, True, False, True, False]
    assert [one.replayed for one in told if isinstance(one, Receipt)] == [False, False, True]
    assert told[4].receipt_id == told[2].receipt_id


def test_groups_that_share_sources_and_keys_never_deadlock(engine):
    def bring(number: int) -> list[object]:
        dice = random.Random(number)
        group = [
            arrival(
                number * 4 + place + 1,
                *({"source_record_id": key, "source_version": number} for key in dice.sample(KEYS, 3)),
                source_id=source_id,
            )
            for place, source_id in enumerate(dice.sample(SOURCES * 2, 4))
        ]
        while True:
            try:
                return landing.land_many(engine, group, now=NOW)
            except HeldUpError:  # on a slow machine: the group that holds the source is at work
                continue

    with ThreadPoolExecutor(8) as pool:
        told = [one for verdicts in pool.map(bring, range(1, 13)) for one in verdicts]

    assert all(isinstance(one, Receipt) for one in told)
    with engine.connect() as connection:
        heads = connection.execute(sa.select(tables.record_head.c.source_version)).scalars().all()
        standing = sa.select(sa.func.count()).where(tables.update_state.c.state != "superseded")
        assert connection.scalar(standing) == len(heads) == len(SOURCES) * len(KEYS)
    assert set(heads) == {12}


def test_who_holds_up_one_source_is_told_apart_and_nothing_has_landed(engine):
    group = [arrival(1, {"source_record_id": "A"}), arrival(1, {"source_record_id": "B"}, source_id=SOURCES[1])]
    with engine.connect() as holding:
        landing.take_turns(holding, SOURCES[:1])
        with pytest.raises(HeldUpError):
            landing.land_many(engine, group, now=NOW)
        alone = landing.land_many(engine, group[1:], now=NOW)

    with engine.connect() as connection:
        assert connection.scalars(sa.select(tables.batch.c.source_id)).all() == [SOURCES[1]]
    assert not alone[0].replayed
