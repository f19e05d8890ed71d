"""One province through all stages: what stands goes in, what a run leaves comes out. Pure; the store is around it."""

import uuid
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import RecordKind
from reconciliation import detecting, recoding, rekeying, surviving
from reconciliation.candidates import RECORDS, name_words
from reconciliation.clustering import Clustered, cluster, open_questions
from reconciliation.deciding import PAIRS, Linked, link
from reconciliation.detecting import CASES, FACTS
from reconciliation.golden import spoken_schema
from reconciliation.model import CaseKind, Decision, State
from reconciliation.relations import select
from reconciliation.standing import CARRIED, HELD, LINKS, Reconciled, Standing, heads_schema
from reconciliation.weights import Model

# An update that is out already is not held back: what is published stands until a judgement changes it.
_HOLDABLE = [State.AWAITING_RECONCILIATION, State.AWAITING_UNIT, State.AWAITING_MATCH, State.AWAITING_STEWARD]

_POOL = pa.schema(
    [
        *RECORDS,
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("event_date", pa.date32()),
    ]
)
_STATES = pa.schema(
    [
        pa.field(name, data_type)
        for name, data_type in (("record_id", pa.int64()), ("record_key", pa.string()), ("state", pa.string()))
    ]
)
_SUCCESSORS = pa.schema([pa.field("subject_id", pa.string()), pa.field("replaced_by", pa.string())])
_OVERRIDES = pa.schema([pa.field("record_key", pa.string()), pa.field("judged_unit", pa.string())])


def reconcile(standing: Standing, *, province_code: str, model: Model, as_of: date) -> Reconciled:
    """All stages in their order: recode, rekey, link, cluster, detect, survive, and the difference to what stands."""
    judged = standing.judgements
    heads = standing.heads
    placements = recoding.recode(
        pa.concat_tables([_sent(heads[kind]) for kind in RecordKind]),
        select(_JUDGED_UNITS, recoding.JUDGED_UNITS, judged=judged),
        as_of=as_of,
        province_code=province_code,
    )
    placed = {kind: _placed(kind, heads[kind], placements) for kind in RecordKind}
    persons, households, insured = (placed[kind] for kind in RecordKind)
    identities = rekeying.rekey(
        households.select(rekeying.HOUSEHOLDS.names), standing.identities, namespace=standing.namespace
    )
    pool = select(_POOLED, _POOL, persons=persons, insured=insured)
    linked = link(
        pool,
        model=model,
        must_link=select(_judged_pairs(Decision.SAME), PAIRS, judged=judged),
        cannot_link=select(_judged_pairs(Decision.NOT_SAME), PAIRS, judged=judged),
    )
    clustered = cluster(
        pool["record_key"],
        linked.links,
        apart=linked.apart,
        numbers=linked.numbers,
        previous=standing.assignment,
        namespace=uuid.UUID(standing.namespace),
    )
    cases = _cases(placements, pool, linked, clustered)
    states = pa.concat_tables([placed[kind].select(_STATES.names) for kind in RecordKind])
    held = select(_HELD, HELD, cases=cases, judged=judged, records=states)
    speaking = {kind: _speaking(placed[kind], held) for kind in RecordKind}
    changes, carried = {}, {}
    spoken = {
        RecordKind.PERSON: _spoken_persons(speaking, clustered, identities, households, _overrides(cases, judged)),
        RecordKind.HOUSEHOLD: _spoken_households(speaking[RecordKind.HOUSEHOLD], identities),
        RecordKind.INSURANCE: _spoken_books(speaking, clustered, namespace=standing.namespace),
    }
    successors = {
        RecordKind.PERSON: select(_MERGED_PERSONS, _SUCCESSORS, moves=clustered.moves),
        RecordKind.HOUSEHOLD: _SUCCESSORS.empty_table(),
        RecordKind.INSURANCE: _merged_books(insured, clustered, namespace=standing.namespace),
    }
    for kind in RecordKind:
        golden = surviving.survive(kind, spoken[kind])
        changes[kind] = surviving.differ(kind, golden, standing.golden[kind], successors[kind])
        carried[kind] = spoken[kind].filter(pc.equal(spoken[kind]["authority"], 0)).select(CARRIED.names)
    return Reconciled(
        placements=placements,
        identities=identities,
        links=select(_LINKED, LINKS, decisions=linked.decisions, given={"model": model.name}),
        assignment=clustered.assignment,
        changes=changes,
        carried=carried,
        held=held,
        cases=cases,
    )


