"""One province through all stages: what stands goes in, what a run leaves comes out. Pure; the store is around it."""

import uuid
from collections.abc import Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import RecordKind
from adapters.reference.units import UnitTables
from reconciliation import detecting, recoding, rekeying, speaking, surviving
from reconciliation.candidates import RECORDS, name_words
from reconciliation.clustering import ASSIGNMENT, Clustered, cluster, open_questions
from reconciliation.deciding import PAIRS, Linked, link
from reconciliation.detecting import CASES, FACTS
from reconciliation.model import CaseKind, Decision
from reconciliation.relations import select
from reconciliation.standing import CARRIED, HELD, LINKS, Reconciled, Standing, heads_schema
from reconciliation.weights import Model

_POOL = pa.schema(
    [
        *RECORDS,
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("event_date", pa.date32()),
        pa.field("died_on", pa.date32()),
    ]
)
_RECORDS = pa.schema(
    [
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("is_pending", pa.bool_(), nullable=False),
    ]
)
_SUCCESSORS = pa.schema([pa.field("subject_id", pa.string()), pa.field("replaced_by", pa.string())])


def reconcile(standing: Standing, *, province_code: str, model: Model, as_of: date) -> Reconciled:
    """All stages in their order: recode, rekey, link, cluster, detect, survive, and the difference to what stands."""
    judged = standing.judgements
    heads = standing.heads
    placements = place(standing, province_code=province_code, as_of=as_of, units=standing.units)
    placed = {kind: _placed(kind, heads[kind], placements) for kind in RecordKind}
    identities = _rekeyed(standing, placed[RecordKind.HOUSEHOLD])
    pool = _pool(placed)
    parted = select(_judged_pairs(Decision.NOT_SAME), PAIRS, judged=judged)
    linked = link(
        pool, model=model, must_link=select(_judged_pairs(Decision.SAME), PAIRS, judged=judged), cannot_link=parted
    )
    clustered = _clustered(standing, pool, linked)
    facts = _facts(pool, clustered, standing.deaths, placed)
    conflicts = detecting.conflicts(facts, standing.elsewhere)
    cases = _cases(placements, conflicts, linked, clustered, parted)
    records = pa.concat_tables([placed[kind].select(_RECORDS.names) for kind in RecordKind])
    held = select(_HELD, HELD, cases=cases, judged=judged, records=records, facts=facts)
    heard = {kind: _heard(placed[kind], held) for kind in RecordKind}
    overrides = _overrides(cases, detecting.conflicts(_heard(facts, held), standing.elsewhere), judged)
    said = speaking.speak(
        placed,
        heard,
        standing=standing,
        assignment=clustered.assignment,
        identities=identities,
        overrides=overrides,
    )
    return Reconciled(
        placements=placements,
        units=standing.units,
        identities=identities,
        links=select(_LINKED, LINKS, decisions=linked.decisions, given={"model": model.name}),
        assignment=clustered.assignment,
        changes=_changes(standing, said, clustered),
        carried={kind: _carried(said.spoken[kind]) for kind in RecordKind},
        held=held,
        cases=cases,
    )


def linkage_pool(standing: Standing, *, province_code: str, as_of: date) -> pa.Table:
    """The records that linkage compares, as in a run of `reconcile`: candidates.RECORDS and what a run needs beside."""
    placements = place(standing, province_code=province_code, as_of=as_of, units=standing.units)
    kinds = (RecordKind.PERSON, RecordKind.INSURANCE)
    return _pool({kind: _placed(kind, standing.heads[kind], placements) for kind in kinds})


def _pool(placed: Mapping[RecordKind, pa.Table]) -> pa.Table:
    return select(_POOLED, _POOL, persons=placed[RecordKind.PERSON], insured=placed[RecordKind.INSURANCE])


def place(standing: Standing, *, province_code: str, as_of: date, units: UnitTables) -> pa.Table:
    """recoding.PLACEMENTS of every record that stands, on the units of `as_of` by the tables `units`."""
    return recoding.recode(
        pa.concat_tables([_sent(standing.heads[kind]) for kind in RecordKind]),
        select(_JUDGED_UNITS, recoding.JUDGED_UNITS, judged=standing.judgements),
        as_of=as_of,
        province_code=province_code,
        tables=units,
        register=standing.hamlets if standing.hamlets.table.num_rows else None,
    )


def rekey(standing: Standing, placements: pa.Table) -> pa.Table:
    """rekeying.IDENTITIES of the households that stand, on the units of `placements`."""
    households = standing.heads[RecordKind.HOUSEHOLD]
    return _rekeyed(standing, _placed(RecordKind.HOUSEHOLD, households, placements))


