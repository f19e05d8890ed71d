"""One question about a unit: a code, a name, or both, read in the code lists they may be of.

Where code and name are both given and disagree, neither is preferred in silence: the answer says so. A name that fits
one reading of a code and not another decides which list the code is of.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from adapters.reference.explanations import Decider, Explanation
from adapters.reference.name_index import NameIndex, name_index
from adapters.reference.readings import (
    CodeLists,
    Read,
    Reading,
    among,
    as_of_another_list,
    read_declared,
    read_undeclared,
    union,
)
from adapters.reference.unit_names import Level, SaidHolder, SaidName, readings_of
from adapters.reference.units import UnitTables

# A district is answered with candidates where a person can choose among them at a glance.
FEW_CANDIDATES = 10

_NOTHING = Reading((), Explanation.NO_CODE, None)
_HIGHER_CODES = {3: Explanation.DISTRICT_CODE, 2: Explanation.PROVINCE_CODE}
_HIGHER_NAMES = {Level.DISTRICT: Explanation.DISTRICT_NAME, Level.PROVINCE: Explanation.PROVINCE_NAME}


@dataclass(frozen=True)
class Question:
    """What is asked. `name` is folded by `fold_unit_name`; `inside` are the communes of the source's province."""

    code: str | None
    name: str | None
    list_index: int  # the declared list, or the last that may have been meant
    is_declared: bool
    on: date  # the day whose names are meant
    inside: frozenset[str] | None = None


@dataclass(frozen=True)
class Sources:
    """What questions are answered from. `read` may know more than the lists: where hamlets lie."""

    lists: CodeLists
    tables: UnitTables
    read: Read

    @property
    def names(self) -> NameIndex:
        """The names of every list; made when first asked for, since most columns hold codes alone."""
        return name_index(self.tables)

    @property
    def count(self) -> int:
        """The number of lists."""
        return len(self.lists.members)


def reading_of(asked: Question, sources: Sources) -> Reading:
    """The units of `as_of` that what was sent may mean, and why."""
    said = readings_of(asked.name) if asked.name else ()
    if asked.code in sources.lists.codes and asked.code is not None:
        by_code = _by_code(asked, sources, asked.code)
        return _decider(by_code if not said else _with_name(asked, sources, asked.code, said), asked, sources)
    if asked.code and len(asked.code) in _HIGHER_CODES and _holding(asked.code, asked, sources):
        return _by_higher_code(asked, sources, asked.code, said)
    by_name = _by_name(asked, sources, said)
    if by_name is None:
        if asked.code is None:
            return replace(_NOTHING, explanation=Explanation.NAME_UNKNOWN) if said else _NOTHING
        return replace(_NOTHING, explanation=Explanation.UNKNOWN_CODE)
    if asked.code and len(by_name.units) == 1 and by_name.decided_by is Decider.NAME:
        return replace(by_name, explanation=Explanation.NAME_INSTEAD_OF_CODE)
    return by_name


def _by_code(asked: Question, sources: Sources, code: str) -> Reading:
    if asked.is_declared:
        reading = read_declared(sources.read, code, asked.list_index, count=sources.count)
    else:
        reading = read_undeclared(sources.read, code, asked.list_index, asked.inside, count=sources.count)
    return reading or replace(_NOTHING, explanation=Explanation.UNKNOWN_CODE)


def _decider(reading: Reading, asked: Question, sources: Sources) -> Reading:
    """The reading with what it rests on, where that is more than the law: a list named, or a day before the merger."""
    if len(reading.units) != 1 or reading.decided_by is not Decider.LAW or asked.code is None:
        return reading
    numbers = range(max(sources.lists.target, asked.list_index) + 1)
    readings = [other for number in numbers if (other := sources.read(asked.code, number))]
    if all(other.units == reading.units for other in readings):
        return reading
    return replace(reading, decided_by=Decider.VINTAGE if asked.is_declared else Decider.EVENT_DATE)


def _order(asked: Question, count: int) -> list[int]:
    """The lists in the order in which they are believed: the declared one, earlier ones, later ones."""
    index = asked.list_index
    return [index, *range(index - 1, -1, -1), *range(index + 1, count)]


# A name alone


def _by_name(asked: Question, sources: Sources, said: Iterable[SaidName]) -> Reading | None:
    for one in said:
        found = (
            _commune_named(asked, sources, one) if one.level is Level.COMMUNE else _higher_named(asked, sources, one)
        )
        if found is not None:
            return found
    return None


