"""The weekly report as people get it: a page in a browser, and paper that is rendered and read."""

import json
from datetime import timedelta
from pathlib import Path

import pypdfium2 as pdfium
import pytest
import sqlalchemy as sa

from gateway.reports import weekly as paper
from gateway.reports.headlines import headlines
from gateway.reports.page import count
from reconciliation import jobs
from reconciliation import weekly as weeks
from reconciliation.store import feed
from reconciliation.store import weekly as store
from tests.browsing import Tab, assert_is_well
from tests.gateway.terminal import lienthong
from tests.reconciliation.store.landings import NOW
from tests.reconciliation.test_jobs import person, push

WEEK = weeks.week_of(NOW)
NAMES = ("Lò Thị Mẩy", "Vàng A Sử")


@pytest.fixture
def figures(engine: sa.Engine) -> weeks.Figures:
    """Lào Cai has an undecided question, all of it thirty days late."""
    push(engine, "yen-bai.population", 1, person("A"))
    sent = {"personal_number": "010080000025", "full_name": NAMES[1]}
    push(engine, "lao-cai.population", 1, person("B", **sent, unit_code="02647"))
    push(engine, "yen-bai.population", 2, person("C", **sent, unit_code="04252"))
    jobs.reconcile_records(engine, province_code="15", now=NOW)
    feed.sequence(engine)
    jobs.weekly_report(engine, now=NOW + timedelta(days=30), week=WEEK)
    kept = store.kept(engine, WEEK)
    assert kept is not None
    return kept


def pages_of(written: bytes) -> list[str]:
    """The text of each page; a page on which nothing was drawn is a fault."""
    document = pdfium.PdfDocument(written)
    texts = []
    for page in document:
        drawn = page.render(scale=1).to_numpy()
        assert drawn.min() < 160, "a page is blank"
        textpage = page.get_textpage()
        texts.append(textpage.get_text_range())
        textpage.close()
        page.close()
    document.close()
    return texts


def test_the_page_is_shown_whole(tab: Tab, figures: weeks.Figures, tmp_path: Path) -> None:
    file = tmp_path / "weekly.html"
    file.write_text(paper.page(figures), encoding="utf-8")

    assert_is_well(tab, file)

    page = tab.page
    assert page.locator("h1").inner_text() == "Tuần 2025-W36: 01/09/2025 – 07/09/2025"
    assert page.locator("#provinces ~ div tbody tr").count() == 34
    assert page.locator("#oldest ~ table tbody tr").count() == 3
    assert page.get_by_text("Hai đơn vị cùng nhận một người là cư dân.").first.is_visible()
    assert page.locator("svg:not([aria-labelledby])").count() == 0
    headlines = page.locator("#headlines ~ ul li").all_inner_texts()
    assert "quá hạn ở 1 tỉnh, thành phố, nhiều nhất: Tỉnh Lào Cai (3)" in headlines[2]
    assert "Tỉnh Lào Cai" in headlines[3]
    assert (page.locator("#stuck-chart-desc").text_content() or "").count("; ") == 33
    html = page.content()
    assert not any(name in html for name in NAMES)


def test_the_paper_is_set_and_says_what_the_page_says(figures: weeks.Figures) -> None:
    text = "\n".join(pages_of(paper.pdf(figures)))

    for said in (
        "Tóm tắt",
        "Tuần 2025-W36: 01/09/2025 – 07/09/2025",
        "Chưa đạt, vì sao, ai chịu trách nhiệm",
        "Mười việc quá hạn lâu nhất",
        "Tỉnh Lào Cai",
        "Thành phố Hồ Chí Minh",
    ):
        assert said in text
    assert text.count("quá 2") >= 3
    assert not any(name in text for name in NAMES)


def test_the_same_figures_give_the_same_paper(figures: weeks.Figures) -> None:
    assert pages_of(paper.pdf(figures)) == pages_of(paper.pdf(json.loads(json.dumps(figures))))


def test_a_week_in_which_nothing_came_is_a_report_too(engine: sa.Engine) -> None:
    jobs.weekly_report(engine, now=NOW, week=WEEK)
    empty = store.kept(engine, WEEK)
    assert empty is not None

    assert "Không có cập nhật nào quá hạn" in paper.page(empty)
    assert "Chưa có số liệu của tuần trước" in paper.page(empty)
    assert 'id="trend-chart-title"' in paper.page(empty | {"trend": empty["trend"] * 2})
    assert "Không có cập nhật nào quá hạn" in "\n".join(pages_of(paper.pdf(empty)))


def test_a_balance_that_does_not_close_is_said_first(engine: sa.Engine) -> None:
    jobs.weekly_report(engine, now=NOW, week=WEEK)
    figures = store.kept(engine, WEEK)
    assert figures is not None
    open_one = next(one for one in figures["provinces"] if one["code"] == "15")
    whole = headlines(figures)
    next(one for one in open_one["indicators"] if one["indicator"] == "conserved")["met"] = False

    told = headlines(figures)

    assert whole[-1][0].startswith("Không mất bản ghi nào")
    assert told[-1] == ("Số liệu chưa khớp ở: Tỉnh Lào Cai.", "The balance does not close in: Tỉnh Lào Cai.")


def test_english_lines_have_english_numbers_and_as_many_words_as_things(figures: weeks.Figures) -> None:
    lao_cai = next(one for one in figures["provinces"] if one["code"] == "15")
    few = [en for _, en in headlines(figures)]
    totals = figures["totals"] | {"received": 1, "reconciled": 12_345, "cases_open": 1_234, "stuck": 1}
    many = figures | {"totals": totals, "provinces": [lao_cai | {"stuck": 1_234}], "oldest": [
        figures["oldest"][0] | {"days_late": 1}
    ]}  # fmt: skip

    told = headlines(many)

    assert few[2].startswith("3 updates are past their deadline in 1 province, most in: ")
    assert "đối soát 12.345," in told[0][0]
    assert told[0][1] == "Received 1 record, reconciled 12,345, applied by registries 0; 1,234 cases are open."
    assert told[2] == (
        "1 cập nhật quá hạn ở 1 tỉnh, thành phố, nhiều nhất: Tỉnh Lào Cai (1.234).",
        "1 update is past its deadline in 1 province, most in: Tỉnh Lào Cai (1,234).",
    )
    assert told[3][1].startswith("The oldest is 1 day late, in ")
    assert "1 day late" in paper.page(many)
    causes = {one["indicator"]: one["cause_en"] for one in lao_cai["indicators"]}
    assert causes["in_time"] == "3 updates are past their deadline"
    assert "system" in causes["heard"]


def test_numbers_are_written_as_in_vietnam() -> None:
    assert [paper.percent(share) for share in (1.0, 0.9925, 0.5, 0.0)] == ["100 %", "99,25 %", "50 %", "0 %"]
    assert count(1_234_567) == "1.234.567"


def test_the_terminal_writes_both_and_says_what_it_cannot(
    engine: sa.Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database_url)
    html, pdf = tmp_path / "report.html", tmp_path / "report.pdf"

    done = lienthong("report", "weekly", "--week", WEEK, "--html", html, "--pdf", pdf, "--json")

    assert done.code == 0
    assert json.loads(done.out)["schema"] == weeks.SCHEMA
    assert html.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert lienthong("report", "weekly", "--week", "2026-W99").code == 1
    assert lienthong("report", "weekly", "--week", "2025-W01", "--kept").code == 1
