"""The counts of the law hold in the tables, and each row says where it comes from."""

import csv
import re
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adapters.reference import units as reference
from adapters.reference.units import HERE, load_units, units_on

BEFORE, MERGER = date(2025, 6, 30), date(2025, 7, 1)
TYPES = ("phường ", "xã ", "thị trấn ", "đặc khu ")


def place(name: str) -> str:
    """The name without its type; case and the spelling y for i make no other place."""
    name = name.casefold()
    for prefix in TYPES:
        name = name.removeprefix(prefix)
    return name.replace("y", "i").replace("ý", "í")


def count_of(column: pa.ChunkedArray, value: str) -> int:
    return pc.sum(pc.equal(column, value)).as_py() or 0


@pytest.mark.parametrize(
    ("on", "provinces", "districts", "communes"),
    [(BEFORE, 63, 696, 10_035), (MERGER, 34, 0, 3_321), (date(2026, 4, 30), 34, 0, 3_321)],
)
def test_units_in_force_are_those_of_the_law(on: date, provinces: int, districts: int, communes: int) -> None:
    found = [units_on(on, level=level) for level in ("province", "district", "commune")]

    assert [table.num_rows for table in found] == [provinces, districts, communes]
    assert all(len(set(table["code"].to_pylist())) == table.num_rows for table in found)


def test_units_since_the_merger_have_their_three_types() -> None:
    types = Counter(units_on(MERGER)["type"].to_pylist())

    assert types == {"xa": 2_621, "phuong": 687, "dac_khu": 13}


def test_five_island_districts_have_no_communes() -> None:
    districts = units_on(BEFORE, level="district")

    islands = districts.filter(pc.equal(districts["type"], "huyen_dao_khong_co_xa"))["code"].to_pylist()

    assert islands == ["318", "471", "498", "536", "755"]
    assert not set(islands) & set(units_on(BEFORE)["district_code"].to_pylist())


def test_no_unit_has_two_names_on_one_day() -> None:
    spans = defaultdict(list)
    for row in load_units().units.to_pylist():
        spans[row["level"], row["code"]].append((row["valid_from"] or date.min, row["valid_to"] or date.max))

    overlapping = [
        key
        for key, rows in spans.items()
        for (_, end), (start, _) in zip(sorted(rows), sorted(rows)[1:], strict=False)
        if start <= end
    ]

    assert overlapping == []


def test_dong_nai_became_a_city_and_ten_communes_became_wards_with_codes_kept() -> None:
    before, after = date(2026, 4, 29), date(2026, 4, 30)

    assert reference.unit("75", before).name == "Tỉnh Đồng Nai"  # type: ignore[union-attr]
    assert reference.unit("75", after).name == "Thành phố Đồng Nai"  # type: ignore[union-attr]
    assert len(_changed_types(before, after)) == 10


def _changed_types(before: date, after: date) -> list[str]:
    old, new = units_on(before), units_on(after)
    assert old["code"] == new["code"]
    codes: list[str] = new.filter(pc.not_equal(old["type"], new["type"]))["code"].to_pylist()
    return codes


def test_crosswalk_rows_each_have_a_legal_basis() -> None:
    pairs = load_units().crosswalk

    assert pairs.num_rows == 10_571
    assert Counter(pairs["relation"].to_pylist()) == {"whole": 9_599, "part": 972}
    for column in ("resolution", "clause"):
        assert pairs[column].null_count == 0
        assert pc.all(pc.greater(pc.utf8_length(pairs[column]), 0)).as_py()
    numbers = {int(text.removesuffix("/NQ-UBTVQH15")) for text in pairs["resolution"].unique().to_pylist()}
    assert numbers == set(range(1654, 1688))


def test_units_of_today_each_have_a_legal_basis() -> None:
    communes = units_on(MERGER)

    assert communes["resolution"].null_count == communes["clause"].null_count == 0


def test_every_old_commune_has_a_successor_and_every_new_unit_an_origin() -> None:
    pairs = load_units().crosswalk
    communes = pairs.filter(pc.equal(pc.utf8_length(pairs["from_code"]), 5))

    assert set(communes["from_code"].to_pylist()) == set(units_on(BEFORE)["code"].to_pylist())
    assert set(pairs["to_code"].to_pylist()) == set(units_on(MERGER)["code"].to_pylist())
    assert len(set(zip(pairs["from_code"].to_pylist(), pairs["to_code"].to_pylist(), strict=True))) == 10_571


def split_today(split: pa.Table) -> list[str]:
    first = pc.list_element(split["successors"], 0)
    provinces: list[str] = reference.province_of(first, MERGER).to_pylist()
    return provinces


