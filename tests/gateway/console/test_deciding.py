"""A steward's day in a real browser: take, decide by keyboard, undo, reverse, four eyes, two at one case."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from gateway.console.pages.revealing import start_of_day
from reconciliation import review, reviewing
from reconciliation.desk import Filter, Stage, Steward
from reconciliation.model import CaseKind, Decision
from reconciliation.store import reveals
from tests.gateway.console.conftest import PASSWORD, PROVINCE, Seats, Standing, sign_in
from tests.gateway.console.hands import at, choose, looks, told
from tests.gateway.console.queueing import ids

pytestmark = pytest.mark.browser


@pytest.fixture
def standing(next_day: Standing) -> Standing:
    """One queue for all tests of this module."""
    return next_day


def test_the_next_case_is_decided_by_keyboard_alone(seats: Seats, cases):
    page = seats.take("thao")

    page.keyboard.press("KeyN")
    page.wait_for_url("**/i/*")
    page.goto(f"/i/{cases[CaseKind.DOUBTFUL_MATCH]}")
    if page.locator("[data-key=KeyG]").count():
        page.keyboard.press("KeyG")
    page.locator("#decide").wait_for()
    page.wait_for_load_state()
    page.keyboard.press("Digit4")
    expect(page.locator("#choice-not_same")).to_be_checked()
    page.keyboard.press("Digit2")
    page.keyboard.press("Enter")
    page.wait_for_url("**undo=*")

    (judged,) = [one for one in told(seats, cases[CaseKind.DOUBTFUL_MATCH]) if one.judgement]
    assert (judged.by, str(judged.judgement.decision)) == ("thao", "not_same")
    assert judged.judgement.undo_until == seats.standing.clock.now + timedelta(seconds=30)
    page.keyboard.press("KeyU")
    page.wait_for_url("**done=undone*")
    assert cases[CaseKind.DOUBTFUL_MATCH] in {one.case_id for one in review.open_cases(seats.standing.engine)}
    assert seats.complaints == []


def test_two_stewards_at_one_case_one_decides_and_the_other_is_told_who_and_what(seats: Seats, cases):
    case_id = cases[CaseKind.DOUBTFUL_MATCH]
    first, second = seats.take("thao", at=f"/i/{case_id}"), seats.take("an", at=f"/i/{case_id}")
    first.click("[data-key=KeyG]")

    second.click("[data-key=KeyG]")

    expect(second.locator("#errors")).to_contain_text("thao đang giữ hồ sơ này đến")
    choose(first, "not_same", "twins")
    first.click("text=Gửi và ở lại")
    first.wait_for_url("**undo=*")
    second.goto(f"/i/{case_id}")
    expect(second.locator("text=Quyết định đang có")).to_be_visible()
    expect(second.locator("main")).to_contain_text("Không phải một người: thao")
    assert len([one for one in told(seats, case_id) if one.judgement]) == 1


def test_a_lease_that_ran_out_decides_nothing_and_what_was_filled_in_stays(seats: Seats, cases):
    case_id = cases[CaseKind.DOUBTFUL_MATCH]
    late = seats.take("thao", at=f"/i/{case_id}")
    late.click("[data-key=KeyG]")
    choose(late, "not_same", "other", words="hai chị em ruột")
    seats.standing.clock.pass_(minutes=11)

    late.click("text=Gửi và ở lại")

    expect(late.locator("#errors")).to_contain_text("Chưa thực hiện được")
    assert [one for one in told(seats, case_id) if one.judgement] == []
    late.click("[data-key=KeyG]")
    expect(late.locator("#words")).to_have_value("hai chị em ruột")
    expect(late.locator("#choice-not_same")).to_be_checked()

    seats.standing.clock.pass_(minutes=11)
    quick = seats.take("an", at=f"/i/{case_id}")
    quick.click("[data-key=KeyG]")
    choose(quick, "not_same", "twins")
    quick.click("text=Gửi và ở lại")
    late.click("text=Gửi và ở lại")
    expect(late.locator("#errors")).to_contain_text("an đã quyết định lúc")
    assert [one.by for one in told(seats, case_id) if one.judgement] == ["an"]


def test_a_death_needs_a_second_person_in_another_browser(seats: Seats, cases):
    case_id = cases[CaseKind.DEATH_THEN_UPDATE]
    proposer = seats.take("binh", at=f"/i/{case_id}")
    proposer.click("[data-key=KeyG]")
    expect(proposer.locator("text=cần người thứ hai duyệt mới có hiệu lực")).to_be_visible()
    choice = proposer.locator("input[name=choice]").first
    choice.check()
    proposer.locator(".option:has(input:checked) .reasons input").first.check()
    proposer.click("text=Gửi và ở lại")
    expect(proposer.locator("text=người đề nghị không tự duyệt được")).to_be_visible()
    assert proposer.locator("#choice-approve").count() == 0
    steward = seats.take("an", at=f"/i/{case_id}")
    assert steward.locator("#choice-approve").count() == 0

    approver = seats.take("dung", at=f"/i/{case_id}")
    approver.check("#choice-approve")
    approver.click("text=Gửi và ở lại")

    approver.wait_for_url("**done=approved*")
    assert [one.by for one in told(seats, case_id) if one.approves] == ["dung"]


def propose(seats: Seats, case_id: int, *, by: str) -> int:
    """A steward's proposal on a case that needs a second person; its judgement."""
    now = seats.standing.clock.now
    judged = review.judge(
        seats.standing.engine, case_id, decision=Decision.KEEP, reason_code="newest_right", steward=by, now=now
    )
    assert judged.needs_approval
    return judged.judgement_id


