"""Versions that were kept back until their deadline: they go on, and a steward hears of what is missing."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation import lifecycle
from reconciliation.model import CaseKind, State
from reconciliation.store import cases, holding, unsigned
from reconciliation.store.copying import these
from reconciliation.store.landing import LANDED_CHANNEL
from reconciliation.store.tables import case, kept_version, placement, record_head, update_state
from reconciliation.store.versions import take_turns


def let_go(engine: sa.Engine, *, now: datetime) -> dict[str, int]:
    """Let the versions go that waited for another, or for an officer, until `now`; return how many, by why.

    A version that goes on without the one it follows leaves a MISSING_VERSION case, and one that has come after all
    closes its own; one that no officer signed leaves an UNSIGNED_EVENT, until it is signed. Once more, it does nothing
    more.
    """
    counts: dict[str, int] = {}
    for kind in RecordKind:
        with engine.begin() as connection:
            take_turns(connection, connection.scalars(_sources(kind, now=now)).all())
            _open_cases(connection, kind, now=now)
            ended = holding.let_overdue_go(connection, kind=kind, now=now)
            _ring(connection, [record for records in ended.values() for record in records])
            come = cases.close_come(connection, kind=kind, now=now)
        told = {f"let_go.{cause.lower()}": len(records) for cause, records in ended.items()}
        for name, count in (told | {f"closed.{CaseKind.MISSING_VERSION}": come}).items():
            if count:
                counts[name] = counts.get(name, 0) + count
    with engine.begin() as connection:
        told = {
            f"opened.{CaseKind.UNSIGNED_EVENT}": unsigned.ask(connection, now=now),
            f"closed.{CaseKind.UNSIGNED_EVENT}": unsigned.close_signed(connection, now=now),
        }
    return counts | {name: count for name, count in told.items() if count}


def _overdue(kind: RecordKind, *, now: datetime) -> sa.FromClause:
    late = sa.and_(update_state.c.record_id == kept_version.c.record_id, update_state.c.deadline < now)
    return kept_version.join(update_state, sa.and_(late, kept_version.c.kind == str(kind)))


def _sources(kind: RecordKind, *, now: datetime) -> sa.Select[str]:
    return sa.select(kept_version.c.source_id).distinct().select_from(_overdue(kind, now=now))


def _open_cases(connection: sa.Connection, kind: RecordKind, *, now: datetime) -> None:
    """Open a case for each version that was told of and did not come in time; the same version is asked for once."""
    before = kept_version.alias("before")
    is_there = sa.exists().where(
        before.c.source_id == kept_version.c.source_id,
        before.c.source_record_id == kept_version.c.source_record_id,
        before.c.source_version == kept_version.c.follows_version,
    )
    key = kept_version.c.source_id + "|" + kept_version.c.source_record_id
    asked = sa.cast(sa.literal("missing|"), sa.Text) + key + "|" + sa.cast(kept_version.c.follows_version, sa.Text)
    evidence = sa.func.jsonb_build_object(
        sa.literal_column("'missing'"),
        kept_version.c.follows_version,
        sa.literal_column("'followed_by'"),
        sa.func.min(kept_version.c.source_version),
    )
    deadline = lifecycle.deadline(State.AWAITING_STEWARD, since=now)
    missing = (
        sa.select(
            sa.func.encode(sa.func.sha256(sa.cast(asked, sa.LargeBinary)), sa.literal_column("'hex'")),
            sa.literal_column(f"'{CaseKind.MISSING_VERSION}'"),
            update_state.c.province_code,
            sa.func.concat_ws(
                sa.literal_column("'/'"),
                update_state.c.province_code,
                sa.func.min(_unit_of_head()),
                sa.literal_column(f"'{lifecycle.Role.STEWARD}'"),
            ),
            sa.literal(now, sa.DateTime(timezone=True)),
            sa.literal(deadline, sa.DateTime(timezone=True)),
            pg.array([key]),
            evidence,
        )
        .select_from(_overdue(kind, now=now))
        .where(update_state.c.state == str(State.AWAITING_PREDECESSOR), ~is_there)
        .group_by(
            update_state.c.province_code,
            kept_version.c.source_id,
            kept_version.c.source_record_id,
            kept_version.c.follows_version,
        )
        .order_by(kept_version.c.source_id, kept_version.c.source_record_id, kept_version.c.follows_version)
    )
    names = ["fingerprint", "kind", "province_code", "owner", "opened_at", "deadline", "record_keys", "evidence"]
    opened = pg.insert(case).from_select(names, missing).on_conflict_do_nothing(index_elements=["fingerprint"])
    connection.execute(opened)


def _unit_of_head() -> sa.ScalarSelect[str]:
    """Where the version of a kept one's record lies that stands, if one does and it is known."""
    of_record = sa.and_(
        record_head.c.source_id == kept_version.c.source_id,
        record_head.c.source_record_id == kept_version.c.source_record_id,
    )
    return (
        sa.select(placement.c.unit_code)
        .join(record_head, sa.and_(record_head.c.record_id == placement.c.record_id, of_record))
        .correlate(kept_version)
        .scalar_subquery()
    )


def _ring(connection: sa.Connection, records: Sequence[int]) -> None:
    """Tell who listens that the provinces of `records` have something to reconcile."""
    concerned = sa.select(update_state.c.province_code).distinct().where(update_state.c.record_id.in_(these(records)))
    provinces = concerned.subquery()
    connection.execute(sa.select(sa.func.pg_notify(LANDED_CHANNEL, provinces.c.province_code)))
