"""Signing in at a real provider, a process of its own: code and PKCE, and a word that does not hold lets nobody in."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gateway.console import serving
from gateway.settings import Settings
from reconciliation.store import users
from reconciliation.users import User, UserGrant, UserRole
from tests.gateway.console.conftest import NOW, PROVINCE, Clock, Standing
from tests.gateway.console.provider import FAULTS, SECRET

pytestmark = pytest.mark.browser


@contextmanager
def provider(fault: str = "none") -> Iterator[str]:
    """A provider that answers, and its issuer."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    command = [sys.executable, "-m", "tests.gateway.console.provider", str(port), NOW.isoformat(), fault]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3]) as process:
        issuer, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                httpx.get(f"{issuer}/keys")
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        yield issuer
        process.terminate()


@contextmanager
def console(standing: Standing, issuer: str, folder: Path) -> Iterator[str]:
    """A console whose people sign in there; thao's account is known."""
    secret = folder / "secret"
    secret.write_text(SECRET, encoding="utf-8")
    settings = Settings(console_port=0, console_oidc_issuer=issuer, console_oidc_client_secret=secret)
    grants = (UserGrant(role=UserRole.STEWARD, province_code=PROVINCE),)
    user = User(user_id="thao.provided", name="Nguyễn Thị Thảo", language="vi", grants=grants, issuer=issuer)
    users.add(standing.engine, user, password_hash=None, issuer_subject="sub-thao", by="test", now=NOW)
    with serving.running(standing.engine, settings, clock=Clock()) as address:
        yield address


def test_people_sign_in_at_their_office_and_prove_there_once_more_who_they_are(browser, standing, tmp_path):
    with provider() as issuer, console(standing, issuer, tmp_path) as address:
        page = browser.new_context(base_url=address).new_page()
        page.goto("/reveals")
        page.click("text=Đăng nhập bằng tài khoản cơ quan")
        page.click("text=sub-thao")
        assert page.url == f"{address}/reveals"
        assert page.locator(".user").inner_text() == "Nguyễn Thị Thảo"
        page.goto("/step-up?leads_to=/reveals")
        assert page.locator("#password").count() == 0
        page.click("text=Đăng nhập lại bằng tài khoản cơ quan")
        assert page.locator("h1").inner_text() == "login"
        page.click("text=sub-thao")
        assert page.url.startswith(f"{address}/reveals")

        other = browser.new_context(base_url=address).new_page()
        other.goto("/sign-in/provider")
        other.click("text=sub-nobody")
        assert "chưa được thêm vào hệ thống" in other.locator("#errors").inner_text()
        page.context.close()
        other.context.close()


def test_an_answer_works_once_and_only_in_the_browser_that_asked(standing, tmp_path):
    with provider() as issuer, console(standing, issuer, tmp_path) as address:
        with httpx.Client(follow_redirects=False) as mine, httpx.Client() as theirs:
            begun = mine.get(f"{address}/sign-in/provider")
            given = mine.get(begun.headers["location"] + "&who=sub-thao").headers["location"]
            cookie = {"cookie": begun.headers["set-cookie"].partition(";")[0]}

            assert theirs.get(given).status_code == 422
            assert mine.get(given, headers=cookie).status_code == 303
            assert mine.get(given, headers=cookie).status_code == 422


@pytest.mark.parametrize("fault", FAULTS[1:])
def test_a_word_that_does_not_hold_lets_nobody_in(standing, tmp_path, fault):
    with provider(fault) as issuer, console(standing, issuer, tmp_path) as address:
        with httpx.Client(follow_redirects=False) as client:
            begun = client.get(f"{address}/sign-in/provider")
            given = client.get(begun.headers["location"] + "&who=sub-thao").headers["location"]
            answer = client.get(given, headers={"cookie": begun.headers["set-cookie"].partition(";")[0]})

            assert answer.status_code == 422
            assert "__Host-lienthong" not in answer.headers.get("set-cookie", "")


def test_a_provider_that_does_not_answer_leaves_the_password(standing, tmp_path):
    with console(standing, "http://127.0.0.1:1", tmp_path) as address:
        answer = httpx.get(f"{address}/sign-in/provider")

    assert answer.status_code == 422
    assert "không trả lời" in answer.text
