"""Pictures of the console's pages in both languages, into docs/console: `make screenshots`. No test: it writes."""

from pathlib import Path

import pytest

from gateway.console.words import LANGUAGES
from reconciliation import review, reviewing
from reconciliation.desk import Steward
from reconciliation.model import CaseKind, Decision
from tests.gateway.console.conftest import Seats
from tests.gateway.console.queueing import fill, ids

FOLDER = Path(__file__).parents[3] / "docs" / "console"

SMALL = {"type": "jpeg", "quality": 60}

# By name: who looks, and where; `{kind}` is a case.
SHOTS = {
    "queue": ("thao", "/queue"),
    "match": ("thao", "/i/{doubtful_match}"),
    "unit": ("thao", "/i/{unknown_unit}"),
    "second-person": ("binh", "/i/{death_then_update}"),
    "reveals": ("binh", "/reveals"),
    "users": ("quan", "/users"),
    "user": ("quan", "/users/thao"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_pictures(seats: Seats, language: str) -> None:
    """Every page once, as wide as a desk's screen."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    engine, now = seats.standing.engine, seats.standing.clock.now
    fill(engine, each=3)
    cases = {kind: found[0] for kind, found in ids(engine).items()}
    for kind in (CaseKind.DOUBTFUL_MATCH, CaseKind.UNKNOWN_UNIT):
        reviewing.claim(engine, cases[kind], steward=Steward(name="thao"), now=now)
    proposed = cases[CaseKind.DEATH_THEN_UPDATE]
    review.judge(
        engine, proposed, decision=Decision.KEEP, reason_code="newest_right", steward="thao", now=now
    )  # fmt: skip
    named = {str(kind): number for kind, number in cases.items()}
    page = seats.open(viewport={"width": 1100, "height": 700})
    page.goto("/sign-in")
    if language != "vi":
        page.click("text=English")
    page.screenshot(path=FOLDER / f"sign-in.{language}.jpg", **SMALL)
    for name, (user_id, path) in SHOTS.items():
        seat = seats.take(user_id, at="/sign-in", viewport={"width": 1100, "height": 700})
        if language != "vi" and seat.locator("text=English").count():  # a person's choice is kept
            seat.click("text=English")
        seat.goto(path.format(**named))
        seat.wait_for_load_state("networkidle")
        if name in {"match", "unit"}:
            seat.locator("input[name=choice]").first.check()
        seat.screenshot(path=FOLDER / f"{name}.{language}.jpg", full_page=True, **SMALL)
