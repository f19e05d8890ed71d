"""Person and insurance records of one pool ──► the columns that blocking and comparing read.

Derived once per record, never per pair. A record's own words are kept; nothing is guessed or filled in.
"""

import duckdb
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
    ]
)

# Households above this size are dormitories and the like: they say nothing about family.
_LARGEST_HOUSEHOLD = 30
# A name shared by more records than this links no two households.
_MOST_NAMESAKES = 24


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


def prepare(connection: duckdb.DuckDBPyConnection, records: pa.Table) -> None:
    """Create the tables `candidates` (a row per record, `row` = rank of its key) and `kin` (households sharing people).

    `records` has the schema RECORDS; its order does not matter. Raises FatalPoolError when it is something else.
    """
    ordered = _pool(records)
    words = name_words(pa.concat_arrays(ordered["full_name"].chunks))
    for column in words.column_names:
        ordered = ordered.append_column(f"{column}_words", words[column])
    ordered = ordered.append_column("row", pa.array(range(ordered.num_rows), pa.int32()))
    connection.register("incoming", ordered)
    for statement in _STATEMENTS:
        connection.execute(statement)
    connection.unregister("incoming")


def _pool(records: pa.Table) -> pa.Table:
    try:
        ordered = records.select(RECORDS.names).cast(RECORDS).sort_by("record_key").combine_chunks()
    except (KeyError, pa.ArrowInvalid, ValueError) as error:
        message = f"pool of {records.num_rows} records: {type(error).__name__}. Next: build it with candidates.RECORDS."
        raise FatalPoolError(message) from error
    if pc.count_distinct(ordered["record_key"]).as_py() != ordered.num_rows:
        message = (
            f"pool of {ordered.num_rows} records: a record_key stands twice. Next: hand over standing versions only."
        )
        raise FatalPoolError(message)
    return ordered


# What is only ever compared for equality is kept as its hash: pairs gather these columns by the million.
_KEY = "create or replace temp macro key_of(value) as case when value is not null then hash(value) end"

_DERIVED = """
create or replace temp table derived as
select
    row, record_key,
    key_of(source_id) as source,
    key_of(split_part(source_id, '.', 1)) as former_province,
    case when regexp_full_match(personal_number, '[0-9]{12}') then personal_number end as personal_number,
    case when regexp_full_match(personal_number, '[0-9]{12}') then personal_number[1:6]::integer end as number_stem,
    case when regexp_full_match(personal_number, '[0-9]{12}') then personal_number[7:12]::integer end as number_serial,
    case when regexp_full_match(cmnd, '[0-9]{9}') then cmnd end as cmnd,
    coalesce(nullif(trim(insurance_number), ''), right(health_card, 10)) as insurance_number,
    key_of(spelling_words) as name,
    key_of(i_for_y_words) as name_i_for_y,
    key_of(bare_words) as name_bare,
    key_of(list_sort(bare_words)) as name_set,
    key_of(array_to_string(bare_words, '')) as name_unspaced,
    key_of(list_sort(string_split(array_to_string(bare_words, ''), ''))) as name_letters,
    spelling_words[-1] as given,
    bare_words[-1] as given_bare,
    bare_words[1] as family_bare,
    array_to_string(bare_words[:-2], ' ') as before_given_bare,
    bare_words as words,
    array_to_string(list_sort(list_transform(bare_words, lambda word: word[1])), '') as initials,
    spelling_words <> bare_words as is_marked,
    birth_year, birth_month, birth_day,
    case when birth_year is not null and birth_month is not null and birth_day is not null
        then birth_year::integer * 10000 + birth_month::integer * 100 + birth_day end as birth_date,
    coalesce(birth_month = 1 and birth_day = 1, false) as is_first_january,
    case when sex in ('male', 'female') then sex end as sex,
    former_unit_code as former_unit,
    current_unit_code as unit,
    key_of(nullif(lower(nfc_normalize(trim(hamlet))), '')) as hamlet,
    key_of(household_key) as household,
    key_of(nullif(household_number, '')) as household_number
from incoming
"""

# What the digits of a number say of sex and year: a validity flag of that number, never a second agreement.
_CHECKED = """
create or replace temp table checked as
select *,
    case when personal_number is null or (birth_year is null and sex is null) then null
         else coalesce(
                  birth_year = 1900 + 100 * (personal_number[4]::integer // 2) + personal_number[5:6]::integer, true)
              and coalesce((sex = 'male') = (personal_number[4]::integer % 2 = 0), true)
    end as number_agrees,
    case when name_set is not null and birth_year is not null then hash(name_set, birth_year) end as namesake
from derived
"""

_CANDIDATES = """
create or replace temp table candidates as
select checked.*,
    case when namesake is not null then count(*) over (partition by namesake) end as namesakes,
    case when household is not null then count(*) over (partition by household) end as household_size
from checked
order by row
"""

_KIN = f"""
create or replace temp table kin as
with members as (
    select distinct household, namesake from candidates
    where namesakes between 2 and {_MOST_NAMESAKES} and household_size between 2 and {_LARGEST_HOUSEHOLD}
)
select one.household as one, other.household as other, count(*)::integer as shared
from members as one join members as other on one.namesake = other.namesake and one.household < other.household
group by all
"""

_STATEMENTS = (_KEY, _DERIVED, _CHECKED, _CANDIDATES, _KIN)
