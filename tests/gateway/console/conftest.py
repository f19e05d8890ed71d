"""A console on a real socket and a real database: one server a module, one clean database a test."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from playwright.sync_api import Browser, BrowserContext, Page

from gateway.console import serving
from gateway.settings import Settings
from reconciliation.model import CaseKind
from reconciliation.store import users
from reconciliation.store.engine import connect
from reconciliation.users import User, UserGrant, UserRole
from tests.database import Servers, clean
from tests.gateway.console.queueing import fill, ids

NOW = datetime(2025, 9, 4, 3, 0, tzinfo=UTC)  # a day after the people of tests.reconciliation.province were pushed
PASSWORD = "mật khẩu để thử"  # noqa: S105 - of made-up people
# A hash says itself what it costs: these people sign in hundreds of times. What hash_of makes is signed in with, too.
_HASHED = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
PROVINCE = "15"

# Who is there in every test: (user_id, name, roles).
PEOPLE = (
    ("thao", "Nguyễn Thị Thảo", (UserGrant(role=UserRole.STEWARD, province_code=PROVINCE),)),
    ("an", "Trần Văn An", (UserGrant(role=UserRole.STEWARD, province_code=PROVINCE),)),
    ("binh", "Lê Thị Bình", (UserGrant(role=UserRole.SUPERVISOR, province_code=PROVINCE),)),
    ("dung", "Vũ Thị Dung", (UserGrant(role=UserRole.SUPERVISOR, province_code=PROVINCE),)),
    ("vien", "Đỗ Văn Viễn", (UserGrant(role=UserRole.VIEWER),)),
    ("quan", "Phạm Thị Quản", (UserGrant(role=UserRole.OPERATOR),)),
    ("xa", "Hoàng Văn Xa", (UserGrant(role=UserRole.STEWARD, province_code="01"),)),
)


@dataclass
class Clock:
    """A clock that stands until it is set on."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **how_long: float) -> None:
        self.now += timedelta(**how_long)


@dataclass
class Standing:
    """A console that answers, its clock, and the database beneath."""

    address: str
    engine: sa.Engine
    clock: Clock
    settings: Settings


@dataclass
class Seats:
    """People in front of browsers of their own. `complaints` are what the browsers noted of all pages."""

    browser: Browser
    standing: Standing
    ending: ExitStack
    complaints: list[str] = field(default_factory=list)

    def open(self, *, javascript: bool = True, **options: object) -> Page:
        """A new browser window with nobody signed in."""
        context: BrowserContext = self.browser.new_context(
            base_url=self.standing.address,
            java_script_enabled=javascript,
            **options,  # type: ignore[arg-type]
        )
        self.ending.callback(context.close)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def take(self, user_id: str, *, at: str = "/queue", javascript: bool = True, **options: object) -> Page:
        """A new browser window with `user_id` signed in and looking at a page."""
        page = self.open(javascript=javascript, **options)
        page.goto(at)
        sign_in(page, user_id)
        return page


def sign_in(page: Page, user_id: str, password: str = PASSWORD) -> None:
    page.fill("#name", user_id)
    page.fill("#password", password)
    page.click("button.main")
    page.wait_for_url(lambda url: "/sign-in" not in url)


@pytest.fixture(scope="module")
def started(servers: Servers, server_url: sa.URL) -> Iterator[Standing]:
    """The console of this module, before anything is in its database."""
    url = servers.cleaned(server_url)
    engine = connect(url, pool_size=12)
    clock, settings = Clock(), Settings(console_port=0)
    with serving.running(engine, settings, clock=clock) as address:
        yield Standing(address=address, engine=engine, clock=clock, settings=settings)
    engine.dispose()


@pytest.fixture
def standing(started: Standing) -> Standing:
    """The console with the people of PEOPLE and nothing else, at NOW."""
    return emptied(started)


def emptied(started: Standing) -> Standing:
    """A console as it was when it was set up."""
    clean(started.engine.url.render_as_string(hide_password=False))
    started.clock.now = NOW
    for user_id, name, grants in PEOPLE:
        user = User(user_id=user_id, name=name, language="vi", grants=grants)
        assert users.add(started.engine, user, password_hash=_HASHED, by="test", now=NOW)
    return started


class Fresh(dict[CaseKind, int]):
    """By kind a case that no other test has touched, taken when it is first asked for."""

    def __init__(self, left: dict[CaseKind, list[int]]) -> None:
        super().__init__()
        self._left = left

    def __missing__(self, kind: CaseKind) -> int:
        self[kind] = self._left[kind].pop()
        return self[kind]


@pytest.fixture(scope="module")
def filled(started: Standing) -> Iterator[dict[CaseKind, list[int]]]:
    """One queue for all tests of this module: making it takes longer than most of them."""
    emptied(started)
    fill(started.engine, each=11)
    yield ids(started.engine)


@pytest.fixture
def next_day(started: Standing, filled: dict[CaseKind, list[int]]) -> Standing:
    """The console a day later: who held or had looked at something the day before has nothing of it left."""
    started.clock.pass_(days=1)
    return started


@pytest.fixture
def cases(standing: Standing, filled: dict[CaseKind, list[int]]) -> Fresh:
    """Cases for one test."""
    return Fresh(filled)


@pytest.fixture
def seats(browser: Browser, standing: Standing) -> Iterator[Seats]:
    """Browsers in front of the console."""
    with ExitStack() as ending:
        yield Seats(browser=browser, standing=standing, ending=ending)
