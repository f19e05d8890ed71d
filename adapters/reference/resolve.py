"""The one question asked of the unit tables, in columns: which unit of `as_of` is this, as sent, and by which law?

What was sent is a code, a name, or both, with the vintage of the code list, the day of the event and the hamlet.
Nothing is guessed: where residents of a divided commune went to several units, where a bare code reads differently in
two lists, or where a name is several places', the answer is the list of candidates and what would decide. An answer is
worked out once for each distinct question of a column and remembered; rows are then answered by their position.
"""

from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.explanations import Decider, Evidence, Explanation, Outcome
from adapters.reference.hamlets import Hamlets, hamlet_key
from adapters.reference.name_index import name_index
from adapters.reference.questions import Question, Sources, reading_of
from adapters.reference.readings import CodeLists, Read, Reading
from adapters.reference.unit_names import fold_unit_name
from adapters.reference.units import UnitTables, load_units, units_on

__all__ = ["RESOLVED", "Decider", "Evidence", "Explanation", "Outcome", "resolve"]

RESOLVED = pa.schema(
    [
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("unit_code", pa.string()),  # the unit of `as_of`; null when ambiguous or unknown
        pa.field("candidates", pa.list_(pa.string()), nullable=False),  # ascending; one if determined, none if unknown
        pa.field("resolution", pa.string()),
        pa.field("clause", pa.string()),  # several, where several apply, joined by "; "
        pa.field("explanation_code", pa.string(), nullable=False),
        pa.field("vintage_used", pa.date32()),  # null when no one list decided
        pa.field("decided_by", pa.string()),  # a Decider; null when ambiguous or unknown
        pa.field("would_decide", pa.list_(pa.string()), nullable=False),  # Evidence; none unless ambiguous
    ]
)

# One row of RESOLVED.
Answer = tuple[str, str | None, list[str], str | None, str | None, str, date | None, str | None, list[str]]

_Integers = npt.NDArray[np.int64]


def _outcome(reading: Reading) -> Outcome:
    match len(reading.units):
        case 0:
            return Outcome.UNKNOWN
        case 1:
            return Outcome.RETIRED if reading.is_retired else Outcome.CURRENT
        case _:
            return Outcome.AMBIGUOUS


def _would_decide(reading: Reading, asked: Question) -> list[str]:
    """What evidence is missing, the cheapest first; the local office can always tell."""
    if len(reading.units) < 2:
        return []
    by_code = [Evidence.CODE] if asked.code is None else []
    match reading.explanation:
        case Explanation.VINTAGE_UNDECLARED:
            missing = [Evidence.VINTAGE] + ([] if asked.name else [Evidence.NAME]) + by_code
        case Explanation.NAME_AMBIGUOUS:
            missing = by_code + ([] if asked.inside else [Evidence.PROVINCE])
        case Explanation.DISTRICT_CODE | Explanation.DISTRICT_NAME:
            missing = [Evidence.CODE]
        case _:
            missing = []
    hamlet = [Evidence.HAMLET] if reading.divided else []
    return [one.value for one in (*missing, *hamlet, Evidence.OFFICE)]


def _answer(sources: Sources, asked: Question, reading: Reading) -> Answer:
    lists, is_one = sources.lists, len(reading.units) == 1
    return (
        _outcome(reading).value,
        reading.units[0] if is_one else None,
        list(reading.units),
        "; ".join(reading.resolutions) or None,
        "; ".join(reading.clauses) or None,
        reading.explanation.value,
        None if reading.list_index is None else lists.vintages[reading.list_index],
        reading.decided_by.value if is_one else None,
        _would_decide(reading, asked),
    )


@lru_cache(maxsize=8)
def _code_lists(tables: UnitTables, begins: date) -> CodeLists:
    return CodeLists(tables, begins)


@lru_cache(maxsize=64)
def _communes_within(tables: UnitTables, begins: date, within: str) -> frozenset[str]:
    communes = units_on(begins, tables=tables)
    return frozenset(communes.filter(pc.equal(communes["province_code"], within))["code"].to_pylist())


def _placing(lists: CodeLists, register: Hamlets, key: str, on: date | None) -> Read:
    """Reads codes as the lists do, and a divided unit by the hamlet, where its province told where it lies."""

    def read(code: str, index: int) -> Reading | None:
        reading = lists.read(code, index)
        for former, number in reading.divided if reading is not None and len(reading.units) > 1 else ():
            told = register.units_of(former, key, on)
            onward = [found for unit in told if (found := lists.read(unit, min(number + 1, lists.target)))]
            reading = _placed(reading, frozenset(unit for found in onward for unit in found.units))
        return reading

    return read


