"""Bulk in real browsers: preview, typed count, a second person, progress, a sample, and taking it back as one."""

from datetime import timedelta

import pytest

from reconciliation import generalising, review, reviewing
from reconciliation.desk import Filter, Steward
from reconciliation.model import Decision
from tests.gateway.console.conftest import NOW, PROVINCE, Seats
from tests.gateway.console.looking import too_wide, unreached, violations
from tests.reconciliation.province import YEN_BAI, Province, person

pytestmark = pytest.mark.browser

THAO = Steward(name="thao", province_codes=(PROVINCE,))


def decide_one(seats: Seats, *, alike: int) -> int:
    """A queue of one cause: Thảo decides the first of its cases, `alike` more are open; the judgement's id."""
    engine = seats.standing.engine
    province = Province(engine)
    province.push(
        YEN_BAI,
        *(
            person(f"U{n}", unit_code="99998", personal_number=None, full_name=f"Lý Thị {n}", birth_year=1900 + n)
            for n in range(alike + 1)
        ),
    )
    province.run()
    now = NOW + timedelta(days=60)
    seats.standing.clock.now = now
    lines = reviewing.list_cases(engine, THAO, now=now, limit=200)
    causes = [line.cause for line in lines]
    held = reviewing.next_case(engine, THAO, Filter(cause=max(causes, key=causes.count)), now=now)
    assert held is not None
    made = review.judge(
        engine,
        held.case.case_id,
        decision=Decision.UNIT,
        value="02671",
        reason_code="residence_papers",
        steward="thao",
        lease_token=held.lease.token,
        now=now,
    )
    seats.standing.clock.pass_(seconds=31)
    review.put_in_force(engine, now=seats.standing.clock.now)
    return made.judgement_id


def test_one_decision_settles_its_cause_and_is_taken_back_as_one(seats: Seats) -> None:
    engine, clock = seats.standing.engine, seats.standing.clock
    judgement_id = decide_one(seats, alike=4)
    page = seats.take("thao", at="/works", bypass_csp=True)
    open_before = len(review.open_cases(engine, limit=1_000))

    page.locator(f"a[href='/works/new?judgement={judgement_id}']").click()
    rows = page.locator("[aria-labelledby=cases] tbody tr")
    assert rows.count() == 4
    assert [*too_wide(page), *unreached(page), *violations(page)] == []
    page.fill("#count", "3")
    page.locator("form.filter button").click()
    assert "khác số hồ sơ" in page.locator(".summary").inner_text()
    page.fill("#count", "4")
    page.locator("form.filter button").click()
    page.wait_for_url("**/works/*")
    assert "Đã làm 0 trên 4" in page.locator("[role=status]").last.inner_text()
    assert len(review.open_cases(engine, limit=1_000)) == open_before

    (work,) = generalising.newest(engine, now=clock.now)
    last = generalising.items(engine, work.work_id)[-1].case_id
    other = reviewing.claim(engine, last, steward=Steward(name="an"), now=clock.now)
    generalising.run(engine, work.work_id, now=clock.now)
    page.get_by_text("1 hồ sơ có người khác đang giữ").wait_for()
    reviewing.release(engine, other.lease, now=clock.now)
    generalising.run(engine, work.work_id, now=clock.now)
    page.get_by_text("Đã làm 4 trên 4").wait_for()  # the page watches by itself
    page.get_by_text("Xem lại tiến độ").click()
    assert page.locator("tbody .tag.good").count() == 4
    assert len(review.open_cases(engine, limit=1_000)) == open_before - 4
    assert [*too_wide(page), *unreached(page), *violations(page)] == []

    page.select_option("#reason_code", index=1)
    page.locator("form[action$=reverse] button").click()
    assert "Đảo lần" in page.locator("h1").inner_text()
    reversal, _ = generalising.newest(engine, now=clock.now)
    generalising.run(engine, reversal.work_id, now=clock.now)
    assert len(review.open_cases(engine, limit=1_000)) == open_before


def test_many_cases_take_a_second_person_who_checks_a_sample(seats: Seats) -> None:
    engine, clock = seats.standing.engine, seats.standing.clock
    judgement_id = decide_one(seats, alike=24)
    thao = seats.take("thao", at=f"/works/new?judgement={judgement_id}", javascript=False)
    assert "người thứ hai phải duyệt" in thao.locator(".note.warn").inner_text()
    thao.fill("#count", "24")
    thao.locator("form.filter button").click()
    assert thao.locator("form[action$=approve]").count() == 0
    path = thao.url.removeprefix(seats.standing.address)
    (work,) = generalising.newest(engine, now=clock.now)
    assert generalising.run(engine, work.work_id, now=clock.now).done == 0

    an = seats.take("an", at=path)
    assert an.locator("form[action$=approve]").count() == 0
    binh = seats.take("binh", at=path)
    binh.locator("form[action$=approve] button").click()
    assert generalising.run(engine, work.work_id, now=clock.now).done == 24

    binh.goto(path)
    checks = binh.locator("form[action$=check]")
    assert checks.count() == 24
    checks.first.locator("button[value=no]").click()
    assert "Đã kiểm tra 1, sai 1" in binh.locator("main").inner_text()
    stranger = seats.take("xa", at="/works")
    assert stranger.goto(path).status == 403  # type: ignore[union-attr]
    assert thao.goto("/works/new?judgement=999999").status == 404  # type: ignore[union-attr]
    assert thao.goto("/works/x").status == 404  # type: ignore[union-attr]
