"""Who may come in, for how long, and what a page of somebody else's can do: nothing."""

import pytest

from gateway.console import passwords
from reconciliation.store import users
from reconciliation.users import User, UserGrant, UserRole
from tests.gateway.console.conftest import PASSWORD, Seats, sign_in

pytestmark = pytest.mark.browser


def test_a_steward_signs_in_and_out(seats: Seats):
    now = seats.standing.clock.now
    user = User(user_id="moi", name="Đinh Thị Mới", language="vi", grants=(UserGrant(role=UserRole.STEWARD),))
    users.add(seats.standing.engine, user, password_hash=passwords.hash_of(PASSWORD), by="test", now=now)
    page = seats.open()
    page.goto("/queue")
    assert page.url.endswith("/sign-in?leads_to=%2Fqueue")

    sign_in(page, "moi")

    assert page.url == f"{seats.standing.address}/queue"
    assert page.locator(".user").inner_text() == "Đinh Thị Mới"
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
        "__Host-lienthong", True, True, "Lax",
    )  # fmt: skip

    page.click("text=Đăng xuất")
    page.goto("/queue")
    assert "/sign-in" in page.url
    assert seats.complaints == []
