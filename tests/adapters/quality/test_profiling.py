"""A column's profile: counts that are right, that merge, and that hold no value."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.quality.profiling import (
    FORMS,
    KEPT_HASHES,
    KEPT_ROWS,
    ColumnProfile,
    Distinct,
    Rows,
    Sign,
    digit_form,
    profile,
)

CELLS = st.lists(st.one_of(st.none(), st.text(max_size=12), st.from_regex(r"[0-9]{9,12}", fullmatch=True)), max_size=60)


def column(*values: str | None) -> pa.Array:
    return pa.array(values, pa.string())


def same(one: ColumnProfile, other: ColumnProfile) -> bool:
    counts = (one.rows, one.empty, dict(one.forms), dict(one.signs)) == (
        other.rows, other.empty, dict(other.forms), dict(other.signs)
    )  # fmt: skip
    return counts and np.array_equal(one.distinct.hashes, other.distinct.hashes)


@given(CELLS, st.integers(0, 60))
def test_halves_merge_to_the_whole(cells: list[str | None], cut: int) -> None:
    whole, cut = pa.array(cells, pa.string()), min(cut, len(cells))

    halves = profile(whole.slice(0, cut)).merge(profile(whole.slice(cut), first_row=cut))

    assert same(halves, profile(whole))


@given(CELLS)
def test_counts_are_those_of_a_loop(cells: list[str | None]) -> None:
    # Characters that Arrow and Python both take for spaces: the rest is for the property above.
    cells = [None if cell is None else "".join(one for one in cell if one.isprintable()) for cell in cells]
    filled = [cell for cell in cells if cell is not None and cell.strip()]

    found = profile(pa.array(cells, pa.string()))

    assert (found.rows, found.filled) == (len(cells), len(filled))
    assert found.distinct.count == len(set(filled))
    assert sum(found.forms.values()) == len(filled)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("012345678901", "12 digits"), ("12345678901", "11 digits"), ("7", "1 digits"), ("1" * 40, digit_form(40)),
        ("1.23457E+11", "scientific"), ("12,5", "decimal"), ("1985-04-30", "yyyy-mm-dd"), ("30/4/1985", "dd/mm/yyyy"),
        ("30/04/1985 08:15", "dd/mm/yyyy HH:MM"), ("30/4/85", "d/m/yy"), ("4/1985", "mm/yyyy"),
        ("2025-07-01T08:00:00", "yyyy-mm-dd HH:MM"), ("TE1234567890123", "health card"),
        ("Tổ 5", "letters and digits"), ("Nguyễn", "words"),
    ],
)  # fmt: skip
def test_a_value_has_its_form(value: str, form: str) -> None:
    assert profile(column(value)).forms == {form: 1}


def test_every_form_is_known_by_name() -> None:
    assert list(FORMS)[-1] == "words"


@pytest.mark.parametrize(
    ("value", "sign"),
    [
        ("Hòa", Sign.COMPOSED), ("Ho\u0300a", Sign.DECOMPOSED), ("Nguy\u00d4n", Sign.LEGACY),
        ("\u00d0ức", Sign.ICELANDIC),
        ("An\u200b", Sign.INVISIBLE), ("An\u202eB", Sign.INVISIBLE), ("An  Bình", Sign.SPACED), (" An", Sign.SPACED),
        ("=HYPERLINK(1)", Sign.FORMULA), ("+84", Sign.FORMULA), ("@x", Sign.FORMULA),
    ],
)  # fmt: skip
def test_a_value_shows_its_sign(value: str, sign: Sign) -> None:
    assert sign in profile(column(value)).signs


@pytest.mark.parametrize("value", ["An", "Binh 12", "079185000001", "-12", "\u0110a"])
def test_plain_values_show_none(value: str) -> None:
    assert profile(column(value)).signs == {}


def test_a_column_of_both_unicode_forms_is_mixed() -> None:
    assert profile(column("Hòa", "Ho\u0300a")).is_mixed
    assert not profile(column("Hòa", "Hà", None)).is_mixed


def test_example_rows_are_the_first_of_the_file() -> None:
    parts = [profile(column(*["a\u200b"] * 8), first_row=8 * number) for number in range(3)]

    merged = parts[2].merge(parts[0]).merge(parts[1])

    assert merged.signs[Sign.INVISIBLE] == Rows(24, tuple(range(KEPT_ROWS)))


def test_distinct_values_beyond_the_bound_are_estimated_in_bounded_memory() -> None:
    values = pa.array(np.arange(10**12, 10**12 + 4 * KEPT_HASHES).astype(str))

    found = Distinct()
    for start in range(0, len(values), KEPT_HASHES):
        found = found.merge(profile(values.slice(start, KEPT_HASHES)).distinct)

    assert len(found.hashes) == KEPT_HASHES
    assert not found.is_exact
    assert abs(found.count / (4 * KEPT_HASHES) - 1) < 0.02


def test_no_value_can_be_read_from_a_profile() -> None:
    canary = "CANARY079185000001"

    found = profile(column(canary, f"=SUM({canary})", f"{canary}\u200b"))

    assert canary not in repr(found)
