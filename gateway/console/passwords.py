"""Passwords of local users: hashed by argon2id with the library's parameters, guessed at only slowly."""

import secrets
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from reconciliation.store import users
from reconciliation.store.engine import Engine

LEAST = 12  # letters of a password
MOST = 200
REFUSALS_OF_USER = 5
REFUSALS_OF_ADDRESS = 50
WITHIN = timedelta(minutes=15)
_HASHER = PasswordHasher()
_WORDS = "abcdefghjkmnpqrstuvwxyz23456789"


def hash_of(password: str) -> str:
    """What is kept of a password."""
    return _HASHER.hash(password)


def is_fit(password: str) -> bool:
    """Whether a password is long enough, and not too long to be hashed at a sign-in."""
    return LEAST <= len(password) <= MOST


def new() -> str:
    """A password made up: five groups of four, about 99 bits."""
    return "-".join("".join(secrets.choice(_WORDS) for _ in range(4)) for _ in range(5))


def is_right(engine: Engine, user_id: str, password: str, *, address: str, now: datetime) -> bool:
    """Whether the password is this user's. Unknown users take as long, and too many refusals refuse a right one."""
    of_user, from_address = users.refusals(engine, user_id=user_id, address=address, since=now - WITHIN)
    held = users.password_hash(engine, user_id)
    matches = len(password) <= MOST and _verify(held or _nobodys(), password) and held is not None
    if matches and of_user < REFUSALS_OF_USER and from_address < REFUSALS_OF_ADDRESS:
        return True
    users.tell(engine, users.REFUSED, user_id=user_id[:64], told={"address": address}, now=now)
    return False


def _verify(held: str, password: str) -> bool:
    try:
        return _HASHER.verify(held, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return hash_of(secrets.token_urlsafe(16))
