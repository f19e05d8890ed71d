"""Where a steward has said, of two records that are one person, which speaks of a field: that one does."""

import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import RecordKind
from reconciliation.golden import golden_schema, groups
from reconciliation.relations import select

# Which record speaks of a field of its person, and of those that are chosen with it (golden.groups).
PREFERRED = pa.schema(
    [
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("field", pa.string(), nullable=False),
        pa.field("judgement_id", pa.int64(), nullable=False),  # the newest speaks
    ]
)
_KEYS = ["record_id", "record_key"]


def preferred(judgements: pa.Table, persons: pa.Table, insured: pa.Table) -> pa.Table:
    """PREFERRED of the judgements in force (standing.IN_FORCE), among the records that stand."""
    heads = pa.concat_tables([persons.select(_KEYS), insured.select(_KEYS)])
    return select(_PREFERRED, PREFERRED, judged=judgements, heads=heads)


def prefer(golden: pa.Table, spoken: pa.Table, chosen: pa.Table) -> pa.Table:
    """`golden` persons, with what the `chosen` records (PREFERRED) say where they speak and say anything."""
    asked = pc.unique(chosen["field"]).to_pylist()
    fields = [(leader, members) for leader, members in groups(RecordKind.PERSON) if leader in asked]
    if not fields:
        return golden
    return select(_prefer_query(fields), golden_schema(RecordKind.PERSON), golden=golden, spoken=spoken, chosen=chosen)


_PREFERRED = """
with said as (
    select judgement_id, merged_fields, unnest(json_keys(merged_fields)) as field
    from judged where decision = 'same' and merged_fields is not null
)
select record_id, field, judgement_id
from said join heads on heads.record_key = json_extract_string(merged_fields, '$.' || field)
order by judgement_id, field, record_id
"""


def _prefer_query(fields: list[tuple[str, tuple[str, ...]]]) -> str:
    replaced = ", ".join(
        f"case when {leader}_said.record_id is null then g.{name} else {leader}_said.{name} end as {name}"
        for leader, members in fields
        for name in members
    )
    joined = "\n".join(
        f"left join told as {leader}_said on {leader}_said.subject_id = g.subject_id"
        f" and {leader}_said.field = '{leader}' and {leader}_said.place = 1"
        f" and ({' or '.join(f'{leader}_said.{name} is not null' for name in members)})"
        for leader, members in fields
    )
    patches = ", ".join(f"'{leader}', coalesce({leader}_said.record_id::json, g.provenance::json -> '{leader}')"
                        for leader, _ in fields)  # fmt: skip
    return f"""
with told as (
    select spoken.*, field,
        row_number() over (partition by subject_id, field order by judgement_id desc, record_id) as place
    from spoken join chosen using (record_id)
)
select g.* replace ({replaced}, json_merge_patch(g.provenance::json, json_object({patches}))::text as provenance)
from golden g {joined}
order by g.subject_id
"""
