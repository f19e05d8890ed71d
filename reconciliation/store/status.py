"""Where updates are, with their history: read by key, never by searching for people, and many by one statement."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.errors import RetryableStoreError
from reconciliation.model import EVERYTHING, Move, Sight, State, UpdateAsked, UpdateStatus
from reconciliation.store import lifecycle_moves
from reconciliation.store.isolation import NotGrantedError, speak_for
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    batch,
    kept_version,
    record_head,
    record_tables,
    update_escalation,
    update_move,
    update_state,
)

_NO_RECEIPT = UUID(int=0)
_ALL, _SOURCE, _AREA = "all", "source ", "area "  # how a right is written for the statement below


class Reader:
    """Answers questions over a connection that it keeps: one statement is one round trip. For one thread at a time."""

    def __init__(self) -> None:
        self._connection: sa.Connection | None = None

    def find(self, engine: sa.Engine, asked: Sequence[UpdateAsked], *, now: datetime) -> list[UpdateStatus | None]:
        """The answer to each question, by one statement for all who see some sources only, and one for all others.

        By record it is the newest version, kept back or not. None stands for what was not accepted, for what is out of
        the question's sight, and for what is of a source whose grant was taken away. Raises RetryableStoreError.
        """
        was_kept = self._connection is not None
        try:
            return self._find(engine, asked, now=now)
        except RetryableStoreError:
            self.close()
            if not was_kept:
                raise
        return self._find(engine, asked, now=now)  # the server may have been restarted since

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _find(self, engine: sa.Engine, asked: Sequence[UpdateAsked], *, now: datetime) -> list[UpdateStatus | None]:
        if self._connection is None:
            self._connection = engine.connect()
        found: list[UpdateStatus | None] = [None] * len(asked)
        for is_bound in (True, False):
            places = [place for place, one in enumerate(asked) if one.sight.is_bound is is_bound]
            if places:
                own = _sources(asked[place].sight for place in places) if is_bound else None
                for row in _rows(self._connection, own, _arguments(asked, places)):
                    found[row.place] = _status(row, now=now)
        return found


def find(engine: sa.Engine, asked: Sequence[UpdateAsked], *, now: datetime) -> list[UpdateStatus | None]:
    """The answer to each question, as Reader.find."""
    with closing(Reader()) as reader:
        return reader.find(engine, asked, now=now)


def status_by_record(
    engine: sa.Engine, *, source_id: str, source_record_id: str, now: datetime, own: Sequence[str] | None = None
) -> UpdateStatus | None:
    """The status of one record of a source. With `own`, updates of other sources than these are none."""
    asked = UpdateAsked(sight=_sight(own), source_id=source_id, source_record_id=source_record_id)
    return find(engine, [asked], now=now)[0]


def status_by_receipt(
    engine: sa.Engine, *, receipt_id: UUID, row: int, now: datetime, own: Sequence[str] | None = None
) -> UpdateStatus | None:
    """The status of what row `row` of one receipt became. With `own`, updates of other sources than these are none."""
    return find(engine, [UpdateAsked(sight=_sight(own), receipt_id=receipt_id, row=row)], now=now)[0]


def last_landed_at(engine: sa.Engine, *, source_id: str) -> datetime | None:
    """When a batch of the source last landed; None when none has."""
    with engine.connect() as connection:
        speak_for(connection, [source_id])
        newest = sa.select(batch.c.landed_at).where(batch.c.source_id == source_id)
        return connection.scalar(newest.order_by(batch.c.batch_id.desc()).limit(1))


def _rows(connection: sa.Connection, own: Sequence[str] | None, arguments: Mapping[str, Any]) -> Sequence[sa.Row[Any]]:
    """What is found by who speaks for `own`; for everybody the statement is a transaction by itself."""
    connection.execution_options(isolation_level="AUTOCOMMIT" if own is None else "READ COMMITTED")
    with connection.begin() as transaction:
        if own is not None:
            with suppress(NotGrantedError):  # what it no longer speaks for, it does not see
                speak_for(connection, own)
        rows = connection.execute(_found(), arguments).all()
        transaction.rollback()  # there is nothing to commit
    return rows


def _sight(own: Sequence[str] | None) -> Sight:
    return EVERYTHING if own is None else Sight(source_ids=tuple(own))


def _sources(sights: Iterable[Sight]) -> list[str]:
    return sorted(set(chain.from_iterable(sight.source_ids for sight in sights)))


def _arguments(asked: Sequence[UpdateAsked], places: Sequence[int]) -> dict[str, Any]:
    """The questions and what their sights allow, as columns. A row that no receipt can have is asked of no receipt."""
    questions = [asked[place] for place in places]
    sights = {sight: number for number, sight in enumerate(dict.fromkeys(one.sight for one in questions))}
    rights = [(number, right) for sight, number in sights.items() for right in _rights(sight)]
    can_be = [0 <= one.row < ROWS_PER_BATCH for one in questions]
    return {
        "places": list(places),
        "sights": [sights[one.sight] for one in questions],
        "receipt_ids": [
            one.receipt_id if is_row else _NO_RECEIPT for one, is_row in zip(questions, can_be, strict=True)
        ],
        "rows": [one.row if is_row else 0 for one, is_row in zip(questions, can_be, strict=True)],
        "source_ids": [one.source_id for one in questions],
        "keys": [one.source_record_id for one in questions],
        "holders": [number for number, _ in rights],
        "rights": [right for _, right in rights],
    }


def _rights(sight: Sight) -> Iterator[str]:
    if sight.is_all:
        yield _ALL
    yield from (_SOURCE + source_id for source_id in sight.source_ids)
    yield from (f"{_AREA}{kind}/{province_code}" for kind, province_code in sight.areas)


@cache
def _found() -> sa.Select[Any]:
    """Each question's update in one row. Its batch tells whether it is in sight, before more of it is read."""
    asked = _columns(
        "asked",
        place=("places", sa.Integer()),
        sight=("sights", sa.Integer()),
        receipt_id=("receipt_ids", pg.UUID(as_uuid=True)),
        row=("rows", sa.Integer()),
        source_id=("source_ids", sa.Text()),
        key=("keys", sa.Text()),
    )
    right = _columns("held", sight=("holders", sa.Integer()), right=("rights", sa.Text()))
    area: sa.ColumnElement[str] = sa.literal_column(f"'{_AREA}'") + batch.c.kind + sa.literal_column("'/'")
    allowing = [
        sa.literal_column(f"'{_ALL}'"),
        sa.literal_column(f"'{_SOURCE}'") + batch.c.source_id,
        area,
        area + batch.c.province_code,
    ]
    in_sight = sa.exists().where(right.c.sight == asked.c.sight, right.c.right.in_(allowing))
    of_batch = (batch.c.receipt_id, batch.c.landed_at)
    by_receipt = (
        sa.select(asked.c.place, *of_batch, (batch.c.batch_id * ROWS_PER_BATCH + asked.c.row).label("record_id"))
        .select_from(asked)
        .join(batch, batch.c.receipt_id == asked.c.receipt_id)
        .where(in_sight)
    )
    newest = _newest(asked)
    by_record = (
        sa.select(asked.c.place, *of_batch, newest.c.record_id)
        .select_from(asked)
        .join(newest, sa.true())
        .join(batch, batch.c.batch_id == newest.c.record_id // ROWS_PER_BATCH)
        .where(in_sight)
    )
    named = sa.union_all(by_receipt, by_record).subquery("named")
    said, history = _said(), _moves()
    return (
        sa.select(
            *(named.c.place, named.c.receipt_id, named.c.landed_at, update_state, *said.c, *history.c),
            _raised_to().label("raised_to"),
        )
        .select_from(named)
        .join(update_state, update_state.c.record_id == named.c.record_id)
        .join(said, sa.true())
        .join(history, sa.true())
    )


def _columns(name: str, **columns: tuple[str, sa.types.TypeEngine[Any]]) -> sa.TableValuedAlias:
    """Parameters (column: its parameter and type) as a table; each is an array."""
    given = (sa.bindparam(parameter, type_=pg.ARRAY(kind)) for parameter, kind in columns.values())
    typed = (sa.column(column, kind) for column, (_, kind) in columns.items())
    return sa.func.unnest(*given).table_valued(*typed).render_derived(name=name)


def _newest(asked: sa.TableValuedAlias) -> sa.FromClause:
    """The newest version of the record that is asked for; nobody's is asked for by a source without a name."""
    versions = sa.union_all(
        *(
            sa.select(table.c.record_id, table.c.source_version)
            .where(table.c.source_id == asked.c.source_id, table.c.source_record_id == asked.c.key)
            .correlate(asked)
            for table in (record_head, kept_version)
        )
    ).subquery("versions")
    newest = (versions.c.source_version.desc(), versions.c.record_id.desc())
    return sa.select(versions.c.record_id).order_by(*newest).limit(1).lateral("newest")


def _said() -> sa.FromClause:
    """What the source called the update. Only the table of its kind is looked into."""
    return sa.union_all(
        *(
            sa.select(table.c.source_record_id, table.c.source_version)
            .where(table.c.record_id == update_state.c.record_id, update_state.c.kind == str(kind))
            .correlate(update_state)
            for kind, table in record_tables.items()
        )
    ).lateral("said")


def _raised_to() -> sa.ScalarSelect[str]:
    """Whom the update has gone up to since its deadline passed."""
    of_wait = (
        update_escalation.c.record_id == update_state.c.record_id,
        update_escalation.c.deadline == update_state.c.deadline,
    )
    highest = sa.select(update_escalation.c.to_owner).where(*of_wait).order_by(update_escalation.c.rung.desc())
    return highest.limit(1).correlate(update_state).scalar_subquery()


def _moves() -> sa.FromClause:
    """All moves of the update in their order, as arrays."""
    told = (update_move.c.moved_at, update_move.c.from_state, update_move.c.to_state, update_move.c.cause)
    return (
        sa.select(
            *(
                sa.func.array_agg(pg.aggregate_order_by(one, update_move.c.move_id)).label(f"moves_{one.name}")
                for one in told
            )
        )
        .where(update_move.c.record_id == update_state.c.record_id)
        .correlate(update_state)
        .lateral("history")
    )


def _status(row: sa.Row[Any], *, now: datetime) -> UpdateStatus:
    return UpdateStatus(
        record_id=row.record_id,
        source_id=row.source_id,
        source_record_id=row.source_record_id,
        source_version=row.source_version,
        receipt_id=row.receipt_id,
        state=State(row.state),
        cause=row.cause,
        since=row.since,
        owner=row.owner,
        deadline=row.deadline,
        is_stuck=row.deadline is not None and row.deadline < now,
        history=_history(row),
        raised_to=row.raised_to,
    )


def _history(row: sa.Row[Any]) -> tuple[Move, ...]:
    """Every move, from the landing on: that has a row only where it did not lead to the usual first state."""
    arrays = (row.moves_moved_at, row.moves_from_state, row.moves_to_state, row.moves_cause)
    told = tuple(
        Move(
            moved_at=moved_at,
            from_state=None if from_state is None else State(from_state),
            to_state=State(to_state),
            cause=cause,
        )
        for moved_at, from_state, to_state, cause in zip(*(one or () for one in arrays), strict=True)
    )
    if told and told[0].from_state is None:
        return told
    first = Move(
        moved_at=row.landed_at, from_state=None, to_state=State.AWAITING_RECONCILIATION, cause=lifecycle_moves.LANDED
    )
    return (first, *told)
