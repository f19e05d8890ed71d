"""What a change of units would do to one province, counted before it does: the same stages, with and without it."""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import RecordKind
from adapters.reference.hamlets import hamlet_key
from adapters.reference.unit_events import Event
from adapters.reference.unit_names import fold_unit_name
from adapters.reference.units import UnitTables, units_on
from reconciliation.pipeline import place, rekey
from reconciliation.relations import select
from reconciliation.standing import Standing

# What finding out where one household lives takes a local officer, telephone calls included. An assumption, to be
# replaced by what the first merger measured.
MINUTES_A_CASE = 20

_COUNTS = (
    *("touched", "recoded", "restated", "settled", "ambiguous", "orphaned"),
    *("hamlet_names", "records_in_hamlets"),
)
_COUNTED = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in _COUNTS])
_HAMLETS = pa.schema([pa.field("record_id", pa.int64(), nullable=False), pa.field("hamlet_key", pa.string())])


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """One province after a change of units, against the same day without it."""

    province_code: str
    records: int  # all that stand
    touched: int  # whose answer changes: the sum of the next five, and of questions that ask something else
    recoded: int  # go to another unit by themselves
    restated: int  # stay in their unit, by another legal basis
    settled: int  # were a question and have a unit now
    ambiguous: int  # had a unit and become a question for an office
    orphaned: int  # had a unit and have none that anybody can name
    units_of_one_name: int  # that share their name with another unit of the province only since the change
    hamlet_names: int  # that mean more than one hamlet of their unit since the change
    records_in_hamlets: int  # that say no more than such a name
    households_renumbered: int  # whose number is taken in their new unit, or theirs again
    steward_hours: float  # for the records that become questions


def touched_codes(event: Event, tables: UnitTables) -> frozenset[str]:
    """Every commune that `event` names, and every commune of a district or level that it ends or changes."""
    named = {
        row[name]
        for rows in event.rows.values()
        for row in rows
        for name in ("code", "from_code", "to_code")
        if name in row.said
    }
    communes = units_on(event.day_before, tables=tables)
    above = pc.or_kleene(
        pc.is_in(communes["district_code"], value_set=pa.array(sorted(named), pa.string())),
        pc.is_in(communes["province_code"], value_set=pa.array(sorted(named), pa.string())),
    )
    return frozenset(named) | frozenset(communes.filter(pc.fill_null(above, False))["code"].to_pylist())  # noqa: FBT003


def rehearse(
    standing: Standing,
    proposed: UnitTables,
    *,
    province_code: str,
    as_of: date,
    records: int,
    minutes_a_case: int = MINUTES_A_CASE,
) -> Rehearsal:
    """What `proposed` makes of the province `standing` on the day `as_of`; `records` is how many stand in it.

    `standing` may leave out records that the change cannot touch.
    """
    before = place(standing, province_code=province_code, as_of=as_of, units=standing.units)
    after = place(standing, province_code=province_code, as_of=as_of, units=proposed)
    hamlets = pa.concat_tables([_hamlets(standing.heads[kind]) for kind in RecordKind])
    found = select(_COUNT, _COUNTED, before=before, after=after, hamlets=hamlets).to_pylist()
    counted = found[0] if found else dict.fromkeys(_COUNTED.names, 0)
    was, becomes = rekey(standing, before), rekey(standing, after)
    renumbered = pc.sum(pc.not_equal(_number(was), _number(becomes))).as_py() or 0
    questions = counted["ambiguous"] + counted["orphaned"]
    return Rehearsal(
        province_code=province_code,
        records=records,
        units_of_one_name=len(
            _units_of_one_name(proposed, province_code, as_of)
            - _units_of_one_name(standing.units, province_code, as_of)
        ),
        households_renumbered=renumbered,
        steward_hours=round(questions * minutes_a_case / 60, 1),
        **counted,
    )


def _number(identities: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(identities["household_number"], "")


def _hamlets(heads: pa.Table) -> pa.Table:
    """The hamlet of each record, as a key; worked out once for each way of writing one."""
    said = heads["hamlet"].combine_chunks().dictionary_encode()
    keys = pc.take(hamlet_key(said.dictionary), said.indices)
    return pa.Table.from_arrays([heads["record_id"].combine_chunks(), keys], schema=_HAMLETS)


def _units_of_one_name(tables: UnitTables, province_code: str, on: date) -> frozenset[str]:
    """The communes of a province that share their name with another one of it."""
    communes = units_on(on, tables=tables)
    own = communes.filter(pc.equal(communes["province_code"], province_code))
    names = fold_unit_name(own["name"].combine_chunks())
    counted = names.value_counts()
    shared = counted.filter(pc.greater(counted.field("counts"), 1)).field("values")
    return frozenset(pc.filter(own["code"].combine_chunks(), pc.is_in(names, value_set=shared)).to_pylist())


_COUNT = """
with pairs as (
    select a.record_id, b.unit_code as unit_before, a.unit_code as unit_after, a.outcome as outcome_after,
        (a.outcome, a.unit_code, a.basis, a.explanation, a.decided_by)
            is distinct from (b.outcome, b.unit_code, b.basis, b.explanation, b.decided_by) as is_touched
    from after a join before b using (record_id)
), meeting as (  -- hamlets of one name that lay in several units, and lie in one now
    select unit_after, hamlet_key, count(*) as records
    from pairs join hamlets using (record_id)
    where unit_after is not null and hamlet_key is not null
    group by unit_after, hamlet_key having count(distinct unit_before) > 1
)
select
    count(*) filter (is_touched) as touched,
    count(*) filter (unit_before <> unit_after) as recoded,
    count(*) filter (is_touched and unit_before = unit_after) as restated,
    count(*) filter (unit_before is null and unit_after is not null) as settled,
    count(*) filter (unit_before is not null and outcome_after = 'ambiguous') as ambiguous,
    count(*) filter (unit_before is not null and outcome_after = 'unknown') as orphaned,
    (select count(*) from meeting) as hamlet_names,
    (select coalesce(sum(records), 0)::bigint from meeting) as records_in_hamlets
from pairs
"""
