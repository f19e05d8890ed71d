"""Files as a system exports them, and the truth that no gateway code ever sees."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from adapters.simulator.country import Country, Phase, System, file_count
from adapters.simulator.rates import Fault
from adapters.simulator.relatives import NOBODY
from adapters.simulator.rendering import render
from adapters.simulator.slips import held_with_slips, raw_with_slips
from adapters.simulator.writers import SUFFIXES, write


@dataclass(frozen=True)
class ExportFile:
    """One file of one source. `sequence` rises from 1 over both phases."""

    source_id: str
    sequence: int
    exported_on: date
    record_count: int
    payload: bytes
    file_name: str


@dataclass(frozen=True)
class Truth:
    """Who is who, by the source's own record ids. Ids of people and households are ours, from 0."""

    persons: pa.Table  # source_id, source_record_id, person_id, household_id (null at a place they left)
    households: pa.Table  # source_id, source_record_id, household_id
    units: pa.Table  # source_id, source_record_id, unit_code: the right unit of the place last sent
    families: pa.Table  # person_id, father_id, mother_id, spouse_id: of the people here; null who lives elsewhere
    faults: pa.Table  # source_id, phase, source_record_id (null if missing), faults

    def write(self, folder: Path) -> None:
        """Each table as a Parquet file of its name."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.__dataclass_fields__:
            parquet.write_table(getattr(self, name), folder / f"{name}.parquet")


def exports(country: Country, *, phase: str, source_id: str) -> Iterator[ExportFile]:
    """The files of one source in one phase ("before" or "after"), in the order in which they are sent."""
    system, when = country.systems[source_id], Phase(phase)
    sent_before = 0 if when is Phase.BEFORE else file_count(system.phases[Phase.BEFORE])
    for number, rows in enumerate(files(system, when)):
        sequence, exported_on = sent_before + number + 1, rows["exported_on"][0].as_py()
        suffix = SUFFIXES[system.source.dialect.file.format]
        yield ExportFile(
            source_id=source_id,
            sequence=sequence,
            exported_on=exported_on,
            record_count=rows.num_rows,
            payload=write(raw_rows(rows, system), system.source.dialect),
            file_name=f"{source_id}-{exported_on:%Y%m%d}-{sequence:04d}.{suffix}",
        )


def files(system: System, phase: Phase) -> Iterator[pa.Table]:
    """The rows of each file of one phase, as the system holds them."""
    table = system.phases[phase]
    for number in range(file_count(table)):
        yield table.filter(pc.equal(table["file"], number))


def raw_rows(rows: pa.Table, system: System) -> pa.Table:
    """The source's own columns of some rows, with what is wrong in how they are typed."""
    source = system.source
    return raw_with_slips(render(held_with_slips(rows, source), source), rows, source)


def truth(country: Country) -> Truth:
    """The truth about every record that has a key."""
    rows = pa.concat_tables([_truth_rows(system, phase) for system in country.systems.values() for phase in Phase])
    keyed = rows.filter(pc.is_valid(rows["source_record_id"]))
    current = keyed.filter(pa.array((keyed["faults"].to_numpy() & Fault.RESENT_OLD.value) == 0))
    last = _last_of_each(current)
    is_household = pc.is_null(last["person_id"])
    return Truth(
        persons=last.filter(pc.invert(is_household)).select([*_ID, "person_id", "household_id"]),
        households=last.filter(is_household).select([*_ID, "household_id"]),
        units=last.select([*_ID, "right_unit"]).rename_columns([*_ID, "unit_code"]),
        families=_families(country),
        faults=rows.select(["source_id", "phase", "source_record_id", "faults"]),
    )


def _families(country: Country) -> pa.Table:
    relatives = country.world.relatives.rows
    ids = {f"{relative}_id": pa.array(rows, pa.int64(), mask=rows == NOBODY) for relative, rows in relatives.items()}
    return pa.table({"person_id": pa.array(np.arange(len(country.world.people.kin)), pa.int64()), **ids})


_ID = ["source_id", "source_record_id"]


def _truth_rows(system: System, phase: Phase) -> pa.Table:
    table = system.phases[phase]
    names = ["source_record_id", "person_id", "household_id", "right_unit", "faults"]
    said = {
        "source_id": pa.array([system.source.source_id] * table.num_rows, pa.string()),
        "phase": pa.array([phase.value] * table.num_rows, pa.string()),
    }
    return pa.table(said | {name: table[name] for name in names})


def _last_of_each(rows: pa.Table) -> pa.Table:
    """The last row of each record: phases are in order, and so are the files within them."""
    keys = pc.binary_join_element_wise(rows["source_id"], rows["source_record_id"], "\x1f").combine_chunks()
    codes = pc.dictionary_encode(keys).indices.to_numpy()
    _, from_the_end = np.unique(codes[::-1], return_index=True)
    return rows.take(pa.array(np.sort(len(codes) - 1 - from_the_end))).combine_chunks()
