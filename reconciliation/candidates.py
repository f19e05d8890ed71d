"""Person and insurance records of one pool ──► the columns that blocking and comparing read.

Derived once per record, never per pair. A record's own words are kept; nothing is guessed or filled in.
"""

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.steps import fold_name, fold_tone
from reconciliation.errors import ReconciliationError

# What a job hands over: one row per record that stands, population and insurance of one province together.
RECORDS = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),  # "source_id|source_record_id", unique
        pa.field("source_id", pa.string(), nullable=False),  # "<former province>.<system>"
        pa.field("personal_number", pa.string()),  # 12 digits
        pa.field("cmnd", pa.string()),  # 9 digits, not unique
        pa.field("insurance_number", pa.string()),  # 10 digits
        pa.field("health_card", pa.string()),  # 15 or 10 characters; its last ten are an insurance number
        pa.field("full_name", pa.string()),
        pa.field("birth_year", pa.int16()),
        pa.field("birth_month", pa.int8()),
        pa.field("birth_day", pa.int8()),
        pa.field("sex", pa.string()),  # "male" | "female"
        pa.field("former_unit_code", pa.string()),  # the unit before the merger, where it is known
        pa.field("current_unit_code", pa.string()),  # null where it is ambiguous
        pa.field("hamlet", pa.string()),
        pa.field("household_key", pa.string()),  # the household within its own source, unique over all sources
        pa.field("household_number", pa.string()),  # as written; comparable within one former province only
        pa.field("father_number", pa.string()),  # 12 digits, like those of mother and spouse
        pa.field("father_name", pa.string()),
        pa.field("mother_number", pa.string()),
        pa.field("mother_name", pa.string()),
        pa.field("spouse_number", pa.string()),
        pa.field("spouse_name", pa.string()),
    ]
)

KIN = ("father", "mother", "spouse")
# Households above this size are dormitories and the like: they say nothing about family.
LARGEST_HOUSEHOLD = 30
# A name shared by more records than this links no two households.
MOST_NAMESAKES = 24
# A word of a name is unusual when no more records than these have it: so many, and so large a share of the pool.
_FEWEST_BEARERS = 2
_LEAST_SHARE = 5e-5
# In fewer records than this a word that nobody else bears may well be a name: by the rule of three, of one in 400.
_FEWEST_RECORDS = 2_000


class FatalPoolError(ReconciliationError):
    """The records handed over are not a pool: a column is missing, of another type, or a key stands twice."""


def name_words(names: pa.Array) -> pa.Table:
    """Full names ──► columns of list<string>: spelling, i_for_y, bare (adapters.steps); null where there is no name.

    Each distinct name is folded once.
    """
    encoded = names.dictionary_encode()
    spelling = fold_tone(encoded.dictionary)
    folded = {
        "spelling": spelling,
        "i_for_y": pc.replace_substring(spelling, "y", "i"),
        "bare": fold_name(encoded.dictionary),
    }
    return pa.table({name: _words(values).take(encoded.indices) for name, values in folded.items()})


def _words(names: pa.Array) -> pa.Array:
    return pc.split_pattern(pc.if_else(pc.equal(names, ""), pa.scalar(None, pa.string()), names), pattern=" ")


def derive(connection: duckdb.DuckDBPyConnection, records: pa.Table) -> None:
    """Create the table `derived`: a row per record, `row` = rank of its key, and all that the record alone says.

    `records` has the schema RECORDS; its order does not matter. Raises FatalPoolError when it is something else.
    """
    for name, table in entered(records).items():
        connection.register(name, table)
    for statement in _DERIVE:
        connection.execute(statement)
    connection.unregister("incoming")
    connection.unregister("names")


def entered(records: pa.Table) -> dict[str, pa.Table]:
    """What `derive` reads of a pool: `incoming`, the records by key, and `names`, each different name taken apart.

    Raises FatalPoolError when `records` is no pool.
    """
    ordered = pool_of(records, RECORDS)
    columns = ("full_name", *(f"{role}_name" for role in KIN))
    names = pa.chunked_array([chunk for column in columns for chunk in ordered[column].chunks], pa.string())
    encoded = names.combine_chunks().dictionary_encode()
    distinct = name_words(encoded.dictionary)
    for place, column in enumerate(columns):
        indices = encoded.indices.slice(place * ordered.num_rows, ordered.num_rows)
        ordered = ordered.append_column(f"{column}_as", indices)
    spelled_as = pa.array(np.arange(distinct.num_rows, dtype=np.int32))
    names_apart = distinct.rename_columns([f"{name}_words" for name in distinct.column_names])
    return {"incoming": ordered, "names": names_apart.append_column("spelled_as", spelled_as)}


