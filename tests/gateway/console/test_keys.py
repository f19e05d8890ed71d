"""How many keys a case of each kind takes, from its page to the decision that is stored: counted, and written down."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from reconciliation import review, reviewing
from reconciliation.conflicts import CATALOGUE
from reconciliation.desk import Steward
from reconciliation.model import CaseKind
from tests.gateway.console.conftest import Seats, Standing, emptied
from tests.gateway.console.hands import at
from tests.gateway.test_queue_walk import TOWNS
from tests.golden import Golden
from tests.reconciliation.province import Province

pytestmark = pytest.mark.browser

DOCUMENT = Path(__file__).parents[3] / "docs" / "console.md"
HEADINGS = "| kind | what is asked | what was decided | keys | how many |\n|---|---|---|---|---|\n"
TABLE = re.compile(re.escape(HEADINGS) + r"(?:\|.*\n)*")
STEWARDS = {"15": "thao", "01": "xa"}  # by province
SUPERVISOR = "binh"  # of 15
MOST_KEYS = 4  # besides the digits of a unit's code, which somebody has to say


@dataclass(frozen=True)
class Answer:
    """What is decided: a choice and its reason. `unit` is typed where the case leaves every unit open."""

    choice: str
    code: str
    unit: str = ""


ANSWERS: Mapping[CaseKind, Answer] = {
    CaseKind.AMBIGUOUS_UNIT: Answer("accept", "residence_papers"),
    CaseKind.UNKNOWN_UNIT: Answer("accept", "residence_papers", unit="02647"),
    CaseKind.DOUBTFUL_MATCH: Answer("not_same", "other_family"),
    CaseKind.TWO_UNITS_ONE_PERSON: Answer("accept", "residence_papers"),
    CaseKind.ONE_NUMBER_TWO_PEOPLE: Answer("not_same", "number_mistyped"),
    CaseKind.BOOK_AGAINST_REGISTER: Answer("accept", "newest_right"),
    CaseKind.TWO_INSURANCE_BOOKS: Answer("accept", "both_right"),
    CaseKind.OVERLAPPING_PERIODS: Answer("withdraw", "contradicts_papers"),
    CaseKind.CIRCULAR_RELATIONS: Answer("withdraw", "number_mistyped"),
    CaseKind.DEATH_THEN_UPDATE: Answer("accept", "newest_right"),
    CaseKind.TWO_PROVINCES_ONE_PERSON: Answer("accept", "residence_papers"),
    CaseKind.HOUSEHOLD_CLASH: Answer("withdraw", "outdated"),
    CaseKind.REFUSED_BY_REGISTRY: Answer("accept", "registry_mended"),
    CaseKind.MISSING_VERSION: Answer("accept", "newest_right"),
    CaseKind.DUPLICATE_HAMLET: Answer("keep", "nothing_changed"),
    CaseKind.UNSIGNED_EVENT: Answer("withdraw", "sent_by_mistake"),
    CaseKind.CITIZEN_CORRECTION: Answer("accept", "province_confirmed"),
    CaseKind.POISONED: Answer("accept", "rule_mended"),
}


@dataclass
class Hand:
    """A hand on the keyboard, that reads on the page which key is which and counts what it presses."""

    page: Page
    pressed: list[str] = field(default_factory=list)

    def press(self, key: str) -> None:
        self.pressed.append(key)
        self.page.keyboard.press(f"Digit{key}" if key.isdigit() else key)

    def press_for(self, place: str) -> None:
        self.press(self.page.locator(place).get_attribute("data-digit") or "")

    def answer(self, answer: Answer) -> list[str]:
        """Decide the case on the page; the keys it took."""
        self.pressed.clear()
        self.press_for(f"#choice-{answer.choice}")
        option = self.page.locator(".option:has(input[name=choice]:checked)")
        if option.locator("#unit").count():
            for digit in answer.unit:
                self.press(digit)
        while not option.locator(".reasons.turn").count():
            self.press("1")
        self.press_for(f"#code-{answer.choice}-{answer.code}")
        self.press("Enter")
        return list(self.pressed)


def kinds(standing: Standing) -> dict[int, CaseKind]:
    """The open cases."""
    return {one.case_id: one.kind for one in review.open_cases(standing.engine, limit=1_000)}


def walk(seats: Seats, *, user_id: str) -> Iterator[tuple[CaseKind, str, list[str]]]:
    """A steward's whole queue by keyboard alone: of each case its kind, what was decided, and the keys it took."""
    left = kinds(seats.standing)
    page = seats.take(user_id)
    hand = Hand(page)
    page.keyboard.press("KeyN")
    page.wait_for_url("**/i/*")
    while left:
        case_id = at(page)
        kind = left.pop(case_id)
        answer = ANSWERS[kind]
        pressed = hand.answer(answer)
        page.wait_for_url(f"**of={case_id}*")
        told = reviewing.history(seats.standing.engine, case_id, steward=Steward(name="test"))
        (judged,) = [one.judgement for one in told if one.judgement]
        assert (judged.steward, judged.reason_code) == (user_id, answer.code)
        assert judged.value == (answer.unit or judged.value)
        yield kind, str(judged.decision), pressed
    assert "done=none_left" in page.url


def keys_to_approve(seats: Seats) -> list[str]:
    """The keys that a supervisor presses from the page of a proposal until it is in force."""
    page = seats.take(SUPERVISOR)
    hand = Hand(page)
    page.keyboard.press("KeyN")
    page.wait_for_url("**/i/*")
    case_id = at(page)
    hand.press_for("#choice-approve")
    hand.press("Enter")
    page.wait_for_url(f"**of={case_id}*done=approved*")
    told = reviewing.history(seats.standing.engine, case_id, steward=Steward(name="test"))
    assert [one.by for one in told if one.approves] == [SUPERVISOR]
    return hand.pressed


def test_a_case_of_every_kind_is_decided_with_few_keys(browser: Browser, started: Standing, golden: Golden) -> None:
    taken: dict[CaseKind, tuple[str, list[str]]] = {}
    for code, raised in TOWNS.values():
        standing = emptied(started)
        province = Province(standing.engine, code=code)
        meant = raised(province)
        standing.clock.now = province.now + timedelta(hours=1)
        with ExitStack() as ending:
            seats = Seats(browser=browser, standing=standing, ending=ending)
            walked = [one for one in walk(seats, user_id=STEWARDS[code]) if one[0] in meant]
            if CaseKind.DEATH_THEN_UPDATE in meant:
                approved = keys_to_approve(seats)
            assert seats.complaints == []
        taken |= {kind: (decision, keys) for kind, decision, keys in sorted(walked, key=lambda one: len(one[2]))}

    assert set(taken) == set(CaseKind)
    for kind, (_, keys) in taken.items():
        assert len(keys) - len(ANSWERS[kind].unit) <= MOST_KEYS, kind
    lines = [line(f"`{kind}`", CATALOGUE[kind].question_en, *taken[kind]) for kind in CATALOGUE]
    lines.append(line("any, proposed", "Another person has to agree: is the decision right?", "approve", approved))
    assert len(approved) <= MOST_KEYS
    table = HEADINGS + "".join(lines)
    text = DOCUMENT.read_text(encoding="utf-8")
    assert TABLE.search(text)
    golden.check(DOCUMENT, TABLE.sub(lambda _: table, text))


def line(kind: str, question: str, decision: str, keys: list[str]) -> str:
    """One row of the table."""
    pressed = " ".join(f"`{key}`" for key in keys)
    return f"| {kind} | {question} | {decision} | {pressed} | {len(keys)} |\n"
