"""Pictures of the console's pages in both languages, into docs/console: `make screenshots`. No test: it writes."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.console.words import LANGUAGES
from reconciliation import generalising, jobs, review, reviewing
from reconciliation.desk import Steward
from reconciliation.model import CaseKind, Decision
from reconciliation.store import landing, reveals, scoreboard
from tests.gateway.batches import people
from tests.gateway.console.conftest import PROVINCE, Seats, Standing, emptied
from tests.gateway.console.looking import PARTS_TO_COME
from tests.gateway.console.palette import small
from tests.gateway.console.queueing import fill, ids
from tests.provinces import communes, sources
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, other_person
from tests.reconciliation.store.landings import batch, normalised, rows, source

FOLDER = Path(__file__).parents[3] / "docs" / "console"
WIDTH, HIGHEST = 1100, 1100  # of a picture; what is longer is cut off
WEEKS = 6
LOCALES = {"vi": "vi-VN", "en": "en-GB"}  # of the browser, whose own fields these pages have, too

# By name: who looks, and where; `{kind}` is a case, `{work}` and `{judgement}` what was decided for many at once.
SHOTS = {
    "queue": ("thao", "/queue"),
    "match": ("thao", "/i/{doubtful_match}"),
    "unit": ("thao", "/i/{unknown_unit}"),
    "why": ("thao", "/i/{doubtful_match}/why"),
    "second-person": ("binh", "/i/{death_then_update}"),
    "step-up": ("binh", "/step-up?leads_to=/queue"),
    "bulk": ("thao", "/works"),
    "bulk-preview": ("thao", "/works/new?judgement={judgement}"),
    "bulk-work": ("thao", "/works/{work}"),
    "search": ("thao", "/search"),
    "overview": ("quan", "/overview"),
    "stuck": ("quan", "/stuck?province=15"),
    "provinces": ("quan", "/provinces"),
    "province": ("quan", "/provinces/15"),
    "dry-run": ("quan", "/provinces/01"),
    "units": ("quan", "/units?q=hoa+an"),
    "lineage": ("quan", "/units/00004"),
    "scoreboard": ("quan", "/scoreboard"),
    "scoreboard-province": ("quan", "/scoreboard/15"),
    "scoreboard-commune": ("quan", "/scoreboard/15/02647"),
    "balance": ("quan", "/balance"),
    "balance-province": ("quan", "/balance/15"),
    "balance-source": ("quan", "/balance/15/sources/yen-bai.population"),
    "balance-former": ("quan", "/balance/15/formers/-"),
    "reveals": ("binh", "/reveals"),
    "audit": ("quan", "/audit"),
    "users": ("quan", "/users"),
    "user": ("quan", "/users/thao"),
    "not-found": ("quan", "/no-such-page"),
}


@pytest.fixture(scope="module")
def named(started: Standing) -> dict[str, object]:
    """A country some weeks after its merger, and the numbers that paths are made of."""
    standing = emptied(started)
    province = fill(standing.engine, each=6)
    _refuse_a_row(province)
    _push_elsewhere(standing)
    now = province.now
    for week in range(WEEKS):
        standing.clock.now = now + timedelta(days=7 * week)
        province.day += 7
        province.push(YEN_BAI, *(other_person(f"W{week}{n}", **_somebody(week, n)) for n in range(3 + week)))
        if week % 3 == 2:
            province.run()
        scoreboard.count(standing.engine, now=standing.clock.now)
        jobs.weekly_report(standing.engine, now=standing.clock.now)
    for code in ("01", PROVINCE, "48", "79"):
        jobs.take_balance(standing.engine, province_code=code, now=standing.clock.now)
    cases = {kind: sorted(found) for kind, found in ids(standing.engine).items()}
    work, judgement = _settle_many(standing, cases[CaseKind.UNKNOWN_UNIT])
    now = standing.clock.now
    for kind in (CaseKind.DOUBTFUL_MATCH, CaseKind.UNKNOWN_UNIT):
        reviewing.claim(standing.engine, cases[kind][-1], steward=Steward(name="thao"), now=now)
    died = cases[CaseKind.DEATH_THEN_UPDATE][-1]
    review.judge(
        standing.engine, died, decision=Decision.KEEP, reason_code="newest_right", steward="thao", now=now
    )  # fmt: skip
    _look(standing, died, now)
    return {str(kind): found[-1] for kind, found in cases.items()} | {"work": work, "judgement": judgement}


def _refuse_a_row(province: Province) -> None:
    where = source(LAO_CAI)
    held = {"row": 0, "codes": ["DATE_INVALID"], "source_record_id": "X", "raw": b"x"}
    told = normalised(rows(where.kind), [held])
    landing.land(province.engine, batch(9, source_id=LAO_CAI, payload=b"9"), told, source=where, now=province.now)


def _push_elsewhere(standing: Standing) -> None:
    """Of every province some updates wait that are late by now, and some that are not."""
    for place, (code, one) in enumerate(sorted(sources().items())):
        other = Province(standing.engine, code=code)
        for day, number in ((0, place * 7 % 5), (7 * WEEKS - 6, 3 + place * 11 % 17)):
            other.day = day
            unit = {"unit_code": communes()[code]}
            if code != PROVINCE and number:
                found = (other_person(f"P{day} {n}", **_somebody(place, n) | unit) for n in range(number))
                other.push(one.source_id, *found)


def _somebody(group: int, n: int) -> dict[str, object]:
    return {"personal_number": f"0{group % 90:02d}090{n:06d}", "birth_year": 1930 + (group * 7 + n * 3) % 80}


def _settle_many(standing: Standing, cases: list[int]) -> tuple[int, int]:
    """Thảo decides one unknown unit, and two like it by a work that has run; its number and that of the judgement."""
    engine, clock = standing.engine, standing.clock
    thao = Steward(name="thao", province_codes=(PROVINCE,))
    made = []
    for case_id in cases[:2]:
        lease = reviewing.claim(engine, case_id, steward=thao, now=clock.now).lease
        made.append(
            review.judge(
                engine, case_id, decision=Decision.UNIT, value="02671", reason_code="residence_papers", steward="thao",
                lease_token=lease.token, now=clock.now,
            )
        )  # fmt: skip
    clock.pass_(seconds=31)
    review.put_in_force(engine, now=clock.now)
    held = [*cases[2:4], cases[-1]]  # so that the work leaves something to be shown
    leases = [reviewing.claim(engine, one, steward=Steward(name="an"), now=clock.now).lease for one in held]
    number = generalising.preview(engine, made[0].judgement_id, steward=thao, now=clock.now).accepted
    work = generalising.start(engine, made[0].judgement_id, steward=thao, typed_count=number, now=clock.now)
    generalising.run(engine, work.work_id, now=clock.now)
    for lease in (leases[0], leases[-1]):
        reviewing.release(engine, lease, now=clock.now)
    return work.work_id, made[1].judgement_id


def _look(standing: Standing, case_id: int, now: datetime) -> None:
    for user_id, field, purpose in (("thao", "birth", "compare"), ("an", "personal_number", "ask_province")):
        assert reveals.spend(
            standing.engine, user_id=user_id, province_code=PROVINCE, case_id=case_id, record_key="x|y", field=field,
            purpose=purpose, since=now, now=now, budget=60,
        )  # fmt: skip


@pytest.fixture
def seats(browser: Browser, started: Standing, named: dict[str, object]) -> Iterator[Seats]:
    """Browsers in front of that country."""
    with ExitStack() as ending:
        yield Seats(browser=browser, standing=started, ending=ending)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pictures(seats: Seats, named: dict[str, object], language: str, tmp_path: Path) -> None:
    """Every page once, as wide as a desk's screen."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    studio = seats.open()
    page = seats.open(viewport={"width": WIDTH, "height": 400}, locale=LOCALES[language])
    page.goto("/sign-in")
    if language != "vi":
        page.click("text=English")
    _shoot(studio, page, f"sign-in.{language}")
    open_pages: dict[str, Page] = {}
    for name, (user_id, path) in SHOTS.items():
        if user_id not in open_pages:
            open_pages[user_id] = seats.take(
                user_id, at="/sign-in", viewport={"width": WIDTH, "height": 400}, locale=LOCALES[language]
            )
            if language != "vi":
                open_pages[user_id].click("text=English")
        page = open_pages[user_id]
        page.goto(path.format(**named))
        expect(page.locator(PARTS_TO_COME)).to_have_count(0)
        _fill_in(page, name, tmp_path)
        _shoot(studio, page, f"{name}.{language}")


def _fill_in(page: Page, name: str, folder: Path) -> None:
    """What a page shows only when something is chosen or sent."""
    if name in {"match", "unit"}:
        page.locator("input[name=choice]").first.check()
        page.evaluate("document.activeElement.blur()")
    if name == "search":
        page.fill("#asked", "D1")
        page.select_option("#source", LAO_CAI)
        page.locator("main button.main").click()
        page.locator(".timeline").wait_for()
    if name == "dry-run":
        file = folder / "dân cư 2025-07-15.jsonl"
        file.write_bytes(people(0, 40, ma_xa="4") + people(2, 300) + people(400, 2, gioi_tinh="Khác"))
        page.select_option("#source", "ha-noi.population")
        page.set_input_files("#file", file)
        page.locator("form[enctype] button").click()
        page.locator("#columns").wait_for()


def _shoot(studio: Page, page: Page, name: str) -> None:
    high = min(HIGHEST, page.evaluate("document.documentElement.scrollHeight"))
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": high}
    (FOLDER / f"{name}.png").write_bytes(small(studio, page.screenshot(full_page=True, clip=clip)))  # type: ignore[arg-type]