def test_a_supervisor_comes_to_what_waits_for_them_and_answers_by_keyboard_alone(seats: Seats, cases, filled):
    own, first, second, third = (filled[CaseKind.DEATH_THEN_UPDATE].pop() for _ in range(4))
    proposals = {case_id: propose(seats, case_id, by="thao") for case_id in (first, second, third)}
    propose(seats, own, by="DUNG")  # the case of letters is not another person
    page = seats.take("dung")
    listed = [one for one in waiting(seats) if one != own]
    assert set(listed) == set(proposals)

    page.keyboard.press("KeyN")
    page.wait_for_url(f"**/i/{listed[0]}*")
    page.keyboard.press("KeyN")  # left to somebody else
    page.wait_for_url(f"**/i/{listed[1]}*")
    page.wait_for_load_state()
    page.keyboard.press("Digit2")
    expect(page.locator(".turn legend")).to_have_text("Lý do")
    page.keyboard.press("Escape")
    page.keyboard.press("Digit1")
    expect(page.locator("#choice-approve")).to_be_checked()
    page.keyboard.press("Digit2")  # asks for nothing more
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/i/{listed[2]}*done=approved*")
    page.wait_for_load_state()
    page.keyboard.press("Digit2")
    page.keyboard.press("Digit2")
    page.keyboard.press("Enter")
    page.wait_for_url("**done=refused*")

    assert [one.by for one in told(seats, listed[1]) if one.approves == proposals[listed[1]]] == ["dung"]
    taken_back = told(seats, listed[2])[-1]
    assert taken_back.judgement is not None
    assert (taken_back.by, taken_back.judgement.reverses) == ("dung", proposals[listed[2]])
    assert taken_back.judgement.reason_code == "new_papers"
    assert set(waiting(seats)) == {own, listed[0]}
    assert page.locator("#decide input[name=token]").count()  # none is left: a case of their own is taken
    page.goto("/queue?stage=proposed")
    page.keyboard.press("KeyN")
    page.wait_for_url(f"**/i/{listed[0]}*")
    assert seats.complaints == []


def waiting(seats: Seats) -> list[int]:
    """The cases that wait for a second person, in the order of the queue."""
    now = seats.standing.clock.now
    found = reviewing.list_cases(seats.standing.engine, Steward(name="test"), Filter(stage=Stage.PROPOSED), now=now)
    return [one.case.case_id for one in found]


