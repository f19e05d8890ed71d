"""Text steps repair how a word was encoded, never what it says."""

import unicodedata

import pytest

from tests.adapters.steps.running import codes, first, run


def test_spaces_are_collapsed_and_trimmed() -> None:
    assert first("spaces", ["  Nguyễn \u00a0 Văn\tAn ", "An", "   ", "", None]) == [
        "Nguyễn Văn An",
        "An",
        None,
        None,
        None,
    ]


def test_plain_trim_is_no_finding() -> None:
    assert codes(run("spaces", [" An ", "Văn  An"])) == {"SPACES_COLLAPSED": [1]}


@pytest.mark.parametrize("hidden", ["\u200b", "\u202e", "\u2066", "\ufeff", "\x07", "\x7f", "\u00ad"])
def test_invisible_and_bidi_characters_are_removed_and_flagged(hidden: str) -> None:
    stepped = run("spaces", ["An", f"V{hidden}ăn"])

    assert stepped.values[0].to_pylist() == ["An", "Văn"]
    assert codes(stepped) == {"INVISIBLE_CHARACTER": [1]}


def test_decomposed_text_is_composed() -> None:
    stepped = run("nfc", [unicodedata.normalize("NFD", "Nguyễn Thị Hoà"), "Hoà", None])

    assert stepped.values[0].to_pylist() == ["Nguyễn Thị Hoà", "Hoà", None]
    assert codes(stepped) == {"COMPOSED": [0]}


def test_icelandic_d_becomes_vietnamese() -> None:
    stepped = run("d_stroke", ["\u00d0\u1eb7ng \u00f0an", "Đặng", None])

    assert stepped.values[0].to_pylist() == ["\u0110\u1eb7ng \u0111an", "Đặng", None]
    assert codes(stepped) == {"DSTROKE_REPLACED": [0]}


@pytest.mark.parametrize(
    ("decoded", "restored"),
    [
        ("NGUYễN THị HOà", "NGUYỄN THỊ HOÀ"),
        ("ĐặNG THị ý", "ĐẶNG THỊ Ý"),
        ("Nguyễn Văn Bình", "Nguyễn Văn Bình"),
        ("Tổ 5", "Tổ 5"),  # in capitals or not: nobody can tell
        ("ánh", "ánh"),
        ("H'HEN", "H'HEN"),
    ],
)
def test_tcvn3_capitals_are_restored_only_where_certain(decoded: str, restored: str) -> None:
    assert first("tcvn3_capitals", [decoded]) == [restored]


@pytest.mark.parametrize("name", ["NguyÔn V¨n B×nh", "Nguyá»…n", "TrÇn ThÞ H¬", "LÃª"])
def test_mojibake_is_flagged_and_not_guessed(name: str) -> None:
    stepped = run("no_mojibake", ["Nguyễn", name])

    assert stepped.values[0].to_pylist() == ["Nguyễn", name]
    assert codes(stepped) == {"LEGACY_ENCODING": [1]}


@pytest.mark.parametrize("name", ["H'Hen Niê", "Y Ên", "ĐẶNG THỊ Ý", "Kdăm MDrắk", "Ôn Ích Ưu", "H´Linh", "K’Brếp"])
def test_real_names_are_no_mojibake(name: str) -> None:
    assert codes(run("no_mojibake", [name])) == {}
