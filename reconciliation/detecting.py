"""Stage 7: what no rule may decide becomes a question with evidence, the same question in every run.

Evidence holds units, weights, codes and places in the list of records, never a person's data: who decides sees those
on the records. `sides` says which of the records, by place, are held to be one: SAME joins sides, NOT_SAME parts them.
"""

from datetime import date

import pyarrow as pa

from reconciliation.model import CaseKind, State
from reconciliation.relations import select

# A record of the pool as detection sees it.
FACTS = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # person | insurance | correction (of a citizen)
        pa.field("subject_id", pa.string(), nullable=False),
        pa.field("personal_number", pa.string()),
        pa.field("insurance_number", pa.string()),
        pa.field("name_key", pa.string()),  # folded, for comparing only
        pa.field("birth_year", pa.int16()),
        pa.field("birth_month", pa.int8()),
        pa.field("birth_day", pa.int8()),
        pa.field("unit_code", pa.string()),  # today's
        pa.field("event_date", pa.date32()),
        pa.field("died_on", pa.date32()),
        pa.field("died_before", pa.int64()),  # the source_version of the last one before that said a day of death
        pa.field("father_number", pa.string()),
        pa.field("mother_number", pa.string()),
        pa.field("scheme", pa.string()),
        pa.field("valid_from", pa.date32()),
        pa.field("valid_to", pa.date32()),
    ]
)

# A parent is older than a child by this much at least, whatever parts of their births are not stated.
LEAST_MONTHS = 12 * 12
# A circle of relations is looked for over so many people, of each of whom so many parents are followed.
MOST_PEOPLE, MOST_PARENTS = 8, 4

MOST_NAMED = 100  # records of a case about a hamlet's name

CASES = pa.schema(
    [
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("record_keys", pa.list_(pa.string()), nullable=False),  # ascending
        pa.field("evidence", pa.string(), nullable=False),  # a JSON object
    ]
)

# Records that name a hamlet of today's unit and say of no former commune which one they mean.
IN_HAMLETS = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("unit_code", pa.string(), nullable=False),
        pa.field("name_key", pa.string(), nullable=False),  # hamlets.hamlet_key
    ]
)

