"""Stage 7: what no rule may decide becomes a question with evidence, the same question in every run.

Evidence names records, units, weights and codes, never a person's data: who decides sees those on the records.
"""

import pyarrow as pa

from reconciliation.model import CaseKind, State
from reconciliation.relations import select

# A record of the pool as detection sees it.
FACTS = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # person | insurance
        pa.field("subject_id", pa.string(), nullable=False),
        pa.field("personal_number", pa.string()),
        pa.field("insurance_number", pa.string()),
        pa.field("name_key", pa.string()),  # folded, for comparing only
        pa.field("birth_year", pa.int16()),
        pa.field("birth_month", pa.int8()),
        pa.field("birth_day", pa.int8()),
        pa.field("unit_code", pa.string()),  # today's
        pa.field("event_date", pa.date32()),
    ]
)

CASES = pa.schema(
    [
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("record_keys", pa.list_(pa.string()), nullable=False),  # ascending
        pa.field("evidence", pa.string(), nullable=False),  # a JSON object
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
    CaseKind.REFUSED_BY_REGISTRY: State.AWAITING_STEWARD,
}


def unplaced(placements: pa.Table) -> pa.Table:
    """CASES of the records whose unit is ambiguous or unknown."""
    return select(_UNPLACED, CASES, placements=placements)


def doubtful(pairs: pa.Table) -> pa.Table:
    """CASES of the pairs (DOUBTS) between the thresholds, vetoed or kept apart by a guard."""
    return select(_DOUBTFUL, CASES, pairs=pairs)


def conflicts(facts: pa.Table) -> pa.Table:
    """CASES of clusters that contradict themselves and of numbers that two clusters claim; `facts` are FACTS."""
    return select(_CONFLICTS, CASES, facts=facts)


_UNPLACED = f"""
select fingerprint,
    case outcome when 'ambiguous' then '{CaseKind.AMBIGUOUS_UNIT}' else '{CaseKind.UNKNOWN_UNIT}' end as kind,
    [record_key] as record_keys,
    json_object('sent_code', sent_code, 'sent_vintage', sent_vintage::text, 'candidates', candidates,
                'explanation', explanation, 'basis', basis)::text as evidence
from placements where outcome in ('ambiguous', 'unknown')
order by record_key
"""

_DOUBTFUL = f"""
select sha256(concat_ws('|', 'pair', left_key, right_key)) as fingerprint, '{CaseKind.DOUBTFUL_MATCH}' as kind,
    [left_key, right_key] as record_keys,
    json_object('weight', round(weight, 2), 'reason', reason)::text as evidence
from pairs order by left_key, right_key
"""

# One fingerprint a question: the records it is about and what they claim. When a source says something else, it is
# another question and an old judgement does not answer it.
_CONFLICTS = f"""
with two_units as (
    select '{CaseKind.TWO_UNITS_ONE_PERSON}' as kind, subject_id,
        list_sort(list(record_key)) as record_keys, list_sort(list(distinct unit_code)) as claims,
        json_object('units', list_sort(list(distinct unit_code)),
                    'newest', arg_max(record_key, (event_date, record_key)))::text as evidence
    from facts where kind = 'person' and unit_code is not null
    group by subject_id having count(distinct unit_code) > 1
), shared_number as (
    select '{CaseKind.ONE_NUMBER_TWO_PEOPLE}' as kind, min(subject_id) as subject_id,
        list_sort(list(record_key)) as record_keys, list_sort(list(distinct subject_id)) as claims,
        json_object('subjects', list_sort(list(distinct subject_id)))::text as evidence
    from facts where kind = 'person' and personal_number is not null
    group by personal_number having count(distinct subject_id) > 1
), registered as (
    select subject_id, min(name_key) as low_name, max(name_key) as high_name, min(birth_year) as low_year,
        max(birth_year) as high_year, min(birth_month::int * 100 + birth_day) as low_day,
        max(birth_month::int * 100 + birth_day) as high_day,
        min(personal_number) as low_number, max(personal_number) as high_number
    from facts where kind = 'person' group by subject_id
), against as (
    select book.*, list_filter([
        case when book.name_key not in (low_name, high_name) then 'full_name' end,
        case when book.birth_year not in (low_year, high_year) then 'birth_year' end,
        case when book.birth_month::int * 100 + book.birth_day not in (low_day, high_day) then 'birth_day' end,
        case when book.personal_number not in (low_number, high_number) then 'personal_number' end
    ], lambda field: field is not null) as fields
    from facts book join registered using (subject_id) where book.kind = 'insurance'
), book_against_register as (
    select '{CaseKind.BOOK_AGAINST_REGISTER}' as kind, subject_id, [record_key] as record_keys, fields as claims,
        json_object('fields', fields)::text as evidence
    from against where len(fields) > 0
), two_books as (
    select '{CaseKind.TWO_INSURANCE_BOOKS}' as kind, subject_id, list_sort(list(record_key)) as record_keys,
        list_sort(list(record_key)) as claims, json_object('books', count(distinct insurance_number))::text as evidence
    from facts where kind = 'insurance' and insurance_number is not null
    group by subject_id having count(distinct insurance_number) > 1
), found as (
    select * from two_units union all select * from shared_number
    union all select * from book_against_register union all select * from two_books
)
select sha256(concat_ws('|', kind, array_to_string(record_keys, ','), array_to_string(claims, ','))) as fingerprint,
    kind, record_keys, evidence
from found order by kind, record_keys
"""
