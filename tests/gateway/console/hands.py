"""What hands do at a case, and what has come of it."""

from playwright.sync_api import Page

from reconciliation import reviewing
from reconciliation.desk import Steward, Told
from reconciliation.store import reveals
from tests.gateway.console.conftest import Seats


def at(page: Page) -> int:
    """The case that a page shows."""
    return int(page.url.split("/i/")[1].partition("?")[0].partition("#")[0])


def choose(page: Page, choice: str, code: str, **filled: str) -> None:
    """Fill in a decision by pointing."""
    page.check(f"#choice-{choice}")
    for name, value in filled.items():
        page.fill(f"#{name}", value)
    page.check(f"#code-{choice}-{code}")


def looks(seats: Seats, case_id: int) -> list[reveals.Reveal]:
    """Who looked at something of a case."""
    found = reveals.listed(seats.standing.engine, province_codes=None, limit=1_000)
    return [one for one in found if one.case_id == case_id]


def told(seats: Seats, case_id: int) -> list[Told]:
    """Everything that happened to a case."""
    return reviewing.history(seats.standing.engine, case_id, steward=Steward(name="test"))
