"""Stage 1: every record's unit, as sent, becomes a unit of today, or a question for the office that can know.

A commune that went whole to one unit is recoded by the law itself. Where the law leaves several, the hamlet may tell,
if its province said where that lies; else it is a case. Nothing is guessed, defaulted or taken from an address.
"""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference import rule_version as resolver
from adapters.reference.hamlets import Hamlets, hamlet_key
from adapters.reference.resolve import Decider, resolve
from adapters.reference.units import UnitTables
from reconciliation.relations import select

# Raised with every change of the rules of this stage; those of the resolver have a number of their own.
RULES = 1

# What recoding reads of a record.
PLACED = pa.schema(
    [
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("record_key", pa.string(), nullable=False),  # "source_id|source_record_id"
        pa.field("unit_code", pa.string()),
        pa.field("unit_vintage", pa.date32()),
        pa.field("event_date", pa.date32()),  # the last day on which the code can have been written
        pa.field("unit_name", pa.string()),
        pa.field("hamlet", pa.string()),
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
        pa.field("decided_by", pa.string()),  # what made it one unit; null when it is not
        pa.field("would_decide", pa.list_(pa.string()), nullable=False),
        pa.field("sent_code", pa.string()),
        pa.field("sent_vintage", pa.date32()),
        pa.field("sent_name", pa.string()),
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
        pa.field("judged_on", pa.date32(), nullable=False),  # the unit is of the list of that day
    ]
)

_JUDGED_NOW = pa.schema(
    [
        *JUDGED_UNITS,
        pa.field("unit_now", pa.string()),  # null where a later change of units leaves several
        pa.field("candidates_now", pa.list_(pa.string()), nullable=False),
        pa.field("basis_now", pa.string()),
        pa.field("explanation_now", pa.string(), nullable=False),
    ]
)


def recode(
    records: pa.Table,
    judged: pa.Table,
    *,
    as_of: date,
    province_code: str,
    tables: UnitTables | None = None,
    register: Hamlets | None = None,
) -> pa.Table:
    """PLACEMENTS of `records` (PLACED), one row each, on the units of `as_of`. `judged` has the schema JUDGED_UNITS.

    `tables` replaces the package's own; `register` is what the province told of its hamlets. The question's
    fingerprint is the record and what it said of its unit: a judgement holds until the source says something else,
    and is carried through later changes of units as a code is; where one leaves several units, that is a new question.
    """
    columns = {name: records[name].combine_chunks() for name in PLACED.names}
    answers = resolve(
        columns["unit_code"],
        columns["unit_vintage"],
        columns["event_date"],
        as_of=as_of,
        within=province_code,
        names=columns["unit_name"],
        hamlets=columns["hamlet"],
        register=register,
        tables=tables,
    )
    found = {
        "outcome": answers["outcome"],
        "current": answers["unit_code"],
        "basis": _legal_basis(answers),
        "candidates": answers["candidates"],
        "explanation": answers["explanation_code"],
        "decided_by": answers["decided_by"],
        "would_decide": answers["would_decide"],
    }
    asked = records.select(PLACED.names)
    for name, column in found.items():
        asked = asked.append_column(name, column)
    return select(
        _PLACE,
        PLACEMENTS,
        asked=asked.append_column("hamlet_source", _hamlet_sources(asked, register)),
        judged=_carried(judged, as_of=as_of, tables=tables),
    )


def _legal_basis(answers: pa.Table) -> pa.ChunkedArray:
    both = pc.binary_join_element_wise(answers["resolution"], answers["clause"], ", ")
    return pc.coalesce(both, answers["resolution"])


def _hamlet_sources(asked: pa.Table, register: Hamlets | None) -> pa.Array:
    """Where a hamlet decided: the source in which its province said where it lies, if it can be named."""
    if register is None:
        return pa.nulls(asked.num_rows, pa.string())
    decided = pc.fill_null(pc.equal(asked["decided_by"], Decider.HAMLET.value), False)  # noqa: FBT003
    keys = hamlet_key(pc.if_else(decided, asked["hamlet"], None).combine_chunks())
    wanted = pc.binary_join_element_wise(asked["unit_code"].combine_chunks(), keys, "|")
    told = register.table
    known = pc.binary_join_element_wise(told["former_unit_code"], told["name_key"], "|").combine_chunks()
    return pc.take(told["source"].combine_chunks(), pc.index_in(wanted, value_set=known))


def _carried(judged: pa.Table, *, as_of: date, tables: UnitTables | None) -> pa.Table:
    """Each judged unit as a unit of `as_of`."""
    answers = resolve(
        judged["unit_code"].combine_chunks(),
        judged["judged_on"].combine_chunks(),
        judged["judged_on"].combine_chunks(),
        as_of=as_of,
        tables=tables,
    )
    now = {
        "unit_now": answers["unit_code"],
        "candidates_now": answers["candidates"],
        "basis_now": _legal_basis(answers),
        "explanation_now": answers["explanation_code"],
    }
    for name, column in now.items():
        judged = judged.append_column(name, column)
    return judged.cast(_JUDGED_NOW)


def rule_version(tables: UnitTables | None = None) -> str:
    """The rules and the tables they work on, as one word: what an answer can be found again with.

    Hamlets and judgements are not part of it: where one decided, it is named as the basis.
    """
    return f"{RULES}-{resolver.rule_version(tables)}"


# A judgement of which a later change of units leaves several candidates asks again, as another question; that one may
# have been judged as well.
_PLACE = """
with recursive chain as (
    select fingerprint as question, 0 as turn, *,
        sha256(concat_ws('|', fingerprint, 'judgement', judgement_id)) as again
    from judged
    union all
    select chain.question, chain.turn + 1, judged.*,
        sha256(concat_ws('|', judged.fingerprint, 'judgement', judged.judgement_id))
    from chain join judged on judged.fingerprint = chain.again
    where chain.unit_now is null
), in_force as (
    select * from chain qualify turn = max(turn) over (partition by question)
), fingerprinted as (
    select *,
        sha256(concat_ws('|', 'unit', record_key, coalesce(unit_code, ''), coalesce(unit_vintage::text, ''), unit_name))
            as question
    from asked
), answered as (
    select asked.*, judgement_id, judged.unit_code as judged_unit, unit_now, candidates_now, basis_now,
        explanation_now, again, judgement_id is not null and unit_now is null as is_reopened
    from fingerprinted as asked left join in_force as judged using (question)
)
select
    record_id, record_key,
    case when is_reopened then case when len(candidates_now) > 1 then 'ambiguous' else 'unknown' end
         when judgement_id is not null then 'judged' else outcome end as outcome,
    case when judgement_id is not null then unit_now else current end as unit_code,
    case when judgement_id is not null
        then concat_ws('; ', 'judgement ' || judgement_id, case when unit_now <> judged_unit then basis_now end)
         when decided_by = 'hamlet' then concat_ws('; ', concat_ws(' ', 'hamlet', hamlet_source), basis)
         else basis end as basis,
    case when is_reopened then explanation_now else explanation end as explanation,
    case when is_reopened then null when judgement_id is not null then 'judgement' else decided_by end as decided_by,
    would_decide,
    unit_code as sent_code, unit_vintage as sent_vintage, unit_name as sent_name,
    case when is_reopened then candidates_now else candidates end as candidates,
    case when is_reopened then again else question end as fingerprint
from answered
order by record_id
"""
