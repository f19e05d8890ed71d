"""Who a standing record belongs to, and what it says there: what surviving chooses from.

A record whose update waits does not speak, but it is there: a published subject whose records all wait stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from adapters.canonical import RecordKind
from reconciliation import rekeying
from reconciliation.books import PERSONAL_DIGITS
from reconciliation.golden import GOLDEN_FIELDS, spoken_schema
from reconciliation.relations import select
from reconciliation.standing import Standing
from reconciliation.survivorship import RULES

Tables = Mapping[RecordKind, pa.Table]

MEMBERS = pa.schema(
    [pa.field("record_id", pa.int64(), nullable=False), pa.field("subject_id", pa.string(), nullable=False)]
)
# The unit a steward named for a record whose person two units claim.
OVERRIDES = pa.schema([pa.field("record_key", pa.string()), pa.field("judged_unit", pa.string())])
_BOOKS = pa.schema([*MEMBERS, pa.field("own_id", pa.string(), nullable=False), pa.field("person_subject", pa.string())])
_SUBJECTS = pa.schema([pa.field("subject_id", pa.string(), nullable=False)])
_REPLACED = pa.schema([pa.field("subject_id", pa.string()), pa.field("replaced_by", pa.string())])


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """What the records of a province say."""

    spoken: Tables  # golden.spoken_schema: those that speak
    members: Tables  # MEMBERS: all that stand
    books: pa.Table  # MEMBERS + own_id, person_subject: the entries of insurance books
    replaced_books: pa.Table  # subject_id, replaced_by: books that became part of another


def speak(
    placed: Tables,
    speaking: Tables,
    *,
    standing: Standing,
    assignment: pa.Table,
    identities: pa.Table,
    numbered: pa.Table,
    overrides: pa.Table,
) -> Spoken:
    """What `speaking`, of the records `placed` on units of today, say of their subjects.

    `assignment` is clustering.ASSIGNMENT, `identities` rekeying.IDENTITIES, `numbered` BOOKS, `overrides` OVERRIDES.
    """
    households = placed[RecordKind.HOUSEHOLD]
    books = select(
        _BOOKED,
        _BOOKS,
        insured=placed[RecordKind.INSURANCE],
        numbered=numbered,
        published=standing.golden[RecordKind.INSURANCE],
        given={"namespace": standing.namespace},
    )
    members = _members(placed, books, assignment=assignment, identities=identities)
    persons = select(
        _PERSONS_SPEAK,
        spoken_schema(RecordKind.PERSON),
        persons=speaking[RecordKind.PERSON],
        insured=speaking[RecordKind.INSURANCE],
        assignment=assignment,
        published=standing.golden[RecordKind.PERSON],
        deaths=standing.deaths,
        members=rekeying.find_households(speaking[RecordKind.PERSON], households, identities),
        overrides=overrides,
    )
    registered = select(
        _REGISTERED,
        _SUBJECTS,
        spoken=persons,
        members=members[RecordKind.PERSON],
        published=standing.golden[RecordKind.PERSON],
    )
    spoken = {
        RecordKind.PERSON: persons,
        RecordKind.HOUSEHOLD: select(
            _HOUSEHOLDS_SPEAK,
            spoken_schema(RecordKind.HOUSEHOLD),
            households=speaking[RecordKind.HOUSEHOLD],
            identities=identities,
        ),
        RecordKind.INSURANCE: select(
            _BOOKS_SPEAK,
            spoken_schema(RecordKind.INSURANCE),
            insured=speaking[RecordKind.INSURANCE],
            books=books,
            registered=registered,
        ),
    }
    replaced = select(_REPLACED_BOOKS, _REPLACED, books=books)
    return Spoken(spoken=spoken, members=members, books=books, replaced_books=replaced)


def _members(placed: Tables, books: pa.Table, *, assignment: pa.Table, identities: pa.Table) -> Tables:
    """MEMBERS by kind."""
    persons, households = placed[RecordKind.PERSON], placed[RecordKind.HOUSEHOLD]
    return {
        RecordKind.PERSON: select(_PERSON_MEMBERS, MEMBERS, persons=persons, assignment=assignment),
        RecordKind.HOUSEHOLD: select(_HOUSEHOLD_MEMBERS, MEMBERS, households=households, identities=identities),
        RecordKind.INSURANCE: books.select(MEMBERS.names),
    }


def contested(published: pa.Table, *, members: pa.Table, spoken: pa.Table) -> pa.Table:
    """What of `published` (stands_schema + change_id) the records have something to say of, or have left."""
    return select(_CONTESTED, published.schema, published=published, members=members, spoken=spoken)


# What of a record says how well it is founded. A number that says nothing of sex and year verifies nothing.
_FOUNDED = """exported_on, (not is_signed)::tinyint as unsigned, coalesce(not (
        try_cast(substr(personal_number, 4, 1) as int) = (birth_year // 100 - 19) * 2 + (sex = 'female')::int
        and try_cast(substr(personal_number, 5, 2) as int) = birth_year % 100), true)::tinyint as unverified"""


# An insurance number of twelve digits is the person's own.
_OWN_NUMBER = (
    f"coalesce(personal_number, case when length(insurance_number) = {PERSONAL_DIGITS} then insurance_number end)"
)


def _insured_say() -> str:
    """The fields of a person of which an insurance system may say something, by the table; all others are null."""
    said = {name for rule in RULES[RecordKind.PERSON] if RecordKind.INSURANCE in rule.speakers for name in rule.fields}
    own = {"personal_number": f"{_OWN_NUMBER} as personal_number"}
    return ", ".join(
        own.get(name, name) if name in said else f"null as {name}" for name in GOLDEN_FIELDS[RecordKind.PERSON]
    )


# Of two units that claim a person the judged one speaks, with its own hamlet and address.
# A day of death that is published stands until the record that said it speaks again: while it waits, or when what took
# the death back was withdrawn, nothing is taken back.
_PERSONS_SPEAK = f"""
with registered as (select distinct subject_id from persons join assignment using (record_key))
select subject_id, record_id, 0 as authority, event_date, source_version, {_FOUNDED},
    (judged_unit is null or judged_unit <> unit_code)::tinyint as unjudged, personal_number, cmnd, full_name,
    birth_year, birth_month, birth_day, sex, ethnic_group, died_on,
    case when coalesce(judged_unit = unit_code, true) then unit_code end as unit_code,
    case when coalesce(judged_unit = unit_code, true) then hamlet end as hamlet,
    case when coalesce(judged_unit = unit_code, true) then address end as address,
    members.household_id, coalesce(members.household_number, persons.household_number) as household_number,
    relation_to_head, father_number, father_name, mother_number, mother_name, spouse_number, spouse_name
from persons join assignment using (record_key)
left join members using (record_key) left join overrides using (record_key)
union all by name
select subject_id, record_id, 1 as authority, event_date, source_version, {_FOUNDED}, 1 as unjudged, {_insured_say()}
from insured join assignment using (record_key) semi join registered using (subject_id)
union all by name
select subject_id, (provenance ->> 'died_on')::bigint as record_id, 1 as authority, null as event_date,
    0 as source_version, died_on
from published semi join registered using (subject_id)
where died_on is not null and (provenance ->> 'died_on')::bigint in (
    select record_id from deaths anti join persons using (record_key)
)
order by subject_id, record_id
"""

_HOUSEHOLDS_SPEAK = """
select household_id as subject_id, record_id, 0 as authority, event_date, source_version, exported_on, 1 as unjudged,
    (not is_signed)::tinyint as unsigned, 1 as unverified, i.household_number, i.former_number, head_personal_number,
    head_name, member_count, unit_code, hamlet, address
from households h join identities i on i.source_id = h.source_id and i.source_record_id = h.source_record_id
order by subject_id, record_id
"""

# Entries of one person with one number of a book are one book. Its id is that of its first entry, of those that have
# been published as a book if there is one.
_BOOKED = """
with entries as (
    select record_id, record_key, subject_id as person_subject,
        md5($namespace || '|insurance|' || record_key)::uuid::text as own_id,
        case when book_number is null then record_key else subject_id || book_number end as book
    from insured join numbered using (record_key)
)
select record_id, own_id, person_subject,
    first_value(own_id) over (
        partition by book order by published.subject_id is null, record_key
    ) as subject_id
from entries left join published on published.subject_id = own_id
order by record_id
"""

_BOOKS_SPEAK = f"""
select books.subject_id, record_id, 0 as authority, event_date, source_version, {_FOUNDED}, 1 as unjudged,
    registered.subject_id as person_id, insurance_number, {_OWN_NUMBER} as personal_number, full_name, health_card,
    scheme, valid_from, valid_to, first_clinic, unit_code, contribution_salary
from insured join books using (record_id) left join registered on registered.subject_id = person_subject
order by books.subject_id, record_id
"""

_REPLACED_BOOKS = (
    "select own_id as subject_id, subject_id as replaced_by from books where own_id <> subject_id order by 1"
)

_PERSON_MEMBERS = "select record_id, subject_id from persons join assignment using (record_key) order by record_id"

_HOUSEHOLD_MEMBERS = """
select record_id, household_id as subject_id from households join identities using (source_id, source_record_id)
order by record_id
"""

# The people a registry knows after this run, those of whom every record waits included.
_REGISTERED = """
select subject_id from spoken union select subject_id from published semi join members using (subject_id) order by 1
"""

_CONTESTED = """
select * from published
where subject_id in (select subject_id from spoken) or subject_id not in (select subject_id from members)
order by subject_id
"""
