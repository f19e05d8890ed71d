"""`lienthong check`: what an engineer of a province is told of a file, and what nobody is ever told."""

import csv
import io
import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from adapters.declaration import read_dialect
from adapters.findings import CATALOGUE
from gateway.reports.plain import plain
from gateway.reports.sheet import safe
from tests.adapters.conformance import AWKWARD, DIALECTS, sample_of
from tests.gateway.batches import JSONL_SOURCE, json_lines, people, person
from tests.gateway.terminal import Said, lienthong

FILES = [(folder, sample_of(folder)) for folder in DIALECTS] + [(file.parent.parent, file) for file in AWKWARD]
ON = ("--exported-on", "2025-07-15")
SOURCE = ("--source", JSONL_SOURCE)


def check(file: Path, *words: object) -> Said:
    return lienthong("check", file, *words)


def figures(file: Path, *words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(check(file, *words, "--json", "-").out)
    return found


def export(tmp_path: Path, payload: bytes, name: str = "export.jsonl") -> Path:
    file = tmp_path / name
    file.write_bytes(payload)
    return file


@pytest.mark.parametrize(("folder", "file"), FILES, ids=[f"{folder.name}-{file.name}" for folder, file in FILES])
def test_every_sample_and_awkward_file_gets_its_report(folder: Path, file: Path, tmp_path: Path) -> None:
    page, table, numbers = (tmp_path / name for name in ("report.html", "report.csv", "report.json"))
    outputs = ("--html", page, "--csv", table, "--json", numbers)

    said = check(file, "--dialect", folder, "--exported-on", read_dialect(folder).sample.exported_on, *outputs)
    told = json.loads(numbers.read_text())

    assert said.code == told["exit_code"]
    assert said.err == ""
    assert told["file"] == file.name
    assert html.document_fromstring(page.read_text()).findtext(".//title")
    lines = list(csv.DictReader(io.StringIO(table.read_text().removeprefix("\ufeff"))))
    if told["refusal"]:
        assert said.code == 2
        assert told["refusal"]["reason"] in said.out
        assert [line["ma_code"] for line in lines] == [told["refusal"]["reason"]]
    else:
        assert said.code == int(
            any(one["severity"] != "info" for one in told["findings"]) or told["vintage"]["is_alarming"]
        )
        assert told["rows"]["received"] == told["rows"]["usable"] + told["rows"]["quarantined"]
        assert [line["ma_code"] for line in lines] == [one["code"] for one in told["findings"]]
        assert all(code in said.out for code in {one["code"] for one in told["findings"]})
        assert len(told["scores"]) == 7


def test_a_file_without_findings_ends_with_0_one_with_findings_with_1(tmp_path: Path) -> None:
    clean = check(export(tmp_path, people(0, 3)), *SOURCE, *ON)
    faulty = check(export(tmp_path, people(0, 3, ma_xa="4")), *SOURCE, *ON)

    assert (clean.code, faulty.code) == (0, 1)
    assert "Không có phát hiện" in clean.out
    assert "LEADING_ZERO_MISSING" in faulty.out


def test_the_figures_count_what_is_there(tmp_path: Path) -> None:
    records = [person(number) for number in range(6)]
    records[0] |= {"gioi_tinh": "Khác"}
    records[1] |= {"ngay_sinh": "1985"}
    records[2] |= {"ngay_sinh": "2031-01-01"}
    records[3] |= {"ngay_sinh": "1985-02-31"}
    records[4] |= {"id": None}
    records[5] |= {"ho_ten": "Nguye\u0302\u0303n Va\u0306n An"}

    told = figures(export(tmp_path, json_lines(records)), *SOURCE, *ON)
    columns = {one["name"]: one for one in told["columns"]}

    assert told["rows"] == {"received": 6, "usable": 5, "quarantined": 1, "repeated_keys": 0}
    assert columns["gioi_tinh"]["out_of_list"] == 1
    assert columns["ngay_sinh"]["dates"] == {
        "whole": 2, "year_and_month": 0, "year": 1, "impossible": 1, "in_future": 1, "out_of_range": 0
    }  # fmt: skip
    assert columns["id"]["null_share"] == round(1 / 6, 4)
    assert columns["ho_ten"]["is_mixed_unicode"]
    assert columns["ho_ten"]["signs"]["decomposed"] == {"rows": 1, "first_rows": [5]}
    assert columns["so_cccd"]["forms"] == {"12 digits": 6}
    assert (columns["ton_giao"]["null_share"], columns["ton_giao"]["to"]) == (1.0, [])
    assert columns["ngay_sinh"]["worst"] == [
        {"row": 2, "shape": "9999-99-99", "code": "DATE_IN_FUTURE", "detail": None},
        {"row": 3, "shape": "9999-99-99", "code": "DATE_INVALID", "detail": None},
    ]
    assert {one["word"]: one["value"] for one in told["scores"]}["sach"] == 5 * 100 // 6


KEYS = {
    "": "schema file source exported_on exported_on_from as_of exit_code refusal rows scores findings columns vintage "
    "units",
    "source": "source_id kind province_code former_province_code former_province_name dialect dialect_title office",
    "rows": "received usable quarantined repeated_keys",
    "scores": "word vi en value formula_vi formula_en limit_vi limit_en",
    "findings": "code severity column rows first_rows vi en fix_vi fix_en",
    "columns": "name is_present to is_optional rows empty null_share distinct distinct_is_exact forms signs "
    "is_mixed_unicode out_of_list dates unit_codes findings worst",
    "vintage": "declared judged verdict is_alarming only_old only_new both neither",
    "units": "by_themselves ambiguous unknown office steps",
}


def test_the_json_keeps_its_shape(tmp_path: Path) -> None:
    """Others build on it: a key may be added, with a new version of `schema` if one goes."""
    told = figures(export(tmp_path, people(0, 2, ma_xa="4")), *SOURCE, *ON)
    refused = figures(export(tmp_path, b"", "empty.jsonl"), *SOURCE, *ON)

    assert told["schema"] == "lienthong.check/1"
    for place, keys in KEYS.items():
        part = told[place] if place else told
        assert list(part[0] if isinstance(part, list) else part) == keys.split(), place
    assert set(refused) == set(told)
    assert list(refused["refusal"]) == ["reason", "place", "detail", "vi", "en", "fix_vi", "fix_en"]
    unit = next(one for one in told["columns"] if one["to"] == ["unit_code"])
    assert unit["unit_codes"] == told["vintage"]


def test_units_are_previewed_with_the_office_that_will_be_asked(tmp_path: Path) -> None:
    whole, unknown = people(0, 3), people(3, 2, ma_xa="99998")

    told = figures(export(tmp_path, whole + unknown), *SOURCE, *ON)

    units = told["units"]
    assert (units["by_themselves"], units["ambiguous"], units["unknown"]) == (3, 0, 2)
    assert units["office"]["office_id"] == "ha-noi.residence"
    assert sum(step["rows"] for step in units["steps"]) == 5
    assert told["vintage"]["neither"] == 2


def test_codes_of_the_other_list_are_an_alarm(tmp_path: Path) -> None:
    """Old Hà Nội communes that closed, in an export that is declared to be recoded."""
    closed = [
        "00007",
        "00010",
        "00013",
        "00016",
        "00019",
        "00022",
        "00028",
        "00031",
        "00034",
        "00037",
        "00040",
        "00043",
    ]
    records = [person(number, ma_xa=closed[number % len(closed)]) for number in range(48)]

    told = figures(export(tmp_path, json_lines(records)), *SOURCE, *ON)

    assert told["vintage"]["declared"] == "2025-07-01"
    assert told["vintage"]["is_alarming"]
    assert told["vintage"]["only_old"] > 40
    assert told["exit_code"] == 1
    assert {one["word"]: one["value"] for one in told["scores"]}["thong_nhat"] < 20


def test_a_file_of_many_batches_is_taken_in_chunks(tmp_path: Path) -> None:
    """Beyond what one batch may hold; a key that comes again in another chunk is seen all the same."""
    file = export(tmp_path, people(0, 10_500) + people(10_400, 200))

    told = figures(file, *SOURCE, *ON)

    assert told["rows"]["received"] == 10_700
    assert told["rows"]["usable"] + told["rows"]["quarantined"] == 10_700
    assert told["rows"]["repeated_keys"] == 100
    columns = {one["name"]: one for one in told["columns"]}
    assert (columns["id"]["distinct"], columns["id"]["distinct_is_exact"]) == (10_600, True)


@pytest.mark.parametrize(
    ("name", "words", "day", "told_from"),
    [
        ("export.jsonl", ("--exported-on", "2025-07-02"), "2025-07-02", "option"),
        ("ha-noi-2025-07-03.jsonl", (), "2025-07-03", "file name"),
        ("ha-noi-20250704-0001.jsonl", (), "2025-07-04", "file name"),
        ("ha-noi-20251304.jsonl", (), "2025-07-06", "time of the file"),
        ("export.jsonl", (), "2025-07-06", "time of the file"),
    ],
)
def test_the_day_of_export_is_said_with_where_it_was_taken_from(
    tmp_path: Path, name: str, words: tuple[str, ...], day: str, told_from: str
) -> None:
    file = export(tmp_path, people(0, 1), name)
    moment = datetime(2025, 7, 5, 18, 30, tzinfo=UTC).timestamp()  # past midnight in Vietnam
    os.utime(file, (moment, moment))

    told = figures(file, *SOURCE, *words)

    assert (told["exported_on"], told["exported_on_from"]) == (day, told_from)


@pytest.mark.parametrize(
    "name", ["lao-cai.population", "laocai/population", "Lào Cai/dân cư", "lao cai/person", "10/dan-cu"]
)
def test_a_source_is_known_by_several_names(tmp_path: Path, name: str) -> None:
    sample = sample_of(next(folder for folder in DIALECTS if folder.name == "population-csv-tcvn3"))

    assert figures(sample, "--source", name, *ON)["source"]["source_id"] == "lao-cai.population"


@pytest.mark.parametrize("name", ["yenbay/population", "yen-bai.populaton", "\x1b[31mx\n", "", "💣" * 100])
def test_an_unknown_source_is_answered_with_the_nearest(tmp_path: Path, name: str) -> None:
    said = check(export(tmp_path, people(0, 1)), "--source", name)

    assert said.code == 2
    if "yen" in name:
        assert "Gần nhất: yen-bai.population" in said.err
    assert "\x1b[31mx" not in said.err


AWKWARD_NAMES = ["two words.jsonl", "CON", "a\nb.jsonl", "\x1b[31mred.jsonl", "<script>alert(1)</script>.jsonl",
                 "=1+1.jsonl", "\u202egpj.jsonl", "[bold]x[/bold].jsonl", "{{ 7*7 }}.jsonl",
                 "n" * 240 + ".jsonl"]  # fmt: skip


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_an_awkward_file_name_is_shown_harmlessly(tmp_path: Path, name: str) -> None:
    if "/" in name:
        name = name.replace("/", "\u2215")
    page = tmp_path / "report"
    file = export(tmp_path, people(0, 1), name)

    said = check(file, *SOURCE, *ON, "--html", page)
    told = figures(file, *SOURCE, *ON)

    assert told["file"] == plain(name)
    assert plain(name) in said.out
    assert "\x1b[31m" not in said.out
    parsed = html.document_fromstring(page.read_text())
    assert parsed.findall(".//script") == []
    assert parsed.findtext(".//h1") == plain(name)


def test_a_name_that_no_file_can_have_is_an_answer_and_no_traceback(tmp_path: Path) -> None:
    for name in ("n" * 300, "none\n\x1b[2J"):
        said = check(tmp_path / name, *SOURCE, *ON)

        assert said.code == 2
        assert "không mở được" in said.err
        assert "\x1b" not in said.err
    assert check(tmp_path, *SOURCE, *ON).code == 2  # a folder


@pytest.mark.parametrize(
    "column", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "[red]x[/red]"]
)
def test_markup_in_a_column_name_is_text(tmp_path: Path, column: str) -> None:
    """It stands in the report as it was written, in a dialect that ignores it."""
    folder = tmp_path / "small"
    folder.mkdir()
    name = json.dumps(column)
    (folder / "dialect.toml").write_text(
        f"""
        name = "small"
        title = {name}
        kind = "person"
        ignored = [{name}]
        [file]
        format = "jsonl"
        [sample]
        exported_on = 2025-07-15
        [[column]]
        from = "id"
        to = "source_record_id"
        steps = ["spaces"]
        """
    )
    page = tmp_path / "report.html"

    said = check(export(tmp_path, b'{"id": "1", %s: "x"}\n' % name.encode()), "--dialect", folder, *ON, "--html", page)

    assert column in said.out
    parsed = html.document_fromstring(page.read_text())
    assert parsed.findall(".//script") == parsed.findall(".//img") == []
    assert column in parsed.text_content()