def _placed(reading: Reading | None, told: frozenset[str]) -> Reading | None:
    if reading is None:
        return None
    kept = tuple(unit for unit in reading.units if unit in told)
    if not kept or len(kept) == len(reading.units):
        return reading
    if len(kept) > 1:
        return replace(reading, units=kept, explanation=Explanation.HAMLET_SPLIT)
    return replace(reading, units=kept, explanation=Explanation.HAMLET_DECIDES, decided_by=Decider.HAMLET)


class _Key(NamedTuple):
    """One distinct question. `on` is the day whose names are meant; the hamlet is asked about only with a register."""

    mode: int  # 2n: declared as list n; 2n + 1: undeclared, lists 0 … n may be meant
    on: date
    code: str | None
    name: str | None  # folded
    hamlet: str | None = None  # its key
    event: date | None = None


@lru_cache(maxsize=100_000)
def _answer_to(
    tables: UnitTables, begins: date, within: str | None, key: _Key, *, register: Hamlets | None = None
) -> Answer:
    lists = _code_lists(tables, begins)
    inside = None if within is None else _communes_within(tables, begins, within)
    read: Read = lists.read
    if register is not None and key.hamlet is not None:
        read = _placing(lists, register, key.hamlet, key.event)
    sources = Sources(lists, tables, read)
    asked = Question(key.code, key.name, key.mode // 2, is_declared=key.mode % 2 == 0, on=key.on, inside=inside)
    return _answer(sources, asked, reading_of(asked, sources))


def _numbers(days: pa.Array, starts: tuple[date, ...]) -> _Integers:
    """For each day how many of the starts lie on or before it; −1 where there is no day."""
    known = pc.fill_null(days.cast(pa.int32()), np.iinfo(np.int32).min).to_numpy(zero_copy_only=False)
    bounds = pa.array(starts, pa.date32()).cast(pa.int32()).to_numpy(zero_copy_only=False)
    numbers: _Integers = np.searchsorted(bounds, known, side="right").astype(np.int64)
    numbers[np.flatnonzero(pc.is_null(days).to_numpy(zero_copy_only=False))] = -1
    return numbers


def _modes(vintage_days: pa.Array, event_days: pa.Array, tables: UnitTables, as_of: date) -> _Integers:
    target = sum(change <= as_of for change in tables.change_dates)
    declared, events = _numbers(vintage_days, tables.change_dates), _numbers(event_days, tables.change_dates)
    last = np.where(events < 0, target, np.minimum(events, target))
    return np.where(declared < 0, 2 * last + 1, 2 * declared)


def _coded(values: pa.Array) -> tuple[_Integers, list[str | None]]:
    """Positions of the values in the list of distinct ones, whose last is null."""
    encoded = values.dictionary_encode()
    distinct = [*encoded.dictionary.to_pylist(), None]
    return pc.fill_null(encoded.indices, len(distinct) - 1).to_numpy(zero_copy_only=False).astype(np.int64), distinct


def _folded_names(names: pa.Array) -> pa.Array:
    encoded = names.dictionary_encode()
    return fold_unit_name(encoded.dictionary).take(encoded.indices)


def _folded_hamlets(hamlets: pa.Array) -> pa.Array:
    encoded = hamlets.dictionary_encode()
    return hamlet_key(encoded.dictionary).take(encoded.indices)


def _combined(parts: list[tuple[_Integers, int]]) -> tuple[_Integers, list[_Integers]]:
    """For each row the position of its combination among the distinct ones, and those, part by part."""
    whole = np.zeros(len(parts[0][0]), np.int64)
    for positions, size in parts:
        whole = whole * size + positions
    encoded = pa.array(whole).dictionary_encode()
    rest, columns = encoded.dictionary.to_numpy(), list[_Integers]()
    for _, size in reversed(parts):
        columns.append(rest % size)
        rest = rest // size
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), columns[::-1]


