"""Values held against each other letter by letter: tone marks, hidden characters, and masks."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console import masking
from gateway.console.differing import folded, shown


def text(value: str, other: str | None, *, field: str = "full_name", **said: bool) -> str:
    """A value as it is drawn: [what differs], <what cannot be seen>, and the sign."""
    found = shown(field, value, other, is_open=said.pop("is_open", False), **said)
    parts = [f"<{one.unseen}>" if one.unseen else f"[{one.text}]" if one.is_other else one.text for one in found.pieces]
    return "".join(parts) + found.sign


@pytest.mark.parametrize(
    ("value", "other", "drawn"),
    [
        ("Lò Thị Mẩy", "Lò Thị Mẩy", "Lò Thị Mẩy="),
        ("Lò Thị Mẩy", "Lò Thị Mấy", "Lò Thị M[ẩ]y≠"),
        ("Nguyễn Văn Hoà", "Nguyễn Văn Hòa", "Nguyễn Văn Hoà≈"),
        ("THUỶ", "THỦY", "THUỶ≈"),
        ("Hoàn", "Hòan", "H[oà]n≠"),  # another sound: the syllable is closed
        (unicodedata.normalize("NFD", "Mẩy"), "Mẩy", unicodedata.normalize("NFD", "Mẩy") + "≈"),
        ("Lò Thị\u200b Mẩy", "Lò Thị Mẩy", "Lò Thị<ZWSP> Mẩy≠"),
        ("\u202eMẩy", "Mẩy", "<RLO>Mẩy≠"),
        ("Lò\u00a0Mẩy", "Lò Mẩy", "Lò<NBSP>Mẩy≠"),
        ("", "Lò", "∅"),
        ("Lò", "", "Lò∅"),
        ("Lò", None, "Lò"),
    ],
)
def test_what_differs_is_marked_and_what_is_hidden_is_drawn(value, other, drawn):
    assert text(value, other) == drawn


def test_tone_marks_can_be_told_apart():
    assert text("Hoà", "Hòa", ignores_tones=False) == "H[oà]≠"


@pytest.mark.parametrize(
    ("field", "value", "drawn"),
    [
        ("personal_number", "015180000017", "0**********7"),
        ("cmnd", "060", "***"),
        ("birth", "17/05/1980", "**/**/1980"),
        ("birth", "05/1980", "**/1980"),
        ("birth", "1980", "1980"),
        ("address", "số 12", "** **"),
        ("full_name", "Lò Thị Mẩy", "Lò Thị Mẩy"),
    ],
)
def test_a_masked_value_shows_only_what_it_may(field, value, drawn):
    assert text(value, None, field=field) == drawn
    assert text(value, None, field=field, is_open=True) == value
    assert masking.hides(field, value) == (drawn != value)


def test_where_masked_values_differ_is_seen_and_not_what_they_are():
    assert text("015180000017", "015180000027", field="personal_number") == "0*********[*]7≠"


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(sorted(masking.MASKED)))
def test_nothing_hidden_is_drawn(value, other, field):
    digits = value + "428"

    drawn = "".join(one.text for one in shown("contribution_salary", digits, other, is_open=False).pieces)

    assert set(drawn) <= {"*", " "}
    assert sum(len(one.text) for one in shown(field, digits, other, is_open=False).pieces) > 0


@given(st.text(max_size=40))
def test_folding_tones_keeps_every_letter_and_is_done_once(value):
    assert folded(folded(value)) == folded(value)
    assert len(folded(value)) == len(unicodedata.normalize("NFC", value))
