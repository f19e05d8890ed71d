"""Stage 6: what is known of one subject, field by field, from the best record that says it, with provenance.

Which record that is says the one table of survivorship.py. A record whose update waits for a decision does not speak.
"""

from collections.abc import Mapping
from itertools import chain

import pyarrow as pa

from adapters.canonical import RecordKind
from reconciliation.golden import GOLDEN_FIELDS, golden_schema
from reconciliation.relations import select
from reconciliation.survivorship import REASONS, RULES, Rank, Rule

# What is published of a subject: NEW, UNMERGED (new, of records that were another subject's), ID_CHANGED (it had
# another number), RECODED (its unit alone changed), CORRECTED (any other change), MERGED, RETRACTED.
CHANGE_KEY = pa.schema(
    [
        pa.field("cause", pa.string(), nullable=False),
        pa.field("previous_change_id", pa.int64()),
        pa.field("replaced_by", pa.string()),  # of a MERGED subject: the one it became part of
    ]
)


# The engine keeps two records of every subject for each rule at hand, in memory that it cannot lay down on disk.
_AT_A_TIME = 200_000  # records


def survive(kind: RecordKind, spoken: pa.Table, *, at_a_time: int = _AT_A_TIME) -> pa.Table:
    """The golden rows (golden_schema) of the records `spoken` (spoken_schema), ordered by subject.

    They are chosen in parts, each of the subjects of about `at_a_time` records.
    """
    query, schema = _survive_query(kind), golden_schema(kind)
    parts = 1 + spoken.num_rows // at_a_time
    if parts == 1:
        return select(query, schema, spoken=spoken)
    subjects = spoken["subject_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    chosen = [select(query, schema, spoken=spoken.filter(pa.array(subjects % parts == part))) for part in range(parts)]
    return pa.concat_tables(chosen).sort_by("subject_id")


SUBJECTS = pa.schema([pa.field("subject_id", pa.string(), nullable=False)])
PARTED = SUBJECTS  # what got records that were another's

# The numbers by which others know a subject: another one is told as such.
_IDS = {
    RecordKind.PERSON: ("personal_number",),
    RecordKind.HOUSEHOLD: (),
    RecordKind.INSURANCE: ("personal_number", "insurance_number"),
}


def differ(
    kind: RecordKind,
    golden: pa.Table,
    previous: pa.Table,
    successors: pa.Table,
    *,
    parted: pa.Table | None = None,
    regrouped: pa.Table | None = None,
) -> pa.Table:
    """What has to be published: golden_schema + CHANGE_KEY, ordered by subject.

    `previous` is what stands (stands_schema + change_id); `successors` tells of a gone subject_id its `replaced_by`;
    `parted` are the subjects that got records of others (PARTED). A gone subject has null fields. Of the subjects
    `regrouped` (SUBJECTS), that got or lost records, what only comes from another record is published too: nobody's
    provenance names a record that is somebody else's.
    """
    schema = pa.schema([*golden_schema(kind), *CHANGE_KEY])
    nothing = SUBJECTS.empty_table()
    return select(
        _differ_query(kind),
        schema,
        golden=golden,
        previous=previous,
        successors=successors,
        parted=nothing if parted is None else parted,
        regrouped=nothing if regrouped is None else regrouped,
    )


def _survive_query(kind: RecordKind) -> str:
    rules = RULES[kind]
    places = {order: f"order_{n}" for n, order in enumerate(dict.fromkeys(chain(*map(_orders, rules))))}
    ranked = ", ".join(f"{order} as {name}" for order, name in places.items())
    chosen = ", ".join(_chosen(rule, places) for rule in rules)
    fields = ", ".join(f"chose_{rule.leader}[1].{name} as {name}" for rule in rules for name in rule.fields)
    provenance = ", ".join(f"'{rule.leader}', chose_{rule.leader}[1].record_id" for rule in rules)
    decided = ", ".join(f"""'"{rule.leader}":"' || {_decided(rule, places)} || '"'""" for rule in rules)
    return f"""
with ranked as (select *, {ranked} from spoken),
chosen as (select subject_id, {chosen} from ranked group by subject_id)
select subject_id, {fields}, json_object({provenance})::text as provenance,
    '{{' || concat_ws(',', {decided}) || '}}' as decided_by
from chosen order by subject_id
"""


def _chosen(rule: Rule, places: Mapping[str, str]) -> str:
    """The record that speaks first by a rule, and the next one, each with where it ranks. `places` name the orders."""
    own = [places[order] for order in _orders(rule)]
    packed = ", ".join(f"{name} := {name}" for name in ("record_id", *rule.fields, *own))
    present = " or ".join(f"{name} is not null" for name in rule.fields)
    return f"arg_min(struct_pack({packed}), row({', '.join(own)}), 2) filter ({present}) as chose_{rule.leader}"


def _decided(rule: Rule, places: Mapping[str, str]) -> str:
    """The first rank in which the two differ; null where one record alone says it and nobody was asked."""
    first, next_ = f"chose_{rule.leader}[1]", f"chose_{rule.leader}[2]"
    own = [(rank, places[order]) for rank in rule.by for order in REASONS[rank].orders]
    judged = f"when {first}.{own[0][1]} = 0 then '{Rank.JUDGEMENT}' " if rule.by[0] is Rank.JUDGEMENT else ""
    differ = " ".join(f"when {first}.{place} <> {next_}.{place} then '{rank}'" for rank, place in own)
    return f"case {judged}when {next_} is null then null {differ} end"


def _orders(rule: Rule) -> list[str]:
    return [order for rank in rule.by for order in REASONS[rank].orders]


def _differ_query(kind: RecordKind) -> str:
    names = list(GOLDEN_FIELDS[kind])
    changed = " or ".join(f"g.{name} is distinct from p.{name}" for name in names)
    others = " or ".join(f"g.{name} is distinct from p.{name}" for name in names if name != "unit_code")
    changed_ids = " or ".join(f"g.{name} <> p.{name}" for name in _IDS[kind]) or "false"  # neither of them null
    return f"""
select coalesce(g.subject_id, p.subject_id) as subject_id, {", ".join(f"g.{name}" for name in names)},
    coalesce(g.provenance, '{{}}') as provenance, g.decided_by,
    case when p.subject_id is null and g.subject_id in (select subject_id from parted) then 'UNMERGED'
         when p.subject_id is null then 'NEW'
         when g.subject_id is null and s.replaced_by is not null then 'MERGED'
         when g.subject_id is null then 'RETRACTED'
         when {changed_ids} then 'ID_CHANGED'
         when {others} or not ({changed}) then 'CORRECTED'
         else 'RECODED' end as cause,
    p.change_id as previous_change_id,
    case when g.subject_id is null then s.replaced_by end as replaced_by
from golden g full join previous p on p.subject_id = g.subject_id
left join successors s on s.subject_id = p.subject_id
where p.subject_id is null or g.subject_id is null or {changed}
    or (g.provenance <> p.provenance and g.subject_id in (select subject_id from regrouped))
order by 1
"""
