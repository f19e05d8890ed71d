"""Numbers are judged by their form; lost zeros are put back and said."""

import pytest

from tests.adapters.steps.running import codes, first, run


def test_personal_number_of_12_digits_is_kept() -> None:
    assert first("personal_number", ["001085000401", None]) == ["001085000401", None]


@pytest.mark.parametrize(("sent", "restored"), [("10085000107", "010085000107"), ("1085000401", "001085000401")])
def test_lost_zeros_of_a_personal_number_are_a_candidate(sent: str, restored: str) -> None:
    stepped = run("personal_number", [sent])

    assert stepped.values[0].to_pylist() == [restored]
    assert codes(stepped) == {"LEADING_ZERO_MISSING": [0]}


def test_lost_zeros_in_a_column_of_numbers_are_a_repair() -> None:
    assert codes(run("personal_number", ["1085000401"], is_number=True)) == {"LEADING_ZERO_RESTORED": [0]}


@pytest.mark.parametrize("value", ["0010850004011", "99085000107", "00108500040", "1.08501E+11", "abc", "001085 00401"])
def test_what_is_no_personal_number_is_null_and_flagged(value: str) -> None:
    stepped = run("personal_number", [value])

    assert stepped.values[0].to_pylist() == [None]
    assert codes(stepped) == {"ID_FORMAT": [0]}


def test_cmnd_has_9_digits_and_may_have_lost_one() -> None:
    stepped = run("cmnd", ["063012345", "63012345", "6301234", None])

    assert stepped.values[0].to_pylist() == ["063012345", "063012345", None, None]
    assert codes(stepped) == {"ID_FORMAT": [2], "LEADING_ZERO_MISSING": [1]}


def test_one_column_may_hold_either_number() -> None:
    stepped = run("identity_number", ["001085000401", "063012345", "12345", None])

    assert [column.to_pylist() for column in stepped.values] == [
        ["001085000401", None, None, None],
        [None, "063012345", None, None],
    ]
    assert codes(stepped) == {"ID_FORMAT": [2]}


def test_insurance_number_has_10_digits() -> None:
    stepped = run("insurance_number", ["1012345678", "123456701", "1234", None], is_number=True)

    assert stepped.values[0].to_pylist() == ["1012345678", "0123456701", None, None]
    assert codes(stepped) == {"ID_FORMAT": [2], "LEADING_ZERO_RESTORED": [1]}


def test_health_card_has_15_or_10_or_12_characters() -> None:
    sent = ["TE1202020893987", "te1 20 2020893987", "2020893987", "001085000401", "TE12", None]

    assert first("health_card", list(sent)) == [
        "TE1202020893987",
        "TE1202020893987",
        "2020893987",
        "001085000401",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("card", "seen"),
    [
        ("TE1202020893987", None),
        ("TE5972020893987", None),
        ("TE6202020893987", "level"),
        ("TE0202020893987", "level"),
        ("TE1032020893987", "province"),
        ("2020893987", None),
    ],
)
def test_parts_of_a_health_card_are_told_and_the_card_kept(card: str, seen: str | None) -> None:
    stepped = run("health_card", [None, card])

    assert stepped.values[0].to_pylist() == [None, card]
    assert [(flag.code, flag.rows.tolist(), flag.seen.to_pylist()) for flag in stepped.flags] == (
        [("HEALTH_CARD_INCONSISTENT", [1], [seen])] if seen else []
    )


def test_cmnd_of_an_issuer_that_is_not_listed_is_kept_and_counted() -> None:
    stepped = run("cmnd", ["993012345", "063012345", None])

    assert stepped.values[0].to_pylist() == ["993012345", "063012345", None]
    assert codes(stepped) == {"CMND_ISSUER_UNKNOWN": [0]}


def test_personal_number_in_the_insurance_column_is_kept_and_counted() -> None:
    stepped = run("insurance_number", ["001085000401", "097085000301", "00108500040"])

    assert stepped.values[0].to_pylist() == ["001085000401", None, None]
    assert codes(stepped) == {"INSURANCE_IS_PERSONAL": [0], "ID_FORMAT": [1, 2]}


def test_digits_of_other_scripts_are_no_digits() -> None:
    assert codes(run("personal_number", ["\u0660" * 12, "\uff10" * 12])) == {"ID_FORMAT": [0, 1]}


def test_book_number_is_kept_as_sent_unless_it_was_turned_to_a_number() -> None:
    assert first("book_number", ["12345678", "HK-1/2"]) == ["12345678", "HK-1/2"]
    assert first("book_number", ["12345678", "HK-1/2"], is_number=True) == ["012345678", "HK-1/2"]
