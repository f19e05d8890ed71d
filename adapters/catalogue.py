"""Which provinces and sources there are: the pages of provinces/ and the dialects they name, read once.

A source is one system of one former province holding one kind of record. Its dialect is the product's, with what
differs at this system already applied, so that a reader or writer needs nothing else.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path

from adapters.canonical import RecordKind
from adapters.declaration import Charset, Dialect, Keys, override, read_dialect, read_toml

HERE = Path(__file__).parent
_SUFFIXES = {RecordKind.PERSON: "population", RecordKind.HOUSEHOLD: "household", RecordKind.INSURANCE: "insurance"}


class Cadence(StrEnum):
    """How often a system exports."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True)
class Office:
    """Who decides; `office_id` is ours and stable."""

    office_id: str
    name: str


@dataclass(frozen=True)
class VintageRule:
    """Exports made on `from_date` or later carry codes of the list of `vintage`, until a later rule begins."""

    from_date: date
    vintage: date


@dataclass(frozen=True)
class Former:
    """A province of the list of 30 June 2025; `communes` is how many it then had."""

    code: str
    slug: str
    name: str
    communes: int


@dataclass(frozen=True)
class UnitCounts:
    """What a province must have on the list of 1 July 2025."""

    total: int
    communes: int
    wards: int
    special_zones: int


@dataclass(frozen=True)
class Source:
    """One system of one former province; `unit_codes` is empty when the system does not say which list it uses.

    `dialect` is the product's with what differs here applied; the properties below read from it.
    """

    source_id: str
    province_code: str
    former_province_code: str
    former_province_name: str
    kind: RecordKind
    dialect: Dialect
    unit_codes: tuple[VintageRule, ...]
    cadence: Cadence
    steward_office: Office
    residence_office: Office
    operator_office: Office | None = None  # runs the system; none named: the steward's office answers for it
    officers_sign: bool = False  # a death it says waits for the signature of a civil-status officer of the province
    is_citizens: bool = False  # what it sends are corrections that citizens ask for, not what a register says

    @property
    def office(self) -> Office:
        """Who answers for what this system exports."""
        return self.operator_office or self.steward_office

    @property
    def charset(self) -> Charset:
        """How the text of its files is encoded."""
        return self.dialect.file.charset

    @property
    def ethnic_list(self) -> str | None:
        """The numbering of ethnic groups it uses; None when it sends none."""
        mapping = self.dialect.mapping_to("ethnic_group")
        return mapping.code_list if mapping else None

    @property
    def date_styles(self) -> dict[str, tuple[str, ...]]:
        """Source column → the styles in which its dates are read, the first that fits."""
        return {mapping.name: mapping.styles for mapping in self.dialect.mappings if mapping.styles}

    def unit_vintage(self, exported_on: date) -> date | None:
        """The date of the unit code list in an export of this day; None when the source does not say."""
        begun = [rule for rule in self.unit_codes if rule.from_date <= exported_on]
        return begun[-1].vintage if begun else None


@dataclass(frozen=True)
class Province:
    """One of today's provinces with its former ones and its systems."""

    code: str
    slug: str
    name: str
    counts: UnitCounts
    formers: tuple[Former, ...]
    steward_office: Office  # judges duplicates and conflicts
    residence_office: Office  # says where a resident of a split commune belongs
    offices: tuple[Office, ...]  # all of the page, those two first
    sources: tuple[Source, ...]

    @property
    def systems(self) -> tuple[Source, ...]:
        """The registers: its sources but for those through which citizens ask for corrections."""
        return tuple(source for source in self.sources if not source.is_citizens)


@dataclass(frozen=True)
class Catalogue:
    """Everything declared, by id."""

    sources: dict[str, Source]
    provinces: dict[str, Province]
    dialects: dict[str, Dialect]


@cache
def load() -> Catalogue:
    """The catalogue of this package's own pages; `FatalDeclarationError` names the first mistake."""
    return read(HERE)


def read(folder: Path) -> Catalogue:
    """The catalogue of `folder`/dialects/*/ and `folder`/provinces/*.toml."""
    folders = sorted(path.parent for path in (folder / "dialects").glob("*/dialect.toml"))
    dialects = {dialect.name: dialect for dialect in map(read_dialect, folders)}
    provinces: dict[str, Province] = {}
    sources: dict[str, Source] = {}
    for page in sorted((folder / "provinces").glob("*.toml")):
        keys = read_toml(page)
        province = _province(keys, dialects, stem=page.stem)
        if province.code in provinces:
            raise keys.fail("code", f'"{province.code}" has a page already', fix="keep one page a province")
        provinces[province.code] = province
        for source in province.sources:
            if source.source_id in sources:
                raise keys.fail("system", f'"{source.source_id}" is declared twice', fix="keep one")
            sources[source.source_id] = source
    return Catalogue(sources=sources, provinces=provinces, dialects=dialects)


