"""The keys of a case in a real browser: what digits, Enter, Escape and R do where, and what a draft makes of them."""

import pytest
from playwright.sync_api import Page, Route, expect

from reconciliation.model import CaseKind
from tests.gateway.console.conftest import Seats, Standing
from tests.gateway.console.hands import looks, told

pytestmark = pytest.mark.browser


@pytest.fixture
def standing(next_day: Standing) -> Standing:
    """One queue for all tests of this module."""
    return next_day


def held(seats: Seats, case_id: int) -> Page:
    """A case on the desk of thao, who took it."""
    page = seats.take("thao", at=f"/i/{case_id}")
    page.keyboard.press("KeyG")
    page.locator("#decide").wait_for()
    page.wait_for_load_state()
    return page


def test_digits_answer_one_question_after_the_other_and_escape_goes_a_step_back(seats: Seats, cases):
    page = held(seats, cases[CaseKind.DOUBTFUL_MATCH])
    turn = page.locator(".turn legend")

    page.keyboard.press("Digit7")  # withdraw one of the records
    expect(turn).to_have_text("Rút bản ghi nào?")
    page.keyboard.press("Digit2")
    expect(turn).to_have_text("Lý do")
    page.keyboard.press("Digit3")
    page.keyboard.press("Digit5")
    assert page.locator(".reasons input:checked").get_attribute("value") == "outdated"
    page.keyboard.press("Escape")
    assert page.locator(".reasons input:checked").count() == 0
    page.keyboard.press("Escape")
    expect(turn).to_have_text("Rút bản ghi nào?")
    page.keyboard.press("Escape")
    assert page.locator("#decide input:checked").count() == 0
    page.keyboard.press("Digit4")
    expect(page.locator("#choice-not_same")).to_be_checked()


def test_masked_values_open_one_after_the_other_and_a_digit_says_what_for(seats: Seats, cases):
    case_id = cases[CaseKind.UNKNOWN_UNIT]
    page = seats.take("thao", at=f"/i/{case_id}")
    page.wait_for_load_state()
    opened = page.locator("details.reveal[open]")

    page.keyboard.press("KeyR")
    first = opened.locator("summary").get_attribute("aria-label")
    page.keyboard.press("KeyR")
    expect(opened).to_have_count(1)
    assert opened.locator("summary").get_attribute("aria-label") != first
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
    page.keyboard.press("KeyR")
    page.keyboard.press("Digit2")

    expect(page.locator("#beside")).to_be_visible()
    page.wait_for_url("**/reveal*")
    assert [one.purpose for one in looks(seats, case_id)] == ["ask_province"]
    assert seats.complaints == []