def _rekeyed(standing: Standing, households: pa.Table) -> pa.Table:
    asked = select(
        _HOUSEHOLDS,
        rekeying.HOUSEHOLDS,
        households=households,
        identities=standing.identities,
        published=standing.golden[RecordKind.HOUSEHOLD],
    )
    return rekeying.rekey(asked, standing.identities, namespace=standing.namespace)


def _clustered(standing: Standing, pool: pa.Table, linked: Linked) -> Clustered:
    """Subjects under the ids that have been published: where two become one, a published id stays."""
    previous = select(
        _PUBLISHED_IDS,
        ASSIGNMENT,
        assignment=standing.assignment,
        published=standing.golden[RecordKind.PERSON],
    )
    return cluster(
        pool["record_key"],
        linked.links,
        apart=linked.apart,
        numbers=linked.numbers,
        previous=previous,
        namespace=uuid.UUID(standing.namespace),
    )


def _changes(standing: Standing, said: speaking.Spoken, clustered: Clustered) -> dict[RecordKind, pa.Table]:
    """What the records say that is not what stands."""
    successors = {
        RecordKind.PERSON: select(_MERGED_PERSONS, _SUCCESSORS, moves=clustered.moves),
        RecordKind.HOUSEHOLD: _SUCCESSORS.empty_table(),
        RecordKind.INSURANCE: said.replaced_books,
    }
    parted = {RecordKind.PERSON: select(_PARTED_PERSONS, surviving.PARTED, moves=clustered.moves)}
    changes = {}
    for kind in RecordKind:
        spoken = said.spoken[kind]
        published = speaking.contested(standing.golden[kind], members=said.members[kind], spoken=spoken)
        stands = surviving.survive(kind, spoken)
        changes[kind] = surviving.differ(kind, stands, published, successors[kind], parted.get(kind))
    return changes


def _carried(spoken: pa.Table) -> pa.Table:
    """The updates a subject rests on. An insurance record that fills a person's numbers is carried by its book."""
    return spoken.filter(pc.equal(spoken["authority"], 0)).select(CARRIED.names)


def _sent(heads: pa.Table) -> pa.Table:
    """What recoding reads. A code is as old as the export it stands in: systems recode without touching a record."""
    columns = ["record_id", "record_key", "unit_code", "unit_vintage", "exported_on", "unit_name", "hamlet"]
    return heads.select(columns).rename_columns(recoding.PLACED.names).cast(recoding.PLACED)


def _placed(kind: RecordKind, heads: pa.Table, placements: pa.Table) -> pa.Table:
    """The heads with today's unit in `unit_code` and the code as sent in `sent_code`."""
    schema = pa.schema([*heads_schema(kind), pa.field("sent_code", pa.string())])
    return select(_PLACED, schema, heads=heads, placements=placements)


def _facts(pool: pa.Table, clustered: Clustered, deaths: pa.Table, placed: Mapping[RecordKind, pa.Table]) -> pa.Table:
    folded = name_words(pool["full_name"].combine_chunks())["bare"]
    return select(
        _FACTS,
        FACTS,
        pool=pool.append_column("tokens", folded),
        assignment=clustered.assignment,
        deaths=deaths,
        insured=placed[RecordKind.INSURANCE].select(["record_key", "scheme", "valid_from", "valid_to"]),
    )


def _cases(
    placements: pa.Table, conflicts: pa.Table, linked: Linked, clustered: Clustered, parted: pa.Table
) -> pa.Table:
    """Every question this run raises, those included that a steward has answered. One a fingerprint."""
    open_pairs = select(
        _OPEN_PAIRS,
        detecting.DOUBTS,
        decisions=open_questions(linked.decisions, clustered.assignment),
        cuts=clustered.cuts,
        parted=parted,
        assignment=clustered.assignment,
    )
    raised = [detecting.unplaced(placements), detecting.doubtful(open_pairs), conflicts]
    return select("select * from raised order by fingerprint", CASES, raised=pa.concat_tables(raised))


def _heard(records: pa.Table, held: pa.Table) -> pa.Table:
    """The records that neither wait nor lack a unit of today."""
    waits = pc.is_in(records["record_id"], value_set=held["record_id"].combine_chunks())
    return records.filter(pc.and_(pc.invert(waits), pc.is_valid(records["unit_code"])))


def _overrides(cases: pa.Table, of_heard: pa.Table, judged: pa.Table) -> pa.Table:
    """The unit a steward named for a person whom two units claim, while each still claims what it claimed.

    A record that joins them and waits does not undo what was decided: so the conflicts among those heard count as well.
    """
    settled = pa.concat_tables([cases, of_heard])
    return select(_UNIT_OVERRIDES, speaking.OVERRIDES, cases=settled, judged=judged)


_JUDGED_UNITS = f"""
select fingerprint, value as unit_code, judgement_id, judged_on from judged
where kind in ('{CaseKind.AMBIGUOUS_UNIT}', '{CaseKind.UNKNOWN_UNIT}') and decision = '{Decision.UNIT}'
"""


