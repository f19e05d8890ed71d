"""What one commune code means in one code list, and which units of a given day its residents may live in.

Works over the closed vocabulary of codes, once; `resolve.py` answers rows from what is found here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.explanations import Decider, Explanation
from adapters.reference.units import UnitTables, vintages


@dataclass(frozen=True)
class Reading:
    """One code read in one list: the units of `as_of` its residents may live in, ascending, and why."""

    units: tuple[str, ...]
    explanation: Explanation
    list_index: int | None
    resolutions: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    is_retired: bool = False
    decided_by: Decider = Decider.LAW
    divided: tuple[tuple[str, int], ...] = ()  # units on the way whose residents went apart, with their lists


Read = Callable[[str, int], Reading | None]  # a code in one list, or None where that list does not know it


@dataclass(frozen=True)
class Pair:
    """One way residents go between two neighbouring lists."""

    other: str
    relation: str
    resolution: str
    clause: str


Steps = Mapping[str, tuple[Pair, ...]]  # unit of one list → where its residents are in the neighbouring list


def _steps(tables: UnitTables, change: date, *, backwards: bool) -> Steps:
    moves = pc.and_(
        pc.equal(tables.crosswalk["effective_on"], pa.scalar(change)),
        pc.not_equal(tables.crosswalk["residents"], "none"),
    )
    rows = tables.crosswalk.filter(moves).sort_by([("from_code", "ascending"), ("to_code", "ascending")])
    start, end = ("to_code", "from_code") if backwards else ("from_code", "to_code")
    steps: dict[str, list[Pair]] = {}
    columns = (rows[name].to_pylist() for name in (start, end, "relation", "resolution", "clause"))
    for code, other, relation, resolution, clause in zip(*columns, strict=True):
        steps.setdefault(code, []).append(Pair(other, relation, resolution, clause))
    return {code: tuple(pairs) for code, pairs in steps.items()}


class CodeLists:
    """The code lists, and the way of a code from any of them to the list of `as_of` (number `target`)."""

    def __init__(self, tables: UnitTables, as_of: date) -> None:
        changes = tables.change_dates
        self.vintages = vintages(tables)
        self.target = self.index_of(as_of)
        self._read: dict[tuple[str, int], Reading | None] = {}
        self._forward = [_steps(tables, change, backwards=False) for change in changes]
        self._backward = [_steps(tables, change, backwards=True) for change in changes]
        communes = tables.units.filter(pc.equal(tables.units["level"], "commune"))
        self.members = _members(communes, changes)
        self._legal_basis = _legal_basis(communes, changes[: self.target])
        closed = tables.retired.filter(pc.equal(tables.retired["status"], "retired_code"))
        columns = (closed[name].to_pylist() for name in ("former_code", "listed_on", "unit_code"))
        self._retired = {(code, self.index_of(listed)): became for code, listed, became in zip(*columns, strict=True)}

    def index_of(self, on: date) -> int:
        """The number of the list in force on one day."""
        return sum(vintage <= on for vintage in self.vintages[1:])

    @cached_property
    def codes(self) -> frozenset[str]:
        """Every code any list knows, island districts without communes and retired codes included."""
        return frozenset().union(*self.members, *self._forward, (code for code, _ in self._retired))

    def read(self, code: str, index: int) -> Reading | None:
        """One code read in one list, or None where that list does not know it."""
        if (code, index) not in self._read and code in self.codes:  # what is remembered is bounded by the lists
            self._read[code, index] = self._read_once(code, index)
        return self._read.get((code, index))

    def _read_once(self, code: str, index: int) -> Reading | None:
        if code in self.members[index]:
            return self._carry(code, index)
        if (became := self._retired.get((code, index))) is not None:
            onward = self._carry(became, index)
            explanation = Explanation.RETIRED if len(onward.units) == 1 else Explanation.RETIRED_THEN_SPLIT
            divided = ((code, index), *onward.divided) if onward.divided else ()
            return replace(onward, explanation=explanation, is_retired=True, divided=divided)
        if index < len(self._forward) and code in self._forward[index]:  # a district without communes
            return self._carry(code, index) if index < self.target else Reading((), Explanation.DISTRICT_CODE, index)
        return None

    def _carry(self, code: str, index: int) -> Reading:
        if index == self.target:
            resolution, clause = self._legal_basis.get(code, (None, None))
            return Reading((code,), Explanation.IN_FORCE, index, _present(resolution), _present(clause))
        is_past = index < self.target
        order = range(index, self.target) if is_past else range(index - 1, self.target - 1, -1)
        units, taken, divided = [code], list[Pair](), list[tuple[str, int]]()
        for change in order:
            if is_past:
                divided += [(one, change) for one in units if len(self._forward[change].get(one, ())) > 1]
            units, pairs = self._step(units, change, is_past=is_past)
            taken += pairs
        if is_past and not taken and units == [code]:  # no later change names it: it stands as it was made
            resolution, clause = self._legal_basis.get(code, (None, None))
            return Reading((code,), Explanation.IN_FORCE, index, _present(resolution), _present(clause))
        explain = _explain_forward if is_past else _explain_backward
        resolutions = tuple(dict.fromkeys(pair.resolution for pair in taken))
        clauses = tuple(dict.fromkeys(pair.clause for pair in taken))
        return Reading(tuple(units), explain(units, taken), index, resolutions, clauses, divided=tuple(divided))

    def _step(self, units: list[str], change: int, *, is_past: bool) -> tuple[list[str], list[Pair]]:
        """One change on (or back): a unit the crosswalk does not name, and which the next list keeps, stays."""
        steps, arrival = (self._forward, change + 1) if is_past else (self._backward, change)
        pairs = [pair for unit in units for pair in steps[change].get(unit, ())]
        stays = {unit for unit in units if unit not in steps[change]}
        reached = (stays | {pair.other for pair in pairs}) & self.members[arrival]
        return sorted(reached), pairs


def _present(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _members(communes: pa.Table, changes: tuple[date, ...]) -> list[frozenset[str]]:
    """The commune codes of each list."""
    rows = list(
        zip(
            communes["code"].to_pylist(),
            pc.fill_null(communes["valid_from"], date.min).to_pylist(),
            pc.fill_null(communes["valid_to"], date.max).to_pylist(),
            strict=True,
        )
    )
    bounds = pairwise((date.min, *changes, date.max))
    return [frozenset(code for code, start, end in rows if start < after and end >= begin) for begin, after in bounds]


def _legal_basis(communes: pa.Table, changes: Iterable[date]) -> dict[str, tuple[str | None, str | None]]:
    """The resolution and clause that made each unit in the last of the changes that made it."""
    made: dict[str, tuple[str | None, str | None]] = {}
    for change in changes:
        rows = communes.filter(pc.equal(communes["valid_from"], pa.scalar(change)))
        columns = (rows[name].to_pylist() for name in ("code", "resolution", "clause"))
        made |= {code: (resolution, clause) for code, resolution, clause in zip(*columns, strict=True)}
    return made


def _explain_forward(units: list[str], taken: list[Pair]) -> Explanation:
    if len(units) > 1:
        return Explanation.RESIDENTS_SPLIT
    whole = all(pair.relation == "whole" for pair in taken)
    return Explanation.WHOLE if whole else Explanation.RESIDENTS_DETERMINED


def _explain_backward(units: list[str], _: list[Pair]) -> Explanation:
    match len(units):
        case 0:
            return Explanation.LATER_UNIT_OF_NONE
        case 1:
            return Explanation.LATER_UNIT_WHOLE
        case _:
            return Explanation.LATER_UNIT_OF_SEVERAL


def read_declared(read: Read, code: str, index: int, *, count: int) -> Reading | None:
    """A code sent with its vintage: read in that list, else in the nearest earlier one, else in the nearest later.

    `count` is the number of lists.
    """
    for number in (index, *range(index - 1, -1, -1), *range(index + 1, count)):
        if (reading := read(code, number)) is not None:
            return as_of_another_list(reading, index)
    return None


def as_of_another_list(reading: Reading, declared: int) -> Reading:
    """The reading with what is to be said where it is not of the declared list."""
    if reading.list_index in (None, declared) or reading.decided_by is not Decider.LAW:
        return reading
    is_late = reading.list_index is not None and reading.list_index < declared
    explanation = Explanation.OLD_CODE_AFTER_MERGER if is_late else Explanation.NEW_CODE_BEFORE_MERGER
    return replace(reading, explanation=explanation)


def read_undeclared(read: Read, code: str, last: int, inside: frozenset[str] | None, *, count: int) -> Reading | None:
    """A code sent without vintage, when lists 0 … `last` may have been meant: systems recode late, never early.

    `inside` are the communes of the source's province: readings wholly outside it are ruled out if one lies within.
    """
    readings = [reading for index in range(last + 1) if (reading := read(code, index))]
    if not readings:
        return read_declared(read, code, last, count=count)
    return among(readings, inside, is_only_list=last == 0)


def among(readings: list[Reading], inside: frozenset[str] | None, *, is_only_list: bool = False) -> Reading:
    """One answer from the readings of a code, or of a name, that no vintage tells apart: at least one reading."""
    if is_only_list or (len(readings) == 1 and (readings[0].is_retired or readings[0].decided_by is Decider.HAMLET)):
        return readings[0]
    if len(readings) == 1:
        return replace(readings[0], explanation=Explanation.ONLY_IN_ONE_LIST)
    kept = readings if inside is None else [r for r in readings if inside.intersection(r.units)] or readings
    one = union(kept, Explanation.VINTAGE_UNDECLARED)
    if len({unit for reading in readings for unit in reading.units}) == 1:
        return replace(one, explanation=Explanation.SAME_UNDER_BOTH_LISTS, decided_by=Decider.LAW)
    if len(one.units) == 1 or len(kept) == 1:
        return replace(one, explanation=Explanation.OTHER_READING_OUTSIDE_PROVINCE, decided_by=Decider.PROVINCE)
    return one


def union(readings: list[Reading], explanation: Explanation) -> Reading:
    """Every unit that any of the readings allows."""
    return Reading(
        tuple(sorted({unit for reading in readings for unit in reading.units})),
        explanation,
        readings[0].list_index if len(readings) == 1 else None,
        tuple(dict.fromkeys(resolution for reading in readings for resolution in reading.resolutions)),
        tuple(dict.fromkeys(clause for reading in readings for clause in reading.clauses)),
        divided=tuple(dict.fromkeys(one for reading in readings for one in reading.divided)),
    )