def derived_sql() -> str:
    """`derive` as one query over what `entered` gives."""
    tables = [made.partition(" temp table ")[2].partition(" as\n") for made in (_SPELLED, _DERIVED, _CHECKED)]
    return f"with {', '.join(f'{name} as ({query})' for name, _, query in tables)} from derived"


def tally(connection: duckdb.DuckDBPyConnection) -> None:
    """Make of `derived` the table `tallies` (linkage.TALLIES): how many share a key, where more than two do.

    Of the kind "word" are the words that are no slip because enough people bear them.
    """
    for statement in _TALLY:
        connection.execute(statement)


def count(connection: duckdb.DuckDBPyConnection) -> None:
    """Make of `derived`, `tallies` and `homes` the table `candidates`, with what a pool says of each, and `kin`: homes
    that share people. Names are as frequent as in the pool of the tallies.
    """
    for statement in _COUNT:
        connection.execute(statement)


def counted(row: Mapping[str, Any], tallies: Mapping[str, Mapping[int, int]]) -> dict[str, Any]:
    """What `count` adds to a row of `derived` but for its home, read off the tallies of its keys by kind."""
    said = {
        name: None if row[kind] is None else tallies.get(kind, {}).get(row[kind], 1) for kind, name in COUNTED.items()
    }
    words = row["word_keys"]
    usual = tallies.get(WORD, {})
    is_unusual = words is not None and any(word not in usual for word in words)
    return said | {"is_unusual": is_unusual, "is_many": ANY in usual}


def pool_of(records: pa.Table, schema: pa.Schema) -> pa.Table:
    """The records by key, of the columns of `schema`, with `row`; raises FatalPoolError when they are no pool."""
    try:
        ordered = records.select(schema.names).cast(schema).sort_by("record_key").combine_chunks()
    except (KeyError, pa.ArrowInvalid, ValueError) as error:
        what = f"pool of {records.num_rows} records: {type(error).__name__}"
        message = f"{what}. Next: build it with the schema of its linkage."
        raise FatalPoolError(message) from error
    if pc.count_distinct(ordered["record_key"]).as_py() != ordered.num_rows:
        message = (
            f"pool of {ordered.num_rows} records: a record_key stands twice. Next: hand over standing versions only."
        )
        raise FatalPoolError(message)
    return ordered.append_column("row", pa.array(np.arange(ordered.num_rows, dtype=np.int32)))


# What is only ever compared for equality is kept as its hash: pairs gather these columns by the million.
_KEY = "create or replace temp macro key_of(value) as case when value is not null then hash(value) end"

# A name is taken apart once, however many bear it.
_SPELLED = """
create or replace temp table spelled as
select
    spelled_as,
    key_of(spelling_words) as name,
    key_of(i_for_y_words) as name_i_for_y,
    key_of(bare_words) as name_bare,
    key_of(list_sort(bare_words)) as name_set,
    array_to_string(bare_words, '') as name_unspaced,
    key_of(list_sort(string_split(array_to_string(bare_words, ''), ''))) as name_letters,
    key_of(spelling_words[-1]) as given,
    bare_words[-1] as given_bare,
    bare_words[1] as family_bare,
    array_to_string(bare_words[:-2], ' ') as before_given_bare,
    bare_words as words,
    array_to_string(list_sort(list_transform(bare_words, lambda word: word[1])), '') as initials,
    spelling_words <> bare_words as is_marked
from names
"""

_NUMBER = "case when regexp_full_match({0}, '[0-9]{{12}}') then {0} end"
_TRIMMED_INSURANCE = "coalesce(nullif(trim(insurance_number), ''), right(health_card, 10))"

_DERIVED = f"""
create or replace temp table entered as
select
    row, record_key,
    key_of(source_id) as source,
    key_of(split_part(source_id, '.', 1)) as former_province,
    {_NUMBER.format("personal_number")} as personal_number,
    case when regexp_full_match(cmnd, '[0-9]{{9}}') then cmnd end as cmnd,
    {_TRIMMED_INSURANCE} as insurance_stated,
    full_name_as, father_name_as, mother_name_as, spouse_name_as,
    birth_year, birth_month, birth_day,
    case when birth_year is not null and birth_month is not null and birth_day is not null
        then birth_year::integer * 10000 + birth_month::integer * 100 + birth_day end as birth_date,
    coalesce(birth_month = 1 and birth_day = 1, false) as is_first_january,
    case when sex in ('male', 'female') then sex end as sex,
    former_unit_code as former_unit,
    current_unit_code as unit,
    key_of(nullif(lower(nfc_normalize(trim(hamlet))), '')) as hamlet,
    key_of(household_key) as household,
    key_of(nullif(household_number, '')) as household_number,
    {", ".join(f"key_of({_NUMBER.format(f'{role}_number')}) as {role}_number" for role in KIN)}
from incoming
"""

