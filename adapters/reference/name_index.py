"""Which units of each code list have a name: the official one, with its dates, and those they are also known by."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, lru_cache

from adapters.reference.unit_names import (
    Level,
    SaidHolder,
    SaidName,
    base_above,
    fold_unit_name,
    kind_and_base,
    loose_base,
)
from adapters.reference.units import UnitTables


@dataclass(frozen=True)
class _Named:
    code: str
    kind: str | None
    begins: date
    ends: date
    is_alias: bool


IsInside = Callable[[str, int], bool]  # may residents of a code of one list live in the source's province?


class NameIndex:
    """The names of every list. List numbers are those of `readings.CodeLists`."""

    def __init__(self, tables: UnitTables) -> None:
        self._changes = tables.change_dates
        self._named: list[dict[str, list[_Named]]] = [defaultdict(list) for _ in range(len(self._changes) + 1)]
        self._bases: list[dict[str, set[tuple[str, str | None]]]] = [defaultdict(set) for _ in self._named]
        self._above: list[dict[str, tuple[str | None, str]]] = [{} for _ in self._named]
        self._higher: list[dict[Level, dict[str, set[str]]]] = [
            {Level.DISTRICT: defaultdict(set), Level.PROVINCE: defaultdict(set)} for _ in self._named
        ]
        self._tables = tables
        self._add_units()
        self._add_aliases()
        self._add_former_names()

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The days on which a name begins or has ceased to hold, ascending."""
        begins = self._tables.units["valid_from"].drop_null().unique().to_pylist()
        ends = self._tables.units["valid_to"].drop_null().unique().to_pylist()
        return tuple(sorted({*begins, *(last + timedelta(days=1) for last in ends)}))

    def _lists(self, begins: date, ends: date) -> list[int]:
        """The lists in force on some day of a span."""
        starts, stops = (date.min, *self._changes), (*self._changes, date.max)
        bounds = enumerate(zip(starts, stops, strict=True))
        return [number for number, (start, stop) in bounds if begins < stop and ends >= start]

    def _add_units(self) -> None:
        units = self._tables.units
        folded = fold_unit_name(units["name"].combine_chunks()).to_pylist()
        for row, name in zip(units.to_pylist(), folded, strict=True):
            begins, ends = row["valid_from"] or date.min, row["valid_to"] or date.max
            for number in self._lists(begins, ends):
                if row["level"] == Level.COMMUNE:
                    self._above[number][row["code"]] = row["district_code"], row["province_code"]
                    self._add(number, name, _Named(row["code"], None, begins, ends, is_alias=False))
                else:
                    self._higher[number][Level(row["level"])][base_above(name)].add(row["code"])

    def _add(self, number: int, folded: str, named: _Named) -> None:
        kind, base = kind_and_base(folded)
        one = _Named(named.code, kind, named.begins, named.ends, named.is_alias)
        self._named[number][base].append(one)
        self._bases[number][named.code].add((base, kind))

    def _add_aliases(self) -> None:
        aliases = self._tables.aliases
        if aliases is None:
            return
        folded = fold_unit_name(aliases["name"].combine_chunks()).to_pylist()
        for row, name in zip(aliases.to_pylist(), folded, strict=True):
            for number in self._lists(row["listed_on"], row["listed_on"]):
                if kind_and_base(name) not in self._bases[number][row["code"]]:
                    self._add(number, name, _Named(row["code"], None, date.min, date.max, is_alias=True))

    def _add_former_names(self) -> None:
        """Names of closed codes, and names a code had before its list: both still occur."""
        rows = self._tables.retired
        folded = fold_unit_name(rows["former_name"].combine_chunks()).to_pylist()
        for row, name in zip(rows.to_pylist(), folded, strict=True):
            for number in self._lists(row["listed_on"], row["listed_on"]):
                is_closed = row["status"] == "retired_code"
                code = row["former_code"] if is_closed else row["unit_code"]
                holder = self._above[number].get(row["unit_code"])
                if holder is not None:
                    self._above[number].setdefault(code, holder)
                    self._add(number, name, _Named(code, None, date.min, date.max, is_alias=True))

    @cached_property
    def _neighbour_provinces(self) -> dict[tuple[int, str], set[str]]:
        """By list and province code, the bases of the provinces it became or was made of: both are still written."""
        names: dict[tuple[int, str], set[str]] = defaultdict(set)
        by_code = [{c: b for b, codes in lists[Level.PROVINCE].items() for c in codes} for lists in self._higher]
        rows = self._tables.province_crosswalk.to_pylist()
        for row in rows:
            after = self._changes.index(row["effective_on"]) + 1 if row["effective_on"] in self._changes else None
            if after is not None:
                names[after - 1, row["from_code"]].add(by_code[after].get(row["to_code"], ""))
                names[after, row["to_code"]].add(by_code[after - 1].get(row["from_code"], ""))
        return dict(names)

    @cached_property
    def _base_of(self) -> list[dict[str, str]]:
        """By list, the base of each district (3 digits) and province (2 digits)."""
        return [
            {code: base for level in lists.values() for base, codes in level.items() for code in codes}
            for lists in self._higher
        ]

    def holders(self, code: str, number: int) -> tuple[str | None, frozenset[str]]:
        """The base of the district above a commune in one list, and those of its province, then, before and after."""
        district, province = self._above[number].get(code, (None, ""))
        own = self._base_of[number].get(province)
        provinces = self._neighbour_provinces.get((number, province), set()) | ({own} if own else set())
        return (self._base_of[number].get(district) if district else None), frozenset(provinces)

    def lies_in(self, code: str, above: tuple[SaidHolder, ...], number: int) -> bool:
        """Whether every unit written behind a name holds the commune in one list."""
        if not above:
            return True
        district, provinces = self.holders(code, number)
        return all(
            (one.level is not Level.PROVINCE and one.base == district)
            or (one.level is not Level.DISTRICT and one.base in provinces)
            for one in above
        )

    def find(
        self,
        said: SaidName,
        number: int,
        *,
        on: date,
        is_inside: IsInside | None = None,
        under: frozenset[str] | None = None,
    ) -> tuple[str, ...]:
        """The communes of one list that a name means, ascending; several where nothing tells them apart.

        Units above that are written must agree; `under` are the only codes allowed. Then a unit in the source's
        province is preferred, the type as written, an official name to another, a name in force `on` that day.
        """
        named = [
            one
            for one in self._named[number].get(said.base, ())
            if (under is None or one.code in under) and self.lies_in(one.code, said.above, number)
        ]
        ranks = [
            (
                is_inside is not None and not is_inside(one.code, number),
                one.is_alias + (None not in (said.kind, one.kind) and said.kind != one.kind),
                not one.begins <= on <= one.ends,
            )
            for one in named
        ]
        best = min(ranks, default=None)
        return tuple(sorted({one.code for one, rank in zip(named, ranks, strict=True) if rank == best}))

    def fit(self, code: str, said: SaidName, number: int) -> int:
        """How well a name is one of the code's own in one list: 2 as written, 1 but for its type, 0 not at all.

        A name with the type of a neighbour that has the same name is the neighbour's.
        """
        kinds = {kind for base, kind in self._bases[number].get(code, ()) if base == said.base}
        if not kinds or not self.lies_in(code, said.above, number):
            return 0
        if said.kind is None or said.kind in kinds or None in kinds:
            return 2
        province = self._above[number][code][1]
        is_neighbours = any(
            one.kind == said.kind and self._above[number].get(one.code, (None, ""))[1] == province
            for one in self._named[number][said.base]
        )
        return 0 if is_neighbours else 1

    def fits_loosely(self, code: str, said: SaidName, number: int) -> bool:
        """Whether a name is the code's own but for marks, spaces and i for y."""
        wanted = loose_base(said.base)
        return any(loose_base(base) == wanted for base, _ in self._bases[number].get(code, ()))

    def higher(self, said: SaidName, number: int) -> tuple[str, ...]:
        """The districts or provinces of one list that a name means."""
        codes = self._higher[number].get(said.level, {}).get(said.base, set())
        if said.level is Level.PROVINCE or not said.above:
            return tuple(sorted(codes))
        return tuple(sorted(code for code in codes if self._district_is_in(code, said.above, number)))

    def _district_is_in(self, code: str, above: tuple[SaidHolder, ...], number: int) -> bool:
        return any(self.lies_in(member, above, number) for member in self.members(code, number))

    def members(self, code: str, number: int) -> tuple[str, ...]:
        """The communes of one district (3 digits) or province (2 digits) in one list, ascending."""
        return self._members[number].get(code, ())

    def neighbours(self, codes: Iterable[str], number: int) -> frozenset[str] | None:
        """Every commune of one list in the provinces of some of them; null where they are in none."""
        provinces = {self._above[number][code][1] for code in codes if code in self._above[number]}
        near = frozenset(code for province in provinces for code in self.members(province, number))
        return near or None

    @cached_property
    def _members(self) -> list[dict[str, tuple[str, ...]]]:
        found = []
        for communes in self._above:
            by_holder: dict[str, list[str]] = defaultdict(list)
            for code in sorted(communes):
                for holder in communes[code]:
                    if holder is not None:
                        by_holder[holder].append(code)
            found.append({holder: tuple(codes) for holder, codes in by_holder.items()})
        return found


@lru_cache(maxsize=4)
def name_index(tables: UnitTables) -> NameIndex:
    """The index of some tables, made once."""
    return NameIndex(tables)