@pytest.mark.parametrize("cell", ["=HYPERLINK(1)", "+84", "-1", "@x", "\tx", "\rx"])
def test_a_cell_is_no_formula_in_a_spreadsheet(cell: str) -> None:
    assert safe(cell) == f"'{cell}"
    assert safe("MA_XA") == "MA_XA"


def test_the_sheet_is_safe_where_a_column_begins_as_a_formula(tmp_path: Path) -> None:
    file = export(tmp_path, b'{"=1+1": "x"}\n')
    table = tmp_path / "report.csv"

    check(file, *SOURCE, *ON, "--csv", table)

    cells = [cell for line in csv.reader(io.StringIO(table.read_text())) for cell in line]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)


NUMBER, NAME, PLACE = "079185999777", "Hồ Thị Canary", "Số 9 ngõ Canary"


def marked(**fields: object) -> bytes:
    return json_lines([person(1) | {"ho_ten": NAME, "so_cccd": NUMBER} | fields])


CANARIES: dict[str, bytes] = {
    "a good record": marked(),
    "a name in every column": json_lines([dict.fromkeys(person(1), NAME)]),
    "a number in every column": json_lines([dict.fromkeys(person(1), NUMBER)]),
    "a record without a key": marked(id=None),
    "a key twice": marked(id=NUMBER) * 2,
    "a broken line": marked()[:-20] + b"\n" + marked(),
    "no UTF-8": marked(ho_ten="QQ").replace(b"QQ", f"{NAME} {NUMBER}".encode() + b"\xff"),
    "a NUL": marked(ho_ten=f"{NAME}\\u0000").replace(b"\\\\u", b"\\u"),
    "a field twice": marked().replace(b'{"id"', b'{"id": "%s", "id"' % NUMBER.encode(), 1),
    "a long value": marked(ho_ten=NAME * 500),
    "a formula": marked(ho_ten=f"=HYPERLINK({NUMBER})"),
    "an address": marked(noi_cu_tru={"ma_xa": "00004", "thon_to": PLACE, "dia_chi": PLACE}),
    "values for names": json.dumps({NUMBER: NAME, NAME: PLACE}).encode() + b"\n",
}


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that this process logs meanwhile."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