def _named_in(
    asked: Question, sources: Sources, said: SaidName, number: int, under: frozenset[str] | None
) -> list[str]:
    inside = asked.inside

    def is_inside(code: str, number: int) -> bool:
        reading = sources.read(code, number)
        return inside is None or (reading is not None and not inside.isdisjoint(reading.units))

    checked = None if inside is None else is_inside
    return list(sources.names.find(said, number, on=asked.on, is_inside=checked, under=under))


def _commune_named(
    asked: Question, sources: Sources, said: SaidName, under: dict[int, frozenset[str]] | None = None
) -> Reading | None:
    """The communes of a name: of the first list that has it, or of all that may be meant. `under`: only those."""
    order = _order(asked, sources.count)
    found: dict[int, Reading] = {}
    for number in order if under is None else [number for number in order if number in under]:
        codes = _named_in(asked, sources, said, number, None if under is None else under[number])
        readings = [reading for code in codes if (reading := sources.read(code, number))]
        if readings:
            found[number] = _homonyms(readings, number)
    if not found:
        return None
    if asked.is_declared:
        return _by(Decider.NAME, _in_declared(asked, list(found.values()), has_above=bool(said.above)))
    meant = [reading for number, reading in found.items() if number <= asked.list_index] or list(found.values())
    is_apart = any(reading.explanation is Explanation.NAME_AMBIGUOUS for reading in meant)
    if len(meant) == 1 and is_apart:
        return meant[0]
    one = among(sorted(meant, key=lambda reading: reading.list_index or 0), asked.inside)
    if len(one.units) > 1 and is_apart:
        one = replace(one, explanation=Explanation.NAME_AMBIGUOUS)
    return _by(Decider.NAME, one)


def _in_declared(asked: Question, found: list[Reading], *, has_above: bool) -> Reading:
    """The name in the declared list; where it is only in another province there, an older name of this one may be."""
    first = found[0]
    if has_above or asked.inside is None or not asked.inside.isdisjoint(first.units):
        return as_of_another_list(first, asked.list_index)
    near = [reading for reading in found[1:] if not asked.inside.isdisjoint(reading.units)]
    if not near:
        return as_of_another_list(first, asked.list_index)
    both = union([first, near[0]], Explanation.NAME_AMBIGUOUS)
    return both if len(both.units) > 1 else replace(both, explanation=Explanation.SAME_UNDER_BOTH_LISTS)


def _by(decider: Decider, reading: Reading) -> Reading:
    return reading if reading.decided_by is Decider.HAMLET else replace(reading, decided_by=decider)


def _homonyms(readings: list[Reading], number: int) -> Reading:
    if len(readings) == 1:
        return readings[0]
    one = replace(union(readings, Explanation.NAME_AMBIGUOUS), list_index=number)
    return replace(one, explanation=Explanation.HOMONYMS_TOGETHER) if len(one.units) == 1 else one


# Districts and provinces


def _holding(code: str, asked: Question, sources: Sources) -> dict[int, frozenset[str]]:
    """The communes of a district or province in each list that may be meant: its code means others in another list."""
    order = _order(asked, sources.count)
    known = {number: frozenset(members) for number in order if (members := sources.names.members(code, number))}
    if asked.is_declared:
        return dict(list(known.items())[:1])
    return {number: members for number, members in known.items() if number <= asked.list_index} or known


def _of_higher(members: dict[int, frozenset[str]], sources: Sources, explanation: Explanation) -> Reading:
    number = next(iter(members)) if len(members) == 1 else None
    if explanation in (Explanation.DISTRICT_CODE, Explanation.DISTRICT_NAME):
        readings = [r for at, codes in members.items() for code in sorted(codes) if (r := sources.read(code, at))]
        one = union(readings, explanation) if readings else Reading((), explanation, number)
        if len(one.units) <= FEW_CANDIDATES:
            return replace(one, list_index=number)
    return Reading((), explanation, number)


def _by_higher_code(asked: Question, sources: Sources, code: str, said: tuple[SaidName, ...]) -> Reading:
    members = _holding(code, asked, sources)
    for one in said:
        if one.level is Level.COMMUNE and (found := _commune_named(asked, sources, one, members)):
            return found
    if (elsewhere := _by_name(asked, sources, said)) and elsewhere.explanation not in _HIGHER_NAMES.values():
        return replace(_NOTHING, explanation=Explanation.NAME_DISAGREES)
    return _of_higher(members, sources, _HIGHER_CODES[len(code)])


