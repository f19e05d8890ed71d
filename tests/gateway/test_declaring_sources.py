"""`lienthong sources`, `source new` and `conformance`, as somebody types them."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.catalogue import load
from adapters.declaration import FileFormat, read_dialect, read_toml
from gateway.cli.conformance import drawn
from tests.adapters.conformance import DIALECTS, sample_of
from tests.gateway.batches import JSONL_SOURCE, json_lines, people, person
from tests.gateway.terminal import Said, lienthong

TCVN3 = next(folder for folder in DIALECTS if folder.name == "population-csv-tcvn3")
ON = ("--exported-on", "2025-07-15")
GUESSABLE = [folder for folder in DIALECTS if read_dialect(folder).file.format is not FileFormat.FIXED_WIDTH]


def listed(*words: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(lienthong("sources", *words, "--json").out)
    return found


def test_all_sources_are_listed() -> None:
    found = listed()

    assert list(found) == ["provinces", "former_provinces", "systems", "dialects"]
    assert [len(rows) for rows in found.values()] == [34, 63, 189, len(DIALECTS)]
    registers = {name for name, source in load().sources.items() if not source.is_citizens}
    assert {one["source_id"] for one in found["systems"]} == registers
    assert sum(one["systems"] for one in found["dialects"]) == 189
    assert {one["province_code"] for one in found["former_provinces"]} == {one["code"] for one in found["provinces"]}
    assert sum(one["units"] for one in found["provinces"]) == 3321


@pytest.mark.parametrize("province", ["15", "lao-cai", "yen-bai", "Tỉnh Yên Bái"])
def test_sources_are_listed_by_province_and_kind(province: str) -> None:
    found = listed("--province", province, "--kind", "household")

    assert [one["slug"] for one in found["provinces"]] == ["lao-cai"]
    assert [one["source_id"] for one in found["systems"]] == ["lao-cai.household", "yen-bai.household"]
    assert {one["name"] for one in found["dialects"]} == {one["dialect"] for one in found["systems"]}


def test_sources_are_shown_to_people_and_an_unknown_province_is_answered() -> None:
    said, unknown = lienthong("sources", "--province", "lao-cai"), lienthong("sources", "--province", "atlantis")

    assert said.code == 0
    assert "1 tỉnh, 2 tỉnh cũ, 6 hệ thống" in said.out
    assert "yen-bai.insurance" in said.out
    assert unknown.code == 1
    assert "15 lao-cai" in unknown.err


def new(sample: Path, into: Path, *words: object, name: str = "drafted") -> Said:
    return lienthong("source", "new", sample, "--name", name, *ON, "--into", into, *words)


@pytest.mark.parametrize("folder", GUESSABLE, ids=lambda folder: folder.name)
def test_what_is_drafted_reads_its_own_sample_at_once(folder: Path, tmp_path: Path) -> None:
    said = new(sample_of(folder), tmp_path)
    checked = lienthong("check", sample_of(folder), "--dialect", tmp_path / "drafted", *ON, "--json", "-")

    assert said.code == 0
    assert checked.code in {0, 1}
    figures = json.loads(checked.out)
    assert figures["rows"]["received"] > 0
    text = (tmp_path / "drafted" / "dialect.toml").read_text()
    assert "# GUESSED: " in text
    assert "# OPEN: " in text
    assert not list((tmp_path / "drafted").glob("sample.*"))


def test_the_sample_of_the_guide_becomes_a_household_that_is_asked_about(tmp_path: Path) -> None:
    sample = tmp_path / "export.csv"
    sample.write_text("MA_HO;MA_XA;NGAY_CAP_NHAT;STT\nHO-1;02647;03/06/2025 08:15;1\nHO-2;080;31/02/2025;2\n")

    said = new(sample, tmp_path)
    dialect = read_dialect(tmp_path / "drafted")

    assert f"--exported-on {ON[1]}" in said.out  # else the day the file was changed counts
    assert str(dialect.kind) == "household"
    assert "no column tells" in said.out.partition("still open")[2]


def test_an_empty_sample_and_a_file_that_is_not_there_are_said_to_be(tmp_path: Path) -> None:
    empty, nowhere = tmp_path / "empty.csv", tmp_path / "none.csv"
    empty.touch()

    drafted = new(empty, tmp_path)
    scored = lienthong("conformance", "--source", "yen-bai.household", "--file", nowhere, *ON)
    undated = lienthong("conformance", "--source", "yen-bai.household", "--file", nowhere)

    assert (drafted.code, "the file is empty" in drafted.err) == (1, True)
    assert (scored.code, "cannot open none.csv" in scored.err) == (2, True)
    assert undated.code == 2


def test_all_that_is_guessed_is_said(tmp_path: Path) -> None:
    said = json.loads(new(sample_of(TCVN3), tmp_path, "--json").out)
    text = (tmp_path / "drafted" / "dialect.toml").read_text()

    comments = [line.partition("# ")[2] for line in text.splitlines() if "# GUESSED:" in line or "# OPEN:" in line]
    told = [f"{'OPEN' if one['is_open'] else 'GUESSED'}: {one['key'].rpartition('.')[2]}: {one['vi']} · {one['en']}"
            for one in said["notes"]]  # fmt: skip
    assert sorted(comments) == sorted(told)


def test_a_system_is_drafted_for_its_page(tmp_path: Path) -> None:
    said = new(sample_of(TCVN3), tmp_path, "--former-province", "yen-bai")

    (system,) = read_toml(tmp_path / "drafted" / "system.toml").tables("system")
    assert said.code == 0
    assert system.take("source_id", str) == "yen-bai.population"
    assert system.take("former_province", str) == "15"
    assert system.take("dialect", str) == "drafted"
    assert system.take("unit_codes", str) == "undeclared"
    assert new(sample_of(TCVN3), tmp_path, "--former-province", "x", name="other").code == 1
    assert not (tmp_path / "other").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    first = new(sample_of(TCVN3), tmp_path)
    written = (tmp_path / "drafted" / "dialect.toml").read_bytes()
    other = next(folder for folder in DIALECTS if folder.name == "population-jsonl")

    again = new(sample_of(other), tmp_path)

    assert (first.code, again.code) == (0, 1)
    assert "không ghi đè" in again.err
    assert (tmp_path / "drafted" / "dialect.toml").read_bytes() == written


@pytest.mark.parametrize("name", ["../x", "A", "a b", "", "x" * 61, "a--b", "-a"])
def test_a_name_that_is_no_dialects_is_refused(tmp_path: Path, name: str) -> None:
    said = new(sample_of(TCVN3), tmp_path, name=name)

    assert said.code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_sample_that_nothing_reads_writes_nothing(tmp_path: Path) -> None:
    noise = tmp_path / "noise.bin"
    noise.write_bytes(bytes(range(256)) * 4)

    said = new(noise, tmp_path)
    absent = new(tmp_path / "absent", tmp_path)

    assert (said.code, absent.code) == (1, 1)
    assert "lienthong sources" in said.err
    assert not (tmp_path / "drafted").exists()


def test_strange_names_of_columns_are_kept_and_harmless(tmp_path: Path) -> None:
    odd = 'a"b\\c\u202e=1\u200b'
    sample = tmp_path / "sample.jsonl"
    sample.write_bytes(json_lines([person(number) | {odd: "x"} for number in range(3)]))

    said = new(sample, tmp_path)

    assert said.code == 0
    assert odd in read_dialect(tmp_path / "drafted").ignored
    assert "\u202e" not in said.out + (tmp_path / "drafted" / "dialect.toml").read_text()


def test_a_system_is_scored_by_its_files(tmp_path: Path) -> None:
    well, ill = tmp_path / "well.jsonl", tmp_path / "ill.jsonl"
    whole = {"so_cmnd": "012345678", "ma_so_bhxh": "0123456789"}
    well.write_bytes(json_lines([person(number) | whole for number in range(60)]))
    ill.write_bytes(people(100, 60, ma_xa="99998"))
    words = ("conformance", "--source", JSONL_SOURCE, *ON)

    passed = lienthong(*words, "--file", well, "--json", "-", "--html", tmp_path / "report.html")
    failed = lienthong(*words, "--file", ill)
    both = lienthong(*words, "--file", well, "--file", ill, "--json", "-")

    assert passed.code == 0
    told = json.loads(passed.out)
    assert told["schema"] == "lienthong.conformance/1"
    assert (told["is_passed"], told["systems"][0]["score"], told["origin"]) == (True, 100, "well.jsonl")
    assert "Phù hợp" in (tmp_path / "report.html").read_text()
    assert failed.code == 1
    assert "✗" in failed.out
    assert json.loads(both.out)["systems"][0]["received"] == 120


def test_conformance_asks_for_one_thing_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_bytes(people(0, 60))

    assert lienthong("conformance").code == 2
    assert lienthong("conformance", "--all", "--source", JSONL_SOURCE).code == 2
    assert lienthong("conformance", "--dialect", TCVN3).code == 2
    assert lienthong("conformance", "--source", "atlantis.population").code == 2
    assert lienthong("conformance", "--source", JSONL_SOURCE, "--file", tmp_path / "absent", *ON).code == 2
    assert lienthong("conformance", "--source", JSONL_SOURCE, "--file", file).code == 2  # no day


@pytest.mark.parametrize("code", sorted(load().provinces))
def test_the_systems_of_a_province_conform_on_what_is_made_up_for_them(code: str) -> None:
    province = load().provinces[code]

    registers = province.systems

    found = list(drawn(province))

    assert [one.source_id for one in found] == [one.source_id for one in registers]
    assert {one.source_id: [each.name for each in one.criteria if not each.is_kept] for one in found} == {
        one.source_id: [] for one in registers
    }
