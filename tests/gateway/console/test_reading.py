"""The pages to read, in a real browser: whole in both languages, on a telephone and by keyboard, silent, and right."""

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page
from pyarrow import parquet

from reconciliation import jobs
from reconciliation.store import landing, scoreboard, users
from reconciliation.store.tables import batch, case
from tests.gateway.batches import people
from tests.gateway.console.conftest import Seats, Standing, emptied
from tests.gateway.console.looking import all_problems, too_wide, unreached, violations
from tests.reconciliation.store import landings
from tests.reconciliation.test_jobs import person, push

pytestmark = pytest.mark.browser

LAO_CAI = "15"
NAME = "Vàng A Sử"
NUMBER = "010080000025"
PAGES = (
    "/overview", "/stuck", "/stuck?province=15&state=awaiting_match", "/provinces", "/provinces/15", "/units",
    "/units?q=hoa+an", "/units/00112", "/units/02647", "/units/15", "/units/080", "/scoreboard", "/scoreboard/15",
    "/scoreboard/15/02647", "/balance", "/balance/15", "/balance/15/sources/lao-cai.population",
    "/balance/15/formers/-",
)  # fmt: skip


@pytest.fixture(scope="module")
def country(started: Standing) -> Standing:
    """Lào Cai with a case, a record in quarantine, a balance and two days of scores, a month later. Only read."""
    engine, now = started.engine, landings.NOW
    emptied(started)
    push(engine, "yen-bai.population", 1, person("A"))
    sent = {"personal_number": NUMBER, "full_name": NAME}
    push(engine, "lao-cai.population", 1, person("B", **sent))
    push(engine, "yen-bai.population", 2, person("C", **sent, birth_year=1955, unit_code="04252"))
    where = landings.source()
    held = {"row": 0, "codes": ["DATE_INVALID"], "source_record_id": "X", "raw": b"x"}
    landing.land(
        engine,
        landings.batch(3, payload=b"3"),
        landings.normalised(landings.rows(where.kind), [held]),
        source=where,
        now=now,
    )
    jobs.reconcile_records(engine, province_code=LAO_CAI, now=now)
    scoreboard.count(engine, now=now)
    started.clock.now = now + timedelta(days=30)
    scoreboard.count(engine, now=started.clock.now)
    jobs.take_balance(engine, province_code=LAO_CAI, now=started.clock.now)
    jobs.weekly_report(engine, now=now)
    jobs.weekly_report(engine, now=started.clock.now)
    return started


@pytest.fixture
def seats(browser: Browser, country: Standing) -> Iterator[Seats]:
    """Browsers in front of this country."""
    with ExitStack() as ending:
        yield Seats(browser=browser, standing=country, ending=ending)


def test_every_page_lets_everybody_in(seats: Seats, country: Standing) -> None:
    page = seats.take("quan", at="/overview", bypass_csp=True)  # so that axe can be brought in

    assert all_problems(page, list(PAGES)) == {}
    assert seats.complaints == []


def test_a_page_to_read_names_nobody(seats: Seats, country: Standing) -> None:
    page = seats.take("quan", at="/overview")
    for path in PAGES:
        answer = page.request.get(path)
        assert (answer.status, path) == (200, path)
        assert NAME not in answer.text()
        assert NUMBER not in answer.text()


def test_the_rows_of_the_table_of_ages_lead_to_the_queue_of_their_kind(seats: Seats, country: Standing) -> None:
    page, operator = seats.take("vien", at="/overview"), seats.take("quan", at="/overview")
    page.locator("summary", has_text="Bảng số của hình").click()
    link = page.locator("a[href^='/queue?kind=']").first
    name = link.inner_text()
    link.click()
    page.wait_for_url("**/queue?kind=*")

    assert page.locator("nav.among a[aria-current]").inner_text().startswith(name)
    assert set(page.locator("tbody td[data-label='Câu hỏi']").all_inner_texts()) == {name}
    assert operator.locator("a[href^='/queue?kind=']").count() == 0


def test_an_old_code_leads_to_its_successors_and_their_law(seats: Seats, country: Standing) -> None:
    page = seats.take("vien", at="/units")

    page.fill("#q", "trúc bach")
    page.keyboard.press("Enter")
    page.locator("tbody a", has_text="00004").first.click()

    assert page.url.endswith("/units/00004")
    assert page.locator(".note.warn").first.inner_text().startswith("Mã này đã đổi nghĩa")
    made_of = page.locator("[aria-labelledby=made-of] tbody tr")
    assert made_of.count() == page.locator(".picture path").count() == 10
    assert "1656/NQ-UBTVQH15, khoản 3" in made_of.first.inner_text()
    page.locator("a", has_text="00112").first.click()
    assert "không quy tắc nào được quyết định" not in page.content()
    assert page.goto("/units/99999").status == 404  # type: ignore[union-attr]


def download(page: Page, path: str) -> bytes:
    """What a link leads to, with the browser's own session."""
    answer = page.request.get(path)
    assert answer.status == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    return answer.body()


def test_exports_are_marked_safe_and_logged(seats: Seats, country: Standing) -> None:
    page = seats.take("vien", at="/units")

    table = list(csv.DictReader(io.StringIO(download(page, "/units/table").decode("utf-8-sig"))))
    stuck = parquet.read_table(pa.BufferReader(download(page, "/stuck/table?format=parquet")))
    scores = download(page, "/scoreboard/table?province=15").decode("utf-8-sig")

    assert len(table) > 10_000
    assert {row["xuat_boi_exported_by"] for row in table} == {"vien 03/10/2025 10:00 Liên Thông"}
    old = [row for row in table if row["ma_cu_from_code"] == "00112"]
    assert ("00004", "2025-07-01", "none") in {
        (row["ma_moi_to_code"], row["hieu_luc_effective_on"], row["cu_dan_residents"]) for row in old
    }
    assert stuck.num_rows == 3
    assert stuck.schema.metadata[b"lienthong.mark"].startswith(b"vien ")
    assert not any(cell.startswith(("=", "+", "@")) for line in scores.splitlines() for cell in line.split(","))
    told = [one.told for one in users.events(country.engine) if one.kind == "export"]
    assert [(one["what"], one["format"]) for one in told] == [
        ("scoreboard", "csv"), ("stuck", "parquet"), ("units", "csv"),
    ]  # fmt: skip


