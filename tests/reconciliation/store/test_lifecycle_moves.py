"""Whatever is attempted, an update is in one state, owned or ended, and its history is the legal moves it made."""

import random
from datetime import timedelta

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from reconciliation import lifecycle
from reconciliation.model import State
from reconciliation.store import lifecycle_moves, tables
from reconciliation.store.tables import update_move, update_state
from tests.reconciliation.store.landings import NOW

UPDATES = 12
SEED = 20250701


@pytest.fixture
def connection(engine: sa.Engine):
    with engine.connect() as connection, connection.begin() as transaction:
        begin(connection, range(UPDATES))
        yield connection
        transaction.rollback()


def ids(*numbers: int) -> sa.Select[tuple[int]]:
    listed = sa.values(sa.column("record_id", sa.BigInteger), name="listed").data([(number,) for number in numbers])
    return sa.select(listed.c.record_id)


def begin(connection: sa.Connection, numbers: range) -> None:
    count = len(numbers)
    columns = {"record_id": pa.array(numbers, pa.int64()), "source_id": pa.repeat("yen-bai.population", count)}
    arrived = pa.table(columns | {"province_code": pa.repeat("15", count)})
    lifecycle_moves.begin(connection, arrived, kind="person", now=NOW)


def move(connection: sa.Connection, *numbers: int, to: State, cause: str = "TRIED", days: int = 0) -> int:
    return lifecycle_moves.move(
        connection,
        ids(*numbers),
        to=to,
        cause=cause,
        now=NOW + timedelta(days=days),
        province_code="15",
        consumer_id="population",
    )


def stands(connection: sa.Connection, number: int) -> sa.Row[tuple[object, ...]]:
    return connection.execute(sa.select(update_state).where(update_state.c.record_id == number)).one()


def history(connection: sa.Connection, number: int) -> list[tuple[str | None, str, str]]:
    query = (
        sa.select(update_move.c.from_state, update_move.c.to_state, update_move.c.cause)
        .where(update_move.c.record_id == number)
        .order_by(update_move.c.move_id)
    )
    landed = (None, str(State.AWAITING_RECONCILIATION), lifecycle_moves.LANDED)  # the ledger tells of it
    return [landed, *((row.from_state, row.to_state, row.cause) for row in connection.execute(query))]


def way_to(state: State) -> list[State]:
    """A shortest legal way from the first state."""
    ways = {State.AWAITING_RECONCILIATION: [State.AWAITING_RECONCILIATION]}
    edge = list(ways)
    while edge:
        origin = edge.pop(0)
        for to in sorted(lifecycle.WAITING[origin].next) if origin in lifecycle.WAITING else ():
            if to not in ways:
                ways[to] = [*ways[origin], to]
                edge.append(to)
    return ways[state]


def test_every_pair_of_states_moves_if_and_only_if_that_is_legal(connection):
    number = UPDATES
    for origin in State:
        for to in State:
            begin(connection, range(number, number + 1))
            way = way_to(origin)
            for step in way[1:]:
                assert move(connection, number, to=step, cause="ON_THE_WAY") == 1
            before = stands(connection, number)

            moved = move(connection, number, to=to)

            assert moved == (origin in lifecycle.may_come_from(to)), (origin, to)
            after = stands(connection, number)
            if moved:
                assert (after.state, after.cause, after.since) == (to, "TRIED", NOW)
                assert after.owner == lifecycle.owner(
                    to, province_code="15", source_id="yen-bai.population", consumer_id="population"
                )
                assert after.deadline == lifecycle.deadline(to, since=NOW)
                assert history(connection, number)[-1] == (origin, to, "TRIED")
            else:
                assert after == before
                assert len(history(connection, number)) == len(way)
            number += 1


def test_any_sequence_of_attempts_leaves_one_owned_or_ended_state_and_the_legal_history(connection):
    dice = random.Random(SEED)
    model = {number: [State.AWAITING_RECONCILIATION] for number in range(UPDATES)}
    causes = dict.fromkeys(model, "LANDED")

    for day in range(120):
        chosen = dice.sample(range(UPDATES), dice.randint(1, UPDATES))
        to, cause = dice.choice(list(State)), dice.choice(["ONE", "OTHER"])

        moved = move(connection, *chosen, to=to, cause=cause, days=day)

        expected = [
            number
            for number in chosen
            if model[number][-1] in lifecycle.may_come_from(to) and (model[number][-1], causes[number]) != (to, cause)
        ]
        assert moved == len(expected), f"seed {SEED}"
        for number in expected:
            model[number].append(to)
            causes[number] = cause
    for number, way in model.items():
        found = stands(connection, number)
        assert (found.state, found.cause) == (way[-1], causes[number])
        assert (found.owner is None) == (found.deadline is None) == (way[-1] in lifecycle.TERMINAL)
        assert [to for _, to, _ in history(connection, number)] == way
        assert [origin for origin, _, _ in history(connection, number)] == [None, *way[:-1]]
    assert max(len(way) for way in model.values()) > 5, "nothing much happened"


def test_what_is_there_already_for_the_same_cause_keeps_its_clock_and_another_cause_starts_it_anew(connection):
    move(connection, 0, to=State.AWAITING_UNIT, cause="AMBIGUOUS_UNIT")
    first = stands(connection, 0)

    assert move(connection, 0, to=State.AWAITING_UNIT, cause="AMBIGUOUS_UNIT", days=3) == 0
    assert stands(connection, 0) == first
    assert move(connection, 0, to=State.AWAITING_UNIT, cause="UNKNOWN_UNIT", days=3) == 1
    assert stands(connection, 0).deadline > first.deadline


@pytest.mark.parametrize("state", list(State))
def test_the_database_itself_refuses_an_update_that_is_not_either_owned_or_ended(connection, state):
    is_terminal = state in lifecycle.TERMINAL
    wrong = {"owner": "15/steward", "deadline": None} if not is_terminal else {"owner": "15/steward", "deadline": NOW}

    with pytest.raises(sa.exc.IntegrityError), connection.begin_nested():
        connection.execute(update_state.update().where(update_state.c.record_id == 0).values(state=state, **wrong))


def test_a_state_nobody_knows_and_a_second_state_are_refused_too(connection):
    with pytest.raises(sa.exc.IntegrityError), connection.begin_nested():
        connection.execute(update_state.update().values(state="lost"))
    with pytest.raises(psycopg.errors.UniqueViolation), connection.begin_nested():
        begin(connection, range(1))


def test_an_update_is_pending_until_it_is_published_and_not_again_when_it_is_refused(connection):
    steps = (
        (State.AWAITING_STEWARD, "TWO_UNITS_ONE_PERSON", True),
        (State.AWAITING_PULL, "PUBLISHED", False),
        (State.AWAITING_OUTCOME, "PULLED", False),
        (State.AWAITING_STEWARD, lifecycle_moves.REFUSED_BY_REGISTRY, False),
        (State.AWAITING_RECONCILIATION, "JUDGED", True),
        (State.APPLIED, "APPLIED_BY_REGISTRY", False),
    )
    pending = sa.select(lifecycle_moves.is_pending()).where(tables.update_state.c.record_id == 0)

    assert connection.scalar(pending)
    for to, cause, expected in steps:
        move(connection, 0, to=to, cause=cause)
        assert connection.scalar(pending) is expected
