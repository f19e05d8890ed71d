"""Who may come in, for how long, and what a page of somebody else's can do: nothing."""

import pytest

from tests.gateway.console.conftest import Seats, sign_in

pytestmark = pytest.mark.browser


def test_a_steward_signs_in_and_out(seats: Seats):
    page = seats.open()
    page.goto("/queue")
    assert page.url.endswith("/sign-in?leads_to=%2Fqueue")

    sign_in(page, "thao")

    assert page.url == f"{seats.standing.address}/queue"
    assert page.locator(".user").inner_text() == "Nguyễn Thị Thảo"
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
        "__Host-lienthong", True, True, "Lax",
    )  # fmt: skip

    page.click("text=Đăng xuất")
    page.goto("/queue")
    assert "/sign-in" in page.url
    assert seats.complaints == []
