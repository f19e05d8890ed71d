"""What the sources of the intake benchmark send: people of their own province, as often as needed under new keys.

Drawn once a run. A batch is 1,000 rows; the copies of a person differ in key, number and household book, so that every
index entry is a new one and nobody heads one household twice.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters import catalogue, simulator
from adapters.canonical import RecordKind
from adapters.catalogue import Source
from adapters.normalise import Normalised, normalise_rows
from adapters.readers import read
from gateway.client import Outgoing
from gateway.v1 import records_pb2
from reconciliation.model import BatchFormat

ROWS = 1_000
_PEOPLE = 60_000
_SEXES = {"male": "SEX_MALE", "female": "SEX_FEMALE"}
_DATE_PARTS = ("birth_year", "birth_month", "birth_day")


@dataclass(frozen=True)
class Sender:
    """One source and the people it speaks of, in its own columns, all strings."""

    source: Source
    people: pa.Table
    exported_on: date

    def rows(self, number: int, *, version: int = 0, key: str = "K") -> pa.Table:
        """Batch `number` in the source's own columns. A higher `version` is the same records, changed later."""
        places = np.arange(number * ROWS, (number + 1) * ROWS)
        serial = pa.array([f"{place:09d}" for place in places])
        copies = pa.array([f"{copy % 1000:03d}" for copy in places // self.people.num_rows])
        table = self.people.take(pa.array(places % self.people.num_rows)).combine_chunks()
        table = self._with(table, "source_record_id", lambda _: pc.binary_join_element_wise(key, serial, ""))
        table = self._with(table, "personal_number", lambda old: _spliced(old, 6, pc.utf8_slice_codeunits(serial, 3)))
        table = self._with(table, "household_number", lambda old: _spliced(old, 0, copies))
        return self._with(table, "source_version", lambda _: self._moments(places, version)) if version else table

    def normalised(self, number: int) -> Normalised:
        """Batch `number` as the gateway makes it."""
        return normalise_rows(self.rows(number), source=self.source, exported_on=self.exported_on)

    def arrow(self, number: int, *, sequence: int, version: int = 0, key: str = "K") -> Outgoing:
        """Batch `number` as an Arrow stream of the source's own columns."""
        table, sink = self.rows(number, version=version, key=key), io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return self._outgoing(sequence, sink.getvalue(), BatchFormat.ARROW_IPC)

    def typed(self, number: int, *, sequence: int) -> Outgoing:
        """Batch `number` as typed records of those rows that have no error."""
        rows = self.normalised(number).table.to_pylist()
        payload = records_pb2.TypedRecords(persons=[_typed(row) for row in rows]).SerializeToString()
        return self._outgoing(sequence, payload, BatchFormat.TYPED_RECORDS, records=len(rows))

    def _outgoing(self, sequence: int, payload: bytes, form: BatchFormat, *, records: int = ROWS) -> Outgoing:
        return Outgoing(
            sequence=sequence, payload=payload, format=form, exported_on=self.exported_on, record_count=records
        )

    def _with(self, table: pa.Table, target: str, change: Callable[[pa.Array], pa.Array]) -> pa.Table:
        """The table with the column changed that fills the canonical column `target`, if it has one."""
        mapping = self.source.dialect.mapping_to(target)
        if mapping is None or mapping.name not in table.column_names:
            return table
        place = table.column_names.index(mapping.name)
        return table.set_column(place, mapping.name, change(table[mapping.name].combine_chunks()))

    def _moments(self, places: np.ndarray, version: int) -> pa.Array:
        """The moments of a later change, as the source writes them."""
        mapping = self.source.dialect.mapping_to("source_version")
        day = self.exported_on
        whole = mapping.styles[0] if mapping else ""
        for token, number in (("yyyy", f"{day:%Y}"), ("mm", f"{day:%m}"), ("dd", f"{day:%d}"), ("SS", "00")):
            whole = whole.replace(token, number)
        return pa.array([whole.replace("HH", f"{version:02d}").replace("MM", f"{place % 60:02d}") for place in places])


def draw(seed: int, count: int) -> list[Sender]:
    """The largest population source of each of `count` provinces, with the people of its exports."""
    sources = [one for one in catalogue.load().sources.values() if one.kind is RecordKind.PERSON]
    country = simulator.simulate(seed, _PEOPLE, sorted({one.province_code for one in sources}))
    largest: dict[str, Sender] = {}
    for source in sources:
        sender = _sender(country, source) if source.source_id in country.systems else None
        if sender and sender.people.num_rows > (
            len(largest[code].people) if (code := source.province_code) in largest else 0
        ):
            largest[source.province_code] = sender
    return sorted(largest.values(), key=lambda one: -one.people.num_rows)[:count]


def _sender(country: simulator.Country, source: Source) -> Sender | None:
    files = list(simulator.exports(country, phase=simulator.Phase.AFTER, source_id=source.source_id))
    if not files:
        return None
    read_in = [read(file.payload, source.dialect, source_id=source.source_id).table for file in files]
    people = pa.concat_tables(read_in, promote_options="default").combine_chunks()
    texts = [column.cast(pa.string()) for column in people.columns]
    return Sender(source, pa.table(texts, names=people.column_names), max(file.exported_on for file in files))


def _spliced(values: pa.Array, start: int, with_: pa.Array) -> pa.Array:
    """Each value with a part of it replaced; values that are too short stay."""
    size = len(with_[0].as_py())
    head = pc.utf8_slice_codeunits(values, 0, start)
    spliced = pc.binary_join_element_wise(head, with_, pc.utf8_slice_codeunits(values, start + size), "")
    return pc.if_else(pc.greater_equal(pc.utf8_length(values), start + size), spliced, values)


def _typed(row: dict[str, object]) -> records_pb2.PersonRecord:
    same = ("source_record_id", "personal_number", "cmnd", "insurance_number", "full_name", "ethnic_group", "unit_code")
    same += ("hamlet", "address", "household_number", "relation_to_head", "unit_name")
    given = {name: row[name] for name in same if row[name] is not None}
    year, month, day = (row[name] for name in _DATE_PARTS)
    if year is not None:
        given["birth_date"] = f"{year:04d}-{month:02d}-{day:02d}" if month and day else f"{year:04d}"
    if row["sex"]:
        given["sex"] = records_pb2.Sex.Value(_SEXES[str(row["sex"])])
    moment = np.datetime64(int(str(row["source_version"])) + 7 * 3_600, "s")
    return records_pb2.PersonRecord(updated_at=str(moment), **given)  # type: ignore[arg-type]
