"""Whatever a batch holds: no row is lost, nothing but a refusal is raised, and nothing passes unexplained."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.catalogue import load
from adapters.declaration import ColumnMapping
from adapters.errors import RejectedBatchError
from adapters.normalise import Normalised, normalise_raw, normalise_rows
from adapters.readers import read
from adapters.steps.lists import code_list
from tests.adapters.conformance import DIALECTS, sample_of, sample_source

EXPORTED_ON = date(2025, 7, 15)
_AWKWARD = (
    *("1985-05-12", "31/02/1980", "1950", "00/00/1950", "1900-02-29", "infinity", "0001-01-01", "45839", "2099-01-01"),
    *("068085000301", "68085000301", "9999999999999", "1012345678", "063012345", "TE1202020893987", "TE9992020893987"),
    *("24778", "672", "4", "Nam", "1", "0", "56", "chủ hộ", "BHYT", "5000", "32768", "-1", "=1+1", "+84", "@x", "a\tb"),
    *("Nguye\u0302\u0303n", "Ðan", "NGUYễN", "NguyÔn", "A\u202en", "\u200b", "  ", "\u0410n", "\0", "x" * 4001),
)
_CELL = st.one_of(st.none(), st.sampled_from(_AWKWARD), st.text(max_size=12))
each_dialect = pytest.mark.parametrize("folder", DIALECTS, ids=lambda folder: folder.name)


@each_dialect
@settings(max_examples=25)
@given(cells=st.lists(_CELL, min_size=1, max_size=12), count=st.integers(1, 5), turn=st.integers(1, 12))
@example(cells=[None], count=2, turn=1)
def test_any_text_is_accounted_for_and_explained(folder: Path, cells: list[str | None], count: int, turn: int) -> None:
    dialect = load().dialects[folder.name]
    raw = pa.table(
        {
            name: pa.array([cells[(place * turn + row) % len(cells)] for row in range(count)], pa.string())
            for place, name in enumerate(dialect.source_columns)
        }
    )

    result = normalise_rows(raw, source=sample_source(dialect), exported_on=EXPORTED_ON)

    rows = [*result.table["row"].to_pylist(), *result.quarantined["row"].to_pylist()]
    assert result.received == count
    assert sorted(rows) == list(range(count))
    errors = {row["row"] for row in result.findings.to_pylist() if row["severity"] == "error"}
    assert errors == set(result.quarantined["row"].to_pylist())
    result.table.validate(full=True)
    assert _unexplained(result, dialect.mappings, raw.to_pylist()) == []


@each_dialect
@settings(max_examples=25)
@given(
    cells=st.lists(st.none() | st.binary(max_size=8), min_size=1, max_size=4),
    left_out=st.integers(0, 40),
    other=st.none() | st.text(max_size=5),
)
def test_any_bytes_in_any_columns_are_refused_or_accounted_for(
    folder: Path, cells: list[bytes | None], left_out: int, other: str | None
) -> None:
    dialect = load().dialects[folder.name]
    names = [name for place, name in enumerate(dialect.source_columns) if place != left_out]
    names += [other] if other is not None and other not in names else []
    raw = pa.table({name: pa.array(cells, pa.binary()) for name in names})

    try:
        result = normalise_rows(raw, source=sample_source(dialect), exported_on=EXPORTED_ON)
    except RejectedBatchError:
        missing = left_out < len(dialect.source_columns) and dialect.source_columns[left_out]
        assert other is not None or missing in dialect.required_columns
        return

    assert result.received == len(cells) == result.table.num_rows + result.quarantined.num_rows


def _unexplained(
    result: Normalised, mappings: tuple[ColumnMapping, ...], sent: list[dict[str, Any]]
) -> list[tuple[int, str]]:
    """Rows and columns of which nothing arrived, though something was sent and nothing is said."""
    said = {(row["row"], row["column"]) for row in result.findings.to_pylist()}
    said |= {(row["row"], name) for row in result.findings.to_pylist() for name in _names(row["column"])}
    return [
        (row["row"], mapping.name)
        for row in result.table.to_pylist()
        for mapping in mappings
        if any((sent[row["row"]][name] or "").strip() for name in mapping.sources)
        and all(row[target] is None for target in mapping.targets)
        and (row["row"], mapping.name) not in said
        and not _is_not_known(mapping, sent[row["row"]])
    ]


def _names(column: str | None) -> list[str]:
    return [] if column is None else column.split("+")


def _is_not_known(mapping: ColumnMapping, sent: dict[str, Any]) -> bool:
    """Whether the declared list says of the value that the source does not know."""
    unknown = {word for word, value in code_list(mapping.code_list or "scheme.codes").items() if value is None}
    return mapping.code_list is not None and str(sent[mapping.sources[0]]).strip().capitalize() in unknown


@each_dialect
def test_what_a_reader_read_may_be_normalised_as_it_is(folder: Path) -> None:
    dialect = load().dialects[folder.name]
    raw = read(sample_of(folder).read_bytes(), dialect, source_id="sample")

    result = normalise_raw(raw, source=sample_source(dialect), exported_on=dialect.sample.exported_on)

    assert result.received == raw.table.num_rows == result.table.num_rows + result.quarantined.num_rows
