"""The old codes with what became of each, as one table to be handed out: a row for each unit a code may mean."""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.resolve import resolve
from adapters.reference.units import UnitTables, load_units, name_of, province_of, units_on, vintages

CODE_TABLE = pa.schema(
    [
        pa.field("old_list", pa.date32(), nullable=False),  # the vintage of the list that the code is of
        pa.field("old_code", pa.string(), nullable=False),
        pa.field("old_name", pa.string()),
        pa.field("old_province", pa.string()),
        pa.field("outcome", pa.string(), nullable=False),  # current | retired | ambiguous | unknown
        pa.field("new_code", pa.string()),  # of `on`; null when unknown
        pa.field("new_name", pa.string()),
        pa.field("new_province", pa.string()),
        pa.field("candidates", pa.int64(), nullable=False),  # how many rows this code has
        pa.field("explanation", pa.string(), nullable=False),
        pa.field("effective_on", pa.date32()),  # the newest change between the two lists
        pa.field("resolution", pa.string()),
        pa.field("clause", pa.string()),
    ]
)


def code_table(on: date, *, tables: UnitTables | None = None) -> pa.Table:
    """CODE_TABLE of every code of the lists before that of `on`, closed codes included, by list, code and new code."""
    known = tables or load_units()
    changes = [change for change in known.change_dates if change <= on]
    parts = [_of_list(known, vintage, on, changes) for vintage in vintages(known)[: len(changes)]]
    return pa.concat_tables(parts or [CODE_TABLE.empty_table()]).sort_by(
        [("old_list", "ascending"), ("old_code", "ascending"), ("new_code", "ascending")]
    )


def _of_list(known: UnitTables, vintage: date, on: date, changes: list[date]) -> pa.Table:
    own = units_on(vintage, tables=known)["code"].combine_chunks()
    closed = known.retired.filter(
        pc.and_(
            pc.equal(known.retired["status"], "retired_code"), pc.equal(known.retired["listed_on"], pa.scalar(vintage))
        )
    )
    old = pa.concat_arrays([own, closed["former_code"].combine_chunks()])
    names = pa.concat_arrays([name_of(own, vintage, tables=known), closed["former_name"].combine_chunks()])
    provinces = pa.concat_arrays([province_of(own, vintage, tables=known), closed["province_code"].combine_chunks()])
    dated = pa.repeat(pa.scalar(vintage, pa.date32()), len(old))
    answers = resolve(old, dated, pa.nulls(len(old), pa.date32()), as_of=on, tables=known)
    counts = pc.list_value_length(answers["candidates"].combine_chunks())
    # An unknown code has one row too, without a unit.
    units = pc.if_else(pc.equal(counts, 0), pa.scalar([None], pa.list_(pa.string())), answers["candidates"])
    units = units.combine_chunks()
    rows, new = pc.list_parent_indices(units), pc.list_flatten(units)
    newest = max(change for change in changes if change > vintage)
    return pa.Table.from_arrays(
        [
            dated.take(rows),
            old.take(rows),
            names.take(rows),
            provinces.take(rows),
            answers["outcome"].combine_chunks().take(rows),
            new,
            name_of(new, on, tables=known),
            province_of(new, on, tables=known),
            counts.take(rows).cast(pa.int64()),
            answers["explanation_code"].combine_chunks().take(rows),
            pa.repeat(pa.scalar(newest, pa.date32()), len(rows)),
            answers["resolution"].combine_chunks().take(rows),
            answers["clause"].combine_chunks().take(rows),
        ],
        schema=CODE_TABLE,
    )
