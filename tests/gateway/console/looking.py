"""What every page has to be: one that axe finds nothing on, whole in every width, and reached by keyboard alone."""

from pathlib import Path

from playwright.sync_api import Page, expect

AXE = (Path(__file__).parent / "vendored" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (1280, 640, 320)  # a desk's screen; that at 200 %; a telephone, or a desk's screen at 400 %
PARTS_TO_COME = "[hx-trigger=load] > p > a"  # stand where a page loads something by itself

# What a hand may want to get at: of the buttons of one group of choices the arrow keys reach the others.
WATCH = """() => {
  const places = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const seen = (one) => !one.disabled && one.checkVisibility({visibilityProperty: true});
  const name = (one) => one.type === "radio" ? `radio ${one.name}` : one;
  window.unreached = new Set([...document.querySelectorAll(places)].filter(seen).map(name));
  document.addEventListener("focusin", (event) => window.unreached.delete(name(event.target)));
  document.activeElement.blur();
  return window.unreached.size + 4 * document.querySelectorAll('input[type=date]').length;  // each has parts
}"""
UNREACHED = "() => [...window.unreached].map((one) => typeof one === 'string' ? one : one.outerHTML.slice(0, 120))"


def violations(page: Page) -> list[str]:
    """What axe finds on a page, each with the place of its first example."""
    page.wait_for_load_state()  # with its styles
    page.evaluate(AXE)
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(one => one.violations)", RULES
    )
    return [f"{one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}" for one in found]


def too_wide(page: Page) -> list[str]:
    """The widths at which something sticks out of the page; the widest is left set."""
    page.wait_for_load_state()  # with its styles
    found = []
    for width in reversed(WIDTHS):
        page.set_viewport_size({"width": width, "height": 800})
        by = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if by > 0:
            found.append(f"at {width}: {by} too wide")
    return found


def unreached(page: Page) -> list[str]:
    """What on a page cannot be got at with the tabulator key."""
    stops = page.evaluate(WATCH)
    for _ in range(stops + 2):  # from anywhere round past the end of the page
        page.keyboard.press("Tab")
    return page.evaluate(UNREACHED)


def problems(page: Page, path: str, language: str) -> list[str]:
    """What is wrong with the page at a path; in Vietnamese, which all pages share their frame with, axe looks too."""
    page.goto(path)
    expect(page.locator(PARTS_TO_COME)).to_have_count(0)
    found = too_wide(page)
    if page.locator("html").get_attribute("lang") != language:
        found.append("another language")
    if page.locator("h1").count() != 1:
        found.append(f"{page.locator('h1').count()} headings")
    return found if language != "vi" else [*found, *unreached(page), *violations(page)]


def all_problems(page: Page, paths: list[str]) -> dict[str, list[str]]:
    """What is wrong with pages, in both languages."""
    found = {}
    for language in ("en", "vi"):
        with page.expect_navigation():
            page.locator(f"button[lang={language}]").click()
        found |= {f"{path} {language}": problems(page, path, language) for path in paths}
    return {path: told for path, told in found.items() if told}