# What the digits of a number say of sex and year: a validity flag of that number, never a second agreement.
# Since August 2025 the personal number may stand in the insurance number's place: then it is one, and no other.
_CHECKED = f"""
create or replace temp table derived as
select entered.* exclude (insurance_stated, father_name_as, mother_name_as, spouse_name_as),
    personal_number[1:6]::integer as number_stem,
    personal_number[7:12]::integer as number_serial,
    case when length(insurance_stated) = 12 then null else insurance_stated end as insurance_number,
    case when regexp_full_match(insurance_stated, '[0-9]{{12}}') then insurance_stated end as insured_as,
    coalesce(personal_number, insured_as) as any_number,
    case when personal_number is null or (birth_year is null and sex is null) then null
         else coalesce(
                  birth_year = 1900 + 100 * (personal_number[4]::integer // 2) + personal_number[5:6]::integer, true)
              and coalesce((sex = 'male') = (personal_number[4]::integer % 2 = 0), true)
    end as number_agrees,
    spelled.* exclude (spelled_as),
    {", ".join(f"{role}.name_set as {role}_name, {role}.name_letters as {role}_letters" for role in KIN)},
    case when spelled.name_set is not null and birth_year is not null
        then hash(spelled.name_set, birth_year) end as namesake,
    case when namesake is not null and unit is not null then hash(namesake, unit) end as named_here,
    case when spelled.given_bare is not null and birth_date is not null
        then hash(spelled.given_bare, birth_date) end as dated
from entered
left join spelled on spelled.spelled_as = full_name_as
{" ".join(f"left join spelled as {role} on {role}.spelled_as = {role}_name_as" for role in KIN)}
"""

# What only the pool can say of a record: how many share one of its keys. One or two is the first level of each.
WORD = "word"
ANY = 0  # the key of all words: there where enough records were counted to call one unusual
COUNTED = {"namesake": "namesakes", "name_set": "bearers", "named_here": "namesakes_here", "dated": "datemates"}
_TALLIES = "create or replace temp table tallies as " + " union all ".join(
    f"select '{key}' as kind, {key} as key, count(*)::integer as records from derived where {key} is not null "
    f"group by {key} having count(*) > 2"
    for key in COUNTED
)

# A word that hardly anybody bears is more likely a slip than a name.
_WORDS = f"""
insert into tallies
with borne as (select full_name_as, count(*) as bearers from derived where full_name_as is not null group by all),
said as (select full_name_as, bearers, unnest(words) as word from borne join spelled on spelled_as = full_name_as),
words as (select word, sum(bearers) as bearers from said group by word)
select '{WORD}' as kind, hash(word) as key, bearers::integer as records from words
where bearers > {_FEWEST_BEARERS} + {_LEAST_SHARE} * (select count(*) from derived)
union all
select '{WORD}', {ANY}, count(*)::integer from derived having count(*) >= {_FEWEST_RECORDS}
"""

_UNUSUAL = f"""
create or replace temp table unusual as
with said as (
    select spelled_as as full_name_as, unnest(words) as word from spelled
    semi join derived on derived.full_name_as = spelled_as
)
select distinct full_name_as from said
anti join (from tallies where kind = '{WORD}') as usual on usual.key = hash(word)
"""

_BY_KEY = " ".join(
    f"left join tallies as by_{key} on by_{key}.kind = '{key}' and by_{key}.key = derived.{key}" for key in COUNTED
)
_COUNTS = ", ".join(
    f"case when {key} is not null then coalesce(by_{key}.records, 1) end as {name}" for key, name in COUNTED.items()
)
_CANDIDATES = f"""
create or replace temp table candidates as
select derived.* exclude (full_name_as),
    {_COUNTS},
    case when household is not null then coalesce(homes.records, 1) end as household_size,
    unusual.full_name_as is not null as is_unusual,
    exists (from tallies where kind = '{WORD}' and key = {ANY}) as is_many
from derived
{_BY_KEY}
left join homes on homes.key = derived.household
left join unusual on unusual.full_name_as = derived.full_name_as
"""

_KIN = f"""
create or replace temp table kin as
with members as (
    select distinct household, namesake from candidates
    where namesakes <= {MOST_NAMESAKES} and household_size between 2 and {LARGEST_HOUSEHOLD}
)
select one.household as one, other.household as other, count(*)::integer as shared
from members as one join members as other on one.namesake = other.namesake and one.household < other.household
group by all
"""

_DERIVE = (_KEY, _SPELLED, _DERIVED, _CHECKED, "drop table entered")
_DROPPED = tuple(
    f"drop table {table}" for table in ("derived", "spelled", "unusual", "tallies", "homes")
)  # room for the pairs
_TALLY = (_TALLIES, _WORDS)
_COUNT = (_UNUSUAL, _CANDIDATES, *_DROPPED, _KIN)
DERIVATION = "\n".join((*_DERIVE, *_TALLY, *_COUNT))
