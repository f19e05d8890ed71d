"""Every page: nothing keeps anybody out (axe), nothing is too wide, nothing is blocked or asked for elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from gateway.console.app import PAGES
from reconciliation import review, reviewing
from reconciliation.desk import Steward
from reconciliation.model import CaseKind, Decision
from reconciliation.users import UserRole
from tests.gateway.console.conftest import PASSWORD, Seats, Standing, emptied, sign_in
from tests.gateway.console.queueing import fill, ids

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendored" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (320, 640)  # a telephone, or 1280 at 400 %; 1280 at 200 %

# Pages without a place in the navigation, by who opens them. `{kind}` is a case.
FURTHER = {
    "thao": [
        "/i/{doubtful_match}",
        "/i/{unknown_unit}",
        "/i/{doubtful_match}/why",
        "/step-up?leads_to=/queue",
        "/no-such-page",
        "/queue?kind=doubtful_match&empty=1",
    ],
    "binh": ["/i/{death_then_update}"],
    "quan": ["/users/thao", "/i/1"],
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


def paths(user_id: str, cases: dict[CaseKind, int]) -> Iterator[str]:
    """The pages of the navigation that a person may open, and the further ones."""
    roles = {"thao": UserRole.STEWARD, "binh": UserRole.STEWARD, "quan": UserRole.OPERATOR}
    for page in (page for module in PAGES for page in module if page.label):
        readers = {UserRole.VIEWER, UserRole.STEWARD} if user_id != "quan" else {roles[user_id]}
        if page.roles & readers and user_id != "binh":
            yield page.path
    for path in FURTHER[user_id]:
        yield path.format(**{str(kind): number for kind, number in cases.items()})


def violations(page: Page) -> list[str]:
    """What axe finds on a page, each with the place of its first example."""
    page.evaluate(AXE)
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(one => one.violations)", RULES
    )
    return [f"{one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}" for one in found]


def overflow(page: Page, width: int) -> int:
    """By how many pixels a page is wider than a screen."""
    page.set_viewport_size({"width": width, "height": 800})
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("user_id", FURTHER)
def test_every_page_lets_everybody_in(seats: Seats, filled, user_id):
    page = seats.take(user_id, bypass_csp=True)  # so that axe can be brought in
    found = {}
    for number, path in enumerate(paths(user_id, filled)):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.locator("html").get_attribute("lang") == "vi"
        assert page.locator("h1").count() == 1, path
        wide = {width: overflow(page, width) for width in WIDTHS}
        problems = [*violations(page), *(f"{width}: {by}" for width, by in wide.items() if by > 0)]
        if problems:
            found[path] = problems
        assert number < 40
    assert found == {}


def test_signing_in_lets_everybody_in_and_the_keyboard_reaches_it(seats: Seats):
    page = seats.open(bypass_csp=True)
    page.goto("/sign-in")
    assert violations(page) == []
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
    page.wait_for_load_state("networkidle")

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