def found_in(text: str) -> list[str]:
    parts = [NUMBER, NUMBER[1:], NUMBER[3:9], "Canary", "canary", NAME, PLACE]
    return [part for part in parts if part in text]


@pytest.mark.parametrize("case", CANARIES)
def test_no_value_of_a_record_appears_anywhere(case: str, tmp_path: Path, logged: io.StringIO) -> None:
    file = export(tmp_path, CANARIES[case])
    outputs = [tmp_path / name for name in ("report.html", "report.csv", "report.json")]

    said = check(file, *SOURCE, *ON, "--html", outputs[0], "--csv", outputs[1], "--json", outputs[2])

    texts = [said.out, said.err, logged.getvalue(), *(path.read_text() for path in outputs)]
    assert [found_in(text) for text in texts] == [[]] * len(texts)


@pytest.mark.parametrize(
    "folder", [one for one in DIALECTS if read_dialect(one).file.format.value == "csv"], ids=lambda one: one.name
)
def test_a_file_without_its_header_does_not_show_its_first_record(folder: Path, tmp_path: Path) -> None:
    dialect = read_dialect(folder)
    row = dialect.file.separator.join([NUMBER, NAME, PLACE] * 4)
    file = export(tmp_path, f"{row}\n{row}\n{row}\n{row}\n".encode(), "export.csv")

    said = check(file, "--dialect", folder, *ON, "--html", tmp_path / "report.html", "--json", tmp_path / "report.json")

    assert said.code == 2
    for text in (said.out, said.err, (tmp_path / "report.html").read_text(), (tmp_path / "report.json").read_text()):
        assert found_in(text) == []


def test_every_finding_is_explained_in_both_languages(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    check(export(tmp_path, people(0, 1, ma_xa="4")), *SOURCE, *ON, "--html", page)

    text = page.read_text()

    finding = CATALOGUE["LEADING_ZERO_MISSING"]
    parsed = html.document_fromstring(text).text_content()
    assert all(words in parsed for words in (finding.vi, finding.en, finding.fix_vi, finding.fix_en))


def test_a_folder_that_is_no_dialect_and_a_report_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    file = export(tmp_path, people(0, 3))

    no_dialect = check(file, "--dialect", tmp_path)
    no_page = check(file, *SOURCE, *ON, "--html", tmp_path / "none" / "page.html")

    assert (no_dialect.code, "cannot open dialect.toml" in no_dialect.err) == (2, True)
    assert (no_page.code, "cannot open page.html" in no_page.err) == (2, True)
