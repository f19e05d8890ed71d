"""Every page: nothing keeps anybody out (axe), nothing is too wide, nothing is blocked or asked for elsewhere."""

import re

import pytest

from gateway.console.app import PAGES
from reconciliation import review, reviewing
from reconciliation.desk import Steward
from reconciliation.model import CaseKind, Decision
from tests.gateway.console.conftest import PASSWORD, Seats, Standing, emptied, sign_in
from tests.gateway.console.looking import all_problems, unreached, violations
from tests.gateway.console.queueing import fill, ids
from tests.gateway.console.test_reading import PAGES as PAGES_TO_READ

pytestmark = pytest.mark.browser

# By who opens them; `{kind}` is a case. The pages to read are in test_reading, what comes of forms where they are sent.
LOOKED_AT = {
    "thao": [
        "/queue",
        "/queue?kind=doubtful_match&empty=1",
        "/i/{doubtful_match}",
        "/i/{unknown_unit}",
        "/i/{doubtful_match}/why",
        "/works",
        "/step-up?leads_to=/queue",
        "/no-such-page",
    ],
    "binh": ["/i/{death_then_update}", "/reveals", "/audit"],
    "quan": ["/users", "/users/thao", "/i/1"],
}
ELSEWHERE = {
    "/": "leads on",
    "/sign-in": "test_signing_in_lets_everybody_in_and_the_keyboard_reaches_it",
    "/sign-in/provider": "leads on",
    "/sign-in/return": "leads on",
    "/works/new": "test_bulk",
    "/works/{work}": "test_bulk",
    "/works/{work}/progress": "a part of the page before",
    "/search": "test_reading, with what was found",
}


@pytest.fixture(scope="module")
def filled(started: Standing) -> dict[CaseKind, int]:
    """A queue with a case that is held, one that is proposed and one that is open."""
    emptied(started)
    fill(started.engine, each=2)
    cases = {kind: found[0] for kind, found in ids(started.engine).items()}
    now, thao = started.clock.now, Steward(name="thao")
    reviewing.claim(started.engine, cases[CaseKind.DOUBTFUL_MATCH], steward=thao, now=now)
    review.judge(
        started.engine,
        cases[CaseKind.DEATH_THEN_UPDATE],
        decision=Decision.KEEP,
        reason_code="newest_right",
        steward="thao",
        now=now,
    )
    return cases


@pytest.fixture
def standing(started: Standing, filled: dict[CaseKind, int]) -> Standing:
    """The console with that queue."""
    return started


@pytest.mark.parametrize("user_id", LOOKED_AT)
def test_every_page_lets_everybody_in(seats: Seats, filled, user_id):
    page = seats.take(user_id, bypass_csp=True)  # so that axe can be brought in
    cases = {str(kind): number for kind, number in filled.items()}

    assert all_problems(page, [path.format(**cases) for path in LOOKED_AT[user_id]]) == {}


def test_no_page_is_left_out():
    looked_at = [path.partition("?")[0] for paths in LOOKED_AT.values() for path in paths]
    looked_at = [path.replace("{", "").replace("}", "") for path in looked_at] + [
        one.partition("?")[0] for one in PAGES_TO_READ
    ]
    pages = {page.path for module in PAGES for page in module if page.method == "GET"}
    files = {path for path in pages if path.endswith("/table")}

    for path in sorted(pages - files - set(ELSEWHERE)):
        pattern = re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path))
        assert any(pattern.fullmatch(one) for one in looked_at), path


def test_signing_in_lets_everybody_in_and_the_keyboard_reaches_it(seats: Seats):
    page = seats.open(bypass_csp=True)
    page.goto("/sign-in")
    assert violations(page) == []
    assert unreached(page) == []
    page.goto("/sign-in")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.type("thao")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")


def test_a_page_asks_for_nothing_elsewhere_and_nothing_of_it_is_blocked(seats: Seats, filled):
    page = seats.open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/i/{filled[CaseKind.DOUBTFUL_MATCH]}")
    sign_in(page, "thao")
    page.locator("#why svg").wait_for()

    assert len(asked) > 5
    assert [url for url in asked if not url.startswith(seats.standing.address)] == []
    assert page.locator("#why svg").count() == 1
    assert page.locator("script:not([src]), style, [style], [onclick], [hx-on]").count() == 0
    assert seats.complaints == []


def test_the_language_is_changed_and_stays(seats: Seats, filled):
    page = seats.take("thao")
    page.click("text=English")
    page.wait_for_load_state()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").inner_text() == "Queue"
    page.goto(f"/i/{filled[CaseKind.DOUBTFUL_MATCH]}")
    assert page.locator("h1").inner_text() == "Are the two records one person?"
    other = seats.take("thao")
    assert other.locator("h1").inner_text() == "Queue"
    other.click("text=Tiếng Việt")
    other.wait_for_load_state()
    assert other.locator("h1").inner_text() == "Hàng đợi"


def test_keys_are_listed_and_can_be_switched_off(seats: Seats):
    page = seats.take("thao")
    page.keyboard.press("Shift+Slash")
    assert page.locator("#keys").is_visible()
    page.check("#keys-off")
    page.click("#keys button")
    page.keyboard.press("KeyN")
    assert page.url.endswith("/queue")
