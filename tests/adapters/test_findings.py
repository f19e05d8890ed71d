"""The catalogue of findings is complete, bilingual and written into the docs; values are never shown."""

import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import NEXT_STEPS, RejectedBatchError, RejectionReason
from adapters.findings import (
    CATALOGUE,
    FINDINGS,
    SHAPE_LENGTH,
    Flag,
    Severity,
    batch_flag,
    findings_table,
    flag,
    render_markdown,
    shape,
)
from tests.golden import Golden

DOCS = Path(__file__).parents[2] / "docs" / "findings.md"


def test_docs_hold_the_catalogue(golden: Golden) -> None:
    golden.check(DOCS, render_markdown())


def test_every_code_is_said_and_mended_in_both_languages() -> None:
    for code, finding in CATALOGUE.items():
        assert finding.code == code
        assert all((finding.vi, finding.en, finding.fix_vi, finding.fix_en))


def test_excel_is_named_where_numbers_lose_zeros() -> None:
    for code in ("ID_FORMAT", "LEADING_ZERO_MISSING", "LEADING_ZERO_RESTORED"):
        assert "cột bị Excel đổi thành số" in CATALOGUE[code].fix_vi


def test_every_reason_of_refusal_has_a_next_step() -> None:
    assert set(NEXT_STEPS) == set(RejectionReason)


def test_refusal_names_source_place_reason_and_next_step() -> None:
    error = RejectedBatchError(RejectionReason.UNKNOWN_COLUMN, "why", source_id="a.population", place="column 'X'")

    for part in ("a.population", "column 'X'", "UNKNOWN_COLUMN", NEXT_STEPS[RejectionReason.UNKNOWN_COLUMN][0]):
        assert part in str(error)


def test_shape_shows_form_and_no_value() -> None:
    values = pa.array(["31/02/1980", "Nguyễn Thị Hoà\u202e", "=A1+\n", "x" * 100, None])

    assert shape(values).to_pylist() == ["99/99/9999", "xxxxxx xxx xxx\ufffd", "=x9+\ufffd", "x" * 40, None]


def test_flag_is_empty_where_nothing_is_true() -> None:
    assert flag("ID_FORMAT", pa.array([False, None]), pa.array(["1", "2"])) == ()


def test_table_puts_repairs_first_once_a_column_and_rows_in_order() -> None:
    keys = pa.array(["k0", None, "k2"])
    seen = pa.array(["9"])
    flags = [
        ("B", Flag("ID_FORMAT", np.array([2]), seen)),
        ("A", Flag("COMPOSED", np.array([0, 1]), pa.array(["x", "x"]))),
        ("A", Flag("COMPOSED", np.array([1, 2]), pa.array(["x", "x"]))),
        ("A", Flag("DATE_INVALID", np.array([0]), seen)),
        (None, Flag("FIELD_COUNT", np.array([1]), pa.array([None], pa.string()))),
    ]

    table = findings_table(flags, keys)

    assert table.schema.equals(FINDINGS)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (-1, "A", "COMPOSED", Severity.INFO, "rows: 3", None),
        (0, "A", "DATE_INVALID", Severity.WARNING, "9", "k0"),
        (1, None, "FIELD_COUNT", Severity.ERROR, None, None),
        (2, "B", "ID_FORMAT", Severity.WARNING, "9", "k2"),
    ]


def test_what_is_said_of_the_batch_comes_first_and_names_no_record() -> None:
    flags = [
        ("A", Flag("DATE_INVALID", np.array([0]), pa.array(["9"]))),
        ("MA_XA", batch_flag("VINTAGE_CONTRADICTED", "declared 2025-07-01, only before: 80 of 90 codes")),
        ("MA_XA", batch_flag("VINTAGE_INFERRED", "2025-06-30")),
    ]

    table = findings_table(flags, pa.array(["k0"]))

    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (-1, "MA_XA", "VINTAGE_CONTRADICTED", "warning", "declared 2025-07-01, only before: 80 of 90 codes", None),
        (-1, "MA_XA", "VINTAGE_INFERRED", "info", "2025-06-30", None),
        (0, "A", "DATE_INVALID", "warning", "9", "k0"),
    ]


def test_an_info_counts_rows_and_shows_nothing() -> None:
    (found,) = flag("COMPOSED", np.array([True, False]), pa.array(["secret", "x"]))

    assert found.seen.to_pylist() == [None]


def test_vietnamese_texts_are_composed_vietnamese_and_end_in_a_full_stop() -> None:
    for finding in CATALOGUE.values():
        for text in (finding.vi, finding.fix_vi):
            assert unicodedata.is_normalized("NFC", text)
            assert not text.isascii()
        for text in (finding.vi, finding.fix_vi, finding.en, finding.fix_en):
            assert text.endswith(".")
            assert "|" not in text  # would break the table of docs/findings.md


@given(value=st.text(max_size=50))
def test_shape_of_any_text_has_no_letter_and_no_digit_of_it(value: str) -> None:
    seen = shape(pa.array([value], pa.string()))[0].as_py()

    assert len(seen) == min(len(value), SHAPE_LENGTH)
    assert all(mark == "x" or not mark.isalpha() for mark in seen)
    assert all(mark == "9" or not mark.isdecimal() for mark in seen)


def test_no_flags_are_an_empty_table() -> None:
    assert findings_table([], pa.array(["k0"])).to_pylist() == []