def _higher_named(asked: Question, sources: Sources, said: SaidName) -> Reading | None:
    for number in _order(asked, sources.count):
        codes = [code for code in sources.names.higher(said, number) if _is_near(code, number, asked, sources, said)]
        if len(codes) == 1 and codes[0] in sources.lists.codes:  # an island district without communes
            reading = sources.read(codes[0], number)
            return None if reading is None else _by(Decider.NAME, reading)
        if codes:
            members = frozenset(member for code in codes for member in sources.names.members(code, number))
            return _by(Decider.NAME, _of_higher({number: members}, sources, _HIGHER_NAMES[said.level]))
    return None


def _is_near(code: str, number: int, asked: Question, sources: Sources, said: SaidName) -> bool:
    """Far from the source's province, a name without a type is no district's or province's: a commune may have it."""
    if said.kind is not None or asked.inside is None:
        return True
    readings = (sources.read(member, number) for member in sources.names.members(code, number))
    return any(reading is not None and not asked.inside.isdisjoint(reading.units) for reading in readings)


# A code and a name


def _with_name(asked: Question, sources: Sources, code: str, said: tuple[SaidName, ...]) -> Reading:
    by_code = _by_code(asked, sources, code)
    order = _order(asked, sources.count)
    readings = {number: reading for number in order if (reading := sources.read(code, number))}
    fits = {number: _fit(code, said, number, sources) for number in readings}
    fitting = [number for number, fit in fits.items() if fit and fit == max(fits.values())]
    if not fitting:
        return _disagreeing(asked, sources, by_code, said, list(readings))
    if asked.is_declared:
        return by_code if by_code.list_index in fitting else _chosen(readings[fitting[0]])
    meant = [number for number in readings if number <= asked.list_index]
    kept = [number for number in fitting if number in meant] or fitting
    if set(kept) == set(meant) or (len(by_code.units) == 1 and all(readings[n].units == by_code.units for n in kept)):
        return by_code
    if len(kept) == 1:
        return _chosen(readings[kept[0]])
    return union([readings[number] for number in kept], Explanation.VINTAGE_UNDECLARED)


def _fit(code: str, said: tuple[SaidName, ...], number: int, sources: Sources) -> int:
    """How well what was said fits the code in one list: 2, 1 or 0; a district or province fits if it holds the code."""
    names = sources.names
    communes = [names.fit(code, one, number) for one in said if one.level is Level.COMMUNE]
    holders = [SaidHolder(one.level, one.base) for one in said if one.level is not Level.COMMUNE and one.kind]
    above = [one.above for one in said if one.level is not Level.COMMUNE and one.kind]
    pairs = zip(holders, above, strict=True)
    held = [2 * names.lies_in(code, (holder, *others), number) for holder, others in pairs]
    return max((*communes, *held), default=0)


def _chosen(reading: Reading) -> Reading:
    """A reading that the name chose among those of its code."""
    if len(reading.units) != 1 or reading.decided_by is Decider.HAMLET:
        return reading
    return replace(reading, explanation=Explanation.NAME_DECIDES_LIST, decided_by=Decider.NAME)


def _disagreeing(
    asked: Question, sources: Sources, by_code: Reading, said: tuple[SaidName, ...], numbers: list[int]
) -> Reading:
    """The name is none of the code's own: it means another place, it is mistyped, or it is no unit's name."""
    near = asked if asked.inside is not None else replace(asked, inside=_province_of(by_code, sources))
    by_name = _by_name(near, sources, said)
    if by_name is None:
        code = asked.code or ""
        communes = [one for one in said if one.level is Level.COMMUNE]
        if any(sources.names.fits_loosely(code, one, number) for one in communes for number in numbers):
            return by_code
        is_one = len(by_code.units) == 1
        return replace(by_code, explanation=Explanation.NAME_NOT_RECOGNISED) if is_one else by_code
    if by_name.explanation in _HIGHER_NAMES.values():
        return replace(_NOTHING, explanation=Explanation.NAME_DISAGREES)
    both = union([by_code, by_name], Explanation.NAME_DISAGREES)
    return replace(both, explanation=Explanation.CODE_AND_NAME_MEET) if len(both.units) == 1 else both


def _province_of(by_code: Reading, sources: Sources) -> frozenset[str] | None:
    """The communes of the provinces a code leads to, on the day asked about: homonyms far away are no candidates."""
    return sources.names.neighbours(by_code.units, sources.lists.target)