# A pair of records of which nobody can say whether they are one person.
DOUBTS = pa.schema(
    [
        pa.field("left_key", pa.string(), nullable=False),
        pa.field("right_key", pa.string(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # a veto, a guard, or "weight"
    ]
)

# What an update waits for while a case about its record is open.
HOLDS: dict[CaseKind, State] = {
    CaseKind.AMBIGUOUS_UNIT: State.AWAITING_UNIT,
    CaseKind.UNKNOWN_UNIT: State.AWAITING_UNIT,
    CaseKind.DOUBTFUL_MATCH: State.AWAITING_MATCH,
    CaseKind.TWO_UNITS_ONE_PERSON: State.AWAITING_STEWARD,
    CaseKind.ONE_NUMBER_TWO_PEOPLE: State.AWAITING_STEWARD,
    CaseKind.BOOK_AGAINST_REGISTER: State.AWAITING_STEWARD,
    CaseKind.TWO_INSURANCE_BOOKS: State.AWAITING_STEWARD,
    CaseKind.OVERLAPPING_PERIODS: State.AWAITING_STEWARD,
    CaseKind.CIRCULAR_RELATIONS: State.AWAITING_STEWARD,
    CaseKind.DEATH_THEN_UPDATE: State.AWAITING_STEWARD,
    CaseKind.TWO_PROVINCES_ONE_PERSON: State.AWAITING_STEWARD,
    CaseKind.HOUSEHOLD_CLASH: State.AWAITING_STEWARD,
    CaseKind.REFUSED_BY_REGISTRY: State.AWAITING_STEWARD,
    CaseKind.MISSING_VERSION: State.AWAITING_STEWARD,
    CaseKind.DUPLICATE_HAMLET: State.AWAITING_STEWARD,
    CaseKind.UNSIGNED_EVENT: State.AWAITING_STEWARD,
    CaseKind.CITIZEN_CORRECTION: State.AWAITING_STEWARD,
    CaseKind.POISONED: State.AWAITING_STEWARD,
}

# Cases that no run raises by what it finds in records: they come from a registry's outcome, from deadlines and from
# rules that break, and end with those.
NOT_OF_A_RUN = frozenset(
    {CaseKind.REFUSED_BY_REGISTRY, CaseKind.MISSING_VERSION, CaseKind.UNSIGNED_EVENT, CaseKind.POISONED}
)


def unplaced(placements: pa.Table) -> pa.Table:
    """CASES of the records whose unit is ambiguous or unknown."""
    return select(_UNPLACED, CASES, placements=placements)


def doubtful(pairs: pa.Table) -> pa.Table:
    """CASES of the pairs (DOUBTS) between the thresholds, vetoed or kept apart by a guard."""
    return select(_DOUBTFUL, CASES, pairs=pairs)


def duplicate_hamlets(records: pa.Table, told: pa.Table, *, as_of: date) -> pa.Table:
    """CASES of names that several hamlets of one unit bear on the day `as_of`, one a unit and name.

    `records` are IN_HAMLETS, `told` are hamlets.HAMLETS. A case names at most MOST_NAMED of the records that cannot be
    told apart; `records` says how many there are.
    """
    if not records.num_rows or not told.num_rows:
        return CASES.empty_table()
    return select(_HAMLETS, CASES, records=records, told=told, given={"as_of": as_of})


def conflicts(facts: pa.Table, elsewhere: pa.Table) -> pa.Table:
    """CASES of clusters that contradict themselves and of numbers that two clusters claim; `facts` are FACTS.

    A number that `elsewhere` (standing.ELSEWHERE) is somebody's of another province is a TWO_PROVINCES_ONE_PERSON: what
    that province published stands, and what this one says of the person waits.

    The records of a BOOK_AGAINST_REGISTER are the book and all register records of its subject. A DEATH_THEN_UPDATE has
    a `reason`: "later_update" (a register speaks of the person after the day another says they died), "two_days" (of
    one death) or "resurrected" (a record takes back what its earlier version said); `dead` are the places of the
    records that say a day of death.

    A CIRCULAR_RELATIONS is about the records that name the parents, and has a `reason`: "own_parent", "circle"
    (somebody is an ancestor of theirs, over `people` people) or "age" (the births of parent and child lie less than
    LEAST_MONTHS apart, whatever is not stated of them: `months` at most). A number that two people claim names nobody.
    An OVERLAPPING_PERIODS is about one book and scheme; a period that two records state alike is one.
    """
    raised = [
        claims(facts, elsewhere),
        select(_RELATIONS, CASES, facts=facts),
        select(_PERIODS, CASES, facts=facts),
    ]
    ordered = "select * from raised order by kind, record_keys, fingerprint"
    return select(ordered, CASES, raised=pa.concat_tables(raised))


def claims(facts: pa.Table, elsewhere: pa.Table) -> pa.Table:
    """Of `conflicts` those about who somebody is, where and until when: no relations, no periods."""
    return select(_CONFLICTS, CASES, facts=facts, elsewhere=elsewhere)


_UNPLACED = f"""
select fingerprint,
    case outcome when 'ambiguous' then '{CaseKind.AMBIGUOUS_UNIT}' else '{CaseKind.UNKNOWN_UNIT}' end as kind,
    [record_key] as record_keys,
    json_object('sent_code', sent_code, 'sent_vintage', sent_vintage::text, 'candidates', candidates,
                'explanation', explanation, 'basis', basis, 'would_decide', would_decide)::text as evidence
from placements where outcome in ('ambiguous', 'unknown')
order by record_key
"""

_DOUBTFUL = f"""
select sha256(concat_ws('|', 'pair', left_key, right_key)) as fingerprint, '{CaseKind.DOUBTFUL_MATCH}' as kind,
    [left_key, right_key] as record_keys,
    json_object('weight', round(weight, 2), 'reason', reason, 'sides', [0, 1])::text as evidence
from pairs order by left_key, right_key
"""

# One fingerprint a question: the records it is about and what each claims. When a source says something else, it is
# another question and an old judgement does not answer it.
_CONFLICTS = f"""
with placed as (
    select *, dense_rank() over (partition by subject_id order by unit_code) - 1 as side,
        row_number() over (partition by subject_id order by record_key) - 1 as place,
        coalesce(event_date, date '0001-01-01') as spoken_on
    from facts where kind = 'person' and unit_code is not null
), two_units as (
    select '{CaseKind.TWO_UNITS_ONE_PERSON}' as kind, list(record_key order by record_key) as record_keys,
        list(unit_code order by record_key) as claims,
        json_object('units', list_sort(list(distinct unit_code)), 'sides', list(side order by record_key),
                    'newest', arg_max(place, (spoken_on, place)))::text as evidence
    from placed group by subject_id having max(side) > 0
), claimed as (
    select *, min(record_key) over (partition by personal_number, subject_id) as claimant
    from facts where kind = 'person' and personal_number is not null
), claimants as (
    select *, dense_rank() over (partition by personal_number order by claimant) - 1 as side from claimed
), shared_number as (
    select '{CaseKind.ONE_NUMBER_TWO_PEOPLE}' as kind, list(record_key order by record_key) as record_keys,
        list(side::varchar order by record_key) as claims,
        json_object('subjects', list_sort(list(distinct subject_id)), 'sides', list(side order by record_key))::text
            as evidence
    from claimants group by personal_number having max(side) > 0
), registered as (
    select subject_id, list(record_key order by record_key) as persons,
        list(distinct name_key) filter (name_key is not null) as names,
        list(distinct birth_year) filter (birth_year is not null) as years,
        list(distinct birth_month::int * 100 + birth_day) filter (birth_month is not null and birth_day is not null)
            as days,
        list(distinct personal_number) filter (personal_number is not null) as numbers
    from facts where kind = 'person' group by subject_id
), against as (
    select record_key, list_sort(list_append(persons, record_key)) as record_keys, list_filter([
        case when name_key is not null and not list_contains(names, name_key) then 'full_name' end,
        case when birth_year is not null and not list_contains(years, birth_year) then 'birth_year' end,
        case when birth_month is not null and birth_day is not null
            and not list_contains(days, birth_month::int * 100 + birth_day) then 'birth_day' end,
        case when personal_number is not null and not list_contains(numbers, personal_number)
            then 'personal_number' end
    ], lambda field: field is not null) as fields
    from facts join registered using (subject_id) where kind = 'insurance'
), book_against_register as (
    select '{CaseKind.BOOK_AGAINST_REGISTER}' as kind, record_keys, fields as claims,
        json_object('fields', fields, 'sides', list_transform(record_keys, lambda key: (key = record_key)::int))::text
            as evidence
    from against where len(fields) > 0
), entered as (
    select *, min(record_key) over (partition by subject_id, insurance_number) as first_entry
    from facts where kind = 'insurance' and insurance_number is not null
), entries as (
    select *, dense_rank() over (partition by subject_id order by first_entry) - 1 as side from entered
), two_books as (
    select '{CaseKind.TWO_INSURANCE_BOOKS}' as kind, list(record_key order by record_key) as record_keys,
        list(side::varchar order by record_key) as claims,
        json_object('books', max(side) + 1, 'sides', list(side order by record_key))::text as evidence
    from entries group by subject_id having max(side) > 0
), lives as (
    select *, min(died_on) over (partition by subject_id) as died_first,
        dense_rank() over (partition by subject_id order by died_on nulls last) - 1 as day
    from facts where kind = 'person'
), told as (
    select 'later_update' as reason, *, (died_on is null)::int as side from lives
    where died_on is not null or event_date > died_first
    union all by name
    select 'two_days' as reason, *, day as side from lives where died_on is not null
), contradicted as (
    select reason, subject_id, list(record_key order by record_key) as record_keys,
        list(coalesce(died_on::varchar, 'alive') order by record_key) as said,
        list(died_on is not null order by record_key) as is_dead, list(side order by record_key) as sides
    from told group by reason, subject_id having max(side) > 0
    union all
    select 'resurrected', subject_id, [record_key], [died_before::varchar], [false], [0]
    from lives where died_on is null and died_before is not null
), death_then_update as (
    select '{CaseKind.DEATH_THEN_UPDATE}' as kind, record_keys, list_prepend(reason, said) as claims,
        json_object('reason', reason, 'dead', list_filter(range(len(is_dead)), lambda place: is_dead[place + 1]),
                    'sides', sides)::text as evidence
    from contradicted
), two_provinces as (
    select '{CaseKind.TWO_PROVINCES_ONE_PERSON}' as kind, list_sort(list(distinct record_key)) as record_keys,
        list_sort(list(distinct elsewhere.province_code || '|' || elsewhere.subject_id)) as claims,
        json_object('provinces', list_sort(list(distinct elsewhere.province_code)),
                    'subjects', list_sort(list(distinct elsewhere.subject_id)))::text as evidence
    from facts join elsewhere using (personal_number) where kind = 'person' group by facts.subject_id
), found as (
    select * from two_units union all select * from shared_number
    union all select * from book_against_register union all select * from two_books
    union all select * from death_then_update union all select * from two_provinces
)
select sha256(concat_ws('|', kind, array_to_string(record_keys, ','), array_to_string(claims, ','))) as fingerprint,
    kind, record_keys, evidence
from found order by kind, record_keys, fingerprint
"""

# A circle has a step at which the parent is not known to be the older one: it is looked for from such steps only.
_RELATIONS = f"""
with recursive persons as (
    select *, birth_year * 12 + coalesce(birth_month, 1) as born_first,
        birth_year * 12 + coalesce(birth_month, 12) as born_last
    from facts where kind = 'person'
), births as (
    select subject_id, min(born_first) as born_first, max(born_last) as born_last from persons group by subject_id
), holders as (
    select personal_number as number, min(subject_id) as parent from persons where personal_number is not null
    group by personal_number having count(distinct subject_id) = 1
), named as (
    select record_key, subject_id, personal_number, 'father' as relation, father_number as number
    from persons where father_number is not null
    union all
    select record_key, subject_id, personal_number, 'mother' as relation, mother_number as number
    from persons where mother_number is not null
), own as (
    select record_key, list(relation order by relation) as relations
    from named left join holders using (number) where number = personal_number or parent = subject_id
    group by record_key
), steps as (
    select subject_id as child, parent, relation, list(record_key order by record_key) as record_keys
    from named join holders using (number) where parent <> subject_id group by child, parent, relation
), aged as (
    select steps.*, c.born_last - p.born_first as months, c.born_first > p.born_last as is_older,
        row_number() over (partition by child order by record_keys, relation, parent) as place
    from steps join births as c on c.subject_id = child join births as p on p.subject_id = parent
), followed as (
    select * from aged where place <= {MOST_PARENTS}
), walked as (
    select child as origin, parent as reached, [child] as people, record_keys, [relation] as relations
    from followed where is_older is distinct from true
    union all
    select origin, parent, list_append(people, child), list_concat(walked.record_keys, followed.record_keys),
        list_append(relations, relation)
    from walked join followed on child = reached
    where reached <> origin and len(people) < {MOST_PEOPLE} and not list_contains(people, child)
), circles as (
    select list_sort(list_distinct(walked.record_keys)) as record_keys, min(len(people)) as people,
        min(list_sort(relations)) as relations, flatten(list(people)) as members
    from walked where reached = origin group by 1
), found as (
    select [record_key] as record_keys, list_prepend('own_parent', relations) as claims,
        json_object('reason', 'own_parent', 'relations', relations)::text as evidence
    from own
    union all
    select record_keys, list_prepend('circle', relations),
        json_object('reason', 'circle', 'relations', relations, 'people', people)::text
    from circles
    union all
    select record_keys, ['age', relation, months::varchar],
        json_object('reason', 'age', 'relations', [relation], 'months', months, 'parent', parent)::text
    from aged where months < {LEAST_MONTHS} and not exists (
        select 1 from circles where list_contains(members, child) and list_contains(members, parent)
    )
)
select sha256(concat_ws('|', '{CaseKind.CIRCULAR_RELATIONS}', array_to_string(record_keys, ','),
                        array_to_string(claims, ','))) as fingerprint,
    '{CaseKind.CIRCULAR_RELATIONS}' as kind, record_keys, evidence
from found order by record_keys, fingerprint
"""

_HAMLETS = f"""
with borne as (
    select unit_code, name_key, list_sort(list(distinct former_unit_code)) as formers from told
    where coalesce(valid_to >= $as_of, true) and coalesce(valid_from <= $as_of, true)
    group by unit_code, name_key having count(distinct former_unit_code) > 1
)
select sha256(concat_ws('|', '{CaseKind.DUPLICATE_HAMLET}', unit_code, name_key, array_to_string(formers, ',')))
        as fingerprint,
    '{CaseKind.DUPLICATE_HAMLET}' as kind, list(record_key order by record_key)[:{MOST_NAMED}] as record_keys,
    json_object('unit', unit_code, 'former_units', formers, 'hamlet', name_key, 'records', count(*))::text as evidence
from records join borne using (unit_code, name_key) group by unit_code, name_key, formers order by fingerprint
"""

# Of one book the periods of one scheme, each once, in the order in which they begin.
_PERIODS = f"""
with stated as (
    select record_key, subject_id, insurance_number, coalesce(scheme, '') as scheme, valid_from,
        coalesce(valid_to, date '9999-12-31') as ends
    from facts
    where kind = 'insurance' and insurance_number is not null and valid_from is not null
        and (valid_to is null or valid_to >= valid_from)
), periods as (
    select distinct subject_id, insurance_number, scheme, valid_from, ends from stated
), beside as (
    select *, max(ends) over (book rows between unbounded preceding and 1 preceding) as ended_last,
        lead(valid_from) over book as begins_next
    from periods
    window book as (partition by subject_id, insurance_number, scheme order by valid_from, ends)
), found as (
    select list(record_key order by record_key) as record_keys,
        list(valid_from || '/' || ends order by record_key) as claims,
        json_object('scheme', nullif(scheme, ''), 'periods', count(distinct (valid_from, ends)))::text as evidence
    from stated join beside using (subject_id, insurance_number, scheme, valid_from, ends)
    where valid_from < ended_last or begins_next < ends
    group by subject_id, insurance_number, scheme
)
select sha256(concat_ws('|', '{CaseKind.OVERLAPPING_PERIODS}', array_to_string(record_keys, ','),
                        array_to_string(claims, ','))) as fingerprint,
    '{CaseKind.OVERLAPPING_PERIODS}' as kind, record_keys, evidence
from found order by record_keys, fingerprint
"""
