"""What a page is: a path, a function of a visit, and who may open it.

A module of `pages` has `ROUTES`, a sequence of `Page`. Its functions are called in a thread of their own, so that they
may ask the database, and answer by `visit.show`, `visit.lead_to` or a Starlette response.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from jinja2 import Environment
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.console.provider import Provider
from gateway.console.words import Words
from gateway.settings import Settings
from reconciliation.model import CaseKind
from reconciliation.store.engine import Engine
from reconciliation.users import Session, User, UserRole


@dataclass(frozen=True, kw_only=True)
class Console:
    """What every page has in common: the registry, the settings, the clock and the templates."""

    engine: Engine
    settings: Settings
    clock: Callable[[], datetime]
    templates: Environment
    navigation: tuple["Page", ...]
    provider: Provider | None  # where people sign in besides


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request of one person. `form` is empty unless something was sent; `session` is None before signing in."""

    console: Console
    request: Request = field(repr=False)
    now: datetime
    words: Words
    session: Session | None
    form: FormData = field(repr=False)

    @property
    def engine(self) -> Engine:
        """The registry."""
        return self.console.engine

    @property
    def user(self) -> User:
        """Who is signed in. Only for pages with roles, which nobody else sees."""
        if self.session is None:
            raise NotSignedInError
        return self.session.user

    @property
    def here(self) -> str:
        """The path and query of this page, where a form that changes nothing of it leads back to."""
        url = self.request.url
        if self.request.method != "GET":
            return "/queue"
        return f"{url.path}?{url.query}" if url.query else url.path

    def may_open(self, page: "Page") -> bool:
        """Whether the page is for who is signed in."""
        return self.session is not None and any(self.session.user.may(role) for role in page.roles)

    def path(self, name: str) -> str:
        """A part of the path, as the page's path names it."""
        return str(self.request.path_params[name])

    def asked(self, name: str, default: str = "") -> str:
        """A value of the query string, without space around it."""
        return self.request.query_params.get(name, default).strip()

    def filled(self, name: str) -> str:
        """A value of the form, without space around it; '' when it was left empty or is a file."""
        value = self.form.get(name, "")
        return "" if isinstance(value, UploadFile) else value.strip()

    def say(self, text: str, **values: object) -> str:
        """A text in the visitor's language."""
        return self.words.say(text, **values)

    def show(self, template: str, values: Mapping[str, object] | None = None, *, status: int = 200) -> Response:
        """A page; every value is escaped, and one that is missing is an error."""
        page = self.console.templates.get_template(template)
        given = {"visit": self, "words": self.words, "say": self.words.say, "message": self._message()}
        return HTMLResponse(page.render({**given, **(values or {})}), status_code=status)

    def lead_to(self, path: str, *, done: str = "", **query: object) -> Response:
        """Send the visitor to another page of ours; `done` is the code of a message that page shows."""
        asked = {name: value for name, value in {**query, "done": done}.items() if value not in {"", None}}
        return RedirectResponse(f"{path}?{urlencode(asked)}" if asked else path, status_code=303)

    def require(self, role: UserRole, *, province_code: str = "", kind: CaseKind | None = None) -> None:
        """Raise ForbiddenError unless the visitor has the role there."""
        if not self.user.may(role, province_code=province_code, kind=kind):
            raise ForbiddenError

    def _message(self) -> str:
        from gateway.console.messages import DONE  # noqa: PLC0415 - a page that shows none needs none

        text = DONE.get(self.request.query_params.get("done", ""))
        return self.words.say(text) if text else ""


Answer = Callable[[Visit], Response]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A path and what answers there. `roles` are those who may open it, any of them; none: everybody, signed in or not.

    `label` (marked with `later`) puts it into the navigation. A page that `takes_files` reads forms up to 32 MiB.
    """

    path: str
    answer: Answer
    method: str = "GET"
    roles: frozenset[UserRole] = frozenset(UserRole)
    label: str = ""
    takes_files: bool = False
    keeps_draft: bool = False  # what was filled in survives a session that has run out


READERS = frozenset({UserRole.VIEWER})  # and so stewards and supervisors
STEWARDS = frozenset({UserRole.STEWARD})
SUPERVISORS = frozenset({UserRole.SUPERVISOR})
OPERATORS = frozenset({UserRole.OPERATOR})
NOBODY_IN_PARTICULAR: frozenset[UserRole] = frozenset()

Pages = Sequence[Page]


class NotSignedInError(Exception):
    """The page is for people who have signed in."""


class ForbiddenError(Exception):
    """The page, or this part of the country, is not for this person."""


class MissingPageError(Exception):
    """There is no such page, case or person; also for what the visitor may not know to be there."""