def resolve(
    codes: pa.Array,
    vintages: pa.Array,
    event_dates: pa.Array,
    *,
    as_of: date,
    within: str | None = None,
    names: pa.Array | None = None,
    hamlets: pa.Array | None = None,
    register: Hamlets | None = None,
    tables: UnitTables | None = None,
) -> pa.Table:
    """Answers each unit as sent with the unit of `as_of`: one row of RESOLVED each, in order.

    `vintages` and `event_dates` are date32. A vintage says which list the code is of (any day on which that list was
    in force); without one, an event date rules out the lists that began after it. `within` is the current province of
    the source: it may decide between readings of a code without vintage and between units of one name, never overrule
    a declared vintage. `names` are as sent ("Xã Tả Phìn", or with district and province behind commas). `hamlets`
    decide only among the successors of a divided unit, and only by what the `register` tells. `tables` replaces the
    package's own: built from the events known by an earlier day, it answers as it was known on that day.
    """
    tables = tables or load_units()
    # Codes, and not names or provinces, decide: any day of a list is as good as its first.
    begins = max((change for change in tables.change_dates if change <= as_of), default=date.min)
    questions = _Questions(codes, vintages, event_dates, names, tables=tables, as_of=as_of)
    answers = [_answer_to(tables, begins, within, key) for key in questions.keys]
    if register is None or hamlets is None:
        return _table(answers).take(pa.array(questions.rows)).combine_chunks()
    rows, placed = questions.by_hamlet(answers, _folded_hamlets(hamlets), event_dates, register)
    answers += [_answer_to(tables, begins, within, key, register=register) for key in placed]
    return _table(answers).take(pa.array(rows)).combine_chunks()


def _table(answers: list[Answer]) -> pa.Table:
    columns = list(zip(*answers, strict=True)) or [()] * len(RESOLVED)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, RESOLVED, strict=True)]
    return pa.Table.from_arrays(arrays, schema=RESOLVED)


class _Questions:
    """The distinct questions of some columns (`keys`), and which of them each row asks (`rows`)."""

    def __init__(
        self,
        codes: pa.Array,
        vintages: pa.Array,
        event_dates: pa.Array,
        names: pa.Array | None,
        *,
        tables: UnitTables,
        as_of: date,
    ) -> None:
        modes = _modes(vintages, event_dates, tables, as_of)
        code_rows, distinct_codes = _coded(codes)
        parts = [(modes, 2 * len(tables.change_dates) + 2), (code_rows, len(distinct_codes))]
        days: tuple[date, ...] = (date.min,)
        distinct_names: list[str | None] = [None]
        if names is not None and names.null_count < len(names):
            starts = name_index(tables).days
            spoken = pc.fill_null(pc.coalesce(vintages, event_dates), as_of)
            name_rows, distinct_names = _coded(_folded_names(names))
            days = (date.min, *starts)
            parts += [(_numbers(spoken, starts), len(days)), (name_rows, len(distinct_names))]
        self.rows, columns = _combined(parts)
        mode_column, code_column = columns[:2]
        day_column, name_column = columns[2:] or [np.zeros_like(mode_column)] * 2
        self.keys: list[_Key] = [
            _Key(mode, days[day] if distinct_names[name] else date.min, distinct_codes[code], distinct_names[name])
            for mode, code, day, name in zip(
                *(column.tolist() for column in (mode_column, code_column, day_column, name_column)), strict=True
            )
        ]

    def by_hamlet(
        self, answers: list[Answer], hamlets: pa.Array, event_dates: pa.Array, register: Hamlets
    ) -> tuple[_Integers, list[_Key]]:
        """Asks again, with the hamlet, what the hamlet would decide; rows number answers, then the new questions."""
        is_open = np.array([Evidence.HAMLET.value in answer[-1] for answer in answers], np.bool_)
        asking = np.flatnonzero(is_open[self.rows] & pc.is_valid(hamlets).to_numpy(zero_copy_only=False))
        if not len(asking):
            return self.rows, []
        chosen = pa.array(asking)
        hamlet_rows, distinct = _coded(hamlets.take(chosen))
        days = _numbers(event_dates.take(chosen), register.days) + 1
        parts = [(self.rows[asking], len(answers)), (days, len(register.days) + 2), (hamlet_rows, len(distinct))]
        found, (question, day, hamlet) = _combined(parts)
        rows = self.rows.copy()
        rows[asking] = len(answers) + found
        on: tuple[date | None, ...] = (None, date.min, *register.days)
        columns = zip(question.tolist(), day.tolist(), hamlet.tolist(), strict=True)
        return rows, [self.keys[q]._replace(hamlet=distinct[h], event=on[d]) for q, d, h in columns]
