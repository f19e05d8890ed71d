"""Households that cannot be ──► HOUSEHOLD_CLASH cases: what no rule may decide of who is in them and who heads them.

Evidence has a `reason`: "member_of_two" (a person is a member of two households of one unit), "two_heads" (two living
people head one), "head_missing" (all members it counts are here, and none is its head), "head_dead" (the head it names
has died) or "two_units" (two units state one residence record). What a rule does decide is no case: the later event
says where somebody lives and a household was divided; who lodges with others, and who has a temporary residence in
another former commune that is now one with the permanent one, is rightly in two.
"""

from collections.abc import Mapping

import pyarrow as pa

from adapters.canonical import RecordKind
from reconciliation.detecting import CASES
from reconciliation.model import CaseKind
from reconciliation.rekeying import BOOK_DIGITS, find_households
from reconciliation.relations import select

HEAD, LODGER = "chủ hộ", "ở nhờ/ở thuê/khác"  # of the list relation_to_head


def clashes(placed: Mapping[RecordKind, pa.Table], *, assignment: pa.Table, identities: pa.Table) -> pa.Table:
    """CASES of the households among the records that stand on today's units, ordered by fingerprint.

    `assignment` is clustering.ASSIGNMENT, `identities` rekeying.IDENTITIES.
    """
    persons, houses = placed[RecordKind.PERSON], placed[RecordKind.HOUSEHOLD]
    return select(
        _CLASHES,
        CASES,
        persons=persons,
        houses=houses,
        assignment=assignment,
        identities=identities,
        found=find_households(persons, houses, identities),
    )


_CLASHES = f"""
with lives as (
    select subject_id, max(died_on) is not null as is_dead, list(distinct personal_number) as numbers
    from persons join assignment using (record_key) group by subject_id
), members as (
    select record_key, subject_id, household_id, persons.unit_code, former_unit_code, relation_to_head, is_dead,
        coalesce(event_date, date '0001-01-01') as spoken_on, lower(full_name) as name
    from persons join found using (record_key) join assignment using (record_key) join lives using (subject_id)
), kept as (  -- of who moved or whose household was divided, the later event
    select * from members
    where relation_to_head is distinct from '{LODGER}' and not is_dead and unit_code is not null
    qualify spoken_on = max(spoken_on) over (partition by subject_id)
), member_of_two as (
    select 'member_of_two' as reason, list(record_key order by record_key) as record_keys,
        list(household_id order by record_key) as claims, list_sort(list(distinct household_id)) as households,
        null::bigint as members
    from kept group by subject_id, unit_code
    having count(distinct household_id) > 1
        and count(distinct former_unit_code) < count(distinct household_id)
), stated as (
    select record_key, household_id, head_personal_number, lower(head_name) as head_name, member_count
    from houses join identities using (source_id, source_record_id)
), heads as (
    select *, dense_rank() over (partition by household_id order by subject_id) as place from kept
    where relation_to_head = '{HEAD}'
), two_heads as (
    select 'two_heads', list(record_key order by record_key), ['{HEAD}'], [household_id], count(distinct subject_id)
    from heads group by household_id having max(place) > 1
), counted as (
    select household_id, count(distinct subject_id) as members, count(relation_to_head) as related,
        count(*) filter (relation_to_head = '{HEAD}') as heads, list(distinct name) as names
    from members where not is_dead group by household_id
), borne as (
    select unnest(numbers) as number, bool_and(is_dead) as is_dead, list(subject_id) as bearers
    from lives group by number
), present as (
    select distinct household_id, unnest(numbers) as number from members join lives using (subject_id)
), head_missing as (
    select 'head_missing', list(record_key order by record_key),
        list(coalesce(head_personal_number, '') order by record_key), [household_id], any_value(members)
    from stated join counted using (household_id)
    where related > 0 and heads = 0 and members >= member_count and not coalesce(list_contains(names, head_name), false)
        and not exists (
            select 1 from present where present.household_id = stated.household_id and number = head_personal_number
        )
    group by household_id
), head_dead as (
    select 'head_dead', list(record_key order by record_key), list(number order by record_key), [household_id], null
    from stated join borne on number = head_personal_number where is_dead group by household_id
), two_units as (
    select 'two_units', list(record_key order by record_key), list(unit_code order by record_key),
        list_sort(list(distinct household_id)), null
    from houses join identities using (source_id, source_record_id)
    where unit_code is not null and length(houses.household_number) > {BOOK_DIGITS}
    group by houses.household_number having count(distinct unit_code) > 1
), clashing as (
    from member_of_two union all from two_heads union all from head_missing union all from head_dead
    union all from two_units
)
select sha256(concat_ws('|', '{CaseKind.HOUSEHOLD_CLASH}', reason, array_to_string(record_keys, ','),
                        array_to_string(claims, ','))) as fingerprint,
    '{CaseKind.HOUSEHOLD_CLASH}' as kind, record_keys,
    json_object('reason', reason, 'households', households, 'members', members)::text as evidence
from clashing order by fingerprint
"""
