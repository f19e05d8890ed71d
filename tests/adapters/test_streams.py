"""The forms of a source's columns are seen from its values, and a change of them is told."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.catalogue import Source, VintageRule, load
from adapters.declaration import Dialect, read_dialect
from adapters.findings import FINDINGS
from adapters.reference.units import province_successors, units_on
from adapters.streams import MOST_TOLD, OBSERVED, Aspect, Drift, comparable, drift, drift_findings, observe

DIALECT = read_dialect(Path(__file__).parents[2] / "adapters" / "dialects" / "population-jsonl")
BEFORE, MERGER, EXPORT = date(2025, 6, 30), date(2025, 7, 1), date(2025, 9, 1)


def observed(column: str, values: Sequence[str | None], *, dialect: Dialect = DIALECT) -> pa.Table:
    return observe(pa.table({column: pa.array(values, pa.string())}), dialect, exported_on=EXPORT, province_code="15")


def forms(table: pa.Table, aspect: Aspect) -> dict[str, int]:
    rows = table.filter(pc.equal(table["aspect"], aspect.value)).to_pylist()
    return {row["value"]: row["evidence"] for row in rows}


NAME = "Nguyễn Thị Hoà"


@pytest.mark.parametrize(
    ("value", "charset"),
    [
        ("Tran Van A", "ascii"),
        (NAME, "vietnamese"),
        (unicodedata.normalize("NFD", NAME), "vietnamese"),
        ("Ðặng Văn Ân", "vietnamese"),
        ("NguyÔn V¨n Th¶o", "tcvn3"),
        ("Nguyeãn Vaên Thaûo", "vni"),
        (NAME.encode().decode("latin-1"), "utf-8 read twice"),
        ("Пётр", "other"),
    ],
)
def test_charset_of_a_name_is_seen(value: str, charset: str) -> None:
    assert forms(observed("ho_ten", [value, None, " "]), Aspect.CHARSET) == {charset: 1}


def test_no_official_name_is_taken_for_another_charset() -> None:
    names = units_on(BEFORE)["name"].to_pylist() + units_on(MERGER)["name"].to_pylist()

    assert set(forms(observed("ho_ten", names), Aspect.CHARSET)) == {"vietnamese"}


def test_unicode_form_counts_only_values_that_show_it() -> None:
    nfd = unicodedata.normalize("NFD", NAME)
    half = NAME[:9] + unicodedata.normalize("NFD", NAME[9:])

    table = observed("ho_ten", [NAME, NAME, "Trần", nfd, half, "Tran"])

    assert forms(table, Aspect.UNICODE_FORM) == {"nfc": 2, "nfd": 1, "partly composed": 1}


def test_a_column_that_is_mapped_twice_is_observed_once() -> None:
    twice = replace(DIALECT, mappings=DIALECT.mappings * 2)

    assert observed("ho_ten", [NAME, "Tran"], dialect=twice).equals(observed("ho_ten", [NAME, "Tran"]))


def test_identifier_and_date_forms_are_named_and_never_shown() -> None:
    numbers = observed("so_cccd", ["010200000001"] * 3 + ["10200000001", "1.02E+11", "AB"])
    days = observed("ngay_sinh", ["1980-02-03"] * 2 + ["1980", "03/02/1980", "soon"])

    assert forms(numbers, Aspect.IDENTIFIER_FORM) == {
        "12 digits": 3,
        "11 digits": 1,
        "number with a fraction or exponent": 1,
        "other": 1,
    }
    assert forms(days, Aspect.DATE_STYLE) == {"yyyy-mm-dd": 2, "yyyy": 1, "dd/mm/yyyy": 1, "other": 1}
    assert numbers.schema.equals(OBSERVED)
    assert pc.sum(numbers["share"]).as_py() == pytest.approx(1)


def codes_of(on: date, province: str = "15") -> list[str | None]:
    former = {row["from_code"] for row in province_successors().to_pylist() if row["to_code"] == province}
    wanted = former if on < MERGER else {province}
    return [row["code"] for row in units_on(on).to_pylist() if row["province_code"] in wanted]


def test_a_source_that_recodes_overnight_drifts() -> None:
    column = "noi_cu_tru/ma_xa"
    before, now = observed(column, codes_of(BEFORE) * 5), observed(column, codes_of(MERGER) * 5)

    found = drift(before, now)

    assert {(one.aspect, one.value) for one in found} == {(Aspect.CODE_TABLE, "only_old"), (Aspect.CODE_TABLE, "both")}
    assert found[0].share_now in {0.0, 1.0}
    assert drift(now, now) == drift(before, observed(column, codes_of(BEFORE) * 3)) == []


def test_codes_that_lost_their_zeros_are_still_seen_as_codes() -> None:
    codes = [str(code).lstrip("0") for code in codes_of(MERGER)]

    assert set(forms(observed("noi_cu_tru/ma_xa", list(codes)), Aspect.CODE_TABLE)) == {"both"}


def test_a_new_form_is_told_and_a_typing_error_is_not() -> None:
    column, good, bad = "so_cccd", "010200000001", "10200000001"
    before = observed(column, [good] * 1_000)

    assert drift(before, observed(column, [good] * 999 + [bad])) == []
    assert drift(before, observed(column, [good] * 980 + [bad] * 20)) == [
        Drift(column, Aspect.IDENTIFIER_FORM, "11 digits", 0.0, 0.02)
    ]


def test_a_small_sample_is_no_drift() -> None:
    column, good, bad = "so_cccd", "010200000001", "10200000001"

    assert drift(observed(column, [good] * 6 + [bad] * 4), observed(column, [good] * 5 + [bad] * 5)) == []
    assert drift(observed(column, [good] * 50), observed(column, [good] * 490 + [bad] * 10)) == []
    assert drift(observed(column, [NAME]), observed("ngay_sinh", ["1980"])) == []


def test_batches_of_different_communes_are_no_drift() -> None:
    # Of one commune the old list alone has the code, of the other both lists; one hamlet's name has accents.
    first = observed("noi_cu_tru/ma_xa", ["02653"] * 500), observed("noi_cu_tru/thon_to", ["Lao Chai"] * 500)
    other = observed("noi_cu_tru/ma_xa", ["02671"] * 500), observed("noi_cu_tru/thon_to", ["Tả Phìn"] * 500)

    assert [drift(before, now) for before, now in zip(first, other, strict=True)] == [[], []]


def test_codes_that_change_as_declared_are_not_compared() -> None:
    source = load().sources["yen-bai.population"]
    declared = replace(source, unit_codes=(VintageRule(BEFORE, BEFORE), VintageRule(EXPORT, MERGER)))
    rows = [("ma", "code_table", "both", 1.0, 50), ("ten", "charset", "ascii", 1.0, 50)]
    seen = pa.Table.from_pylist([dict(zip(OBSERVED.names, row, strict=True)) for row in rows], schema=OBSERVED)

    def compared(of: Source, before: date, now: date) -> list[str]:
        earlier = seen.append_column("exported_on", pa.repeat(pa.scalar(before), seen.num_rows))
        kept: list[str] = comparable(earlier, of, now)["column"].to_pylist()
        return kept

    assert compared(declared, date(2025, 8, 31), EXPORT) == ["ten"]
    assert compared(declared, date(2025, 8, 30), date(2025, 8, 31)) == ["ma", "ten"]
    assert compared(replace(source, unit_codes=()), BEFORE, MERGER) == ["ten"]
    assert compared(replace(source, unit_codes=()), MERGER, EXPORT) == ["ma", "ten"]


def test_the_largest_changes_are_told_and_the_others_counted() -> None:
    found = [Drift(f"c{number}", Aspect.CHARSET, "ascii", 0.98, 0.41) for number in range(MOST_TOLD + 3)]

    some, many, none = (drift_findings(found[:count]) for count in (1, len(found), 0))

    assert some.to_pylist() == [
        {
            "row": -1,
            "column": "c0",
            "code": "STREAM_DRIFTED",
            "severity": "warning",
            "seen": "ascii 98% -> 41%",
            "source_record_id": None,
        }
    ]
    assert many["column"].to_pylist() == [f"c{number}" for number in range(MOST_TOLD)]
    assert many["seen"].to_pylist()[-2:] == ["ascii 98% -> 41%", "ascii 98% -> 41%; 3 more"]
    assert none.num_rows == 0
    assert some.schema.equals(FINDINGS)
    assert many.schema.equals(none.schema)


@settings(max_examples=60)
@given(values=st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=20))
def test_any_column_is_observed_and_every_value_counted(values: list[str | None]) -> None:
    trimmed = pc.utf8_trim_whitespace(pa.array(values, pa.string())).drop_null().to_pylist()
    filled = [value for value in trimmed if value]
    for column, aspect, counted in (
        ("ho_ten", Aspect.CHARSET, set(filled)),
        ("so_cccd", Aspect.IDENTIFIER_FORM, filled),
        ("ngay_sinh", Aspect.DATE_STYLE, filled),
        ("noi_cu_tru/ma_xa", Aspect.CODE_TABLE, set(filled)),
    ):
        table = observed(column, values)

        assert sum(forms(table, aspect).values()) == len(counted)
        assert drift(table, table) == []
