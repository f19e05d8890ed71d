"""Stage 2: household numbers that were unique in their former communes become unique in today's unit.

A paper book has nine digits at most, is scoped to its former province and ended with 2022; what is longer is the
number of a residence record, which is the key since: the records of one unit that state it are one household, and the
book that a household had before stays its alias. A book's number that clashes in its new unit gets the former commune's
code in front; the old number stays an alias for ever.
A number once given is not changed again, so that nobody's papers go stale twice, unless its household moves to a unit
where it is taken. A household that is back where its number was its own, because a change of units was taken back,
has it again. Two households that become one are known by the id of the one that was published, or had the smallest
key; parted again, each has its own.
"""

import pyarrow as pa

from reconciliation.relations import select

# What rekeying reads of a household record.
HOUSEHOLDS = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("source_record_id", pa.string(), nullable=False),
        pa.field("household_number", pa.string()),
        pa.field("former_unit_code", pa.string()),  # of the old list, where the source ever said it
        pa.field("unit_code", pa.string()),  # today's; null while in question
        pa.field("published_unit", pa.string()),  # where it was published last; null before
    ]
)

IDENTITIES = pa.schema(
    [
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("source_record_id", pa.string(), nullable=False),
        pa.field("household_id", pa.string(), nullable=False),
        pa.field("household_number", pa.string()),  # today's, unique in its unit
        pa.field("former_number", pa.string()),
        pa.field("rekeyed", pa.bool_(), nullable=False),
        pa.field("displaced_number", pa.string()),  # what it had to give up, and the unit where that was its own
        pa.field("displaced_unit", pa.string()),
    ]
)

MEMBERS = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("household_id", pa.string(), nullable=False),
        pa.field("household_number", pa.string()),  # today's
    ]
)

MOVES = pa.schema(
    [
        pa.field("before", pa.string(), nullable=False),
        pa.field("after", pa.string(), nullable=False),
        pa.field("records", pa.int64(), nullable=False),
    ]
)

BOOK_DIGITS = 9  # what is longer is no paper book


def rekey(households: pa.Table, previous: pa.Table, *, namespace: str) -> pa.Table:
    """IDENTITIES of `households` (HOUSEHOLDS); `previous` are the IDENTITIES that stand and are kept.

    `namespace` is this installation's secret: without it an id could be traced back to the key it was made from.
    """
    return select(_REKEY, IDENTITIES, households=households, previous=previous, given={"namespace": namespace})


def find_households(persons: pa.Table, households: pa.Table, identities: pa.Table) -> pa.Table:
    """MEMBERS: the household of each person whose number names exactly one: a residence record, or a book in its
    former province.

    `persons` has record_key, source_id, household_number, former_unit_code and unit_code (today's). A number that
    names two households in one unit is told apart by the former commune; where that is not known, nothing is said.
    Nobody is of a household in another unit than his own.
    """
    return select(_FIND, MEMBERS, persons=persons, households=households, identities=identities)


def moved(identities: pa.Table, previous: pa.Table) -> pa.Table:
    """MOVES: how many records went from which id to which other one, as clustering.MOVES."""
    return select(_MOVED, MOVES, identities=identities, previous=previous)


_MOVED = """
select p.household_id as before, i.household_id as after, count(*) as records
from identities i join previous p on p.source_id = i.source_id and p.source_record_id = i.source_record_id
where p.household_id <> i.household_id group by all order by before, after
"""

_REKEY = f"""
with own as (
    select h.*, md5($namespace || '|household|' || record_key)::uuid::text as own_id,
        p.household_id as previous_id, p.household_number as given, p.rekeyed as given_rekeyed,
        p.former_number as given_former, p.displaced_number, p.displaced_unit,
        coalesce(length(h.household_number) > {BOOK_DIGITS}, false) as is_residence,
        coalesce(p.displaced_unit = h.unit_code and p.former_number is not distinct from h.household_number, false)
            as is_back
    from households h left join previous p on p.source_id = h.source_id and p.source_record_id = h.source_record_id
), numbered as (
    select *, first_value(own_id) over (
            partition by case when is_residence and unit_code is not null
                         then unit_code || '|' || household_number else own_id end
            order by coalesce(previous_id = own_id, false) and published_unit is not null desc,
                coalesce(previous_id = own_id, false) desc, record_key
        ) as household_id
    from own
), counted as (
    select *, count(distinct household_id) over (partition by unit_code, household_number) as sharing,
        given is not null and given_former is not distinct from household_number as kept
    from numbered
), proposed as (
    select *, unit_code is not null and household_number is not null and sharing > 1 as clashes,
        case when is_back then displaced_number
             when kept then given
             when unit_code is null then null  -- no number is given before the unit is known
             when clashes then concat_ws('-', coalesce(former_unit_code, unit_code), household_number,
                                         case when former_unit_code is null then left(md5(record_key), 6) end)
             else household_number end as proposal
    from counted
), decided as (  -- who has a number keeps it before who wants it, and who lives there before who moved in
    select *, unit_code is not null and proposal is not null and household_id <> first_value(household_id) over (
            partition by unit_code, proposal
            order by kept desc, unit_code is not distinct from published_unit desc, record_key
        ) as taken
    from proposed
)
select
    source_id, source_record_id, household_id,
    case when taken then concat_ws('-', proposal, left(md5(record_key), 6)) else proposal end as household_number,
    case when is_residence and length(given_former) <= {BOOK_DIGITS} then given_former else household_number end
        as former_number,
    case when is_back and not taken then proposal is distinct from household_number
         when kept and not taken then given_rekeyed
         else clashes or taken end as rekeyed,
    case when is_back and not taken then null
         when kept and taken and displaced_number is null and published_unit is distinct from unit_code then given
         when kept then displaced_number end as displaced_number,
    case when is_back and not taken then null
         when kept and taken and displaced_number is null and published_unit is distinct from unit_code
             then published_unit
         when kept then displaced_unit end as displaced_unit
from decided
order by source_id, source_record_id
"""

# Of a residence record the number is enough; the book it had before names it as a book does.
_FIND = f"""
with known as (
    select distinct split_part(h.source_id, '.', 1) as former_province,
        unnest(list_distinct([h.household_number, i.former_number])) as household_number, h.former_unit_code,
        h.unit_code, i.household_id, i.household_number as number_today
    from households h join identities i on i.source_id = h.source_id and i.source_record_id = h.source_record_id
), matched as (
    select p.record_key, k.household_id, k.number_today,
        length(k.household_number) > {BOOK_DIGITS} or coalesce(p.former_unit_code = k.former_unit_code, false)
            as same_former_commune
    from persons p
    join known k on k.household_number = p.household_number
        and (k.former_province = split_part(p.source_id, '.', 1) or length(k.household_number) > {BOOK_DIGITS})
    where coalesce(p.unit_code = k.unit_code, true)
      and (length(k.household_number) > {BOOK_DIGITS} or coalesce(p.former_unit_code = k.former_unit_code, false)
           or ((p.former_unit_code is null or k.former_unit_code is null) and p.unit_code = k.unit_code))
), best as (
    select record_key, household_id, number_today from matched
    qualify same_former_commune = max(same_former_commune) over (partition by record_key)
)
select record_key, min(household_id) as household_id, min(number_today) as household_number
from best
group by record_key having count(distinct household_id) = 1
order by record_key
"""
