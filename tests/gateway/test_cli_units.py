"""`lienthong units` as somebody types it: events, rehearsals, hamlets and tables, on a registry without a gateway."""

import csv
from datetime import date
from pathlib import Path

import openpyxl
import pytest
import sqlalchemy as sa

from adapters.reference.code_table import CODE_TABLE, code_table
from tests.adapters.reference.inventing import write_event
from tests.gateway.test_cli import Type, lines, type_
from tests.reconciliation.province import YEN_BAI, Province, person

__all__ = ["type_"]  # a fixture


@pytest.fixture
def registry(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registry that the environment of the terminal points to."""
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database_url)
    return database_url


@pytest.fixture
def merger(tmp_path: Path) -> Path:
    return write_event(
        tmp_path / "2025-10-01-merger",
        on="2025-10-01",
        kind="merge",
        ends=["commune,02671"],
        crosswalk=["02671,02647,whole,all,1"],
    )


def test_an_event_is_rehearsed_loaded_asked_about_and_taken_back(
    type_: Type, registry: str, engine: sa.Engine, merger: Path
) -> None:
    province = Province(engine)
    province.push(YEN_BAI, person("A", unit_code="02671"), person("B", unit_code="02671"))
    province.run()

    def today() -> str:
        [line] = lines(type_("units", "resolve", "02671", "--vintage", "2025-07-01", "--json")[1])
        return str(line["unit_code"])

    assert type_("units", "load", merger, "--dry-run")[0] == 0
    assert today() == "02671"
    [told] = lines(type_("units", "rehearse", merger, "--minutes-a-case", 30, "--json")[1])
    assert (told["province_code"], told["recoded"], told["minutes_a_case"]) == ("15", 2, 30)
    assert "go by themselves" in type_("units", "rehearse", merger)[1]
    assert type_("units", "load", merger, "--by", "o1")[0] == 0
    assert today() == "02647"
    refused = type_("units", "load", merger, "--json")
    assert (refused[0], lines(refused[1])[0]["fault"]) == (1, "EVENT_REPEATED")
    [known] = lines(
        type_("units", "resolve", "02671", "--known-on", "2026-05-01", "--vintage", "2025-07-01", "--json")[1]
    )
    assert known["unit_code"] == "02671"
    assert "02671" in type_("units", "lineage", "02647")[1]
    assert type_("units", "unload", merger.name, "--by", "o2")[0] == 0
    assert today() == "02671"
    shown = lines(type_("units", "events", "--json")[1])
    assert [(one["event_id"], one["origin"], one.get("revoked_by")) for one in shown] == [
        ("2026-04-30-dong-nai", "package", None),
        (merger.name, "loaded", "o2"),
    ]


def test_hamlets_are_loaded_listed_and_decide(type_: Type, registry: str, tmp_path: Path) -> None:
    file = tmp_path / "hamlets.csv"
    file.write_text("former_unit_code,name,unit_code\n00007,Tổ dân phố 2,00008\n", "utf-8")
    ask = ("units", "resolve", "00007", "--vintage", "2025-06-30", "--within", "01", "--hamlet", "TDP số 02", "--json")

    [before] = lines(type_(*ask)[1])
    loaded = lines(type_("units", "hamlets", "load", file, "--province", "01", "--json")[1])
    [after] = lines(type_(*ask)[1])
    [listed] = lines(type_("units", "hamlets", "list", "--province", "01", "--json")[1])
    file.write_text("former_unit_code,name,unit_code\n00007,Tổ dân phố 2,02647\n", "utf-8")
    refused = type_("units", "hamlets", "load", file, "--province", "01")

    assert (before["outcome"], "hamlet" in before["would_decide"]) == ("ambiguous", True)
    assert loaded == [{"added": 1, "replaced": 0, "known": 0}]
    assert (after["unit_code"], after["decided_by"]) == ("00008", "hamlet")
    assert (listed["unit_code"], listed["source"]) == ("00008", "hamlets.csv")
    assert (refused[0], "HAMLET_NOT_SUCCESSOR" in refused[1]) == (1, True)


def test_every_old_code_is_handed_out_with_its_dates_and_legal_basis(type_: Type, tmp_path: Path) -> None:
    sheet, book = tmp_path / "codes.csv", tmp_path / "codes.xlsx"
    assert type_("units", "table", sheet, "--on", "2025-07-01")[0] == 0
    assert type_("units", "table", book, "--on", "2025-07-01", "--format", "xlsx")[0] == 0

    expected = code_table(date(2025, 7, 1))
    with sheet.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    cells = list(openpyxl.load_workbook(book, read_only=True).active.iter_rows(values_only=True, max_row=3))
    assert list(rows[0]) == list(cells[0]) == CODE_TABLE.names
    assert len(rows) == expected.num_rows
    assert (rows[0]["old_code"], cells[1][1]) == ("00001", "00001")
    assert {row["old_code"] for row in rows} >= {"00004", "00007"}
    assert all(row["resolution"] and row["effective_on"] for row in rows if row["new_code"])
    assert {row["outcome"] for row in rows if row["candidates"] != "1"} == {"ambiguous"}


def test_a_unit_of_today_on_the_former_list_says_whether_that_is_exact(type_: Type) -> None:
    several, one = lines(type_("units", "project", "02647", "02680", "--to", "2025-06-30", "--json")[1])

    assert (several["is_exact"], several["former_code"]) == (False, None)
    assert len(several["candidates"]) > 1
    assert one["is_exact"] == (len(one["candidates"]) == 1)
