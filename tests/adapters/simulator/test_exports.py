"""What is written is what the readers read: every source, both phases, byte for byte the same for a seed."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adapters.catalogue import load as load_catalogue
from adapters.normalise import Normalised, normalise_file, normalise_rows
from adapters.readers import LIMITS
from adapters.simulator import Country, ExportFile, Fault, Phase, exports, simulate, truth
from adapters.simulator.country import RECORDS_PER_FILE
from adapters.simulator.exports import files, raw_rows
from adapters.simulator.rates import UNREADABLE
from adapters.simulator.rendering import carried
from adapters.simulator.writers import write, write_arrow
from tests.adapters.simulator.conftest import PROVINCES, SEED

SOURCES = sorted(source.source_id for code in PROVINCES for source in load_catalogue().provinces[code].systems)


def both_phases(country: Country, source_id: str) -> list[tuple[ExportFile, pa.Table]]:
    found: list[tuple[ExportFile, pa.Table]] = []
    for phase in Phase:
        rows = files(country.systems[source_id], phase)
        found += zip(exports(country, phase=phase, source_id=source_id), rows, strict=True)
    return found


def assert_same(normalised: Normalised, held: pa.Table, country: Country, source_id: str) -> None:
    """Every readable row came back as it is held, as far as the dialect carries it."""
    expected = carried(held, country.systems[source_id].source)
    unreadable = pa.array((held["faults"].to_numpy() & UNREADABLE.value) != 0)
    rows = normalised.table["row"].combine_chunks()
    kept = pc.invert(unreadable.take(rows))

    found = normalised.table.drop(["row"]).filter(kept)
    assert found.num_rows > 0.8 * held.num_rows or held.num_rows < 40
    for name in found.drop(["unit_vintage"]).column_names:  # judged from the codes: see test_reading_back.py
        assert found[name].to_pylist() == expected[name].take(rows).filter(kept).to_pylist(), name
    missing = set(range(held.num_rows)) - set(rows.to_pylist())
    assert missing <= set(pc.indices_nonzero(unreadable).to_pylist())


@pytest.mark.parametrize("source_id", SOURCES)
def test_files_are_read_back(country: Country, source_id: str) -> None:
    source = country.systems[source_id].source

    for file, held in both_phases(country, source_id):
        normalised = normalise_file(file.payload, source=source, exported_on=file.exported_on)

        assert normalised.received == file.record_count == held.num_rows
        assert_same(normalised, held, country, source_id)


@pytest.mark.parametrize("source_id", SOURCES)
def test_raw_columns_are_read_back_as_arrow(country: Country, source_id: str) -> None:
    system = country.systems[source_id]

    for held in files(system, Phase.AFTER):
        raw = pa.ipc.open_stream(write_arrow(raw_rows(held, system))).read_all()
        exported_on = held["exported_on"][0].as_py()
        normalised = normalise_rows(raw, source=system.source, exported_on=exported_on)

        assert_same(normalised, held, country, source_id)


@pytest.mark.parametrize("source_id", SOURCES)
def test_some_rows_end_in_quarantine(country: Country, source_id: str) -> None:
    source = country.systems[source_id].source
    file = next(exports(country, phase="before", source_id=source_id))

    quarantined = normalise_file(file.payload, source=source, exported_on=file.exported_on).quarantined

    codes = {code for codes in quarantined["codes"].to_pylist() for code in codes}
    assert {"KEY_MISSING", "DUPLICATE_IN_BATCH"} <= codes


def test_impossible_dates_are_reported(large_country: Country) -> None:
    system = large_country.systems["ha-noi.population"]
    held = next(files(system, Phase.BEFORE))
    raw = raw_rows(held, system)

    findings = normalise_rows(raw, source=system.source, exported_on=held["exported_on"][0].as_py()).findings

    impossible = pc.sum(pa.array((held["faults"].to_numpy() & Fault.DATE_IMPOSSIBLE.value) != 0)).as_py()
    reported = pc.sum(pc.equal(findings["code"], "DATE_INVALID")).as_py()
    assert reported == impossible > 0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    def fingerprint(seed: int) -> str:
        country = simulate(seed, 500, ("68",))  # every format
        digest = hashlib.sha256()
        for source_id in country.systems:
            for phase in Phase:
                for file in exports(country, phase=phase, source_id=source_id):
                    digest.update(f"{file.file_name} {file.exported_on} {file.record_count}".encode())
                    digest.update(file.payload)
        for name in ("persons", "households", "units", "faults"):
            digest.update(repr(getattr(truth(country), name).to_pydict()).encode())
        return digest.hexdigest()

    assert fingerprint(SEED) == fingerprint(SEED)
    assert fingerprint(SEED) != fingerprint(SEED + 1)


def test_files_keep_the_bounds_of_a_batch_and_their_numbers_rise() -> None:
    country = simulate(SEED, 3_000, ("01",), records_per_file=100)
    for source_id in country.systems:
        found = [file for phase in Phase for file in exports(country, phase=phase, source_id=source_id)]

        assert [file.sequence for file in found] == list(range(1, len(found) + 1))
        assert len({file.file_name for file in found}) == len(found)
        assert all(0 < file.record_count <= 100 for file in found)
        assert all(len(file.payload) <= LIMITS.payload_bytes for file in found)


def test_full_files_are_smaller_than_a_batch_may_be(large_country: Country) -> None:
    for source_id, system in large_country.systems.items():
        largest = max(files(system, Phase.BEFORE), key=lambda rows: rows.num_rows)

        payload = write(raw_rows(largest, system), system.source.dialect)

        assert len(payload) / largest.num_rows * RECORDS_PER_FILE < LIMITS.payload_bytes, source_id


def test_old_versions_come_after_new_ones_in_a_file_of_the_first_export(large_country: Country) -> None:
    system = large_country.systems["ha-noi.population"]
    last = list(files(system, Phase.AFTER))[-1]
    newer = {
        row["source_record_id"]: row["source_version"]
        for table in list(files(system, Phase.AFTER))[:-1]
        for row in table.to_pylist()
    }

    assert set(last["faults"].to_numpy() & Fault.RESENT_OLD.value) == {Fault.RESENT_OLD.value}
    assert last["exported_on"][0].as_py() == exports_on(large_country, "before")
    for row in last.to_pylist():
        assert row["source_version"] < newer[row["source_record_id"]]


def exports_on(country: Country, phase: str) -> object:
    return next(exports(country, phase=phase, source_id="ha-noi.population")).exported_on
