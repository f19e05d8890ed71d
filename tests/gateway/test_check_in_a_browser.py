"""The pages as a browser shows them: whole, silent, readable on a wide screen, on a telephone and on paper."""

from pathlib import Path

import pytest

from adapters.declaration import read_dialect
from tests.adapters.conformance import AWKWARD, DIALECTS, sample_of
from tests.browsing import Tab, assert_is_well
from tests.gateway.batches import JSONL_SOURCE, people
from tests.gateway.terminal import lienthong


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a file with findings of several kinds."""
    folder = tmp_path_factory.mktemp("report")
    file = folder / "dân cư 2025-07-15.jsonl"
    file.write_bytes(people(0, 3, ma_xa="4") + people(2, 30) + people(40, 2, ho_ten="A" * 60, gioi_tinh="Khác"))
    assert lienthong("check", file, "--source", JSONL_SOURCE, "--html", folder / "report.html").code == 1
    return folder / "report.html"


def test_the_report_is_shown_whole(tab: Tab, report: Path) -> None:
    assert_is_well(tab, report)

    page = tab.page
    assert page.title() == "Kiểm tra dân cư 2025-07-15.jsonl – ha-noi.population"
    assert page.locator("h1").inner_text() == "dân cư 2025-07-15.jsonl"
    tables = page.locator("table")
    assert tables.count() >= 4
    assert tables.locator("caption").count() == tables.count()
    assert page.locator(".scores li").count() == 7
    assert page.locator("[lang=en]").count() > 30
    assert page.get_by_text("DUPLICATE_IN_BATCH").first.is_visible()
    assert page.locator("svg:not([aria-label])").count() == 0


def test_every_section_is_named_for_those_who_listen(tab: Tab, report: Path) -> None:
    page = tab.open(report)

    unnamed = page.evaluate(
        """[...document.querySelectorAll("section")].filter(one => {
            const name = one.getAttribute("aria-labelledby");
            return !(one.getAttribute("aria-label") || (name && document.getElementById(name)?.innerText.trim()));
        }).length"""
    )
    headless = page.evaluate("[...document.querySelectorAll('thead th')].filter(one => one.scope !== 'col').length")

    assert (unnamed, headless) == (0, 0)


CONTRAST = """() => {
  const parse = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = node => {
    for (let one = node; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll("main *")) {
    const own = [...node.childNodes].some(one => one.nodeType === 3 && one.textContent.trim());
    if (!own || node.closest("svg")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${node.className}: ${ratio.toFixed(2)}`);
  }
  return low;
}"""


def test_every_text_stands_out_from_what_is_behind_it(tab: Tab, report: Path) -> None:
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1."""
    assert tab.open(report).evaluate(CONTRAST) == []


def test_the_report_can_be_printed(tab: Tab, report: Path) -> None:
    page = tab.open(report)
    page.emulate_media(media="print")

    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.pdf(format="A4").startswith(b"%PDF-")


@pytest.mark.parametrize("folder", DIALECTS, ids=lambda folder: folder.name)
def test_the_report_of_every_sample_and_awkward_file_is_shown(tab: Tab, folder: Path, tmp_path: Path) -> None:
    day = read_dialect(folder).sample.exported_on
    for file in [sample_of(folder), *(one for one in AWKWARD if one.parent.parent == folder)]:
        page = tmp_path / f"{file.name}.html"
        lienthong("check", file, "--dialect", folder, "--exported-on", day, "--html", page)

        assert_is_well(tab, page)
        assert tab.page.locator("h1").inner_text() == file.name
        assert tab.page.locator(".verdict strong").is_visible()


def test_the_page_of_conformance_is_shown(tab: Tab, tmp_path: Path) -> None:
    export, page = tmp_path / "export.jsonl", tmp_path / "conformance.html"
    export.write_bytes(people(0, 60, ma_xa="99998"))
    words = ("--source", JSONL_SOURCE, "--file", export, "--exported-on", "2025-07-15", "--html", page)

    said = lienthong("conformance", *words)

    assert said.code == 1
    assert_is_well(tab, page)
    assert tab.page.locator("tbody tr").count() == 13
    assert tab.page.get_by_text("chưa đạt").first.is_visible()
    assert tab.page.evaluate(CONTRAST) == []
