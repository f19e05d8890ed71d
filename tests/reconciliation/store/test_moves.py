"""Following moves while transactions overlap: each once, those of one update in their order, and none passed over."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from reconciliation.model import Moved, State
from reconciliation.store import landing, lifecycle_moves, moves, tables
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

SOURCE = "yen-bai.population"
TURNS = (State.AWAITING_MATCH, State.AWAITING_UNIT)
UPDATES, WRITERS, STEPS = 6, 3, 40


def land(engine: sa.Engine, count: int) -> list[int]:
    """A batch of new records; the ids of its updates."""
    where = source(SOURCE)
    table = rows(where.kind, *({"source_record_id": f"P{row}"} for row in range(count)))
    landing.land(engine, batch(source_id=SOURCE), normalised(table), source=where, now=NOW)
    with engine.connect() as connection:
        return list(
            connection.scalars(sa.select(tables.update_state.c.record_id).order_by(tables.update_state.c.record_id))
        )


def move(connection: sa.Connection, record_id: int, *, turn: int) -> None:
    moved = lifecycle_moves.move(
        connection,
        sa.select(sa.literal(record_id, sa.BigInteger)),
        to=TURNS[turn % 2],
        cause="TESTED",
        now=NOW,
        province_code="15",
    )
    assert moved == 1


@dataclass
class Writer:
    """A transaction that may be open, and what it has moved."""

    connection: sa.Connection
    locked: dict[int, int] = field(default_factory=dict)  # update: moves of it in this transaction


class Reader:
    """Follows round by round."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.place = moves.horizon(engine).upper
        self.told: list[Moved] = []

    def read(self) -> None:
        one = moves.round_after(self.engine, self.place)
        after, followed = 0, moves.Followed(source_ids=[SOURCE])
        while after < one.last:
            told, after = moves.read(self.engine, one, after=after, followed=followed)
            self.told += told
        self.place = one.upper


class ById:
    """Follows as nobody should: what has a higher id than the last one seen."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.told: list[int] = []

    def read(self) -> None:
        last = max(self.told, default=0)
        newer = sa.select(tables.update_move.c.move_id).where(tables.update_move.c.move_id > last)
        with self.engine.connect() as connection:
            self.told += connection.scalars(newer.order_by(tables.update_move.c.move_id)).all()


def history(engine: sa.Engine, dice: random.Random, updates: list[int], turns: dict[int, int]) -> Iterator[str]:
    """Writers that move updates in overlapping transactions, which end in any order; yields when readers may look."""
    writers = [Writer(engine.connect()) for _ in range(WRITERS)]
    for _ in range(STEPS):
        writer = dice.choice(writers)
        others = {one for other in writers if other is not writer for one in other.locked}
        free = [one for one in updates if one not in others]
        match dice.randrange(5):
            case 0 | 1 if free:
                record_id = dice.choice(free)
                move(writer.connection, record_id, turn=turns[record_id])
                turns[record_id] += 1
                writer.locked[record_id] = writer.locked.get(record_id, 0) + 1
            case 2:
                writer.connection.commit()
                writer.locked.clear()
            case 3 if dice.random() < 0.3:
                writer.connection.rollback()
                for record_id, count in writer.locked.items():
                    turns[record_id] -= count
                writer.locked.clear()
            case _:
                yield "look"
    for writer in writers:
        writer.connection.commit()
        writer.connection.close()
    yield "look"


@pytest.mark.every_server
def test_every_move_is_told_once_and_those_of_an_update_in_their_order_whatever_overlaps(engine, monkeypatch):
    """Held against the table itself. Reading by ids, or in the order of transactions, fails on the same histories."""
    monkeypatch.setattr(moves, "WINDOW", 4)
    updates = land(engine, UPDATES)
    turns = dict.fromkeys(updates, 0)
    right, wrong = Reader(engine), ById(engine)

    for seed in range(12):
        for _ in history(engine, random.Random(seed), updates, turns):
            right.read()
            wrong.read()

    with engine.connect() as connection:
        known = connection.execute(sa.select(tables.update_move).order_by(tables.update_move.c.move_id)).all()
    ids = [one.move_id for one in known]
    assert sorted(one.move_id for one in right.told) == ids
    for record_id in updates:
        told = [one.move_id for one in right.told if one.record_id == record_id]
        assert told == sorted(told)
        assert len(told) == turns[record_id]
    assert set(ids) - set(wrong.told), "who reads by ids passes over what commits late"
    by_transaction = sorted(right.told, key=lambda one: (one.xid, one.move_id))
    assert any(
        [one.move_id for one in by_transaction if one.record_id == record_id]
        != [one.move_id for one in right.told if one.record_id == record_id]
        for record_id in updates
    ), "an earlier transaction may make the later move"


def test_nothing_of_a_transaction_is_told_before_it_ends_nor_of_one_that_is_taken_back(engine):
    one, other = land(engine, 2)
    reader = Reader(engine)

    with engine.connect() as writer:
        move(writer, one, turn=0)
        with engine.begin() as quick:
            move(quick, other, turn=0)
        reader.read()
        before = list(reader.told)
        writer.rollback()
    reader.read()

    assert before == []
    assert [moved.record_id for moved in reader.told] == [other]


def test_only_what_is_followed_is_read_and_by_keys(engine):
    one, other = land(engine, 2)
    begin = moves.horizon(engine).upper
    with engine.begin() as connection:
        move(connection, one, turn=0)
        move(connection, other, turn=0)
    found = moves.round_after(engine, begin)
    asked: list[tuple[str, dict[str, object]]] = []

    def listen(_connection, _cursor, statement, parameters, *_) -> None:
        asked.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", listen)
    told, reach = moves.read(engine, found, after=0, followed=moves.Followed(record_ids=[other]))
    moves.round_after(engine, begin)
    sa.event.remove(engine, "before_cursor_execute", listen)

    assert [moved.record_id for moved in told] == [other]
    assert reach == found.last
    with engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        connection.exec_driver_sql("SET enable_bitmapscan = off")
        for statement, parameters in asked:
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
            assert "Seq Scan on update_move" not in plan
            assert "update_move_pkey" in plan or "update_move_xid_move_id_idx" in plan


def test_an_idle_database_has_nothing_to_tell(engine):
    land(engine, 1)
    begin = moves.horizon(engine)

    found = moves.round_after(engine, begin.upper)

    assert (found.lower, found.upper, found.last) == (begin.upper, begin.upper, -1)
    assert moves.read(engine, found, after=0, followed=moves.Followed(source_ids=[SOURCE])) == ([], -1)
