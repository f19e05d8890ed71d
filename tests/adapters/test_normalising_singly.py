"""Records that came one by one become, source by source, what each source's would have become alone."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.catalogue import load
from adapters.entitlement import outside, outside_of_each
from adapters.normalise import Normalised, normalise_raw, normalise_singly
from adapters.readers import Raw, read
from tests.adapters.conformance import DIALECTS, sample_of, sample_source

_AWKWARD = ("31/02/1980", "1950", "2099-01-01", "068085000301", "24778", "Nam", "1", "chủ hộ", "x" * 4001, "\0", "a\tb")
_CELL = st.one_of(st.none(), st.sampled_from(_AWKWARD), st.text(max_size=8))
_PART = st.tuples(st.lists(_CELL, min_size=1, max_size=9), st.integers(1, 60), st.integers(1, 9))
_SAID_OF_NEIGHBOURS = pa.array(["HEAD_REPEATED", "PERIOD_OVERLAPS"])


def same(one: Normalised, other: Normalised) -> bool:
    said = other.findings.filter(pc.invert(pc.is_in(other.findings["code"], value_set=_SAID_OF_NEIGHBOURS)))
    tables = one.table.equals(other.table) and one.findings.equals(said) and one.quarantined.equals(other.quarantined)
    return tables and one.received == other.received and one.observe().equals(other.observe())


@pytest.mark.parametrize("folder", DIALECTS, ids=lambda folder: folder.name)
@settings(max_examples=4, deadline=None)
@given(parts=st.lists(_PART, min_size=1, max_size=4))
def test_each_source_has_what_it_would_have_alone(folder: Path, parts: list[tuple[list[str | None], int, int]]) -> None:
    dialect = load().dialects[folder.name]
    exported_on = dialect.sample.exported_on
    sample = read(sample_of(folder).read_bytes(), dialect, source_id="sample").table
    tables = [sample]
    for cells, count, turn in parts:
        columns = {
            name: pa.array([cells[(place * turn + row) % len(cells)] for row in range(count)], pa.string())
            for place, name in enumerate(sample.column_names)
        }
        tables.append(pa.table(columns))
    tables.append(sample)  # the same keys again, of another source
    sources = [
        replace(sample_source(dialect), source_id=f"s{place}", province_code=("15", "01")[place % 2])
        for place in range(len(tables))
    ]
    sources[-1] = replace(sources[-1], unit_codes=())

    together = normalise_singly(
        Raw(pa.concat_tables(tables)),
        sources=sources,
        counts=[table.num_rows for table in tables],
        exported_on=exported_on,
    )

    alone = [
        normalise_raw(Raw(table), source=source, exported_on=exported_on)
        for table, source in zip(tables, sources, strict=True)
    ]
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))
    granted = [[source.province_code] for source in sources]
    held = outside_of_each(together, province_codes=granted)
    for one, normalised, codes in zip(held, together, granted, strict=True):
        assert same(one, outside(normalised, province_codes=codes))