def test_a_refusal_that_comes_after_an_approval_takes_nothing_back(seats: Seats, cases):
    case_id = cases[CaseKind.DEATH_THEN_UPDATE]
    judgement_id = propose(seats, case_id, by="thao")
    late = seats.take("binh", at=f"/i/{case_id}")
    review.approve(seats.standing.engine, judgement_id, steward="dung", now=seats.standing.clock.now)

    late.check("#choice-refuse")
    late.check("#code-refuse-mistake")
    late.click("text=Gửi và ở lại")

    expect(late.locator("#errors")).to_be_visible()
    assert [one.judgement.reverses for one in told(seats, case_id) if one.judgement] == [None]
    assert late.locator("#choice-refuse").count() == 0


def test_a_supervisor_without_javascript_is_asked_for_a_reason_to_refuse(seats: Seats, cases):
    case_id = cases[CaseKind.DEATH_THEN_UPDATE]
    propose(seats, case_id, by="thao")
    page = seats.take("binh", at=f"/i/{case_id}", javascript=False)

    page.check("#choice-refuse")
    page.click("text=Gửi và ở lại")
    expect(page.locator("#errors")).to_contain_text("từ chối và một lý do")
    assert page.locator("#choice-refuse").is_checked()
    page.check("#code-refuse-mistake")
    page.click("text=Gửi và ở lại")

    page.wait_for_url("**done=refused*")
    assert case_id in ids(seats.standing.engine)[CaseKind.DEATH_THEN_UPDATE]


def test_a_decision_in_force_is_reversed_with_its_reason(seats: Seats, cases):
    case_id = cases[CaseKind.UNKNOWN_UNIT]
    page = seats.take("thao", at=f"/i/{case_id}")
    page.click("[data-key=KeyG]")
    choose(page, "accept", "residence_papers", unit="02671")
    page.click("text=Gửi và ở lại")
    page.wait_for_url("**undo=*")
    seats.standing.clock.pass_(seconds=31)
    review.put_in_force(seats.standing.engine, now=seats.standing.clock.now)

    page.reload()
    assert page.locator("form.undo").count() == 0
    page.click("text=Đảo quyết định này")
    page.select_option("#reverse-code", "new_papers")
    page.click("text=Đảo quyết định, mở lại hồ sơ")

    page.wait_for_url("**done=reversed*")
    last = told(seats, case_id)[-1].judgement
    assert (last.steward, last.reason_code, last.reverses is not None) == ("thao", "new_papers", True)
    expect(page.locator("[data-key=KeyG]")).to_be_visible()


def test_a_masked_value_is_shown_once_for_a_purpose_and_the_look_is_written_down(seats: Seats, cases):
    case_id = cases[CaseKind.DEATH_THEN_UPDATE]
    page = seats.take("thao", at=f"/i/{case_id}")
    assert "01518000" not in page.content()
    assert "0**********" in page.content()

    page.keyboard.press("KeyR")
    page.locator("details.reveal[open] button").first.click()
    page.wait_for_load_state()
    (look,) = looks(seats, case_id)

    assert (look.user_id, look.case_id, look.purpose, look.province_code) == ("thao", case_id, "compare", PROVINCE)
    page.goto(f"/i/{case_id}")
    assert "17/0" not in page.content()
    supervisor = seats.take("binh", at="/reveals")
    expect(supervisor.locator("tbody tr").first).to_contain_text("thao")
    other = seats.take("xa", at="/reveals")
    expect(other.locator("tbody")).to_contain_text("Chưa có lần xem nào")
    assert seats.complaints == []


