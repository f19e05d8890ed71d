"""Civil-status events that no officer signed in time: the question, and what its answer does to what is kept back."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation import lifecycle
from reconciliation.model import Case, CaseKind, State
from reconciliation.store import holding, lifecycle_moves
from reconciliation.store.tables import case, kept_version, update_state

WITHDRAWN_BY_STEWARD = "WITHDRAWN_BY_STEWARD"


def ask(connection: sa.Connection, *, now: datetime) -> int:
    """Open a case for each version that waits for an officer beyond its deadline, once; return how many."""
    key = kept_version.c.source_id + "|" + kept_version.c.source_record_id
    asked = sa.cast(sa.literal("unsigned|"), sa.Text) + key + "|" + sa.cast(kept_version.c.record_id, sa.Text)
    evidence = sa.func.jsonb_build_object(
        sa.literal_column("'update'"),
        kept_version.c.record_id,
        sa.literal_column("'version'"),
        kept_version.c.source_version,
        sa.literal_column("'due'"),
        sa.func.to_char(sa.func.timezone(lifecycle.VIETNAM.key, update_state.c.deadline), "YYYY-MM-DD"),
    )
    late = (
        sa.select(
            sa.func.encode(sa.func.sha256(sa.cast(asked, sa.LargeBinary)), sa.literal_column("'hex'")),
            sa.literal_column(f"'{CaseKind.UNSIGNED_EVENT}'"),
            update_state.c.province_code,
            update_state.c.province_code + f"/{lifecycle.Role.STEWARD}",
            sa.literal(now, sa.DateTime(timezone=True)),
            sa.literal(lifecycle.deadline(State.AWAITING_STEWARD, since=now), sa.DateTime(timezone=True)),
            pg.array([key]),
            evidence,
        )
        .select_from(kept_version.join(update_state, update_state.c.record_id == kept_version.c.record_id))
        .where(update_state.c.state == str(State.AWAITING_SIGNATURE), update_state.c.deadline < now)
        .order_by(kept_version.c.record_id)
    )
    names = ["fingerprint", "kind", "province_code", "owner", "opened_at", "deadline", "record_keys", "evidence"]
    opened = pg.insert(case).from_select(names, late).on_conflict_do_nothing(index_elements=["fingerprint"])
    return connection.execute(opened).rowcount


def close_signed(connection: sa.Connection, *, now: datetime) -> int:
    """Close the cases of versions that wait for an officer no more, unless a steward withdrew them; return how many."""
    waits = (
        sa.exists()
        .where(update_state.c.record_id == sa.cast(case.c.evidence["update"].astext, sa.BigInteger))
        .where(update_state.c.state.in_([str(State.AWAITING_SIGNATURE), str(State.WITHDRAWN)]))
    )
    asked = sa.and_(case.c.kind == str(CaseKind.UNSIGNED_EVENT), case.c.obsolete_since.is_(None))
    return connection.execute(case.update().where(asked, ~waits).values(obsolete_since=now)).rowcount


def withdraw(connection: sa.Connection, asked: Case, *, now: datetime) -> int:
    """End the version that a case is about; return 1, or 0 when it waits for an officer no more."""
    waits = _of(asked).where(update_state.c.state == str(State.AWAITING_SIGNATURE))
    moved = lifecycle_moves.move(connection, waits, to=State.WITHDRAWN, cause=WITHDRAWN_BY_STEWARD, now=now)
    if moved:
        connection.execute(kept_version.delete().where(kept_version.c.record_id == asked.evidence["update"]))
    return moved


def await_again(connection: sa.Connection, asked: Case, *, cause: str, now: datetime) -> int:
    """Keep back again what `withdraw` ended, until an officer has signed it; return how many."""
    ended = _of(asked).where(update_state.c.state == str(State.WITHDRAWN))
    taken = lifecycle_moves.move(connection, ended, to=State.AWAITING_RECONCILIATION, cause=cause, now=now)
    if taken:
        update = int(str(asked.evidence["update"]))
        holding.keep_unsigned(connection, update, kind=RecordKind.PERSON, now=now)
    return taken


def _of(asked: Case) -> sa.Select[tuple[int]]:
    return sa.select(update_state.c.record_id).where(update_state.c.record_id == asked.evidence["update"])
