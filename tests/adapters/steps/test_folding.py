"""Folded names: equal where one name is spelled twice, different where two names are."""

import itertools
import unicodedata

import pyarrow as pa
import pytest

from adapters.steps import fold_name, fold_tone


def _tone(name: str) -> str:
    return fold_tone(pa.array([name]))[0].as_py()  # type: ignore[no-any-return]


def _bare(name: str) -> str:
    return fold_name(pa.array([name]))[0].as_py()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hoà", "hòa"),
        ("thuý", "thúy"),
        ("quý", "qúy"),
        ("khoẻ", "khỏe"),
        ("HOÀ", "hòa"),
        ("Ðặng", "Đặng"),
        ("Nguyễn  Thị\u00a0Hoà", "nguyễn thị hòa"),
        ("H’Hen", "H'Hen"),
        (unicodedata.normalize("NFD", "Nguyễn"), "Nguyễn"),
    ],
)
def test_spellings_of_one_name_are_equal(one: str, other: str) -> None:
    assert _tone(one) == _tone(other)
    assert _bare(one) == _bare(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Lý", "Lí"), ("Hoà", "Hoá"), ("Hoa", "Hoà"), ("Sơn", "Sôn"), ("Đan", "Dan"), ("Thuỷ", "Thuỹ")]
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert _tone(one) != _tone(other)


def test_bare_name_is_ascii_but_keeps_i_and_y_apart() -> None:
    assert _bare("Nguyễn Thị Hoà") == "nguyen thi hoa"
    assert _bare("Đặng Ữ") == "dang u"
    assert _bare("Lý") != _bare("Lí")


def test_null_stays_null() -> None:
    names = pa.array([None, "An"], pa.string())

    assert fold_tone(names)[0].as_py() is None
    assert fold_name(names)[0].as_py() is None


def test_tone_may_stand_on_either_vowel_of_oa_oe_uy() -> None:
    for pair, tone in itertools.product(("oa", "oe", "uy"), "\u0300\u0301\u0303\u0309\u0323"):
        first = unicodedata.normalize("NFC", pair[0] + tone + pair[1])
        second = unicodedata.normalize("NFC", pair + tone)
        assert _tone(f"h{first}") == _tone(f"h{second}")