def test_a_file_is_tried_and_nothing_of_it_stays(seats: Seats, country: Standing, tmp_path: Path) -> None:
    file = tmp_path / "dân cư 2025-07-15.jsonl"
    file.write_bytes(people(0, 3, ma_xa="4") + people(2, 30, ho_ten="Giàng A Páo"))
    page = seats.take("xa", at="/provinces/01", bypass_csp=True)
    with country.engine.connect() as connection:
        before = connection.scalar(sa.select(sa.func.count()).select_from(batch))

    page.select_option("#source", "ha-noi.population")
    page.set_input_files("#file", file)
    page.locator("form[enctype] button").click()

    assert page.locator("h1").inner_text() == file.name
    assert page.locator(".note.warn").inner_text().startswith("! Có phát hiện")
    assert page.get_by_text("DUPLICATE_IN_BATCH").first.is_visible()
    assert "Giàng A Páo" not in page.content()
    assert [*too_wide(page), *unreached(page), *violations(page)] == []
    with country.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(batch)) == before
    assert seats.complaints == []


def test_what_is_no_file_of_the_system_is_refused_with_its_fix(seats: Seats, country: Standing, tmp_path: Path) -> None:
    page = seats.take("xa", at="/provinces/01", javascript=False)
    page.select_option("#source", "ha-noi.population")
    for name, content, said in (
        ("ghi chú.txt", b"khong co ngay", "Cho ngày xuất"),
        ("2025-07-15.jsonl", b"\xff\xfe\x00<script>alert(1)</script>", "Không nhận được tệp"),
    ):
        (tmp_path / name).write_bytes(content)
        page.select_option("#source", "ha-noi.population")
        page.set_input_files("#file", tmp_path / name)
        page.locator("form[enctype] button").click()
        assert said in page.locator("main").inner_text()
        assert "<script>alert" not in page.content()
        page.goto("/provinces/01")


def test_search_finds_by_id_and_puts_nothing_into_the_address(seats: Seats, country: Standing) -> None:
    engine = country.engine
    with engine.connect() as connection:
        case_id = connection.scalar(sa.select(case.c.case_id).limit(1))
        receipt_id = connection.scalar(sa.select(batch.c.receipt_id).where(batch.c.quarantined == 1))
    page = seats.take("thao", at="/search", bypass_csp=True)
    assert [*too_wide(page), *unreached(page), *violations(page)] == []

    def search(asked: object, *, source: str = "", row: str = "") -> str:
        page.fill("#asked", str(asked))
        page.select_option("#source", source)
        page.fill("#row", row)
        page.locator("main button.main").click()
        assert page.url == f"{country.address}/search"
        return page.locator("main").inner_text()

    assert "Hai đơn vị cùng nhận" in search(case_id) or page.locator(f"a[href='/i/{case_id}']").count() == 1
    assert "DATE_INVALID" in search(str(receipt_id).upper())
    found = search("C", source="yen-bai.population")
    assert "Các bước đã qua" in found
    assert [*too_wide(page), *unreached(page), *violations(page)] == []
    assert page.locator(f"a[href='/i/{case_id}']").count() == 1
    assert NAME not in page.content()
    assert "chọn nguồn" in search("C")
    assert "Không tìm thấy" in search("99999")

    other = seats.take("xa", at="/search")
    other.fill("#asked", str(case_id))
    other.locator("main button.main").click()
    assert "Không tìm thấy" in other.locator("main").inner_text()


def test_nobody_reads_of_a_province_that_is_not_theirs(seats: Seats, country: Standing) -> None:
    page = seats.take("xa", at="/stuck")

    assert page.locator(".note.good").inner_text() == "Không có cập nhật nào quá hạn."
    for path in ("/provinces/15", "/scoreboard/15", "/balance/15", "/stuck?province=15", "/scoreboard/15/02647",
                 "/balance/15/table", "/stuck/table?province=15"):  # fmt: skip
        answer = page.request.get(path)
        assert (answer.status, path) == (404, path)
    assert page.request.get("/audit").status == 403
    assert "Lào Cai" not in page.goto("/balance").text()  # type: ignore[union-attr]


def test_the_audit_log_tells_who_did_what_to_whom_it_concerns(seats: Seats, country: Standing) -> None:
    operator = seats.take("quan", at="/audit")
    operator.select_option("#act", "user")
    operator.fill("#who", "quan")
    operator.locator("main button.main").click()

    rows = operator.locator("tbody tr")
    assert rows.count() >= 1
    assert {row.split("\t")[2] for row in rows.all_inner_texts()} == {"quan"}
    assert "đăng nhập" in {row.split("\t")[3] for row in rows.all_inner_texts()}
    assert operator.request.get("/audit?act=nothing").status == 404

    supervisor = seats.take("binh", at="/audit")
    assert "quan" not in supervisor.locator("main").inner_text()


def test_a_picture_is_scrolled_and_its_table_opened_by_keyboard(seats: Seats, country: Standing) -> None:
    page = seats.take("vien", at="/overview")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.querySelector('svg') !== null")

    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/provinces/*")
