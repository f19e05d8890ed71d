"""Stage 1: every record's unit, as sent, becomes a unit of today, or a question for the office that can know.

A commune that went whole to one unit is recoded by the law itself. Where the law leaves several, the record's own
history may tell; else it is a case. Nothing is guessed, defaulted or taken from an address.
"""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.resolve import resolve
from reconciliation.relations import select

# What recoding reads of a record.
PLACED = pa.schema(
    [
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("record_key", pa.string(), nullable=False),  # "source_id|source_record_id"
        pa.field("unit_code", pa.string()),
        pa.field("unit_vintage", pa.date32()),
        pa.field("event_date", pa.date32()),  # the last day on which the code can have been written
    ]
)

PLACEMENTS = pa.schema(
    [
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),  # current | retired | judged | ambiguous | unknown
        pa.field("unit_code", pa.string()),  # today's; null when ambiguous or unknown
        pa.field("basis", pa.string()),
        pa.field("explanation", pa.string(), nullable=False),
        pa.field("sent_code", pa.string()),
        pa.field("sent_vintage", pa.date32()),
        pa.field("candidates", pa.list_(pa.string()), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),  # of the question this record would ask
    ]
)

# The units stewards named, by the question they answered.
JUDGED_UNITS = pa.schema(
    [
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("unit_code", pa.string(), nullable=False),
        pa.field("judgement_id", pa.int64(), nullable=False),
    ]
)


def recode(records: pa.Table, judged: pa.Table, *, as_of: date, province_code: str) -> pa.Table:
    """PLACEMENTS of `records` (PLACED), one row each, on the units of `as_of`. `judged` has the schema JUDGED_UNITS.

    The question's fingerprint is the record and what it said of its unit: a judgement holds until the source says
    something else.
    """
    answers = resolve(
        records["unit_code"].combine_chunks(),
        records["unit_vintage"].combine_chunks(),
        records["event_date"].combine_chunks(),
        as_of=as_of,
        within=province_code,
    )
    basis = pc.binary_join_element_wise(answers["resolution"], answers["clause"], ", ")
    asked = records.select(PLACED.names)
    for name, column in (("outcome", answers["outcome"]), ("current", answers["unit_code"]), ("basis", basis)):
        asked = asked.append_column(name, column)
    asked = asked.append_column("candidates", answers["candidates"])
    asked = asked.append_column("explanation", answers["explanation_code"])
    return select(_PLACE, PLACEMENTS, asked=asked, judged=judged)


_PLACE = """
with fingerprinted as (
    select *,
        sha256(concat_ws('|', 'unit', record_key, coalesce(unit_code, ''), coalesce(unit_vintage::text, '')))
            as fingerprint
    from asked
)
select
    record_id, record_key,
    case when judged.unit_code is not null then 'judged' else outcome end as outcome,
    coalesce(judged.unit_code, current) as unit_code,
    coalesce('judgement ' || judged.judgement_id, basis) as basis,
    explanation,
    asked.unit_code as sent_code, asked.unit_vintage as sent_vintage, candidates, fingerprint
from fingerprinted as asked
left join judged using (fingerprint)
order by record_id
"""
