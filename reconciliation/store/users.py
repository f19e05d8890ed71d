"""The console's users and roles, and what they did: users are never deleted, events only appended."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.model import CaseKind
from reconciliation.store.tables import console_event, console_role, console_session, console_user
from reconciliation.users import User, UserEvent, UserGrant, UserRole

REFUSED = "sign_in_refused"


def add(
    engine: sa.Engine,
    user: User,
    *,
    password_hash: str | None,
    issuer_subject: str | None = None,
    by: str,
    now: datetime,
) -> bool:
    """Add a user with their roles; False when the name is taken, by a removed user too."""
    values = {
        "user_id": user.user_id,
        "display_name": user.name,
        "language": user.language,
        "password_hash": password_hash,
        "issuer": user.issuer,
        "issuer_subject": issuer_subject,
        "created_at": now,
    }
    with engine.begin() as connection:
        added = connection.execute(pg.insert(console_user).values(values).on_conflict_do_nothing()).rowcount
        if added:
            _set_grants(connection, user.user_id, user.grants)
            note(connection, "user_added", user_id=by, told={"user": user.user_id, **_told(user.grants)}, now=now)
    return bool(added)


def set_grants(engine: sa.Engine, user_id: str, grants: Iterable[UserGrant], *, by: str, now: datetime) -> bool:
    """Make `grants` all that a user may do; False when there is no such user."""
    given = tuple(grants)
    with engine.begin() as connection:
        if not _is_there(connection, user_id):
            return False
        _set_grants(connection, user_id, given)
        note(connection, "roles_changed", user_id=by, told={"user": user_id, **_told(given)}, now=now)
    return True


def set_password(engine: sa.Engine, user_id: str, password_hash: str, *, by: str, now: datetime) -> bool:
    """Give a user another password and end their sessions; False when there is no such user."""
    with engine.begin() as connection:
        if not _is_there(connection, user_id):
            return False
        _of(connection, user_id, password_hash=password_hash)
        _end_sessions(connection, user_id, now=now)
        note(connection, "password_set", user_id=by, told={"user": user_id}, now=now)
    return True


def set_language(engine: sa.Engine, user_id: str, language: str) -> None:
    """Which language a user reads."""
    with engine.begin() as connection:
        _of(connection, user_id, language=language)


def remove(engine: sa.Engine, user_id: str, *, by: str, now: datetime) -> bool:
    """Let a user sign in no more and end their sessions; False when there is no such user."""
    with engine.begin() as connection:
        if not _is_there(connection, user_id):
            return False
        _of(connection, user_id, removed_at=now)
        _set_grants(connection, user_id, ())
        _end_sessions(connection, user_id, now=now)
        note(connection, "user_removed", user_id=by, told={"user": user_id}, now=now)
    return True


def list_all(engine: sa.Engine) -> list[User]:
    """Every user, the removed among them, by user_id."""
    with engine.connect() as connection:
        return _users(connection, sa.true())


def find(connection: sa.Connection, user_id: str) -> User | None:
    """A user with their roles, removed or not."""
    found = _users(connection, console_user.c.user_id == user_id)
    return found[0] if found else None


def find_by_subject(engine: sa.Engine, *, issuer: str, subject: str) -> User | None:
    """The user whom a provider calls `subject`, unless removed."""
    with engine.connect() as connection:
        is_meant = sa.and_(
            console_user.c.issuer == issuer,
            console_user.c.issuer_subject == subject,
            console_user.c.removed_at.is_(None),
        )
        found = _users(connection, is_meant)
    return found[0] if found else None


def password_hash(engine: sa.Engine, user_id: str) -> str | None:
    """The hash that a password is held against; None where nobody can sign in with one."""
    query = sa.select(console_user.c.password_hash).where(
        console_user.c.user_id == user_id, console_user.c.removed_at.is_(None)
    )
    with engine.connect() as connection:
        return connection.scalar(query)


def note(connection: sa.Connection, kind: str, *, user_id: str, told: Mapping[str, object], now: datetime) -> None:
    """Append what a user did; `told` holds codes and ids only."""
    row = {"occurred_at": now, "kind": kind, "user_id": user_id, "told": dict(told)}
    connection.execute(console_event.insert().values(row))


def tell(engine: sa.Engine, kind: str, *, user_id: str, told: Mapping[str, object], now: datetime) -> None:
    """`note`, in a transaction of its own."""
    with engine.begin() as connection:
        note(connection, kind, user_id=user_id, told=told, now=now)


def refusals(engine: sa.Engine, *, user_id: str, address: str, since: datetime) -> tuple[int, int]:
    """How often signing in was refused since then: for this user, and from this address."""
    told = console_event.c.told["address"].astext
    query = sa.select(
        sa.func.count().filter(console_event.c.user_id == user_id), sa.func.count().filter(told == address)
    ).where(console_event.c.kind == REFUSED, console_event.c.occurred_at > since)
    with engine.connect() as connection:
        of_user, from_address = connection.execute(query).one()
    return int(of_user), int(from_address)


def events(engine: sa.Engine, *, before: int | None = None, limit: int = 100) -> list[UserEvent]:
    """What users did, the latest first; `before` is the event_id of the last one seen."""
    query = sa.select(console_event).order_by(console_event.c.event_id.desc()).limit(limit)
    if before is not None:
        query = query.where(console_event.c.event_id < before)
    with engine.connect() as connection:
        return [UserEvent(**row) for row in connection.execute(query).mappings()]


def _is_there(connection: sa.Connection, user_id: str) -> bool:
    query = sa.select(console_user.c.user_id).where(
        console_user.c.user_id == user_id, console_user.c.removed_at.is_(None)
    )
    return connection.scalar(query.with_for_update()) is not None


def _of(connection: sa.Connection, user_id: str, **values: object) -> None:
    connection.execute(console_user.update().where(console_user.c.user_id == user_id).values(values))


def _end_sessions(connection: sa.Connection, user_id: str, *, now: datetime) -> None:
    open_ones = sa.and_(console_session.c.user_id == user_id, console_session.c.ended_at.is_(None))
    connection.execute(console_session.update().where(open_ones).values(ended_at=now))


def _set_grants(connection: sa.Connection, user_id: str, grants: Iterable[UserGrant]) -> None:
    connection.execute(console_role.delete().where(console_role.c.user_id == user_id))
    rows: list[dict[str, Any]] = [
        {
            "user_id": user_id,
            "role": str(grant.role),
            "province_code": grant.province_code,
            "kind": str(grant.kind or ""),
        }
        for grant in sorted(set(grants), key=_order)
    ]
    if rows:
        connection.execute(console_role.insert(), rows)


def _users(connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[User]:
    query = (
        sa.select(console_user, console_role.c.role, console_role.c.province_code, console_role.c.kind)
        .outerjoin(console_role, console_role.c.user_id == console_user.c.user_id)
        .where(which)
        .order_by(console_user.c.user_id)
    )
    grants: dict[str, list[UserGrant]] = {}
    rows = {}
    for row in connection.execute(query):
        rows[row.user_id] = row
        mine = grants.setdefault(row.user_id, [])
        if row.role is not None:
            kind = CaseKind(row.kind) if row.kind else None
            mine.append(UserGrant(role=UserRole(row.role), province_code=row.province_code, kind=kind))
    return [
        User(
            user_id=user_id,
            name=row.display_name,
            language=row.language,
            grants=tuple(sorted(grants[user_id], key=_order)),
            removed_at=row.removed_at,
            issuer=row.issuer,
        )
        for user_id, row in rows.items()
    ]


def _order(grant: UserGrant) -> tuple[str, str, str]:
    return str(grant.role), grant.province_code, str(grant.kind or "")


def _told(grants: Iterable[UserGrant]) -> dict[str, object]:
    return {"roles": [":".join(_order(grant)) for grant in sorted(set(grants), key=_order)]}
