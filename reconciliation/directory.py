"""Who answers for what waits, on one day: the desks of communes, the centres above them, and whom an item goes up to.

An owner is written `<province, source or consumer>/<role>`, and where the commune is known
`<province>/<commune>/<role>`: `15/02647/steward` is the desk of Xã … in Lào Cai, `15/steward` the province above it.
Nobody is ever out of reach: a unit that ended is followed to its legal successor, and where there are several, to the
province that they lie in.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.centres import Centres, Model, centres_on
from adapters.reference.units import UnitTables, load_units, units_on
from reconciliation.lifecycle import Role

# Every office that can own something of a unit, on one day.
RESPONSIBLE = pa.schema(
    [
        pa.field("owner", pa.string(), nullable=False),  # without the role: 15/02647
        pa.field("province_code", pa.string(), nullable=False),
        pa.field("unit_code", pa.string()),  # null: the province's own
        pa.field("name", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("under", pa.string()),  # the next above, without the role; null: the gateway's operator
        pa.field("branch", pa.string()),  # of the centre above, where it is public which one
    ]
)

OPERATOR, STEERING = f"gateway/{Role.OPERATOR}", f"gateway/{Role.STEERING}"
OF_A_PROVINCE = frozenset({Role.STEWARD, Role.RESIDENCE, Role.REGISTRAR})
_LOCAL = re.compile(r"([0-9]{2})(?:/([0-9]{5}))?/([a-z]+)")


@dataclass(frozen=True, kw_only=True, eq=False)
class Directory:
    """The offices of one day, by the unit tables as known. Answers are for owners in the form this module explains."""

    on: date
    tables: UnitTables
    communes: Mapping[str, tuple[str, str]]  # code: (province_code, name)
    provinces: Mapping[str, str]  # code: name
    senders: Mapping[str, str] = field(default_factory=dict)  # source_id: province_code

    def is_reachable(self, owner: str) -> bool:
        """Whether somebody sits there on this day. Sources and registries are reached by their own declarations."""
        found = _LOCAL.fullmatch(owner)
        if found is None:
            return True
        province, commune, _ = found.groups()
        if commune is None:
            return province in self.provinces
        return self.communes.get(commune, ("",))[0] == province

    def successor(self, owner: str) -> str:
        """Who owns on this day what `owner` owned before; `owner` itself while somebody sits there."""
        found = _LOCAL.fullmatch(owner)
        if found is None or self.is_reachable(owner):
            return owner
        province, commune, role = found.groups()
        if commune is None:
            return self._province_after(province, role)
        heirs = sorted({self.communes[code] + (code,) for code in self._heirs(commune) if code in self.communes})
        if len(heirs) == 1:
            return f"{heirs[0][0]}/{heirs[0][2]}/{role}"
        homes = {home for home, *_ in heirs}
        return f"{homes.pop()}/{role}" if len(homes) == 1 else self._province_after(province, role)

    def above(self, owner: str) -> str | None:
        """Whom what `owner` did not do in time goes up to; None above the steering committee."""
        found = _LOCAL.fullmatch(owner)
        if found is not None:
            province, commune, role = found.groups()
            return OPERATOR if commune is None else f"{province}/{role}"
        whose, _, role = owner.rpartition("/")
        match role:
            case Role.STEERING:
                return None
            case Role.OPERATOR:
                return STEERING
            case Role.SENDER if whose in self.senders:
                return f"{self.senders[whose]}/{Role.STEWARD}"
            case _:
                return OPERATOR

    def ladder(self, owner: str) -> list[str]:
        """`owner` and everybody above, in their order; the last one is the steering committee."""
        rungs = [owner]
        while (above := self.above(rungs[-1])) is not None:
            rungs.append(above)
        return rungs

    def name(self, owner: str) -> str | None:
        """What the desk of a commune is called; None for an owner that is none, or whose unit is none of this day."""
        found = _LOCAL.fullmatch(owner)
        if found is None or found[2] is None or not self.is_reachable(owner):
            return None
        return self._desk(found[2])[0]

    def responsible(self) -> pa.Table:
        """RESPONSIBLE of this day: provinces, then communes, each by code."""
        rows: list[tuple[str | None, ...]] = []
        for code in sorted(self.provinces):
            centres = self._centres(code)
            rows.append((code, code, None, centres.name, str(centres.model), None, None))
        for code in sorted(self.communes):
            province = self.communes[code][0]
            name, model, branch = self._desk(code)
            rows.append((f"{province}/{code}", province, code, name, model, province, branch))
        return pa.Table.from_pylist(
            [dict(zip(RESPONSIBLE.names, row, strict=True)) for row in rows], schema=RESPONSIBLE
        )

    def _desk(self, commune: str) -> tuple[str, str, str | None]:
        """Name, model and branch of a commune's desk."""
        province, called = self.communes[commune]
        centres = self._centres(province)
        branch = next((one.name for one in centres.branches if commune in one.communes), None)
        name = f"{centres.desk} {called[0].lower()}{called[1:]}"
        if centres.model is Model.ONE_LEVEL:
            name = f"{name}, {branch or centres.name}"
        return name, str(centres.model), branch

    def _centres(self, province: str) -> Centres:
        """Of a province that no row names, which an event made: by rule, as most are."""
        known = centres_on(self.on).get(province)
        if known is not None:
            return known
        called = self.provinces[province]
        name = f"Trung tâm Phục vụ hành chính công {called[0].lower()}{called[1:]}"
        desk = "Trung tâm Phục vụ hành chính công"
        return Centres(province_code=province, name=name, model=Model.TWO_LEVEL, desk=desk, branches=())

    def _province_after(self, province: str, role: str) -> str:
        """The province itself, or the one that it became; the operator where nobody can say."""
        becomes = _provinces_after(self.tables)
        seen = set()
        while province not in self.provinces and province in becomes and province not in seen:
            seen.add(province)
            province = becomes[province]
        return f"{province}/{role}" if province in self.provinces else OPERATOR

    def _heirs(self, commune: str) -> set[str]:
        """The communes of this day to which what was a commune's has come, through every change since."""
        ended, heirs = _ended(self.tables), _pairs(self.tables)
        reached, open_, seen = set[str](), {commune}, set[str]()
        while open_:
            code = open_.pop()
            last = ended.get(code)
            if code in self.communes or last is None or code in seen:
                reached.add(code)
                continue
            seen.add(code)
            open_ |= heirs.get((code, last + timedelta(days=1)), set())
        return reached


