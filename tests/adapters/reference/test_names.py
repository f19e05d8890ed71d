"""A name alone, or with a code: what it decides, and that it is never preferred in silence."""

from collections import Counter
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adapters.reference.resolve import Outcome
from adapters.reference.units import load_name_variants, load_units, province_successors, split_units, units_on
from tests.adapters.reference.asking import BEFORE, MERGER, ask, ask_one
from tests.adapters.reference.test_units import place

REUSED_PROVINCES = ("15", "24", "44", "52", "80", "82", "91")


def names_of(level: str, on: date) -> dict[str, str]:
    units = units_on(on, level=level)
    return dict(zip(units["code"].to_pylist(), units["name"].to_pylist(), strict=True))


def full_names(on: date) -> list[str]:
    """ "Commune, District, Province" of every commune, in the order of `units_on`."""
    districts, provinces = names_of("district", on), names_of("province", on)
    rows = units_on(on).to_pylist()
    parts = [[row["name"], districts.get(row["district_code"] or ""), provinces[row["province_code"]]] for row in rows]
    return [", ".join(part for part in three if part) for three in parts]


def answers(table: pa.Table) -> list[tuple[str, list[str]]]:
    return list(zip(table["outcome"].to_pylist(), table["candidates"].to_pylist(), strict=True))


def test_a_full_name_alone_says_as_much_as_code_and_vintage() -> None:
    codes = units_on(BEFORE)["code"].to_pylist()
    by_code = ask(codes=codes, vintage=BEFORE)

    by_name = ask(names=full_names(BEFORE), vintage=BEFORE)
    undeclared = ask(names=full_names(BEFORE))

    assert answers(by_name) == answers(by_code)
    assert answers(undeclared) == answers(by_code)  # a district is of the old list
    assert set(by_name["decided_by"].to_pylist()) == {"name", None}


def test_a_full_name_of_today_is_its_unit() -> None:
    assert (
        ask(names=full_names(MERGER), vintage=MERGER)["unit_code"].to_pylist() == units_on(MERGER)["code"].to_pylist()
    )


def communes_made_into(province: str) -> list[dict[str, str]]:
    successors = province_successors().to_pylist()
    former = {row["from_code"] for row in successors if row["to_code"] == province}
    return [row for row in units_on(BEFORE).to_pylist() if row["province_code"] in former]


def test_ward_1_of_ho_chi_minh_city_is_eleven_wards_unless_its_district_is_written() -> None:
    wards = [row for row in communes_made_into("79") if row["name"] == "Phường 1"]

    alone = ask_one(name="Phường 1", vintage=BEFORE, within="79")
    written = ask_one(name="P.01, Q.3, TP.HCM")

    assert len(wards) == 11
    assert (alone["outcome"], alone["explanation_code"]) == ("ambiguous", "NAME_AMBIGUOUS")
    own = ask(codes=[row["code"] for row in wards], vintage=BEFORE)["candidates"].to_pylist()
    assert alone["candidates"] == sorted({unit for units in own for unit in units})
    assert alone["would_decide"][0] == "code"
    assert written["unit_code"] == ask_one("27160", vintage=BEFORE)["unit_code"]
    assert written["decided_by"] == "name"


def bare(name: str) -> str:
    """The name without its type, in lower case."""
    for kind in ("phường ", "xã ", "thị trấn ", "đặc khu "):
        name = name.casefold().removeprefix(kind)
    return name