def test_who_holds_many_is_told_and_lays_back_what_is_untouched(seats: Seats, cases, filled):
    touched, *untouched = (filled[CaseKind.UNKNOWN_UNIT].pop() for _ in range(3))
    page = seats.take("an", at=f"/i/{touched}")
    for case_id in (*untouched, touched):
        page.goto(f"/i/{case_id}")
        page.click("[data-key=KeyG]")
        page.locator("#decide").wait_for()
    page.wait_for_load_state()
    page.check("#choice-accept")
    expect(page.locator("#draft")).to_contain_text("Đã lưu nháp")
    page.goto("/queue")
    expect(page.locator("main")).to_contain_text("Bạn đang giữ 3 hồ sơ")

    page.click("text=Đặt lại những hồ sơ chưa điền gì")

    page.wait_for_url("**done=all_laid_back*")
    held = reviewing.leases(seats.standing.engine, Steward(name="an"), now=seats.standing.clock.now)
    assert [one.case_id for one in held] == [touched]
    filled[CaseKind.UNKNOWN_UNIT] += untouched


def test_what_takes_a_second_person_says_so_before_it_is_sent(seats: Seats, cases):
    case_id, engine, now = cases[CaseKind.UNKNOWN_UNIT], seats.standing.engine, seats.standing.clock.now
    said = review.judge(
        engine, case_id, decision=Decision.UNIT, value="02671", reason_code="residence_papers", steward="thao", now=now
    )
    review.reverse(engine, said.judgement_id, reason_code="mistake", steward="thao", now=now)
    notice = "Quyết định này cần người thứ hai duyệt"

    for who, is_told in (("thao", True), ("an", False)):  # the one has answered this very question before
        page = seats.take(who, at=f"/i/{case_id}")
        page.click("[data-key=KeyG]")
        page.locator("#decide").wait_for()
        assert (notice in page.locator("main").inner_text()) is is_told
        page.click("text=Đặt hồ sơ lại hàng đợi")


def test_looks_have_a_budget_for_the_day(seats: Seats, cases):
    case_id = cases[CaseKind.DEATH_THEN_UPDATE]
    for _ in range(seats.standing.settings.console_reveals_per_day):
        assert spend(seats, case_id)
    assert not spend(seats, case_id)

    page = seats.take("thao", at=f"/i/{case_id}")
    page.keyboard.press("KeyR")
    page.locator("details.reveal[open] button").first.click()

    expect(page.locator("#errors")).to_contain_text("Hôm nay đã xem đủ số lần cho phép")
    assert "17/0" not in page.content()
    seats.standing.clock.pass_(hours=24)
    assert spend(seats, case_id)


def spend(seats: Seats, case_id: int) -> bool:
    now = seats.standing.clock.now
    return reveals.spend(
        seats.standing.engine, user_id="thao", province_code=PROVINCE, case_id=case_id, record_key="x|y",
        field="birth", purpose="compare", since=start_of_day(now), now=now,
        budget=seats.standing.settings.console_reveals_per_day,
    )  # fmt: skip


def test_everything_works_without_javascript(seats: Seats, cases):
    case_id = cases[CaseKind.UNKNOWN_UNIT]
    page = seats.take("thao", at=f"/i/{case_id}", javascript=False)
    page.click("[data-key=KeyG]")
    choose(page, "accept", "residence_papers", unit="02671")
    page.click("text=Gửi và lấy hồ sơ tiếp theo")
    expect(page.locator("form.undo")).to_be_visible()
    page.click("form.undo button")

    expect(page.locator("#message")).to_contain_text("Đã hoàn tác")
    page.goto(f"/i/{cases[CaseKind.DOUBTFUL_MATCH]}/why")
    expect(page.locator("svg")).to_be_visible()
    page.goto(f"/i/{cases[CaseKind.DEATH_THEN_UPDATE]}")
    page.locator("details.reveal summary").first.click()
    page.locator("details.reveal[open] button").first.click()
    assert len(looks(seats, cases[CaseKind.DEATH_THEN_UPDATE])) == 1


