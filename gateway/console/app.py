"""The console as an application: settings and a registry in, pages out."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.console import drafts, failing, sessions
from gateway.console.doors import Console, ForbiddenError, NotSignedInError, Page, Pages, Visit
from gateway.console.pages import (
    audit,
    balance,
    bulk,
    deciding,
    decision,
    overview,
    provided,
    province,
    queue,
    revealing,
    scoreboard,
    search,
    signing,
    stuck,
    units,
    users,
)
from gateway.console.provider import Provider
from gateway.console.security import SAFE, Guarded
from gateway.console.words import FIRST, LANGUAGES, Words
from gateway.settings import Settings
from reconciliation.store.engine import Engine
from reconciliation.users import Session

# The modules of `pages`, in the order in which the navigation has them.
PAGES: tuple[Pages, ...] = (
    signing.ROUTES,
    provided.ROUTES,
    queue.ROUTES,
    decision.ROUTES,
    deciding.ROUTES,
    *(page.ROUTES for page in (bulk, search, overview, stuck, province, units, scoreboard, balance, audit)),
    revealing.ROUTES,
    users.ROUTES,
)

FORM_BYTES = 256 * 1024
FILE_BYTES = 32 * 1024 * 1024
_FORM_FIELDS = 500
_HERE = Path(__file__).parent


def _utc_now() -> datetime:
    return datetime.now(UTC)


def create(engine: Engine, settings: Settings, *, clock: Callable[[], datetime] = _utc_now) -> Starlette:
    """The console of a registry. `clock` tells the time of every page, session and decision."""
    pages = tuple(page for module in PAGES for page in module)
    console = Console(
        engine=engine,
        settings=settings,
        clock=clock,
        templates=templates(),
        navigation=tuple(page for page in pages if page.label),
        provider=Provider(settings) if settings.console_oidc_issuer else None,
    )
    routes = [Route(page.path, _endpoint(console, page), methods=[page.method]) for page in pages]

    async def failed(request: Request, error: Exception) -> Response:
        return await run_in_threadpool(failing.answer, _stranger(console, request), error)

    return Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=_HERE / "static"))],
        middleware=[Middleware(Guarded, origin=settings.console_origin)],
        exception_handlers={HTTPException: failed},
    )


def templates() -> Environment:
    """The templates: every value is escaped, and one that is missing is an error."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["languages"] = LANGUAGES
    return environment


def _endpoint(console: Console, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            form = await _form(request, FILE_BYTES if page.takes_files else FORM_BYTES)
        except (HTTPException, MultiPartException) as error:
            return await run_in_threadpool(failing.answer, _stranger(console, request), error)
        try:
            return await run_in_threadpool(_answer, console, page, request, form)
        finally:
            await form.close()

    return endpoint


def _answer(console: Console, page: Page, request: Request, form: FormData) -> Response:
    """What a page answers, or why it does not."""
    visit = _stranger(console, request)
    try:
        session = sessions.current(request, console.engine, console.settings, now=visit.now)
        visit = _visit(console, request, form, session=session, now=visit.now)
        if page.roles and session is None:
            return _sign_in_first(visit, page)
        if page.roles and session and not any(session.user.may(role) for role in page.roles):
            raise ForbiddenError
        return page.answer(visit)
    except NotSignedInError:
        return _sign_in_first(visit, page)
    except Exception as error:  # noqa: BLE001 - the edge: every error leaves as a page
        return failing.answer(visit, error)


def _sign_in_first(visit: Visit, page: Page) -> Response:
    """The way to the sign-in page and back; what a session that ran out had filled in is kept."""
    request = visit.request
    if request.method in SAFE:
        back = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        has_expired = sessions.token_of(request) is not None
        return visit.lead_to("/sign-in", done="expired" if has_expired else "", leads_to=back)
    return visit.lead_to("/sign-in", done="expired", leads_to=drafts.keep(visit) if page.keeps_draft else "/")


def _visit(console: Console, request: Request, form: FormData, *, session: Session | None, now: datetime) -> Visit:
    language = request.cookies.get(sessions.LANGUAGE_COOKIE) or (session.user.language if session else FIRST)
    words = Words(language)
    return Visit(console=console, request=request, now=now, words=words, session=session, form=form)


def _stranger(console: Console, request: Request) -> Visit:
    return _visit(console, request, FormData(), session=None, now=console.clock())


async def _form(request: Request, most: int) -> FormData:
    """What was sent, if anything; raises HTTPException 413 when it is longer than `most` bytes."""
    if request.method in SAFE:
        return FormData()
    receive, read = request.receive, 0

    async def bounded() -> dict[str, object]:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise HTTPException(413)
        return dict(message)

    return await Request(request.scope, bounded).form(max_fields=_FORM_FIELDS, max_files=1, max_part_size=most)
