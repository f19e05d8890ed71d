"""Who is signed in to the console. Times come from the caller; of a token only its hash is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from reconciliation.store import users
from reconciliation.store.tables import console_session, console_sign_in, console_user
from reconciliation.users import Session, User


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a session lasts: without being used, and at all."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """A sign-in at another provider, under way: what its answer is held against."""

    verifier: str
    nonce: str
    leads_to: str


def begin(engine: sa.Engine, token_sha256: bytes, user_id: str, *, now: datetime) -> None:
    """Sign a user in, by a token that nobody else knows."""
    row = {"token_sha256": token_sha256, "user_id": user_id, "begun_at": now, "seen_at": now, "stepped_up_at": now}
    with engine.begin() as connection:
        connection.execute(console_session.insert().values(row))
        users.note(connection, "signed_in", user_id=user_id, told={}, now=now)


def touch(engine: sa.Engine, token_sha256: bytes, *, limits: Limits, now: datetime) -> Session | None:
    """The session of a token, which has now been used; None when it has run out, was ended, or never was."""
    lives = sa.and_(
        console_session.c.token_sha256 == token_sha256,
        console_session.c.ended_at.is_(None),
        console_session.c.seen_at > now - limits.idle,
        console_session.c.begun_at > now - limits.absolute,
        console_user.c.user_id == console_session.c.user_id,
        console_user.c.removed_at.is_(None),
    )
    statement = console_session.update().where(lives).values(seen_at=sa.func.greatest(console_session.c.seen_at, now))
    with engine.begin() as connection:
        row = connection.execute(statement.returning(console_session)).one_or_none()
        user = None if row is None else users.find(connection, row.user_id)
    if row is None or user is None:
        return None
    return Session(user=user, begun_at=row.begun_at, seen_at=row.seen_at, stepped_up_at=row.stepped_up_at)


def who_was(engine: sa.Engine, token_sha256: bytes) -> User | None:
    """Whose session a token was that has run out by itself: what they filled in may be kept for them, no more."""
    query = sa.select(console_session.c.user_id).where(
        console_session.c.token_sha256 == token_sha256, console_session.c.ended_at.is_(None)
    )
    with engine.connect() as connection:
        user_id = connection.scalar(query)
        user = None if user_id is None else users.find(connection, user_id)
    return user if user is not None and user.removed_at is None else None


def end(engine: sa.Engine, token_sha256: bytes, *, now: datetime) -> None:
    """Sign out."""
    mine = sa.and_(console_session.c.token_sha256 == token_sha256, console_session.c.ended_at.is_(None))
    with engine.begin() as connection:
        user_id = connection.scalar(
            console_session.update().where(mine).values(ended_at=now).returning(console_session.c.user_id)
        )
        if user_id is not None:
            users.note(connection, "signed_out", user_id=user_id, told={}, now=now)


def step_up(engine: sa.Engine, token_sha256: bytes, *, now: datetime) -> None:
    """Note that the person has just proved once more who they are."""
    mine = console_session.c.token_sha256 == token_sha256
    with engine.begin() as connection:
        user_id = connection.scalar(
            console_session.update().where(mine).values(stepped_up_at=now).returning(console_session.c.user_id)
        )
        if user_id is not None:
            users.note(connection, "stepped_up", user_id=user_id, told={}, now=now)


def begin_sign_in(engine: sa.Engine, state_sha256: bytes, sign_in: SignIn, *, now: datetime) -> None:
    """Remember a sign-in that goes by another provider."""
    row = {"state_sha256": state_sha256, "begun_at": now, **vars(sign_in)}
    with engine.begin() as connection:
        connection.execute(console_sign_in.insert().values(row))


def finish_sign_in(engine: sa.Engine, state_sha256: bytes, *, since: datetime) -> SignIn | None:
    """Take a sign-in that began after `since`; nobody can take it a second time."""
    with engine.begin() as connection:
        connection.execute(console_sign_in.delete().where(console_sign_in.c.begun_at <= since))
        row = connection.execute(
            console_sign_in.delete().where(console_sign_in.c.state_sha256 == state_sha256).returning(console_sign_in)
        ).one_or_none()
    return None if row is None else SignIn(verifier=row.verifier, nonce=row.nonce, leads_to=row.leads_to)