def _province(keys: Keys, dialects: dict[str, Dialect], *, stem: str) -> Province:
    code, slug, name = keys.take("code", str), keys.take("slug", str), keys.take("name", str)
    if stem != f"{code}-{slug}":
        raise keys.fail("code", f"does not fit the file's name {stem}.toml", fix=f"name the file {code}-{slug}.toml")
    units = keys.table("units")
    counts = UnitCounts(
        total=units.take("total", int),
        communes=units.take("communes", int),
        wards=units.take("wards", int),
        special_zones=units.take("special_zones", int),
    )
    units.done()
    if counts.total != counts.communes + counts.wards + counts.special_zones:
        raise keys.fail("units.total", "is not the sum of its kinds", fix="correct the counts")
    formers = tuple(_former(one) for one in keys.tables("former"))
    offices = _offices(keys.table("offices"), slug)
    sources = tuple(
        _source(one, dialects, province_code=code, formers=formers, offices=offices) for one in keys.tables("system")
    )
    keys.done()
    return Province(
        code=code,
        slug=slug,
        name=name,
        counts=counts,
        formers=formers,
        steward_office=offices["steward"],
        residence_office=offices["residence"],
        offices=tuple(offices.values()),
        sources=sources,
    )


def _former(keys: Keys) -> Former:
    former = Former(
        code=keys.take("code", str),
        slug=keys.take("slug", str),
        name=keys.take("name", str),
        communes=keys.take("communes", int),
    )
    keys.done()
    return former


def _offices(keys: Keys, slug: str) -> dict[str, Office]:
    """The offices of a page by role, steward and residence first; an id is the province's slug and the role."""
    roles = dict.fromkeys(["steward", "residence", *keys.left()])
    offices = {}
    for role in roles:
        one = keys.table(role)
        office = Office(office_id=one.take("id", str), name=one.take("name", str))
        one.done()
        if office.office_id != f"{slug}.{role}":
            raise one.fail("id", f'"{office.office_id}" is not stable', fix=f'write "{slug}.{role}"')
        offices[role] = office
    return offices


def _source(
    keys: Keys,
    dialects: dict[str, Dialect],
    *,
    province_code: str,
    formers: tuple[Former, ...],
    offices: dict[str, Office],
) -> Source:
    code = keys.take("former_province", str)
    former = next((one for one in formers if one.code == code), None)
    if former is None:
        raise keys.fail("former_province", f'"{code}" has no [[former]]', fix="declare it or correct the code")
    kind = keys.choice("kind", RecordKind)
    is_citizens = _is_citizens(keys, kind)
    source_id = keys.take("source_id", str)
    due = f"{former.slug}.{'citizens' if is_citizens else _SUFFIXES[kind]}"
    if source_id != due:
        raise keys.fail("source_id", f'"{source_id}" does not say what it holds', fix=f'write "{due}"')
    role = keys.maybe("office", str)
    if role is not None and role not in offices:
        raise keys.fail("office", f'"{role}" has no [offices.{role}]', fix=f"one of {', '.join(offices)}")
    source = Source(
        source_id=source_id,
        province_code=province_code,
        former_province_code=former.code,
        former_province_name=former.name,
        kind=kind,
        dialect=_dialect(keys, dialects, kind),
        unit_codes=_unit_codes(keys),
        cadence=keys.choice("cadence", Cadence),
        steward_office=offices["steward"],
        residence_office=offices["residence"],
        operator_office=offices[role] if role else None,
        officers_sign=_officers_sign(keys, kind) and not is_citizens,
        is_citizens=is_citizens,
    )
    keys.done()
    return source


def _is_citizens(keys: Keys, kind: RecordKind) -> bool:
    """Whether citizens speak through a system: said of one that holds persons, by its page."""
    said = keys.maybe("citizens", bool) or False
    if said and kind is not RecordKind.PERSON:
        raise keys.fail("citizens", f"is said of a system that holds {kind} records", fix="remove it")
    return said


def _officers_sign(keys: Keys, kind: RecordKind) -> bool:
    """Whether officers have to sign the deaths a system says: of a population register, unless its page denies it."""
    said = keys.maybe("officers_sign", bool)
    if said is not None and kind is not RecordKind.PERSON:
        raise keys.fail("officers_sign", f"is said of a system that holds {kind} records", fix="remove it")
    return kind is RecordKind.PERSON if said is None else said


def _dialect(keys: Keys, dialects: dict[str, Dialect], kind: RecordKind) -> Dialect:
    """The dialect named, with the system's `charset`, `styles` and `lists` applied."""
    name = keys.take("dialect", str)
    if name not in dialects:
        raise keys.fail("dialect", f'"{name}" is unknown', fix=f"one of {', '.join(dialects)}")
    dialect = dialects[name]
    if dialect.kind is not kind:
        raise keys.fail("dialect", f"{name} holds {dialect.kind} records", fix=f"choose one of kind {kind}")
    if not {"charset", "styles", "lists"}.intersection(keys.left()):
        return dialect
    styles, lists = keys.maybe_table("styles"), keys.maybe_table("lists")
    return override(
        dialect,
        keys=keys,
        charset=keys.choice("charset", Charset, dialect.file.charset),
        styles={column: styles.names(column) for column in styles.left()},
        code_lists={column: lists.take(column, str) for column in lists.left()},
    )


def _unit_codes(keys: Keys) -> tuple[VintageRule, ...]:
    if keys.peek("unit_codes") == "undeclared":
        keys.take("unit_codes", str)
        return ()
    rules = []
    for one in keys.tables("unit_codes"):
        rules.append(VintageRule(from_date=one.take("from", date), vintage=one.take("vintage", date)))
        one.done()
    if [rule.from_date for rule in rules] != sorted({rule.from_date for rule in rules}):
        raise keys.fail("unit_codes", "is not in the order of `from`", fix="sort it, each day once")
    return tuple(rules)
