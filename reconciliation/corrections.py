"""What citizens ask to have corrected, through a portal or a city's app, against what the population register says.

A correction is a record of a source whose page says `citizens = true`. It is about whom its personal number names, and
makes nobody a resident; what it says counts once a steward has let it (KEEP), like any newer record.
"""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.deciding import PAIRS
from reconciliation.detecting import CASES
from reconciliation.model import CaseKind
from reconciliation.relations import select

# What can be corrected: of the canonical columns of persons, those that a register states of somebody.
FIELDS = (
    *("full_name", "birth_year", "birth_month", "birth_day", "sex", "ethnic_group", "unit_code", "hamlet", "address"),
    *("household_number", "relation_to_head", "died_on"),
)


def split(persons: pa.Table, citizens: Collection[str]) -> tuple[pa.Table, pa.Table]:
    """The records of `persons` (with source_id) that registers sent, and those that citizens did."""
    of_citizens = pc.is_in(persons["source_id"], value_set=pa.array(sorted(citizens), pa.string()))
    return persons.filter(pc.invert(of_citizens)), persons.filter(of_citizens)


def named(persons: pa.Table, citizens: Collection[str], apart: pa.Table) -> pa.Table:
    """PAIRS that are one person: a correction, and one register record of the number that its citizen proved.

    None of a number that several people may have: `apart` (PAIRS) are those that a steward parted.
    """
    register, asked = split(persons, citizens)
    if not asked.num_rows:
        return PAIRS.empty_table()
    return select(_NAMED, PAIRS, register=register, asked=asked, apart=apart)


def corrections(persons: pa.Table, assignment: pa.Table, citizens: Collection[str]) -> pa.Table:
    """CASES of the corrections that say something else than every register record of their person.

    `persons` are placed records, `assignment` is clustering.ASSIGNMENT. `fields` are what is to be corrected; there are
    none where no register knows the person. A register record that is sent anew and differs still is asked of anew.
    """
    register, asked = split(persons, citizens)
    if not asked.num_rows:
        return CASES.empty_table()
    return select(_CORRECTIONS, CASES, register=register, asked=asked, assignment=assignment)


_NAMED = """
with pairs as (
    select min(register.record_key) as register_key, asked.record_key as asked_key
    from asked join register using (personal_number) group by asked.record_key
), ordered as (
    select least(register_key, asked_key) as left_key, greatest(register_key, asked_key) as right_key from pairs
)
select * from ordered anti join apart using (left_key, right_key) order by all
"""

_SAID = ", ".join(f"list(distinct {name}) filter ({name} is not null) as {name}" for name in FIELDS)
_DIFFERS = ", ".join(
    f"case when asked.{name} is not null and not coalesce(list_contains(said.{name}, asked.{name}), false)"
    f" then '{name}' end"
    for name in FIELDS
)
_CLAIMS = ", ".join(f"coalesce(asked.{name}::varchar, '')" for name in FIELDS)

_CORRECTIONS = f"""
with said as (
    select subject_id, list(record_key order by record_key) as registered,
        list(record_id::varchar order by record_key) as versions, {_SAID}
    from register join assignment using (record_key) group by subject_id
), against as (
    select asked.record_key, subject_id, coalesce(registered, []) as registered, versions,
        list_filter([{_DIFFERS}], lambda field: field is not null) as fields, [{_CLAIMS}] as claims
    from asked join assignment using (record_key) left join said using (subject_id)
), found as (
    select list_sort(list_append(registered, record_key)) as record_keys, record_key,
        case when len(registered) > 0 then fields else [] end as fields, list_concat(claims, versions) as claims
    from against where len(registered) = 0 or len(fields) > 0
)
select sha256(concat_ws('|', '{CaseKind.CITIZEN_CORRECTION}', record_key, array_to_string(claims, '|'))) as fingerprint,
    '{CaseKind.CITIZEN_CORRECTION}' as kind, record_keys,
    json_object('fields', fields, 'correction', list_position(record_keys, record_key) - 1,
                'sides', list_transform(record_keys, lambda key: (key = record_key)::int))::text as evidence
from found order by fingerprint
"""
