"""Batches that share their steps become what each would have become alone."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.catalogue import load
from adapters.errors import RejectedBatchError
from adapters.normalise import Normalised, normalise_raw, normalise_together
from adapters.readers import Raw, read
from tests.adapters.conformance import DIALECTS, sample_of, sample_source

_AWKWARD = ("31/02/1980", "1950", "2099-01-01", "068085000301", "24778", "Nam", "1", "chủ hộ", "x" * 4001, "\0", "a\tb")
_CELL = st.one_of(st.none(), st.sampled_from(_AWKWARD), st.text(max_size=8))
_BATCH = st.tuples(st.lists(_CELL, min_size=1, max_size=9), st.integers(1, 90), st.integers(1, 9))


def same(one: Normalised, other: Normalised) -> bool:
    tables = ("table", "findings", "quarantined")
    is_same = all(getattr(one, name).equals(getattr(other, name)) for name in tables)
    return is_same and one.received == other.received and one.observe().equals(other.observe())


@pytest.mark.parametrize("folder", DIALECTS, ids=lambda folder: folder.name)
@settings(max_examples=3, deadline=None)
@given(batches=st.lists(_BATCH, min_size=1, max_size=3))
def test_each_is_as_if_it_had_come_alone(folder: Path, batches: list[tuple[list[str | None], int, int]]) -> None:
    dialect = load().dialects[folder.name]
    exported_on = dialect.sample.exported_on
    source = sample_source(dialect)
    sources = [source, replace(source, source_id="sample.undeclared", province_code="15", unit_codes=())]
    sample = read(sample_of(folder).read_bytes(), dialect, source_id="sample")
    raws = [sample]
    for cells, count, turn in batches:
        columns = {
            name: pa.array([cells[(place * turn + row) % len(cells)] for row in range(count)], pa.string())
            for place, name in enumerate(sample.table.column_names)
        }
        raws.append(Raw(pa.table(columns)))

    of = [(raw, sources[place % 2]) for place, raw in enumerate([*raws, sample])]
    together = normalise_together([raw for raw, _ in of], sources=[one for _, one in of], exported_on=exported_on)

    alone = [normalise_raw(raw, source=one, exported_on=exported_on) for raw, one in of]
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))


def test_batches_of_other_columns_are_not_mixed_and_a_wrong_one_is_refused() -> None:
    folder = next(one for one in DIALECTS if one.name == "population-arrow")
    dialect = load().dialects[folder.name]
    source, exported_on = sample_source(dialect), dialect.sample.exported_on
    sample = read(sample_of(folder).read_bytes(), dialect, source_id="sample")
    fewer = Raw(sample.table.drop_columns(["cmnd"]))
    wrong = Raw(sample.table.append_column("unheard_of", sample.table["cmnd"]))

    together = normalise_together([sample, fewer], sources=[source, source], exported_on=exported_on)

    assert same(together[0], normalise_raw(sample, source=source, exported_on=exported_on))
    assert same(together[1], normalise_raw(fewer, source=source, exported_on=exported_on))
    with pytest.raises(RejectedBatchError):
        normalise_together([sample, wrong], sources=[source, source], exported_on=exported_on)
