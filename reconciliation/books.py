"""Insurance records ──► the number of the book each is an entry of.

From 1 August 2025 the personal number replaces the ten-digit insurance number, and both hold (1804/BHXH-QLT): an entry
that states its person's own number is of the one book that the person has under an old number, whichever came first.
Where the person has no old number or several of them, nothing is guessed: the number names a book of its own.
"""

import pyarrow as pa

from reconciliation.relations import select

PERSONAL_DIGITS = 12

BOOKS = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("subject_id", pa.string(), nullable=False),  # whose entry it is
        pa.field("book_number", pa.string()),  # null: the entry states no number
    ]
)


def number_books(persons: pa.Table, insured: pa.Table, assignment: pa.Table) -> pa.Table:
    """BOOKS of all `insured`, ordered by record_key.

    `persons` and `insured` have record_key and personal_number, `insured` insurance_number too; `assignment` is
    clustering.ASSIGNMENT.
    """
    return select(_NUMBERED, BOOKS, persons=persons, insured=insured, assignment=assignment)


_NUMBERED = f"""
with entries as (
    select record_key, subject_id, personal_number, insurance_number,
        coalesce(length(insurance_number) = {PERSONAL_DIGITS}, false) as is_personal
    from insured join assignment using (record_key)
), own as (
    select subject_id, personal_number as number from persons join assignment using (record_key)
    union select subject_id, personal_number from entries
), old as (
    select subject_id, min(insurance_number) as number from entries
    where insurance_number is not null and not is_personal
    group by subject_id having count(distinct insurance_number) = 1
)
select record_key, entries.subject_id,
    case when is_personal and own.number is not null and old.number is not null then old.number
         else insurance_number end as book_number
from entries
left join old on old.subject_id = entries.subject_id
left join own on own.subject_id = entries.subject_id and own.number = entries.insurance_number
order by record_key
"""
