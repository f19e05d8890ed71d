"""Units of today expressed on a former code list, for a registry that has not cut over.

Most units of today were made of several: then there is no former code, only candidates, and the row says that it is
not exact. Only the record's own code, as it was sent under that list, tells which of them is meant.
"""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.explanations import Decider
from adapters.reference.resolve import resolve
from adapters.reference.units import UnitTables, load_units, vintages

PROJECTED = pa.schema(
    [
        pa.field("former_code", pa.string()),  # of the list in force on `to`; null where it cannot be known
        pa.field("is_exact", pa.bool_(), nullable=False),  # false: not one-to-one, or no unit is known at all
        pa.field("candidates", pa.list_(pa.string()), nullable=False),  # ascending
        pa.field("explanation_code", pa.string(), nullable=False),  # an Explanation, as of the unit's own way back
        pa.field("resolution", pa.string()),
        pa.field("clause", pa.string()),
        pa.field("decided_by", pa.string()),  # law | record; null where nothing decides
    ]
)


def project(
    unit_codes: pa.Array,
    *,
    to: date,
    as_of: date | None = None,
    sent_codes: pa.Array | None = None,
    sent_vintages: pa.Array | None = None,
    tables: UnitTables | None = None,
) -> pa.Table:
    """One row of PROJECTED for each unit of the list of `as_of` (none: the latest), on the list of the day `to`.

    `sent_codes` are the codes the records came with, `sent_vintages` (date32) their lists. A sent code counts only
    where it is surely of the list of `to`, by its vintage or because no other list has it, and is a candidate.
    """
    tables = tables or load_units()
    latest = as_of or vintages(tables)[-1]
    nothing = pa.nulls(len(unit_codes), pa.date32())
    own = pa.repeat(pa.scalar(latest, pa.date32()), len(unit_codes))
    back = resolve(unit_codes, own, nothing, as_of=to, tables=tables)
    former, decided_by = back["unit_code"].combine_chunks(), back["decided_by"].combine_chunks()
    if sent_codes is not None:
        sent = _of_list(sent_codes, nothing if sent_vintages is None else sent_vintages, to, tables)
        is_sent = pc.and_(pc.is_null(former), _contains(back["candidates"].combine_chunks(), sent))
        former = pc.if_else(is_sent, sent, former)
        decided_by = pc.if_else(is_sent, Decider.RECORD.value, decided_by)
    columns = {name: back[name] for name in ("candidates", "explanation_code", "resolution", "clause")}
    columns |= {"former_code": former, "is_exact": pc.is_valid(former), "decided_by": decided_by}
    return pa.table({name: columns[name] for name in PROJECTED.names}).cast(PROJECTED).combine_chunks()


def _of_list(codes: pa.Array, sent_vintages: pa.Array, to: date, tables: UnitTables) -> pa.Array:
    """The codes on the list of `to`, where they are surely of that list; closed ones as what they became in it."""
    known = vintages(tables)
    wanted = max((vintage for vintage in known if vintage <= to), default=known[0])
    nothing = pa.nulls(len(codes), pa.date32())
    read = resolve(codes, sent_vintages, nothing, as_of=known[-1], tables=tables)
    is_of_list = pc.equal(read["vintage_used"].combine_chunks(), pa.scalar(wanted, pa.date32()))
    own = pa.repeat(pa.scalar(wanted, pa.date32()), len(codes))
    on_list = resolve(codes, own, nothing, as_of=to, tables=tables)["unit_code"].combine_chunks()
    return pc.if_else(is_of_list, on_list, pa.scalar(None, pa.string()))


def _contains(lists: pa.Array, values: pa.Array) -> pa.Array:
    """Whether each list holds the value beside it; false where there is no value."""
    parents = pc.list_parent_indices(lists)
    hits = pc.fill_null(pc.equal(pc.list_flatten(lists), values.take(parents)), fill_value=False)
    return pc.is_in(pa.array(np.arange(len(lists)), parents.type), value_set=parents.filter(hits))
