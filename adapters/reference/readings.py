"""What one commune code means in one code list, and which units of a given day its residents may live in.

Works over the closed vocabulary of codes, once; `resolve.py` answers rows from what is found here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import cached_property
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.units import UnitTables, vintages


class Explanation(StrEnum):
    """Why the answer is what it is. One a row."""

    IN_FORCE = "IN_FORCE"  # the code is of the list of `as_of`
    WHOLE = "WHOLE"  # the whole unit became part of one unit
    RESIDENTS_DETERMINED = "RESIDENTS_DETERMINED"  # divided, but all residents went to one unit
    RESIDENTS_SPLIT = "RESIDENTS_SPLIT"  # residents went to several units
    RETIRED = "RETIRED"  # closed before the list; carried on by what it became
    RETIRED_THEN_SPLIT = "RETIRED_THEN_SPLIT"  # closed before the list, and its successor was divided
    OLD_CODE_AFTER_MERGER = "OLD_CODE_AFTER_MERGER"  # sent as a later list, exists only in an earlier one
    NEW_CODE_BEFORE_MERGER = "NEW_CODE_BEFORE_MERGER"  # sent as an earlier list, exists only in a later one
    SAME_UNDER_BOTH_LISTS = "SAME_UNDER_BOTH_LISTS"  # no vintage, and every reading leads to one unit
    ONLY_IN_ONE_LIST = "ONLY_IN_ONE_LIST"  # no vintage, and only one list has the code
    OTHER_READING_OUTSIDE_PROVINCE = "OTHER_READING_OUTSIDE_PROVINCE"  # no vintage; `within` rules the others out
    VINTAGE_UNDECLARED = "VINTAGE_UNDECLARED"  # no vintage, and the readings lead to several units
    LATER_UNIT_WHOLE = "LATER_UNIT_WHOLE"  # `as_of` lies before the list: the one unit it was made of
    LATER_UNIT_OF_SEVERAL = "LATER_UNIT_OF_SEVERAL"  # `as_of` lies before the list: made of several units
    LATER_UNIT_OF_NONE = "LATER_UNIT_OF_NONE"  # `as_of` lies before the list: no commune lay there
    DISTRICT_CODE = "DISTRICT_CODE"
    PROVINCE_CODE = "PROVINCE_CODE"
    UNKNOWN_CODE = "UNKNOWN_CODE"
    NO_CODE = "NO_CODE"


@dataclass(frozen=True)
class Reading:
    """One code read in one list: the units of `as_of` its residents may live in, ascending, and why."""

    units: tuple[str, ...]
    explanation: Explanation
    list_index: int | None
    resolutions: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    is_retired: bool = False


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
        if code in self.members[index]:
            return self._carry(code, index)
        if (became := self._retired.get((code, index))) is not None:
            onward = self._carry(became, index)
            explanation = Explanation.RETIRED if len(onward.units) == 1 else Explanation.RETIRED_THEN_SPLIT
            return replace(onward, explanation=explanation, is_retired=True)
        if index < len(self._forward) and code in self._forward[index]:  # a district without communes
            return self._carry(code, index) if index < self.target else Reading((), Explanation.DISTRICT_CODE, index)
        return None

    def _carry(self, code: str, index: int) -> Reading:
        if index == self.target:
            resolution, clause = self._legal_basis.get(code, (None, None))
            return Reading((code,), Explanation.IN_FORCE, index, _present(resolution), _present(clause))
        is_past = index < self.target
        order = range(index, self.target) if is_past else range(index - 1, self.target - 1, -1)
        units, taken = [code], list[Pair]()
        for change in order:
            units, pairs = self._step(units, change, is_past=is_past)
            taken += pairs
        explain = _explain_forward if is_past else _explain_backward
        resolutions = tuple(dict.fromkeys(pair.resolution for pair in taken))
        clauses = tuple(dict.fromkeys(pair.clause for pair in taken))
        return Reading(tuple(units), explain(units, taken), index, resolutions, clauses)

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


def read_declared(lists: CodeLists, code: str, index: int) -> Reading | None:
    """A code sent with its vintage: read in that list, else in the nearest earlier one, else in the nearest later."""
    reading = lists.read(code, index)
    if reading is not None:
        return reading
    for earlier in range(index - 1, -1, -1):
        if reading := lists.read(code, earlier):
            return replace(reading, explanation=Explanation.OLD_CODE_AFTER_MERGER)
    for later in range(index + 1, len(lists.members)):
        if reading := lists.read(code, later):
            return replace(reading, explanation=Explanation.NEW_CODE_BEFORE_MERGER)
    return None


def read_undeclared(lists: CodeLists, code: str, last: int, inside: frozenset[str] | None) -> Reading | None:
    """A code sent without vintage, when lists 0 … `last` may have been meant: systems recode late, never early.

    `inside` are the communes of the source's province: readings wholly outside it are ruled out if one lies within.
    """
    readings = [reading for index in range(last + 1) if (reading := lists.read(code, index))]
    if not readings:
        return read_declared(lists, code, last)
    if last == 0 or (len(readings) == 1 and readings[0].is_retired):
        return readings[0]
    if len(readings) == 1:
        return replace(readings[0], explanation=Explanation.ONLY_IN_ONE_LIST)
    kept = readings if inside is None else [r for r in readings if inside.intersection(r.units)] or readings
    units = tuple(sorted({unit for reading in kept for unit in reading.units}))
    return Reading(
        units,
        _explain_undeclared(units, readings, kept),
        kept[0].list_index if len(kept) == 1 else None,
        tuple(dict.fromkeys(resolution for reading in kept for resolution in reading.resolutions)),
        tuple(dict.fromkeys(clause for reading in kept for clause in reading.clauses)),
    )


def _explain_undeclared(units: tuple[str, ...], readings: list[Reading], kept: list[Reading]) -> Explanation:
    if len({unit for reading in readings for unit in reading.units}) == 1:
        return Explanation.SAME_UNDER_BOTH_LISTS
    if len(units) == 1 or len(kept) == 1:
        return Explanation.OTHER_READING_OUTSIDE_PROVINCE
    return Explanation.VINTAGE_UNDECLARED
