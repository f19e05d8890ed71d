"""Text steps repair how a word was encoded, never what it says."""

import csv
import unicodedata
from pathlib import Path

import pytest

import adapters
from tests.adapters.steps.running import codes, first, run

REFERENCE = Path(adapters.__file__).parent / "reference"


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


@pytest.mark.parametrize("space", "\t\n\x0b\x0c\r\xa0\u1680\u2003\u2028\u202f\u205f\u3000")
def test_every_unusual_space_becomes_a_plain_one(space: str) -> None:
    stepped = run("spaces", [f"Văn{space}An", f"{space}An{space}"])

    assert stepped.values[0].to_pylist() == ["Văn An", "An"]
    assert codes(stepped) == {"SPACES_COLLAPSED": [0]}


def test_every_format_character_is_removed_and_flagged() -> None:
    formats = [chr(point) for point in range(0x110000) if unicodedata.category(chr(point)) == "Cf"]

    stepped = run("spaces", [f"A{character}n" for character in formats])

    assert set(stepped.values[0].to_pylist()) == {"An"}
    assert codes(stepped) == {"INVISIBLE_CHARACTER": list(range(len(formats)))}


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


@pytest.mark.parametrize(
    "name",
    ["NguyÔn V¨n B×nh", "Nguyá»…n", "TrÇn ThÞ H¬", "LÃª", "Nguyeãn", "Vaên", "TRAÀN", "Thò Kieàu", "Ñöùc", "Ñöôïc"],
)
def test_mojibake_is_flagged_and_not_guessed(name: str) -> None:
    stepped = run("no_mojibake", ["Nguyễn", name])

    assert stepped.values[0].to_pylist() == ["Nguyễn", name]
    assert codes(stepped) == {"LEGACY_ENCODING": [1]}


@pytest.mark.parametrize(
    "name", ["H'Hen Niê", "Y Ên", "ĐẶNG THỊ Ý", "Kdăm MDrắk", "Ôn Ích Ưu", "H´Linh", "K’Brếp", "Noël", "Danaé", "Saúl"]
)
def test_real_names_are_no_mojibake(name: str) -> None:
    assert codes(run("no_mojibake", [name])) == {}


@pytest.mark.parametrize(
    "name",
    [
        "\u0410n B\u00ecnh",  # Cyrillic A
        "Nguy\u1ec5n V\u0430n",  # Cyrillic a
        "H\u03bfa",  # Greek omicron
        "\uff21n",  # full-width A
        "Tr\u1ea7n \u0421'Hen",  # Cyrillic C before an apostrophe
    ],
)
def test_look_alike_letters_of_another_script_are_flagged_and_kept(name: str) -> None:
    stepped = run("no_mojibake", ["An", name])

    assert stepped.values[0].to_pylist() == ["An", name]
    assert codes(stepped) == {"MIXED_SCRIPT": [1]}


def test_a_whole_word_of_another_script_is_a_foreign_name() -> None:
    assert codes(run("no_mojibake", ["\u0418\u0432\u0430\u043d Petrov", "\u674e An"])) == {}


def test_steps_leave_a_column_of_plain_names_as_it_is() -> None:
    names = ["Nguyễn Thị Hoà", "ĐẶNG THỊ Ý", "Y Ên", None]

    for name in ("nfc", "d_stroke", "spaces", "no_mojibake"):
        assert run(name, list(names)).values[0].to_pylist() == names


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("surnames_vi.csv", "surname"),
        ("given_names_vi.csv", "given_name"),
        ("name_patterns.csv", "value"),
        ("units_until_2025-06-30.csv", "name"),
        ("units_since_2025-07-01.csv", "name"),
    ],
)
def test_no_name_on_any_list_is_taken_for_legacy_text_or_changed(file: str, column: str) -> None:
    with (REFERENCE / file).open(encoding="utf-8", newline="") as lines:
        names: list[str | None] = [row[column] for row in csv.DictReader(lines)]

    for written in (names, [(name or "").upper() for name in names]):
        for step in ("nfc", "d_stroke", "spaces", "no_mojibake"):
            stepped = run(step, list(written))
            assert stepped.values[0].to_pylist() == written
            assert codes(stepped) == {}


def test_vni_and_viscii_tell_capitals_from_small_letters_and_tcvn3_does_not() -> None:
    with (REFERENCE / "legacy_charsets.csv").open(encoding="utf-8", newline="") as lines:
        rows = {row["char"]: row for row in csv.DictReader(lines)}

    pairs = [(row, rows[letter.lower()]) for letter, row in rows.items() if letter != letter.lower()]

    for column, differ in (("vni_bytes_hex", len(pairs)), ("viscii_byte_hex", len(pairs)), ("tcvn3_byte_hex", 7)):
        assert sum(one[column] != other[column] for one, other in pairs) == differ
