"""A batch in another form than its source's earlier ones says so, once; what was declared is not told."""

import itertools
import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from adapters.catalogue import Source, VintageRule
from adapters.normalise import normalise_file
from adapters.reference.units import province_successors, units_on
from reconciliation.model import Receipt
from reconciliation.store import landing, tables
from tests.reconciliation.store.landings import NOW, batch, other, source

pytestmark = pytest.mark.every_server

SOURCE = "lam-dong.population"  # declares the new list from the merger on
BEFORE, MERGER, DAY, LATER = date(2025, 6, 30), date(2025, 7, 1), date(2025, 8, 15), date(2025, 9, 1)
ROWS = 200
FAMILIES, GIVEN = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Đặng"), ("Hoà", "Thuý", "Bình", "Tấn", "Yến", "Độ")
NAMES = [" ".join(words) for words in itertools.product(FAMILIES, GIVEN, GIVEN)]

Write = Callable[[int], str]


def units(on: date) -> list[str]:
    """The communes on one day of what is one province today."""
    former = {row["from_code"] for row in province_successors().to_pylist() if row["to_code"] == "68"}
    inside = former if on < MERGER else {"68"}
    return sorted(row["code"] for row in units_on(on).to_pylist() if row["province_code"] in inside)


OLD, NEW = units(BEFORE), units(MERGER)


def a_name(number: int) -> str:
    return NAMES[number % len(NAMES)]


def a_number(number: int) -> str:
    return f"0680850{number:05d}"


def a_new_code(number: int) -> str:
    return NEW[number % len(NEW)]


def an_old_code(number: int) -> str:
    return OLD[number % len(OLD)]


def land(
    engine: sa.Engine,
    sequence: int,
    *,
    of: Source | None = None,
    on: date | None = None,
    rows: int = ROWS,
    name: Write = a_name,
    number: Write = a_number,
    code: Write = a_new_code,
) -> Receipt:
    """A batch of so many rows, each cell written by its function; a day later for each sequence unless said."""
    on = on or DAY + timedelta(days=sequence)
    lines = [
        {
            "id": f"{sequence}/{row}",
            "so_cccd": number(row),
            "ho_ten": name(row),
            "ngay_sinh": "1985-05-12",
            "gioi_tinh": "Nam",
            "noi_cu_tru": {"ma_xa": code(row), "thon_to": None, "dia_chi": None},
            "so_ho_so_cu_tru": f"68{row:07d}",
            "cap_nhat_luc": "2025-07-02T09:30:00",
        }
        for row in range(rows)
    ]
    payload = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    its = of or source(SOURCE)
    one = other(batch(sequence, source_id=SOURCE, payload=payload), exported_on=on)
    return landing.land(engine, one, normalise_file(payload, source=its, exported_on=on), source=its, now=NOW)


def drifted(engine: sa.Engine, receipt: Receipt) -> list[tuple[str | None, str | None]]:
    found = landing.list_findings(engine, receipt.receipt_id, after=0, limit=10_000)
    assert len(found) == receipt.findings
    return [(one.column, one.seen) for one in found if one.code == "STREAM_DRIFTED" and one.row == -1]


def test_batches_of_the_same_form_say_nothing(engine):
    receipts = [land(engine, 1), land(engine, 2, rows=150), land(engine, 3)]

    assert [drifted(engine, receipt) for receipt in receipts] == [[], [], []]
    with engine.connect() as connection:
        (last,) = connection.scalars(sa.select(tables.stream_form.c.batch_id).distinct())
        newest = connection.scalar(sa.select(sa.func.max(tables.batch.c.batch_id)))
    assert last == newest


def test_text_in_another_unicode_form_is_told_by_column(engine):
    land(engine, 1)
    land(engine, 2)

    changed = land(engine, 3, name=lambda number: unicodedata.normalize("NFD", a_name(number)))

    assert {column for column, _ in drifted(engine, changed)} == {"ho_ten"}
    assert ("ho_ten", "nfd 0% -> 100%") in drifted(engine, changed)


def test_numbers_that_became_shorter_are_told_even_where_their_rows_are_held_back(engine):
    land(engine, 1)

    changed = land(engine, 2, number=lambda number: a_number(number)[3 * (number % 2) :])

    assert drifted(engine, changed) == [("so_cccd", "12 digits 100% -> 50%"), ("so_cccd", "9 digits 0% -> 50%")]


def test_old_codes_under_a_new_declaration_are_told(engine):
    land(engine, 1)

    changed = land(engine, 2, code=an_old_code)

    assert {column for column, _ in drifted(engine, changed)} == {"noi_cu_tru/ma_xa"}
    assert [seen for _, seen in drifted(engine, changed) if seen and seen.startswith("only_old 0% -> ")]


def test_a_change_of_codes_on_its_declared_day_is_not_told(engine):
    late = replace(source(SOURCE), unit_codes=(VintageRule(BEFORE, BEFORE), VintageRule(LATER, MERGER)))
    land(engine, 1, of=late, code=an_old_code)

    changed = land(engine, 2, of=late, on=LATER)
    back = land(engine, 3, of=late, on=LATER + timedelta(days=1), code=an_old_code)

    assert drifted(engine, changed) == []
    assert {column for column, _ in drifted(engine, back)} == {"noi_cu_tru/ma_xa"}


def test_a_change_is_told_once_and_its_batch_sent_again_gets_the_same_receipt(engine):
    def short(number: int) -> str:
        return a_number(number)[3:]

    land(engine, 1)
    changed = land(engine, 2, number=short)
    after = land(engine, 3, number=short)

    again = land(engine, 2, number=short)

    assert again == replace(changed, replayed=True)
    assert drifted(engine, again) == drifted(engine, changed) != []
    assert drifted(engine, after) == []


def test_the_first_batch_of_a_days_export_speaks_for_the_others_and_late_exports_for_nothing(engine):
    def short(number: int) -> str:
        return a_number(number)[3:]

    land(engine, 1, on=LATER)
    same_day = land(engine, 2, on=LATER, number=short)
    earlier = land(engine, 3, on=DAY, number=short)
    next_day = land(engine, 4, on=LATER + timedelta(days=1), number=short)

    assert drifted(engine, same_day) == drifted(engine, earlier) == []
    assert [column for column, _ in drifted(engine, next_day)] == ["so_cccd"] * 2


def test_a_batch_too_small_to_show_a_form_changes_nothing(engine):
    land(engine, 1)

    small = land(engine, 2, rows=20, number=lambda number: a_number(number)[3:])
    large = land(engine, 3, number=lambda number: a_number(number)[3:])

    assert drifted(engine, small) == []
    assert drifted(engine, large) == [("so_cccd", "12 digits 100% -> 0%"), ("so_cccd", "9 digits 0% -> 100%")]


def test_a_column_that_a_batch_shows_nothing_of_keeps_its_form(engine):
    land(engine, 1)
    land(engine, 2, name=lambda _: "")

    changed = land(engine, 3, name=lambda number: unicodedata.normalize("NFD", a_name(number)))

    assert ("ho_ten", "nfd 0% -> 100%") in drifted(engine, changed)
