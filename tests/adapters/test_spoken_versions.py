"""A moment of change means the same version whether it comes in a batch or with a signature."""

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from adapters import catalogue
from adapters.spoken_versions import read_versions
from adapters.steps.dates import moment
from adapters.steps.model import Context

TODAY = date(2025, 7, 15)
DIALECTS = {
    name: dialect for name, dialect in catalogue.load().dialects.items() if dialect.mapping_to("source_version")
}


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_a_moment_is_read_as_the_dialect_reads_its_column(name):
    dialect = DIALECTS[name]
    mapping = dialect.mapping_to("source_version")
    written = {"yyyy-mm-ddTHH:MM:SS": "2025-07-10T08:00:00", "dd/mm/yyyy HH:MM:SS": "10/07/2025 08:00:00"}
    texts = pa.array([text for style, text in written.items() if style in mapping.styles], pa.string())

    found = read_versions(texts, dialect=dialect, today=TODAY)

    assert found.to_pylist() == moment(texts, Context(TODAY, mapping.styles)).values[0].to_pylist()
    assert found.null_count == 0


def test_what_is_no_moment_or_lies_ahead_is_no_version():
    dialect = catalogue.load().dialects["population-jsonl"]
    texts = pa.array(["2025-07-10T08:00:00", "yesterday", "2025-07-16T08:00:00", None, ""], pa.string())

    found = read_versions(texts, dialect=dialect, today=TODAY)

    assert [one is not None for one in found.to_pylist()] == [True, False, False, False, False]


def test_a_dialect_without_moments_reads_none():
    dialect = catalogue.load().dialects["population-jsonl"]
    without = replace(dialect, mappings=tuple(one for one in dialect.mappings if "source_version" not in one.targets))

    assert read_versions(pa.array(["2025-07-10T08:00:00"]), dialect=without, today=TODAY).to_pylist() == [None]