def test_no_homonym_of_a_province_is_placed_by_its_name_alone() -> None:
    shared = 0
    for province in units_on(MERGER, level="province")["code"].to_pylist():
        rows = communes_made_into(province)
        count = Counter(bare(row["name"]) for row in rows)
        homonyms = [row for row in rows if count[bare(row["name"])] > 1]
        shared += len(homonyms)
        by_name = ask(names=[bare(row["name"]) for row in homonyms], vintage=BEFORE, within=province).to_pylist()
        by_code = ask(codes=[row["code"] for row in homonyms], vintage=BEFORE).to_pylist()
        for row, named, coded in zip(homonyms, by_name, by_code, strict=True):
            is_higher = named["explanation_code"] in {"DISTRICT_NAME", "PROVINCE_NAME"}
            assert set(coded["candidates"]) <= set(named["candidates"]) or is_higher, row
            if named["outcome"] == "current":
                assert named["explanation_code"] in {"HOMONYMS_TOGETHER", "DISTRICT_NAME"}, row

    assert shared == 1_015


def test_a_name_counts_within_the_province_of_its_source() -> None:
    elsewhere = [row for row in units_on(BEFORE).to_pylist() if row["name"] == "Xã Tân Thành"]
    assert len(elsewhere) > 5

    anywhere, within = (
        ask_one(name="Xã Tả Phìn", vintage=BEFORE),
        ask_one(name="Xã Tả Phìn", vintage=BEFORE, within="15"),
    )

    assert anywhere["outcome"] == "ambiguous"
    assert "province" in anywhere["would_decide"]
    assert (within["outcome"], within["decided_by"]) == ("current", "name")


def test_a_name_decides_the_list_of_a_reused_code() -> None:
    old, new = names_of("commune", BEFORE), names_of("commune", MERGER)
    reused = [code for code in new if code in old]
    as_old, as_new = ask(codes=reused, vintage=BEFORE), ask(codes=reused, vintage=MERGER)
    differ = [a != b for a, b in zip(answers(as_old), answers(as_new), strict=True)]
    codes = [code for code, differs in zip(reused, differ, strict=True) if differs and old[code] != new[code]]
    codes.remove("11581")  # An Dương, then Lê Lợi, now An Dương again: the name fits both lists
    assert len(codes) == 89

    with_old_name = ask(codes=codes, names=[old[code] for code in codes], vintage=MERGER)
    with_new_name = ask(codes=codes, names=[new[code] for code in codes], vintage=BEFORE)

    assert answers(with_old_name) == answers(ask(codes=codes, vintage=BEFORE))
    assert with_new_name["unit_code"].to_pylist() == codes
    assert set(with_new_name["explanation_code"].to_pylist()) == {"NAME_DECIDES_LIST"}
    assert answers(ask(codes=codes, names=[new[code] for code in codes])) == answers(with_new_name)


def test_each_of_the_1796_reused_codes_is_read_in_the_list_its_name_is_of() -> None:
    old, new = names_of("commune", BEFORE), names_of("commune", MERGER)
    reused = [code for code in new if code in old and place(new[code]) != place(old[code])]
    assert len(reused) == 1_796

    with_old_name = ask(codes=reused, names=[old[code] for code in reused], vintage=MERGER)
    with_new_name = ask(codes=reused, names=[new[code] for code in reused], vintage=BEFORE)

    assert set(with_old_name["vintage_used"].to_pylist()) == {BEFORE}
    stay = {code for code, on in zip(reused, with_new_name["vintage_used"].to_pylist(), strict=True) if on != MERGER}
    also_called = {row["former_code"] for row in load_units().retired.to_pylist()}
    also_called |= {row["code"] for row in load_name_variants().to_pylist() if row["vintage"] == "old"}
    assert len(stay) == 13  # the old unit is known by the new name as well: a spelling, or its name before 2023
    assert stay <= also_called