def test_another_reason_is_typed_where_the_digit_leads_and_sent_by_enter(seats: Seats, cases):
    case_id = cases[CaseKind.UNKNOWN_UNIT]
    page = held(seats, case_id)
    turn = page.locator("#turn")
    expect(turn).to_have_text("Phím số tiếp theo chọn: quyết định")

    page.keyboard.press("Digit1")
    page.keyboard.press("Enter")  # with nothing else said
    expect(page.locator("#errors")).to_contain_text("Chọn hoặc gõ mã đơn vị. Chọn một lý do.")
    expect(turn).to_have_text("Phím số tiếp theo chọn: Lý do")
    page.fill("#unit", "02671")
    expect(page.locator("#errors")).to_have_count(0)
    page.locator("#unit").press(digit_of_other(page))
    expect(page.locator("#words")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#errors")).to_contain_text("Ghi rõ lý do khác.")
    page.wait_for_load_state()  # until its script is there, Enter begins a line
    page.locator("#words").press_sequentially("trưởng thôn tra sổ")
    page.keyboard.press("Enter")

    page.wait_for_url("**undo=*")
    (judged,) = [one.judgement for one in told(seats, case_id) if one.judgement]
    assert (judged.value, judged.reason_code, judged.reason) == ("02671", "other", "trưởng thôn tra sổ")


def test_who_already_writes_when_the_script_arrives_goes_on_writing(seats: Seats, cases):
    case_id = cases[CaseKind.UNKNOWN_UNIT]
    page = held(seats, case_id)
    late: list[Route] = []
    page.route("**/console.js", lambda route: late.append(route))  # noqa: PLW0108  (it marks what it is given)
    page.locator("#decide button.main").click(no_wait_after=True)
    expect(page.locator("#errors")).to_be_visible()
    page.locator("#words").press_sequentially("trưởng")

    while not late:
        page.wait_for_timeout(10)
    late.pop().continue_()
    page.wait_for_load_state()

    expect(page.locator("#words")).to_be_focused()
    page.keyboard.type(" thôn")
    expect(page.locator("#words")).to_have_value("trưởng thôn")


def digit_of_other(page: Page) -> str:
    """The digit of the reason that is said in words."""
    return f"Digit{page.locator('#code-accept-other').get_attribute('data-digit')}"


def test_shift_and_enter_send_and_stay_with_the_case(seats: Seats, cases):
    case_id = cases[CaseKind.DOUBTFUL_MATCH]
    page = held(seats, case_id)

    page.keyboard.press("Digit4")
    page.keyboard.press("Digit2")
    page.keyboard.press("Shift+Enter")

    page.wait_for_url(f"**/i/{case_id}?undo=*")
    expect(page.locator("#message")).to_contain_text("Đây vẫn là hồ sơ đó")
    page.keyboard.press("KeyU")
    page.wait_for_url("**done=undone*")


def test_shift_and_enter_stay_with_the_case_from_the_words_as_well_and_escape_leaves_them(seats: Seats, cases):
    case_id = cases[CaseKind.UNKNOWN_UNIT]
    page = held(seats, case_id)
    turn = page.locator("#turn")

    page.keyboard.press("Digit1")
    expect(page.locator("#unit")).to_be_focused()
    page.keyboard.type("r")  # a name may be looked for there
    page.keyboard.press("Escape")
    expect(page.locator("#unit")).not_to_be_focused()
    page.keyboard.press("KeyR")
    expect(page.locator("details.reveal[open] summary")).to_have_attribute("aria-keyshortcuts", "R")
    page.keyboard.press("Escape")
    page.fill("#unit", "")
    page.locator("#unit").press("Escape")
    page.keyboard.press(digit_of_other(page))
    expect(turn).to_have_text("Còn thiếu: Mã đơn vị hiện nay, 5 chữ số")
    page.fill("#unit", "02671")
    expect(turn).to_have_text("Còn thiếu: Ghi rõ, chỉ khi chọn lý do khác")
    page.fill("#words", "trưởng thôn tra sổ")
    expect(turn).to_have_text("Enter gửi: Bản ghi thuộc xã… · 02671 · Lý do khác (ghi rõ)")
    page.locator("#words").press("Shift+Enter")

    page.wait_for_url(f"**/i/{case_id}?undo=*")
    (judged,) = [one.judgement for one in told(seats, case_id) if one.judgement]
    assert (judged.value, judged.reason) == ("02671", "trưởng thôn tra sổ")


def test_who_comes_back_to_a_draft_begins_with_the_decision_or_sends_it_as_it_is(seats: Seats, cases):
    case_id = cases[CaseKind.DOUBTFUL_MATCH]
    page = held(seats, case_id)
    page.keyboard.press("Digit7")
    page.keyboard.press("Digit2")
    expect(page.locator("#draft")).to_contain_text("Đã lưu nháp")

    page.goto(f"/i/{case_id}")
    expect(page.locator("#turn")).to_contain_text("Nháp lần trước đã được điền lại")
    expect(page.locator("#choice-withdraw")).to_be_checked()
    page.keyboard.press("Digit7")
    assert page.locator("[name=record]:checked").count() == 0
    page.keyboard.press("Digit1")
    page.keyboard.press("Digit3")
    expect(page.locator("#draft")).to_contain_text("Đã lưu nháp")
    record = page.locator("[name=record]:checked").get_attribute("value")
    reason = page.locator("[name='code.withdraw']:checked").get_attribute("value")
    page.goto(f"/i/{case_id}")
    look(page)
    expect(page.locator("#turn")).to_contain_text("Nháp lần trước đã được điền lại. Enter gửi")
    page.keyboard.press("Enter")

    page.wait_for_url("**undo=*")
    (judged,) = [one.judgement for one in told(seats, case_id) if one.judgement]
    assert (judged.value, judged.reason_code) == (record, reason)


def test_a_look_in_mid_decision_keeps_it_and_two_values_are_seen_beside_each_other(seats: Seats, cases):
    case_id = cases[CaseKind.DEATH_THEN_UPDATE]
    page = held(seats, case_id)
    page.keyboard.press("Digit7")
    first = look(page)  # before what is chosen was kept

    expect(page.locator("#choice-withdraw")).to_be_checked()
    expect(page.locator("#turn")).to_have_text("Phím số tiếp theo chọn: Rút bản ghi nào?")
    assert page.locator(f'summary[aria-label="{first}"]').count() == 0
    second = look(page)
    assert page.locator(f'summary[aria-label="{first}"], summary[aria-label="{second}"]').count() == 0
    assert len(looks(seats, case_id)) == 2

    page.goto(f"/i/{case_id}")
    assert page.locator(f'summary[aria-label="{first}"], summary[aria-label="{second}"]').count() == 2
    assert seats.complaints == []


def look(page: Page) -> str:
    """Look at the masked value that R is written at; what it is called."""
    marked = page.locator("details[data-first] summary").get_attribute("aria-label") or ""
    page.keyboard.press("KeyR")
    assert page.locator("details.reveal[open] summary").get_attribute("aria-label") == marked
    with page.expect_navigation():
        page.keyboard.press("Digit1")
    page.wait_for_load_state()
    return marked


def test_a_unit_is_found_by_the_name_it_had_as_well(seats: Seats, cases):
    page = held(seats, cases[CaseKind.UNKNOWN_UNIT])

    found = page.locator("#own-units option[value='02989']")

    assert found.first.inner_text() == "Xã Bảo Hà"
    assert "Xã Kim Sơn, Huyện Bảo Yên: tên cũ, mọi người dân" in found.all_inner_texts()
