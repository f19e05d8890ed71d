"""One province through all stages: what stands goes in, what a run leaves comes out. Pure; the store is around it."""

import uuid
from collections.abc import Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import RecordKind
from adapters.reference.hamlets import hamlet_key
from adapters.reference.units import UnitTables
from reconciliation import corrections, detecting, households, recoding, rekeying, speaking, surviving
from reconciliation.books import number_books
from reconciliation.candidates import RECORDS, name_words
from reconciliation.clustering import ASSIGNMENT, JUDGED, Clustered, cluster, open_questions
from reconciliation.deciding import PAIRS, Linked
from reconciliation.detecting import CASES, FACTS
from reconciliation.incremental import renew
from reconciliation.model import CaseKind, Decision
from reconciliation.nearby import Judged
from reconciliation.preferring import prefer, preferred
from reconciliation.relations import select
from reconciliation.standing import CARRIED, HELD, LINKS, OWNED, SUBJECT_MOVES, Reconciled, Standing, heads_schema
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
# The pairs that stewards said something of: the judgement that holds.
_JUDGEMENTS = pa.schema(
    [
        *PAIRS,
        pa.field("judgement_id", pa.int64(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
    ]
)
# The units that stewards named for people whom two units claim.
_NAMED = pa.schema(
    [
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("judged_unit", pa.string()),
        pa.field("judgement_id", pa.int64(), nullable=False),
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
    judgements = select(_JUDGED, _JUDGEMENTS, judged=judged)
    same, parted = (
        select(_judged_pairs(decision), PAIRS, judgements=judgements) for decision in (Decision.SAME, Decision.NOT_SAME)
    )
    joined = pa.concat_tables([same, corrections.named(placed[RecordKind.PERSON], standing.citizens, parted)])
    renewed = renew(pool, standing.linkage, model=model, judged=_bound(standing, joined, parted))
    linked = renewed.linked
    clustered = _clustered(standing, pool, linked)
    numbered = number_books(placed[RecordKind.PERSON], placed[RecordKind.INSURANCE], clustered.assignment)
    facts = _facts(pool, clustered, numbered, standing=standing, placed=placed)
    raised = [
        detecting.conflicts(facts, standing.elsewhere),
        corrections.corrections(placed[RecordKind.PERSON], clustered.assignment, standing.citizens),
        detecting.duplicate_hamlets(_hamlets(placed), standing.hamlets.table, as_of=as_of),
        households.clashes(placed, assignment=clustered.assignment, identities=identities),
        select(_CONTRADICTIONS, CASES, cuts=clustered.cuts, judgements=judgements),
    ]
    cases = _cases(placements, pa.concat_tables(raised), linked, clustered, parted)
    records = pa.concat_tables([placed[kind].select(_RECORDS.names) for kind in RecordKind])
    owned = select(_OWNED, OWNED, cases=cases, placements=placements)
    held = select(_HELD, HELD, cases=owned, judged=judged, records=records, facts=facts)
    heard = {kind: _heard(placed[kind], held) for kind in RecordKind}
    overrides = _overrides(standing, cases, _heard(facts, held))
    said = speaking.speak(
        placed,
        heard,
        standing=standing,
        assignment=clustered.assignment,
        identities=identities,
        numbered=numbered,
        overrides=overrides,
    )
    rekeyed = rekeying.moved(identities, standing.identities)
    return Reconciled(
        placements=placements,
        units=standing.units,
        identities=identities,
        links=select(_LINKED, LINKS, decisions=linked.decisions, given={"model": model.name}),
        linkage=renewed.upkeep,
        assignment=clustered.assignment,
        moves=select(_MOVED, SUBJECT_MOVES, persons=clustered.moves, households=rekeyed, given={"model": model.name}),
        changes=_changes(standing, said, clustered, rekeyed),
        carried={kind: _carried(said.spoken[kind]) for kind in RecordKind},
        held=held,
        cases=owned,
    )


def _bound(standing: Standing, joined: pa.Table, parted: pa.Table) -> Judged:
    """What binds linkage: what was judged, and the links that made a subject that is published."""
    published = standing.golden[RecordKind.PERSON]
    return Judged(
        joined=joined,
        parted=parted,
        standing=select(
            _PUBLISHED_LINKS, PAIRS, links=standing.links, assignment=standing.assignment, published=published
        ),
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
    heads = standing.heads[RecordKind.HOUSEHOLD]
    return _rekeyed(standing, _placed(RecordKind.HOUSEHOLD, heads, placements))


def _rekeyed(standing: Standing, placed: pa.Table) -> pa.Table:
    asked = select(
        _HOUSEHOLDS,
        rekeying.HOUSEHOLDS,
        households=placed,
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


def _changes(
    standing: Standing, said: speaking.Spoken, clustered: Clustered, rekeyed: pa.Table
) -> dict[RecordKind, pa.Table]:
    """What the records say that is not what stands. `rekeyed` are the rekeying.MOVES of households."""
    successors = {
        RecordKind.PERSON: select(_MERGED_PERSONS, _SUCCESSORS, moves=clustered.moves),
        RecordKind.HOUSEHOLD: select(_MERGED_HOUSEHOLDS, _SUCCESSORS, moves=rekeyed),
        RecordKind.INSURANCE: said.replaced_books,
    }
    moves = {RecordKind.PERSON: clustered.moves, RecordKind.HOUSEHOLD: rekeyed}
    parted = {kind: select(_PARTED, surviving.PARTED, moves=moved) for kind, moved in moves.items()}
    regrouped = {kind: select(_REGROUPED, surviving.SUBJECTS, moves=moved) for kind, moved in moves.items()}
    regrouped |= {
        RecordKind.INSURANCE: select(_REGROUPED_BOOKS, surviving.SUBJECTS, moves=clustered.moves, books=said.books),
    }
    changes = {}
    for kind in RecordKind:
        spoken = said.spoken[kind]
        published = speaking.contested(standing.golden[kind], members=said.members[kind], spoken=spoken)
        stands = surviving.survive(kind, spoken)
        if kind is RecordKind.PERSON:
            heads = standing.heads
            chosen = preferred(standing.judgements, heads[RecordKind.PERSON], heads[RecordKind.INSURANCE])
            stands = prefer(stands, spoken, chosen)
        changes[kind] = surviving.differ(
            kind, stands, published, successors[kind], parted=parted.get(kind), regrouped=regrouped.get(kind)
        )
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


def _hamlets(placed: Mapping[RecordKind, pa.Table]) -> pa.Table:
    """The people whose records name a hamlet of a unit of today and no former commune: detecting.IN_HAMLETS."""
    persons = placed[RecordKind.PERSON]
    keyed = persons.append_column("name_key", hamlet_key(persons["hamlet"].combine_chunks()))
    return select(_IN_HAMLETS, detecting.IN_HAMLETS, persons=keyed)


def _facts(
    pool: pa.Table,
    clustered: Clustered,
    numbered: pa.Table,
    *,
    standing: Standing,
    placed: Mapping[RecordKind, pa.Table],
) -> pa.Table:
    folded = name_words(pool["full_name"].combine_chunks())["bare"]
    return select(
        _FACTS,
        FACTS,
        pool=pool.append_column("tokens", folded),
        assignment=clustered.assignment,
        deaths=standing.deaths,
        citizens=corrections.split(placed[RecordKind.PERSON], standing.citizens)[1].select(["record_key"]),
        insured=placed[RecordKind.INSURANCE].select(["record_key", "scheme", "valid_from", "valid_to"]),
        books=numbered,
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


def _overrides(standing: Standing, cases: pa.Table, heard: pa.Table) -> pa.Table:
    """The unit a steward named for a person whom two units claim, while each still claims what it claimed.

    A record that joins them and waits does not undo what was decided: so the claims among those heard count as well.
    """
    judged = select(_NAMED_UNITS, _NAMED, judged=standing.judgements)
    if not judged.num_rows:
        return speaking.OVERRIDES.empty_table()
    settled = pa.concat_tables([cases, detecting.claims(heard, standing.elsewhere)])
    return select(_UNIT_OVERRIDES, speaking.OVERRIDES, cases=settled, judged=judged)


_JUDGED_UNITS = f"""
select fingerprint, value as unit_code, judgement_id, judged_on from judged
where kind in ('{CaseKind.AMBIGUOUS_UNIT}', '{CaseKind.UNKNOWN_UNIT}') and decision = '{Decision.UNIT}'
"""


# Every two records on different sides of a case that was decided as one or as two; the later judgement on a pair holds.
_JUDGED = f"""
with sided as (
    select judgement_id, decision, unnest(from_json(record_keys, '["VARCHAR"]')) as record_key,
        unnest(from_json(sides, '["BIGINT"]')) as side
    from judged where decision in ('{Decision.SAME}', '{Decision.NOT_SAME}') and sides is not null
)
select least(one.record_key, other.record_key) as left_key, greatest(one.record_key, other.record_key) as right_key,
    one.judgement_id, one.decision
from sided as one join sided as other using (judgement_id)
where one.side < other.side
qualify row_number() over (partition by left_key, right_key order by one.judgement_id desc) = 1
order by left_key, right_key
"""


def _judged_pairs(decision: Decision) -> str:
    """The pairs of which the judgement that holds is `decision`."""
    return f"select left_key, right_key from judgements where decision = '{decision}' order by all"


# What a steward joined and other judgements part: a question about those two, another one after every answer.
_CONTRADICTIONS = f"""
select sha256(concat_ws('|', 'contradiction', left_key, right_key, judgement_id)) as fingerprint,
    '{CaseKind.DOUBTFUL_MATCH}' as kind, [left_key, right_key] as record_keys,
    json_object('reason', 'contradiction', 'sides', [0, 1])::text as evidence
from cuts join judgements using (left_key, right_key) where reason = '{JUDGED}' and decision = '{Decision.SAME}'
order by left_key, right_key
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

# What registries know as one person stays one while the link is above `keep`; what nobody was told is decided afresh.
_PUBLISHED_LINKS = """
select left_key, right_key from links
join assignment as one on one.record_key = left_key
join assignment as other on other.record_key = right_key and other.subject_id = one.subject_id
semi join published on published.subject_id = one.subject_id
order by left_key, right_key
"""

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
select record_key, record_id, case when citizens.record_key is null then kind else 'correction' end as kind,
    assignment.subject_id, personal_number, coalesce(book_number, insurance_number) as insurance_number,
    array_to_string(list_sort(tokens), ' ') as name_key, birth_year, birth_month, birth_day,
    current_unit_code as unit_code, event_date, died_on, died_before, father_number, mother_number, scheme, valid_from,
    valid_to
from pool join assignment using (record_key) left join earlier using (record_key)
left join insured using (record_key) left join books using (record_key)
left join citizens using (record_key) order by record_key
"""

_IN_HAMLETS = """
select record_key, unit_code, name_key from persons
where name_key is not null and former_unit_code is null and sent_code = unit_code order by record_key
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

# A case of one commune is its desk's; one of several, or whose commune is the question itself, is the province's.
_OWNED = """
with named as (select fingerprint as question, unnest(record_keys) as record_key from cases), told as (
    select question, count(*) = count(unit_code) and count(distinct unit_code) = 1 as is_one, min(unit_code) as unit
    from named left join placements using (record_key) group by question
)
select cases.*, case when is_one then unit end as unit_code from cases left join told on question = fingerprint
order by fingerprint
"""

# An update that is out already is not held back: what is published stands until a judgement changes it. Nor does a
# book or a citizen hold back the register that they contradict, nor the name of a hamlet anybody who lives there.
_HELD = f"""
with asking as (
    select unnest(record_keys) as record_key, kind, unit_code, fingerprint
    from cases anti join judged using (fingerprint)
), waiting as (
    select record_id, asking.kind, asking.unit_code, row_number() over (partition by record_id order by
        case asking.kind when '{CaseKind.AMBIGUOUS_UNIT}' then 0 when '{CaseKind.UNKNOWN_UNIT}' then 0
                         when '{CaseKind.DOUBTFUL_MATCH}' then 2 else 1 end, asking.kind, fingerprint) as place
    from asking join records using (record_key) left join facts using (record_id)
    where is_pending and asking.kind <> '{CaseKind.DUPLICATE_HAMLET}'
        and (asking.kind <> '{CaseKind.BOOK_AGAINST_REGISTER}' or facts.kind = 'insurance')
        and (asking.kind <> '{CaseKind.CITIZEN_CORRECTION}' or facts.kind = 'correction')
)
select record_id, kind, unit_code from waiting where place = 1 order by record_id
"""

_NAMED_UNITS = f"""
select fingerprint, value as judged_unit, judgement_id from judged
where kind = '{CaseKind.TWO_UNITS_ONE_PERSON}' and decision = '{Decision.UNIT}'
order by judgement_id
"""

_UNIT_OVERRIDES = """
select distinct on (record_key) unnest(cases.record_keys) as record_key, judged_unit
from cases join judged using (fingerprint)
order by record_key, judgement_id desc
"""

_MERGED_PERSONS = """
select before as subject_id, arg_max(after, (records, after)) as replaced_by
from moves group by before order by before
"""

_MERGED_HOUSEHOLDS = "select before as subject_id, min(after) as replaced_by from moves group by before order by before"

_PARTED = "select distinct after as subject_id from moves order by after"

_REGROUPED = """
select distinct subject_id from (select before as subject_id from moves union all select after from moves) order by 1
"""

_REGROUPED_BOOKS = """
select distinct subject_id from books
where person_subject in (select before from moves union all select after from moves) order by 1
"""

_MOVED = """
select 'person' as kind, before as before_id, after as after_id, records, $model as model from persons
union all by name
select 'household' as kind, before as before_id, after as after_id, records from households
order by kind, before_id, after_id
"""

_LINKED = """
select left_key, right_key, weight, decision, to_json(levels)::text as explanation, $model as model
from decisions order by left_key, right_key
"""