@pytest.mark.parametrize(
    ("code", "name", "vintage", "expected"),
    [
        ("00004", "Phường Trúc Bạch", BEFORE, ("current", "00004", "WHOLE", BEFORE)),
        ("00004", "Phường Trúc Bạch", MERGER, ("current", "00004", "NAME_DECIDES_LIST", BEFORE)),
        ("00004", "ba đình", BEFORE, ("current", "00004", "NAME_DECIDES_LIST", MERGER)),
        ("00001", "Phuc Xa", BEFORE, ("current", "00097", "WHOLE", BEFORE)),  # mistyped, but the code's own
        ("00001", "Qwerty", BEFORE, ("current", "00097", "NAME_NOT_RECOGNISED", BEFORE)),
        ("00001", "Phường Phúc Tân", BEFORE, ("current", "00097", "CODE_AND_NAME_MEET", None)),
        ("00004", "Xã Tả Phìn", BEFORE, ("ambiguous", None, "NAME_DISAGREES", None)),
        ("00004", "Tỉnh Lào Cai", BEFORE, ("unknown", None, "NAME_DISAGREES", None)),
        ("00004", "Quận Ba Đình, Hà Nội", BEFORE, ("current", "00004", "WHOLE", BEFORE)),
        ("06978", "Xã Ba Chẽ", MERGER, ("current", "06970", "NAME_INSTEAD_OF_CODE", MERGER)),
        ("00010", "Nguyễn Trung Trực", BEFORE, ("retired", "00004", "RETIRED", BEFORE)),
        (None, "Nguyễn Trung Trực, Quận Ba Đình", BEFORE, ("retired", "00004", "RETIRED", BEFORE)),
        (None, "Huyện Cồn Cỏ", BEFORE, ("current", "19742", "WHOLE", BEFORE)),
        (None, "Đặc khu Cồn Cỏ", MERGER, ("current", "19742", "IN_FORCE", MERGER)),
        (None, "Tỉnh Lào Cai", MERGER, ("unknown", None, "PROVINCE_NAME", MERGER)),
        (None, "Quận Hà Đông, Hà Nội", BEFORE, ("unknown", None, "DISTRICT_NAME", BEFORE)),
        (None, "Thị xã Sa Pa", BEFORE, ("ambiguous", None, "DISTRICT_NAME", BEFORE)),
        (None, "Qwerty", BEFORE, ("unknown", None, "NAME_UNKNOWN", None)),
        (None, "Xã Tả Phìn, Huyện Sóc Sơn", BEFORE, ("unknown", None, "NAME_UNKNOWN", None)),
        ("99999", "Qwerty", BEFORE, ("unknown", None, "UNKNOWN_CODE", None)),
        (None, " ", BEFORE, ("unknown", None, "NO_CODE", None)),
    ],
)
def test_code_and_name_have_the_stated_answer(
    code: str | None, name: str, vintage: date, expected: tuple[object, ...]
) -> None:
    found = ask_one(code, name, vintage=vintage)

    assert tuple(found[key] for key in ("outcome", "unit_code", "explanation_code", "vintage_used")) == expected


def test_a_disagreement_names_both_places() -> None:
    found = ask_one("00004", "Phường Sa Pa, Thị xã Sa Pa, Tỉnh Lào Cai", vintage=BEFORE)

    assert found["candidates"] == ["00004", "03006"]
    assert (found["decided_by"], found["would_decide"]) == (None, ["office"])


def test_a_bare_name_that_is_also_a_district_is_the_district() -> None:
    found = ask_one(name="Sa Pa", within="15")

    assert (found["outcome"], found["explanation_code"]) == ("ambiguous", "DISTRICT_NAME")
    assert "03006" in found["candidates"]
    assert ask_one("03006", "Sa Pa", vintage=MERGER)["unit_code"] == "03006"


def test_every_other_spelling_of_a_name_fits_its_code() -> None:
    variants = load_name_variants().to_pylist()
    rows = [
        (one["code"], written.partition("[")[0].strip(), BEFORE if one["vintage"] == "old" else MERGER)
        for one in variants
        for written in one["variants"].split(" | ")
    ]

    for day in (BEFORE, MERGER):
        codes = [code for code, _, vintage in rows if vintage == day]
        named = ask(codes=codes, names=[name for _, name, vintage in rows if vintage == day], vintage=day)
        assert answers(named) == answers(ask(codes=codes, vintage=day))