def test_a_session_that_ends_in_mid_decision_keeps_what_was_filled_in(seats: Seats, cases):
    case_id = cases[CaseKind.DOUBTFUL_MATCH]
    page = seats.take("thao", at=f"/i/{case_id}", javascript=False)
    page.click("[data-key=KeyG]")
    choose(page, "not_same", "other", words="khác cha mẹ")
    seats.standing.clock.pass_(minutes=16)

    page.click("text=Gửi và ở lại")

    expect(page.locator("#message")).to_contain_text("Phiên làm việc đã hết hạn")
    sign_in(page, "thao")
    assert at(page) == case_id
    page.click("[data-key=KeyG]")
    expect(page.locator("#words")).to_have_value("khác cha mẹ")
    expect(page.locator("#code-not_same-other")).to_be_checked()
    page.click("text=Gửi và ở lại")
    assert [one.by for one in told(seats, case_id) if one.judgement] == ["thao"]


def test_what_is_typed_after_a_session_has_ended_is_kept_as_well(seats: Seats, cases):
    case_id = cases[CaseKind.DOUBTFUL_MATCH]
    page = seats.take("thao", at=f"/i/{case_id}")
    page.click("[data-key=KeyG]")
    page.locator("#decide").wait_for()
    page.wait_for_load_state()  # with the script that keeps what is filled in
    seats.standing.clock.pass_(minutes=16)

    with page.expect_response("**/draft"):
        choose(page, "not_same", "other", words="khác cha mẹ")

    page.goto(f"/i/{case_id}")
    sign_in(page, "thao")
    page.click("[data-key=KeyG]")
    expect(page.locator("#words")).to_have_value("khác cha mẹ")
    expect(page.locator("#code-not_same-other")).to_be_checked()


def test_joining_two_people_asks_once_more_who_it_is(seats: Seats, cases):
    case_id = cases[CaseKind.DOUBTFUL_MATCH]
    page = seats.take("thao", at=f"/i/{case_id}")
    seats.standing.clock.pass_(minutes=11)
    page.goto(f"/i/{case_id}")
    page.click("[data-key=KeyG]")
    choose(page, "merge", "same_papers")
    page.check("#merge-full_name-1")
    page.click("text=Gửi và ở lại")
    page.wait_for_url("**/step-up*")
    assert [one for one in told(seats, case_id) if one.judgement] == []

    page.fill("#password", "không phải mật khẩu")
    page.click("button.main")
    expect(page.locator("#errors")).to_be_visible()
    page.fill("#password", PASSWORD)
    page.click("button.main")
    page.wait_for_url(f"**/i/{case_id}*")
    expect(page.locator("#merge-full_name-1")).to_be_checked()
    page.click("text=Gửi và ở lại")

    page.wait_for_url("**of=*")
    (judged,) = [one.judgement for one in told(seats, case_id) if one.judgement]
    assert str(judged.decision) == "same"
    assert set(judged.merged_fields) == {"full_name"}


def test_a_double_click_and_an_old_tab_decide_once(seats: Seats, cases):
    case_id = cases[CaseKind.DOUBTFUL_MATCH]
    page = seats.take("thao", at=f"/i/{case_id}")
    page.click("[data-key=KeyG]")
    old = page.context.new_page()
    old.goto(f"/i/{case_id}")
    choose(page, "not_same", "twins")
    choose(old, "not_same", "twins")
    page.dblclick("text=Gửi và ở lại")
    page.wait_for_url("**undo=*")
    old.click("text=Gửi và ở lại")
    old.wait_for_load_state()

    assert len([one for one in told(seats, case_id) if one.judgement]) == 1


def test_nothing_of_another_province_is_there(seats: Seats, cases):
    page = seats.take("xa")
    expect(page.locator("tbody")).to_contain_text("Không có hồ sơ nào")
    for case_id in (cases[CaseKind.DOUBTFUL_MATCH], cases[CaseKind.DEATH_THEN_UPDATE]):
        assert page.goto(f"/i/{case_id}").status == 404
    viewer = seats.take("vien", at=f"/i/{cases[CaseKind.DEATH_THEN_UPDATE]}")
    assert viewer.locator("form[action$=claim], details.reveal").count() == 0
