"""A name says the same however it is written, and never more than is written."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.reference.unit_names import Level, SaidName, fold_unit_name, names_in_addresses, readings_of
from adapters.reference.units import load_units, units_on
from tests.adapters.reference.asking import BEFORE, MERGER


def fold(*names: str | None) -> list[str | None]:
    folded: list[str | None] = fold_unit_name(pa.array(names, pa.string())).to_pylist()
    return folded


def said(name: str) -> SaidName:
    return readings_of(fold(name)[0] or "")[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("xã tả phìn", "Xã Tả Phìn"),
        ("XÃ  TẢ PHÌN ", "Xã Tả Phìn"),
        ("X. Tả Phìn", "Xã Tả Phìn"),
        ("X.Tả Phìn", "Xã Tả Phìn"),
        ("Phường Yên Hoà", "Phường Yên Hòa"),
        ("P. Yên Hoà", "Phường Yên Hòa"),
        ("Thị Trấn Ea T’ling", "TT. Ea T'Ling"),
        ("Xã Ðắk R'La", "Xã Đắk R'La"),
        ("Phường 01", "Phường 1"),
        ("P.1", "Phường 1"),
        ("P1", "Phường 1"),
        ("Phường Văn Miếu - Quốc Tử Giám", "Phường Văn Miếu Quốc Tử Giám"),
        ("Xã A Xan", "Xã Axan"),
        ("P.01, Q.3, TP.HCM", "Phường 1, Quận 3, Thành phố Hồ Chí Minh"),
        ("Xã Tả Phìn - Huyện Sa Pa - Tỉnh Lào Cai", "Xã Tả Phìn, Huyện Sa Pa, Tỉnh Lào Cai"),
        ("Xã Tả Phìn Huyện Sa Pa Tỉnh Lào Cai", "Xã Tả Phìn; Huyện Sa Pa; Tỉnh Lào Cai"),
        ("Thôn 3, Xã Tả Phìn, Huyện Sa Pa, Tỉnh Lào Cai, Việt Nam", "Xã Tả Phìn, Huyện Sa Pa, Tỉnh Lào Cai"),
    ],
)
def test_one_name_is_read_the_same_however_it_is_written(written: str, meant: str) -> None:
    assert said(written) == said(meant)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Xã Lý Bôn", "Xã Lí Bôn"),  # i and y stay different
        ("Xã Tân Lập", "Xã Tấn Lập"),
        ("Xã Tân Lập", "Phường Tân Lập"),
        ("Phường 1", "Phường 10"),
        ("Xã Sơn Kim 1", "Xã Sơn Kim 2"),
        ("Phường 1, Quận 3", "Phường 1, Quận 4"),
    ],
)
def test_names_that_differ_stay_different(one: str, other: str) -> None:
    assert said(one) != said(other)


def test_the_type_in_front_tells_the_level() -> None:
    assert said("Huyện Sa Pa, Tỉnh Lào Cai").level is Level.DISTRICT
    assert said("Tỉnh Lào Cai").level is Level.PROVINCE
    assert said("Phường Lào Cai").level is Level.COMMUNE
    assert [one.level for one in readings_of("sa pa")] == [Level.PROVINCE, Level.DISTRICT, Level.COMMUNE]


def test_nothing_said_is_no_reading() -> None:
    assert fold(None) == [None]
    assert [readings_of(name or "") for name in fold("", " , ", "Việt Nam")] == [(), (), ()]


OFFICIAL = st.sampled_from(
    sorted(set(units_on(BEFORE)["name"].to_pylist()) | set(units_on(MERGER)["name"].to_pylist()))
)


@settings(max_examples=100)
@given(
    name=OFFICIAL, form=st.sampled_from(["NFC", "NFD"]), case=st.sampled_from(["lower", "upper"]), pad=st.integers(1, 3)
)
def test_composition_case_and_spaces_say_nothing(name: str, form: str, case: str, pad: int) -> None:
    written = unicodedata.normalize(form, getattr(name, case)()).replace(" ", " " * pad).replace("Đ", "Ð")  # type: ignore[arg-type]

    assert fold(written) == fold(name)


@settings(max_examples=100)
@given(text=st.text(max_size=40))
def test_any_text_is_read_without_complaint(text: str) -> None:
    [folded] = fold(text)

    for one in readings_of(folded or ""):
        assert one.base


def test_folding_keeps_official_names_apart_within_their_district() -> None:
    communes = load_units().units.filter(pa.compute.equal(load_units().units["level"], "commune"))
    holders = [row["district_code"] or row["province_code"] for row in communes.to_pylist()]
    days = [(row["valid_from"], row["valid_to"]) for row in communes.to_pylist()]
    names, folded = communes["name"].to_pylist(), fold_unit_name(communes["name"].combine_chunks()).to_pylist()

    by_key: dict[tuple[object, ...], set[str]] = {}
    for holder, day, name, key in zip(holders, days, names, folded, strict=True):
        by_key.setdefault((holder, day, key), set()).add(name)

    assert [group for group in by_key.values() if len(group) > 1] == []


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("Số 5, ngõ 3, Phường 12, Quận 10, TP.HCM", "Phường 12, Quận 10, TP.HCM"),
        ("12 Lê Lợi, P.Bến Nghé, Q.1", "P.Bến Nghé, Q.1"),
        ("Thôn 3 - Xã Tả Phìn - Huyện Sa Pa", "Xã Tả Phìn - Huyện Sa Pa"),
        (unicodedata.normalize("NFD", "tổ 3, phường Cốc Lếu"), "phường Cốc Lếu"),
        ("12 Lê Lợi, Hải Châu", None),
        ("ngõ Xã Đàn 2", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_names_a_unit_only_where_it_says_so(address: str | None, name: str | None) -> None:
    assert names_in_addresses(pa.array([address], pa.string())).to_pylist() == [name]