def test_names_before_a_rename_and_after_it_are_the_same_unit() -> None:
    rename = date(2026, 4, 30)
    before, after = names_of("commune", date(2026, 4, 29)), names_of("commune", rename)
    changed = [code for code in after if before[code] != after[code]]
    assert len(changed) == 10

    for day in (MERGER, rename):
        for names in (before, after):
            found = ask(codes=changed, names=[names[code] for code in changed], vintage=day, as_of=rename)
            assert found["unit_code"].to_pylist() == changed
    alone = ask(names=[f"{after[code]}, Thành phố Đồng Nai" for code in changed], vintage=rename, as_of=rename)
    assert alone["unit_code"].to_pylist() == changed


@pytest.mark.parametrize("province", REUSED_PROVINCES)
def test_a_reused_province_code_means_what_its_vintage_says(province: str) -> None:
    old, new = names_of("province", BEFORE), names_of("province", MERGER)
    assert old[province] != new[province]
    rows = communes_made_into(province)
    count = Counter(bare(row["name"]) for row in rows)
    today = {bare(name) for name in names_of("commune", MERGER).values()}
    alone = [row for row in rows if count[bare(row["name"])] == 1 and bare(row["name"]) not in today]
    inside = [row for row in alone if row["province_code"] == province]
    outside = [row for row in alone if row["province_code"] != province]
    assert inside
    assert outside

    found = ask(codes=[province] * len(inside), names=[row["name"] for row in inside], vintage=BEFORE)
    refused = ask(codes=[province] * len(outside), names=[row["name"] for row in outside], vintage=BEFORE)

    assert answers(found) == answers(ask(codes=[row["code"] for row in inside], vintage=BEFORE))
    assert set(refused["explanation_code"].to_pylist()) == {"NAME_DISAGREES"}
    codes = ask(codes=[province] * 2, vintage=BEFORE), ask(codes=[province] * 2, vintage=MERGER)
    assert [table["vintage_used"][0].as_py() for table in codes] == [BEFORE, MERGER]
    assert ask_one(province)["vintage_used"] is None


def test_a_district_is_answered_with_its_units_where_they_are_few() -> None:
    districts = units_on(BEFORE, level="district")["code"].to_pylist()
    communes = units_on(BEFORE)

    for row, code in zip(ask(codes=districts, vintage=BEFORE).to_pylist(), districts, strict=True):
        own = communes.filter(pc.equal(communes["district_code"], code))["code"].to_pylist()
        units = {unit for units in ask(codes=own, vintage=BEFORE)["candidates"].to_pylist() for unit in units}
        if own:
            assert row["candidates"] == (sorted(units) if len(units) <= 10 else [])
            assert row["explanation_code"] == "DISTRICT_CODE"
        else:
            assert row["outcome"] == Outcome.CURRENT  # an island


def test_a_commune_is_found_in_the_district_of_the_code() -> None:
    found = ask_one("268", "Phường Quang Trung", vintage=BEFORE)
    alone = ask_one(name="Phường Quang Trung", vintage=BEFORE)

    assert found["decided_by"] == "name" or found["explanation_code"] == "RESIDENTS_SPLIT"
    assert len(alone["candidates"]) > len(found["candidates"]) > 0
    assert ask_one("268", "Xã Tả Phìn", vintage=BEFORE)["explanation_code"] == "NAME_DISAGREES"


def test_a_name_never_places_residents_of_an_ambiguous_division() -> None:
    split = split_units()["from_code"].to_pylist()
    full = dict(zip(units_on(BEFORE)["code"].to_pylist(), full_names(BEFORE), strict=True))

    for codes in (split, [None] * len(split)):
        found = ask(codes=codes, names=[full[code] for code in split], vintage=BEFORE)
        assert set(found["outcome"].to_pylist()) == {"ambiguous"}
        assert all("hamlet" in evidence for evidence in found["would_decide"].to_pylist())