def _judged_pairs(decision: Decision) -> str:
    """Every two records on different sides of a case that was decided so."""
    return f"""
with sided as (
    select judgement_id, unnest(from_json(record_keys, '["VARCHAR"]')) as record_key,
        unnest(from_json(sides, '["BIGINT"]')) as side
    from judged where decision = '{decision}' and sides is not null
)
select distinct one.record_key as left_key, other.record_key as right_key
from sided as one join sided as other using (judgement_id)
where one.side < other.side order by all
"""


_PLACED = """
select heads.* replace (placements.unit_code as unit_code), heads.unit_code as sent_code
from heads join placements using (record_id) order by heads.record_key
"""

_HOUSEHOLDS = """
select households.*, published.unit_code as published_unit
from households left join identities using (source_id, source_record_id)
left join published on published.subject_id = identities.household_id
order by record_key
"""

_PUBLISHED_IDS = "select * from assignment semi join published using (subject_id) order by record_key"

# A household is named by its number within one commune of one source; its members are then one family on paper.
_POOLED = """
with all_records as (
    select record_id, record_key, source_id, 'person' as kind, event_date, personal_number, cmnd, insurance_number,
        null as health_card, full_name, birth_year, birth_month, birth_day, sex, former_unit_code, unit_code, hamlet,
        sent_code, household_number, died_on,
        father_number, father_name, mother_number, mother_name, spouse_number, spouse_name
    from persons
    union all
    select record_id, record_key, source_id, 'insurance', event_date, personal_number, cmnd, insurance_number,
        health_card, full_name, birth_year, birth_month, birth_day, sex, former_unit_code, unit_code, hamlet,
        sent_code, household_number, null, null, null, null, null, null, null
    from insured
)
select *, unit_code as current_unit_code,
    case when household_number is not null
        then concat_ws('|', source_id, coalesce(former_unit_code, sent_code), household_number) end as household_key
from all_records order by record_key
"""

_FACTS = """
with earlier as (
    select record_key, max(source_version) as died_before from deaths anti join pool using (record_id)
    group by record_key
)
select record_key, record_id, kind, subject_id, personal_number, insurance_number,
    array_to_string(list_sort(tokens), ' ') as name_key, birth_year, birth_month, birth_day,
    current_unit_code as unit_code, event_date, died_on, died_before, father_number, mother_number, scheme, valid_from,
    valid_to
from pool join assignment using (record_key) left join earlier using (record_key)
left join insured using (record_key) order by record_key
"""

# Two subjects of which a steward parted any records are no question, whatever their other records look like.
_OPEN_PAIRS = """
with judged as (
    select least(l.subject_id, r.subject_id) as low, greatest(l.subject_id, r.subject_id) as high
    from parted join assignment l on l.record_key = left_key join assignment r on r.record_key = right_key
), asked as (
    select left_key, right_key, weight, coalesce(veto, decided_by) as reason from decisions
    union all
    select left_key, right_key, weight, reason from cuts
), between as (
    select asked.*, least(l.subject_id, r.subject_id) as low, greatest(l.subject_id, r.subject_id) as high
    from asked join assignment l on l.record_key = left_key join assignment r on r.record_key = right_key
)
select left_key, right_key, max(weight) as weight, min(reason) as reason
from between anti join judged using (low, high)
group by left_key, right_key order by left_key, right_key
"""

# An update that is out already is not held back: what is published stands until a judgement changes it. Nor does a
# book hold back the register that it contradicts.
_HELD = f"""
with asking as (
    select unnest(record_keys) as record_key, kind from cases anti join judged using (fingerprint)
)
select record_id,
    arg_min(asking.kind, case asking.kind when '{CaseKind.AMBIGUOUS_UNIT}' then 0 when '{CaseKind.UNKNOWN_UNIT}' then 0
                                          when '{CaseKind.DOUBTFUL_MATCH}' then 2 else 1 end) as kind
from asking join records using (record_key) left join facts using (record_id)
where is_pending and (asking.kind <> '{CaseKind.BOOK_AGAINST_REGISTER}' or facts.kind = 'insurance')
group by record_id order by record_id
"""

_UNIT_OVERRIDES = f"""
select distinct on (record_key) unnest(cases.record_keys) as record_key, value as judged_unit
from cases join judged using (fingerprint)
where cases.kind = '{CaseKind.TWO_UNITS_ONE_PERSON}' and decision = '{Decision.UNIT}'
order by record_key, judgement_id desc
"""

_MERGED_PERSONS = """
select before as subject_id, arg_max(after, (records, after)) as replaced_by
from moves group by before order by before
"""

_PARTED_PERSONS = "select distinct after as subject_id from moves order by after"

_LINKED = """
select left_key, right_key, weight, decision, to_json(levels)::text as explanation, $model as model
from decisions order by left_key, right_key
"""
