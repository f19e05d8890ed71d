"""The one question asked of the unit tables, in columns: (code, vintage, event date) → which unit of `as_of` is this?

Nothing is guessed: where residents of a divided commune went to several units, or where a bare code reads differently
in two lists, the answer is the list of candidates. An answer is worked out once for each distinct question of a column
and remembered; rows are then answered by their position.
"""

from datetime import date
from enum import StrEnum
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.readings import CodeLists, Explanation, Reading, read_declared, read_undeclared
from adapters.reference.units import UnitTables, load_units, units_on

__all__ = ["RESOLVED", "Explanation", "Outcome", "resolve"]


class Outcome(StrEnum):
    """What can be said of a code."""

    CURRENT = "current"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"
    RETIRED = "retired"  # closed before the list it was sent under; `unit_code` is what it became


RESOLVED = pa.schema(
    [
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("unit_code", pa.string()),  # the unit of `as_of`; null when ambiguous or unknown
        pa.field("candidates", pa.list_(pa.string()), nullable=False),  # ascending; one if determined, none if unknown
        pa.field("resolution", pa.string()),
        pa.field("clause", pa.string()),  # several, where several apply, joined by "; "
        pa.field("explanation_code", pa.string(), nullable=False),
        pa.field("vintage_used", pa.date32()),  # null when no one list decided
    ]
)

Answer = tuple[str, str | None, list[str], str | None, str | None, str, date | None]  # one row of RESOLVED

_OTHER_LEVELS = {"district": Explanation.DISTRICT_CODE, "province": Explanation.PROVINCE_CODE}


def _outcome(reading: Reading) -> Outcome:
    match len(reading.units):
        case 0:
            return Outcome.UNKNOWN
        case 1:
            return Outcome.RETIRED if reading.is_retired else Outcome.CURRENT
        case _:
            return Outcome.AMBIGUOUS


def _answer(lists: CodeLists, reading: Reading) -> Answer:
    return (
        _outcome(reading).value,
        reading.units[0] if len(reading.units) == 1 else None,
        list(reading.units),
        "; ".join(reading.resolutions) or None,
        "; ".join(reading.clauses) or None,
        reading.explanation.value,
        None if reading.list_index is None else lists.vintages[reading.list_index],
    )


@lru_cache(maxsize=8)
def _code_lists(tables: UnitTables, begins: date) -> CodeLists:
    return CodeLists(tables, begins)


@lru_cache(maxsize=64)
def _communes_within(tables: UnitTables, begins: date, within: str) -> frozenset[str]:
    communes = units_on(begins, tables=tables)
    return frozenset(communes.filter(pc.equal(communes["province_code"], within))["code"].to_pylist())


@lru_cache(maxsize=4)
def _codes_of_other_levels(tables: UnitTables) -> dict[str, Explanation]:
    levels, codes = tables.units["level"].to_pylist(), tables.units["code"].to_pylist()
    return {code: _OTHER_LEVELS[level] for level, code in zip(levels, codes, strict=True) if level in _OTHER_LEVELS}


def _unknown(explanation: Explanation) -> Answer:
    return Outcome.UNKNOWN.value, None, [], None, None, explanation.value, None


@lru_cache(maxsize=100_000)
def _answer_to(tables: UnitTables, begins: date, within: str | None, key: str) -> Answer:
    """The answer to a mode and a code. Modes: "d1:" declared as list 1, "u1:" undeclared, lists 0 … 1 possible."""
    mode, _, code = key.partition(":")
    lists, index = _code_lists(tables, begins), int(mode[1:])
    if code not in lists.codes:
        return _unknown(_codes_of_other_levels(tables).get(code, Explanation.UNKNOWN_CODE))
    if mode.startswith("d"):
        reading = read_declared(lists, code, index)
    else:
        inside = None if within is None else _communes_within(tables, begins, within)
        reading = read_undeclared(lists, code, index, inside)
    return _unknown(Explanation.UNKNOWN_CODE) if reading is None else _answer(lists, reading)


def _list_numbers(days: pa.Array, tables: UnitTables) -> pa.Array:
    """For each day the number of the list in force on it; null stays null."""
    numbers = pc.if_else(pc.is_valid(days), pa.scalar(0, pa.int64()), pa.scalar(None, pa.int64()))
    for change in tables.change_dates:
        numbers = pc.add(numbers, pc.cast(pc.greater_equal(days, pa.scalar(change, pa.date32())), pa.int64()))
    return numbers


def _modes(vintage_days: pa.Array, event_days: pa.Array, tables: UnitTables, as_of: date) -> pa.Array:
    target = sum(change <= as_of for change in tables.change_dates)
    last = pc.min_element_wise(pc.fill_null(_list_numbers(event_days, tables), target), pa.scalar(target, pa.int64()))
    declared = pc.binary_join_element_wise("d", pc.cast(_list_numbers(vintage_days, tables), pa.string()), "")
    undeclared = pc.binary_join_element_wise("u", pc.cast(last, pa.string()), "")
    return pc.coalesce(declared, undeclared)


def resolve(
    codes: pa.Array,
    vintages: pa.Array,
    event_dates: pa.Array,
    *,
    as_of: date,
    within: str | None = None,
    tables: UnitTables | None = None,
) -> pa.Table:
    """Answers each (code, vintage, event date) with the unit of `as_of`: one row of RESOLVED each, in order.

    `vintages` and `event_dates` are date32. A vintage says which list the code is of (any day on which that list was
    in force); without one, an event date rules out the lists that began after it. `within` is the current province of
    the source: it may decide between readings of a code without vintage, never overrule a declared one.
    `tables` replaces the package's own.
    """
    tables = tables or load_units()
    # Codes, and not names or provinces, decide: any day of a list is as good as its first.
    begins = max((change for change in tables.change_dates if change <= as_of), default=date.min)
    wanted = pc.binary_join_element_wise(_modes(vintages, event_dates, tables, as_of), codes, ":").dictionary_encode()
    answers = [_answer_to(tables, begins, within, key) for key in wanted.dictionary.to_pylist()]
    columns = zip(*answers, _unknown(Explanation.NO_CODE), strict=True)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, RESOLVED, strict=True)]
    rows = pc.fill_null(wanted.indices, len(answers))
    return pa.Table.from_arrays(arrays, schema=RESOLVED).take(rows).combine_chunks()