@lru_cache(maxsize=16)
def _directory(on: date, tables: UnitTables) -> Directory:
    communes, provinces = (units_on(on, level=level, tables=tables) for level in ("commune", "province"))
    listed = (communes[name].to_pylist() for name in ("code", "province_code", "name"))
    return Directory(
        on=on,
        tables=tables,
        communes={code: (province, name) for code, province, name in zip(*listed, strict=True)},
        provinces=dict(zip(provinces["code"].to_pylist(), provinces["name"].to_pylist(), strict=True)),
        senders=_senders(),
    )


def directory(on: date, *, tables: UnitTables | None = None) -> Directory:
    """The offices of a day, by the package's own unit tables when none are given."""
    return _directory(on, tables or load_units())


def of_province(owner: str) -> str:
    """`owner` without the commune, for counting where desks would be too many to name."""
    found = _LOCAL.fullmatch(owner)
    return f"{found[1]}/{found[3]}" if found else owner


def unreachable(offices: Directory, owners: pa.Array) -> list[str]:
    """Those of `owners` at whose desk nobody sits, ascending: there must be none after a hand-over."""
    return [one for one in sorted(set(owners.to_pylist())) if not offices.is_reachable(one)]


def _senders() -> dict[str, str]:
    from adapters.catalogue import load  # noqa: PLC0415 - the pages are read once, when first asked for

    return {source.source_id: source.province_code for source in load().sources.values()}


@lru_cache(maxsize=16)
def _ended(tables: UnitTables) -> dict[str, date]:
    """The last day of each commune that stands no more."""
    units = tables.units.filter(pc.equal(tables.units["level"], "commune"))
    last: dict[str, date | None] = {}
    for code, day in zip(units["code"].to_pylist(), units["valid_to"].to_pylist(), strict=True):
        known = last.get(code, day)
        last[code] = None if day is None or known is None else max(known, day)
    return {code: day for code, day in last.items() if day is not None}


@lru_cache(maxsize=16)
def _pairs(tables: UnitTables) -> dict[tuple[str, date], set[str]]:
    """Where the residents of each unit went on a day; of one of which nobody lived anywhere, where its land went."""
    rows: dict[tuple[str, date], dict[bool, set[str]]] = {}
    names = ("from_code", "effective_on", "to_code", "residents")
    for origin, day, heir, residents in zip(*(tables.crosswalk[name].to_pylist() for name in names), strict=True):
        rows.setdefault((origin, day), {}).setdefault(residents != "none", set()).add(heir)
    return {key: heirs.get(True) or heirs[False] for key, heirs in rows.items()}


@lru_cache(maxsize=16)
def _provinces_after(tables: UnitTables) -> dict[str, str]:
    """What each province that stands no more became, last."""
    pairs = tables.province_crosswalk.sort_by("effective_on")
    listed = (pairs[name].to_pylist() for name in ("from_code", "to_code"))
    return {origin: heir for origin, heir in zip(*listed, strict=True) if origin != heir}
