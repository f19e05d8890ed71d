"""The cookie of a session, and what it stands for. The token is random, and only its hash is stored."""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from gateway.settings import Settings
from reconciliation.store import sessions
from reconciliation.store.engine import Engine
from reconciliation.users import Session

COOKIE = "__Host-lienthong"  # a browser keeps it to this host, every path of it, and to a line that is safe
LANGUAGE_COOKIE = "__Host-language"
_BYTES = 32


def limits(settings: Settings) -> sessions.Limits:
    """How long sessions last."""
    return sessions.Limits(
        idle=timedelta(seconds=settings.console_idle_seconds),
        absolute=timedelta(seconds=settings.console_session_seconds),
    )


def token_of(request: Request) -> bytes | None:
    """The hash of the token that the request shows; None when it shows none."""
    token = request.cookies.get(COOKIE)
    return hashed(token) if token else None


def hashed(token: str) -> bytes:
    """What is stored of a token."""
    return sha256(token.encode()).digest()


def current(request: Request, engine: Engine, settings: Settings, *, now: datetime) -> Session | None:
    """The session that the request belongs to, which goes on from now."""
    token = token_of(request)
    return None if token is None else sessions.touch(engine, token, limits=limits(settings), now=now)


def begin(response: Response, engine: Engine, user_id: str, *, now: datetime) -> Response:
    """Sign a user in with a token that nobody has seen before."""
    token = secrets.token_urlsafe(_BYTES)
    sessions.begin(engine, hashed(token), user_id, now=now)
    set_cookie(response, COOKIE, token)
    return response


def end(response: Response, request: Request, engine: Engine, *, now: datetime) -> Response:
    """Sign the visitor out."""
    token = token_of(request)
    if token is not None:
        sessions.end(engine, token, now=now)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


def set_cookie(response: Response, name: str, value: str) -> None:
    """A cookie for this browser's session, out of reach of scripts and of other sites' forms."""
    response.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="lax")
