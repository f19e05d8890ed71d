"""A real browser for the tests of pages: whatever a page asks for or complains of is noted."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

INSISTS = "LIENTHONG_REQUIRE_BROWSER"
_IS_INSISTED = bool(os.environ.get(INSISTS))

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="session", autouse=True)
def insisting() -> Iterator[None]:
    """The tests' own variable is read above; to the processes that they start it would be a setting that is none."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv(INSISTS, raising=False)
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium; without one these tests are skipped, unless the variable INSISTS is set."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        assert not _IS_INSISTED, f"{INSISTS} is set, no browser is there"
        pytest.skip(f"no chromium or google-chrome on PATH; install one, or set {INSISTS} to insist")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator["Tab"]:
    """A tab that notes what its page asks for and complains of."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield Tab(page)
    page.close()


class Tab:
    """One tab; `requests` and `complaints` are those since the last file was opened."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, file: Path) -> Page:
        self.requests.clear()
        self.complaints.clear()
        self.page.goto(file.as_uri())
        return self.page


def assert_is_well(tab: Tab, file: Path) -> None:
    """Nothing is asked for, nothing complained of, and nothing wider than a desk's or a telephone's screen."""
    page = tab.open(file)
    assert page.locator("html").get_attribute("lang") == "vi"
    assert page.locator("script").count() == 0
    for width in (400, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert tab.requests == [file.as_uri()]
    assert tab.complaints == []