def test_441_communes_were_split_and_381_leave_their_residents_ambiguous() -> None:
    split, ambiguous = reference.split_units(ambiguous_only=False), reference.split_units()

    assert (split.num_rows, ambiguous.num_rows) == (441, 381)
    provinces = Counter(reference.province_of(ambiguous["from_code"], BEFORE).to_pylist())
    today = Counter(split_today(ambiguous))
    assert provinces["01"] == 158
    assert (today["01"], today["31"], today["79"]) == (158, 57, 46)
    assert all(len(successors) >= 2 for successors in ambiguous["successors"].to_pylist())


@pytest.mark.parametrize(
    ("province", "total", "types", "formers", "old_communes"),
    [
        ("15", 99, {"xa": 89, "phuong": 10}, ["10", "15"], 319),
        ("68", 124, {"xa": 103, "phuong": 20, "dac_khu": 1}, ["60", "67", "68"], None),
        ("01", 126, {"xa": 75, "phuong": 51}, ["01"], None),
    ],
)
def test_province_has_the_units_of_its_resolution(
    province: str, total: int, types: dict[str, int], formers: list[str], old_communes: int | None
) -> None:
    communes = units_on(MERGER)
    own = communes.filter(pc.equal(communes["province_code"], province))
    origins = reference.lineage()
    origins = origins.filter(pc.equal(origins["to_province"], province))

    assert own.num_rows == total
    assert Counter(own["type"].to_pylist()) == types
    assert sorted(set(origins["from_province"].to_pylist())) == formers
    if old_communes is not None:
        assert len(set(origins["from_code"].to_pylist())) == old_communes
        assert origins.num_rows == old_communes  # none of them split


def test_1796_new_codes_name_another_place_than_the_same_code_before() -> None:
    old = dict(zip(*(units_on(BEFORE)[name].to_pylist() for name in ("code", "name")), strict=True))
    new = dict(zip(*(units_on(MERGER)[name].to_pylist() for name in ("code", "name")), strict=True))

    kept = [code for code in new if code in old]
    other = [code for code in kept if place(new[code]) != place(old[code])]

    assert (len(kept), len(other)) == (3_316, 1_796)
    assert (old["00004"], new["00004"]) == ("Phường Trúc Bạch", "Phường Ba Đình")


def test_seven_province_codes_changed_their_meaning() -> None:
    old = dict(zip(*(units_on(BEFORE, level="province")[name].to_pylist() for name in ("code", "name")), strict=True))
    new = dict(zip(*(units_on(MERGER, level="province")[name].to_pylist() for name in ("code", "name")), strict=True))

    changed = [code for code in new if new[code] != old[code]]

    assert changed == ["15", "24", "44", "52", "80", "82", "91"]
    successors = reference.province_successors()
    assert successors.num_rows == 63
    assert set(successors["to_code"].to_pylist()) == set(new)


def test_retired_codes_lead_to_units_of_their_list() -> None:
    retired = load_units().retired

    assert count_of(retired["status"], "retired_code") == 349
    assert set(retired["unit_code"].to_pylist()) <= set(units_on(BEFORE)["code"].to_pylist())
    closed = retired.filter(pc.equal(retired["status"], "retired_code"))["former_code"].to_pylist()
    assert not set(closed) & set(units_on(BEFORE)["code"].to_pylist())
    assert not set(closed) & set(units_on(MERGER)["code"].to_pylist())


def test_weights_cover_every_unit_of_the_merger() -> None:
    weights = reference.load_population_weights()

    assert Counter(weights["level"].to_pylist()) == {"province": 34, "commune": 3_321}
    flags = Counter(weights["flag"].to_pylist())
    assert (flags["missing"], flags["suspect"]) == (70, 12)
    provinces = weights.filter(pc.equal(weights["level"], "province"))
    assert round(pc.sum(provinces["population"]).as_py() / 1e6, 1) == 112.1


def test_name_of_follows_the_date() -> None:
    codes = pa.array(["00004", None, "15", "99999"])

    assert reference.name_of(codes, BEFORE).to_pylist() == ["Phường Trúc Bạch", None, "Tỉnh Yên Bái", None]
    assert reference.name_of(codes, MERGER).to_pylist() == ["Phường Ba Đình", None, "Tỉnh Lào Cai", None]


def test_no_table_is_larger_than_a_mebibyte() -> None:
    assert {path.name for path in HERE.iterdir() if path.stat().st_size > 2**20} == set()


@pytest.mark.parametrize("path", sorted(HERE.glob("*.csv")), ids=lambda path: path.name)
def test_readme_states_the_rows_of_each_table(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as handle:
        rows = sum(1 for _ in csv.DictReader(handle))
    lines = [line.split("|") for line in (HERE / "README.md").read_text("utf-8").splitlines() if line.startswith("|")]
    [line] = [line for line in lines if path.name in line[1].strip().split(", ")]

    names, counts = (cell.strip() for cell in line[1:3])
    stated = dict(
        zip(
            (name.strip() for name in names.split(", ")),
            re.findall(r"\d[\d,]*\d|\d", counts.replace(", ", " ")),
            strict=True,
        )
    )
    assert int(stated[path.name].replace(",", "")) == rows