def _sent(heads: pa.Table) -> pa.Table:
    """What recoding reads. A code is as old as the export it stands in: systems recode without touching a record."""
    columns = ["record_id", "record_key", "unit_code", "unit_vintage", "exported_on"]
    return heads.select(columns).rename_columns(recoding.PLACED.names).cast(recoding.PLACED)


def _placed(kind: RecordKind, heads: pa.Table, placements: pa.Table) -> pa.Table:
    """The heads with today's unit in `unit_code` and the code as sent in `sent_code`."""
    schema = pa.schema([*heads_schema(kind), pa.field("sent_code", pa.string())])
    return select(_PLACED, schema, heads=heads, placements=placements)


def _cases(placements: pa.Table, pool: pa.Table, linked: Linked, clustered: Clustered) -> pa.Table:
    """Every question this run raises, those included that a steward has answered. One a fingerprint."""
    folded = name_words(pool["full_name"].combine_chunks())["bare"]
    facts = select(_FACTS, FACTS, pool=pool.append_column("tokens", folded), assignment=clustered.assignment)
    open_pairs = select(
        _OPEN_PAIRS,
        detecting.DOUBTS,
        decisions=open_questions(linked.decisions, clustered.assignment),
        cuts=clustered.cuts,
    )
    raised = [detecting.unplaced(placements), detecting.doubtful(open_pairs), detecting.conflicts(facts)]
    return select("select * from raised order by fingerprint", CASES, raised=pa.concat_tables(raised))


def _speaking(records: pa.Table, held: pa.Table) -> pa.Table:
    return records.filter(pc.invert(pc.is_in(records["record_id"], value_set=held["record_id"].combine_chunks())))


def _overrides(cases: pa.Table, judged: pa.Table) -> pa.Table:
    """The unit a steward named for a person whom two units claim, while both still claim what they claimed."""
    return select(_UNIT_OVERRIDES, _OVERRIDES, cases=cases, judged=judged)


def _spoken_persons(
    speaking: dict[RecordKind, pa.Table],
    clustered: Clustered,
    identities: pa.Table,
    households: pa.Table,
    overrides: pa.Table,
) -> pa.Table:
    persons = speaking[RecordKind.PERSON]
    return select(
        _PERSONS_SPEAK,
        spoken_schema(RecordKind.PERSON),
        persons=persons,
        insured=speaking[RecordKind.INSURANCE],
        assignment=clustered.assignment,
        members=rekeying.find_households(persons, households, identities),
        overrides=overrides,
    )


def _spoken_households(households: pa.Table, identities: pa.Table) -> pa.Table:
    return select(_HOUSEHOLDS_SPEAK, spoken_schema(RecordKind.HOUSEHOLD), households=households, identities=identities)


def _spoken_books(speaking: dict[RecordKind, pa.Table], clustered: Clustered, *, namespace: str) -> pa.Table:
    return select(
        _BOOKS_SPEAK,
        spoken_schema(RecordKind.INSURANCE),
        insured=speaking[RecordKind.INSURANCE],
        persons=speaking[RecordKind.PERSON],
        assignment=clustered.assignment,
        given={"namespace": namespace},
    )


def _merged_books(insured: pa.Table, clustered: Clustered, *, namespace: str) -> pa.Table:
    return select(
        _MERGED_BOOKS, _SUCCESSORS, insured=insured, assignment=clustered.assignment, given={"namespace": namespace}
    )


_JUDGED_UNITS = f"""
select fingerprint, value as unit_code, judgement_id from judged
where kind in ('{CaseKind.AMBIGUOUS_UNIT}', '{CaseKind.UNKNOWN_UNIT}') and decision = '{Decision.UNIT}'
"""


def _judged_pairs(decision: Decision) -> str:
    return f"select left_key, right_key from judged where decision = '{decision}' and right_key is not null"


_PLACED = """
select heads.* replace (placements.unit_code as unit_code), heads.unit_code as sent_code
from heads join placements using (record_id) order by heads.record_key
"""

# A household is named by its number within one commune of one source; its members are then one family on paper.
_POOLED = """
with all_records as (
    select record_id, record_key, source_id, 'person' as kind, event_date, personal_number, cmnd, insurance_number,
        null as health_card, full_name, birth_year, birth_month, birth_day, sex, former_unit_code, unit_code, hamlet,
        sent_code, household_number
    from persons
    union all
    select record_id, record_key, source_id, 'insurance', event_date, personal_number, cmnd, insurance_number,
        health_card, full_name, birth_year, birth_month, birth_day, sex, former_unit_code, unit_code, hamlet,
        sent_code, household_number
    from insured
)
select *, unit_code as current_unit_code,
    case when household_number is not null
        then concat_ws('|', source_id, coalesce(former_unit_code, sent_code), household_number) end as household_key
from all_records order by record_key
"""

