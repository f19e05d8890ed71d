"""What is asked from outside, without a browser: other hosts, other sites' forms, time running out, guessing."""

from collections.abc import Iterator

import httpx
import pytest

from gateway.console.pages.signing import safe_path
from gateway.console.passwords import REFUSALS_OF_USER
from reconciliation.store import users
from reconciliation.users import UserGrant, UserRole
from tests.gateway.console.conftest import PASSWORD, Standing

OURS = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def client(standing: Standing) -> Iterator[httpx.Client]:
    """A browser of sorts, with nobody signed in."""
    with httpx.Client(base_url=standing.address, timeout=30) as client:
        yield client


def sign_in(client: httpx.Client, user_id: str, password: str = PASSWORD) -> dict[str, str]:
    """The cookie of a new session; none when it was refused."""
    answer = client.post("/sign-in", data={"name": user_id, "password": password}, headers=OURS)
    found = answer.headers.get("set-cookie", "").partition(";")[0]
    client.cookies.clear()
    return {"cookie": found} if answer.status_code == 303 else {}


def test_every_answer_has_the_headers_and_no_page_is_kept(client, standing):
    session = sign_in(client, "thao")
    for path in ("/sign-in", "/queue", "/no-such-page", "/static/console.css"):
        headers = client.get(path, headers=session).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
        if not path.startswith("/static"):
            assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OURS, 303),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "{address}"}, 403),
        ({"origin": "{address}"}, 303),
        ({"origin": "null"}, 403),
        ({"origin": "https://elsewhere.example"}, 403),
        ({}, 403),
        (OURS | {"host": "elsewhere.example"}, 421),
        (OURS | {"host": "127.0.0.1.elsewhere.example"}, 421),
    ],
)
def test_a_form_counts_only_from_a_page_of_ours(client, standing, headers, status):
    given = {name: value.format(address=standing.address) for name, value in headers.items()}

    assert client.post("/sign-out", headers=sign_in(client, "thao") | given).status_code == status


def test_a_session_ends_by_rest_and_by_age_and_by_signing_out(client, standing):
    session = sign_in(client, "thao")
    for _ in range(40):
        standing.clock.pass_(minutes=12)
        answer = client.get("/queue", headers=session)
        if answer.status_code != 200:
            break
    assert standing.clock.now.hour - 3 == 8 and answer.status_code == 303

    rested = sign_in(client, "thao")
    standing.clock.pass_(minutes=14)
    assert client.get("/queue", headers=rested).status_code == 200
    standing.clock.pass_(minutes=15)
    assert client.get("/queue", headers=rested).status_code == 303

    ended = sign_in(client, "thao")
    client.post("/sign-out", headers=ended | OURS)
    client.cookies.clear()
    assert client.get("/queue", headers=ended).status_code == 303


def test_what_a_person_may_do_ends_at_once(client, standing):
    session = sign_in(client, "thao")
    users.set_grants(standing.engine, "thao", [UserGrant(role=UserRole.OPERATOR)], by="test", now=standing.clock.now)
    assert client.get("/queue", headers=session).status_code == 403
    assert client.get("/users", headers=session).status_code == 200

    users.remove(standing.engine, "thao", by="test", now=standing.clock.now)
    assert client.get("/users", headers=session).status_code == 303
    assert sign_in(client, "thao") == {}


def test_guessing_is_stopped_and_says_nothing_of_who_is_there(client, standing):
    told = {
        client.post("/sign-in", data={"name": name, "password": "x" * 12}, headers=OURS).text.replace(name, "")
        for name in ("thao", "nobody")
    }
    assert len(told) == 1
    for _ in range(REFUSALS_OF_USER):
        assert sign_in(client, "an", "không phải mật khẩu") == {}
    assert sign_in(client, "an") == {}
    assert sign_in(client, "binh") != {}
    standing.clock.pass_(minutes=16)
    assert sign_in(client, "an") != {}


def test_nobody_changes_their_own_roles(client, standing):
    session = sign_in(client, "quan") | OURS
    form = {"role": "steward", "province": "", "kind": "", "do": "add"}

    assert client.post("/users/quan/roles", data=form, headers=session).status_code == 409
    assert client.post("/users/thao/roles", data=form, headers=session).status_code == 303
    assert client.post("/users/thao/roles", data=form | {"role": "king"}, headers=session).status_code == 404
    (event, *_) = users.events(standing.engine, limit=1)
    assert (event.kind, event.user_id, event.told["user"]) == ("roles_changed", "quan", "thao")


def test_a_form_that_is_too_long_or_no_form_is_refused_with_a_page(client, standing):
    session = sign_in(client, "thao") | OURS
    assert client.post("/queue/filters", data={"name": "x" * 300_000}, headers=session).status_code == 413
    broken = {"content-type": "multipart/form-data"}
    assert client.post("/queue/filters", content=b"--x\r\nrubbish", headers=session | broken).status_code == 400
    assert client.post("/queue", headers=session).status_code == 405


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "javascript:1"]
)
def test_what_people_type_is_shown_as_text(client, standing, name):
    session = sign_in(client, "thao") | OURS
    client.post("/queue/filters", data={"name": name, "query": "kind=doubtful_match"}, headers=session)

    page = client.get("/queue", headers=session).text

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert ">49<" not in page


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("/i/5?tones=strict", "/i/5?tones=strict"),
        ("//elsewhere.example", "/"),
        ("https://elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("/i\n/5", "/"),
        ("", "/"),
        ("/sign-in?leads_to=/sign-in", "/"),
    ],
)
def test_only_paths_of_the_console_are_led_to(path, safe):
    assert safe_path(path) == safe
