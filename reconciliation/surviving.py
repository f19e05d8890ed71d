"""Stage 6: what is known of one subject, field by field, from the best record that says it, with provenance.

The rule, stated once: a population register speaks before an insurance system about a person; among equals the later
event speaks (none stated is the earliest), then the newer version, then the smaller id. A birth date is taken whole
from the record that states it most precisely. A record whose update waits for a decision does not speak.
"""

import pyarrow as pa

from adapters.canonical import RecordKind
from reconciliation.golden import GOLDEN_FIELDS, golden_schema, groups
from reconciliation.relations import select

# What is published of a subject: NEW, UNMERGED (new, of records that were another subject's), ID_CHANGED (it had
# another number), RECODED (its unit alone changed), CORRECTED (any other change), MERGED, RETRACTED.
CHANGE_KEY = pa.schema(
    [
        pa.field("cause", pa.string(), nullable=False),
        pa.field("previous_change_id", pa.int64()),
        pa.field("replaced_by", pa.string()),  # of a MERGED subject: the one it became part of
    ]
)


def survive(kind: RecordKind, spoken: pa.Table) -> pa.Table:
    """The golden rows (golden_schema) of the records `spoken` (spoken_schema), ordered by subject."""
    return select(_survive_query(kind), golden_schema(kind), spoken=spoken)


PARTED = pa.schema([pa.field("subject_id", pa.string(), nullable=False)])  # what got records that were another's

# The numbers by which others know a subject: another one is told as such.
_IDS = {
    RecordKind.PERSON: ("personal_number",),
    RecordKind.HOUSEHOLD: (),
    RecordKind.INSURANCE: ("personal_number", "insurance_number"),
}


def differ(
    kind: RecordKind, golden: pa.Table, previous: pa.Table, successors: pa.Table, parted: pa.Table | None = None
) -> pa.Table:
    """What has to be published: golden_schema + CHANGE_KEY, ordered by subject.

    `previous` is what stands (golden_schema + change_id); `successors` tells of a gone subject_id its `replaced_by`;
    `parted` are the subjects that got records of others (PARTED). A gone subject has null fields.
    """
    schema = pa.schema([*golden_schema(kind), *CHANGE_KEY])
    others = PARTED.empty_table() if parted is None else parted
    query = _differ_query(kind)
    return select(query, schema, golden=golden, previous=previous, successors=successors, parted=others)


def _survive_query(kind: RecordKind) -> str:
    chosen: list[str] = []
    fields: list[str] = []
    provenance: list[str] = []
    for leader, members in groups(kind):
        packed = ", ".join(f"{name} := {name}" for name in members)
        newest = "-coalesce(epoch(event_date), '-infinity'::double), -source_version"
        rank = f"({_precision(leader)}authority, {newest}, record_id)"
        present = " or ".join(f"{name} is not null" for name in members)
        chosen.append(
            f"arg_min(struct_pack(record_id := record_id, {packed}), row{rank}) filter ({present}) as chose_{leader}"
        )
        fields.extend(f"chose_{leader}.{name} as {name}" for name in members)
        provenance.append(f"'{leader}', chose_{leader}.record_id")
    return f"""
with chosen as (select subject_id, {", ".join(chosen)} from spoken group by subject_id)
select subject_id, {", ".join(fields)}, json_object({", ".join(provenance)})::text as provenance
from chosen order by subject_id
"""


def _precision(leader: str) -> str:
    """A stated day beats a stated year: what comes before authority in the rank of a birth date."""
    if leader != "birth_year":
        return ""
    return "case when birth_day is not null then 0 when birth_month is not null then 1 else 2 end, "


def _differ_query(kind: RecordKind) -> str:
    names = list(GOLDEN_FIELDS[kind])
    changed = " or ".join(f"g.{name} is distinct from p.{name}" for name in names)
    others = " or ".join(f"g.{name} is distinct from p.{name}" for name in names if name != "unit_code")
    changed_ids = " or ".join(f"g.{name} <> p.{name}" for name in _IDS[kind]) or "false"  # neither of them null
    return f"""
select coalesce(g.subject_id, p.subject_id) as subject_id, {", ".join(f"g.{name}" for name in names)},
    coalesce(g.provenance, '{{}}') as provenance,
    case when p.subject_id is null and g.subject_id in (select subject_id from parted) then 'UNMERGED'
         when p.subject_id is null then 'NEW'
         when g.subject_id is null and s.replaced_by is not null then 'MERGED'
         when g.subject_id is null then 'RETRACTED'
         when {changed_ids} then 'ID_CHANGED'
         when {others} then 'CORRECTED'
         else 'RECODED' end as cause,
    p.change_id as previous_change_id,
    case when g.subject_id is null then s.replaced_by end as replaced_by
from golden g full join previous p on p.subject_id = g.subject_id
left join successors s on s.subject_id = p.subject_id
where p.subject_id is null or g.subject_id is null or {changed}
order by 1
"""