_FACTS = """
select record_key, record_id, kind, subject_id, personal_number, insurance_number,
    array_to_string(list_sort(tokens), ' ') as name_key, birth_year, birth_month, birth_day,
    current_unit_code as unit_code, event_date
from pool join assignment using (record_key) order by record_key
"""

# What a steward said of a pair is no question, though it may have cost the pair a link.
_OPEN_PAIRS = """
with asked as (
    select left_key, right_key, weight, coalesce(veto, decided_by) as reason from decisions
    union all
    select left_key, right_key, weight, reason from cuts where reason <> 'judgement'
)
select left_key, right_key, max(weight) as weight, min(reason) as reason
from asked group by left_key, right_key order by left_key, right_key
"""

_HELD = f"""
with asking as (
    select unnest(record_keys) as record_key, kind from cases anti join judged using (fingerprint)
)
select record_id,
    arg_min(kind, case kind when '{CaseKind.AMBIGUOUS_UNIT}' then 0 when '{CaseKind.UNKNOWN_UNIT}' then 0
                            when '{CaseKind.DOUBTFUL_MATCH}' then 2 else 1 end) as kind
from asking join records using (record_key)
where state in ({", ".join(f"'{state}'" for state in _HOLDABLE)})
group by record_id order by record_id
"""

_UNIT_OVERRIDES = f"""
select distinct on (record_key) unnest(record_keys) as record_key, value as judged_unit
from cases join judged using (fingerprint)
where cases.kind = '{CaseKind.TWO_UNITS_ONE_PERSON}' and decision = '{Decision.UNIT}'
order by record_key, judgement_id desc
"""

# An insurance system fills what the register leaves blank of a person's numbers; it never places or names anybody.
_PERSONS_SPEAK = """
with registered as (select distinct subject_id from persons join assignment using (record_key))
select subject_id, record_id, 0 as authority, event_date, source_version, personal_number, cmnd, full_name, birth_year,
    birth_month, birth_day, sex, ethnic_group, coalesce(judged_unit, unit_code) as unit_code, hamlet, address,
    members.household_id, coalesce(members.household_number, persons.household_number) as household_number,
    relation_to_head
from persons join assignment using (record_key)
left join members using (record_key) left join overrides using (record_key)
union all by name
select subject_id, record_id, 1 as authority, event_date, source_version, personal_number, cmnd, null as full_name,
    null as birth_year, null as birth_month, null as birth_day, null as sex, null as ethnic_group, null as unit_code,
    null as hamlet, null as address, null as household_id, null as household_number, null as relation_to_head
from insured join assignment using (record_key) semi join registered using (subject_id)
order by subject_id, record_id
"""

_HOUSEHOLDS_SPEAK = """
select household_id as subject_id, record_id, 0 as authority, event_date, source_version, i.household_number,
    i.former_number, head_personal_number, head_name, member_count, unit_code, hamlet, address
from households h join identities i on i.source_id = h.source_id and i.source_record_id = h.source_record_id
order by subject_id, record_id
"""

# Entries of one person with one insurance number are one book; its id is that of its first entry.
_BOOKS = """
with entries as (
    select insured.*, subject_id as person_subject,
        md5($namespace || '|insurance|' || record_key)::uuid::text as own_id,
        case when insurance_number is null then record_key else subject_id || insurance_number end as book
    from insured join assignment using (record_key)
), books as (
    select *, first_value(own_id) over (partition by book order by record_key) as book_id from entries
)
"""

_BOOKS_SPEAK = (
    _BOOKS
    + """
, registered as (select distinct subject_id from persons join assignment using (record_key))
select book_id as subject_id, record_id, 0 as authority, event_date, source_version, registered.subject_id as person_id,
    insurance_number, personal_number, full_name, health_card, scheme, valid_from, valid_to, first_clinic, unit_code
from books left join registered on registered.subject_id = person_subject
order by book_id, record_id
"""
)

_MERGED_BOOKS = (
    _BOOKS + "select own_id as subject_id, book_id as replaced_by from books where own_id <> book_id order by own_id"
)

_MERGED_PERSONS = """
select before as subject_id, arg_max(after, (records, after)) as replaced_by
from moves group by before order by before
"""

_LINKED = """
select left_key, right_key, weight, decision, to_json(levels)::text as explanation, $model as model
from decisions order by left_key, right_key
"""
