"""The administrative units and what became of them, as dated Arrow tables read once from this package's own files.

A *list* is the set of commune codes in force between two dates on which codes change. Lists are numbered from 0
(until 2025-06-30) and named by their vintage, a date. Renames are dated rows of a unit and start no new list.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property, lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

HERE = Path(__file__).parent

UNITS = pa.schema(
    [
        pa.field("level", pa.string(), nullable=False),  # province | district | commune
        pa.field("code", pa.string(), nullable=False),  # 2, 3 or 5 digits by level
        pa.field("name", pa.string(), nullable=False),  # with its type in front: "Phường Ba Đình"
        pa.field("type", pa.string(), nullable=False),
        pa.field("district_code", pa.string()),
        pa.field("province_code", pa.string(), nullable=False),
        pa.field("valid_from", pa.date32()),  # null: before these tables begin
        pa.field("valid_to", pa.date32()),  # the last day; null: still in force
        pa.field("source", pa.string(), nullable=False),
        pa.field("resolution", pa.string()),  # what made the unit; null: before these tables begin
        pa.field("clause", pa.string()),
    ]
)

CROSSWALK = pa.schema(
    [
        pa.field("from_code", pa.string(), nullable=False),  # 5 digits, or 3 for an island district without communes
        pa.field("to_code", pa.string(), nullable=False),
        pa.field("effective_on", pa.date32(), nullable=False),
        pa.field("relation", pa.string(), nullable=False),  # whole | part
        pa.field("transfer", pa.string(), nullable=False),  # the wording of the resolution
        pa.field("residents", pa.string(), nullable=False),  # all | some | none of them move along this row
        pa.field("resolution", pa.string(), nullable=False),
        pa.field("clause", pa.string(), nullable=False),
        pa.field("how_resolved", pa.string(), nullable=False),
        pa.field("agreeing_sources", pa.string()),
    ]
)

PROVINCE_CROSSWALK = pa.schema(
    [
        pa.field("from_code", pa.string(), nullable=False),
        pa.field("to_code", pa.string(), nullable=False),
        pa.field("effective_on", pa.date32(), nullable=False),
        pa.field("relation", pa.string(), nullable=False),
        pa.field("resolution", pa.string(), nullable=False),
    ]
)

RETIRED_UNITS = pa.schema(
    [
        pa.field("former_code", pa.string(), nullable=False),
        pa.field("former_name", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),  # retired_code | code_kept_new_name | code_now_other_unit
        pa.field("unit_code", pa.string(), nullable=False),  # what it was on `listed_on`
        pa.field("listed_on", pa.date32(), nullable=False),
        pa.field("province_code", pa.string(), nullable=False),
    ]
)

POPULATION_WEIGHTS = pa.schema(
    [
        pa.field("level", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("population", pa.int64()),
        pa.field("area_km2", pa.float64()),
        pa.field("flag", pa.string()),  # missing | suspect
    ]
)


# Names a unit is also written by, beside the official one.
ALIASES = pa.schema(
    [
        pa.field("code", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("listed_on", pa.date32(), nullable=False),  # any day of the list in which the name is used
    ]
)


@dataclass(frozen=True, eq=False)  # told apart by identity, so that what is computed from one can be kept
class UnitTables:
    """What is known of units. Two rows of one unit never overlap in time."""

    units: pa.Table
    crosswalk: pa.Table
    province_crosswalk: pa.Table
    retired: pa.Table
    aliases: pa.Table | None = None  # ALIASES; null: none are known

    @cached_property
    def change_dates(self) -> tuple[date, ...]:
        """The days on which a new list of commune codes came into force, ascending."""
        return tuple(sorted(set(self.crosswalk["effective_on"].to_pylist())))


@dataclass(frozen=True)
class Unit:
    """One unit as it stood on one day."""

    level: str
    code: str
    name: str
    type: str
    district_code: str | None
    province_code: str
    valid_from: date | None
    valid_to: date | None
    resolution: str | None
    clause: str | None


def read_table(name: str, schema: pa.Schema) -> pa.Table:
    """Reads one CSV of this package under an explicit schema; empty fields are null."""
    return csv.read_csv(
        HERE / name,
        convert_options=csv.ConvertOptions(
            column_types=schema,
            include_columns=schema.names,
            null_values=[""],
            strings_can_be_null=True,
        ),
    ).cast(schema)


def _read_dated(pattern: str, schema: pa.Schema) -> pa.Table:
    names = sorted(path.name for path in HERE.glob(pattern))
    return pa.concat_tables([read_table(name, schema) for name in names]).combine_chunks()


@cache
def load_units() -> UnitTables:
    """The package's own tables, read once: those of 2025, and every event under `events/` since."""
    from adapters.reference import unit_events  # noqa: PLC0415 - events change the tables that are declared here

    base = UnitTables(
        units=_read_dated("units_*.csv", UNITS),
        crosswalk=_read_dated("crosswalk_*.csv", CROSSWALK),
        province_crosswalk=_read_dated("province_crosswalk_*.csv", PROVINCE_CROSSWALK),
        retired=read_table("retired_units.csv", RETIRED_UNITS),
        aliases=_aliases(load_name_variants()),
    )
    return unit_events.apply_all(base, unit_events.package_events())


@cache
def load_population_weights() -> pa.Table:
    """Population and area per unit of 2025-07-01, with a flag on missing and suspect values."""
    return read_table("population_weights.csv", POPULATION_WEIGHTS)


@cache
def load_name_variants() -> pa.Table:
    """Names of one unit that public sources write differently: vintage (old|new), code, kind, variants."""
    names = ("vintage", "code", "kind", "variants")
    return read_table("unit_name_variants.csv", pa.schema([pa.field(name, pa.string()) for name in names]))


def _aliases(variants: pa.Table) -> pa.Table:
    """Names that public sources write differently ("A [X] | B [Y]"), one row each, as ALIASES."""
    first_list = pa.scalar(date(2025, 6, 30))
    day = pc.if_else(pc.equal(variants["vintage"].combine_chunks(), "old"), first_list, pa.scalar(date(2025, 7, 1)))
    names = pc.split_pattern(variants["variants"].combine_chunks(), " | ")
    parents = pc.list_parent_indices(names)
    plain = pc.utf8_trim_whitespace(pc.replace_substring_regex(pc.list_flatten(names), r"\[.*\]", ""))
    columns = {"code": variants["code"].combine_chunks().take(parents), "name": plain, "listed_on": day.take(parents)}
    return pa.table(columns).cast(ALIASES)


def vintages(tables: UnitTables | None = None) -> tuple[date, ...]:
    """The date that names each list: the last day of the first one, the first day of every later one."""
    changes = (tables or load_units()).change_dates
    return (changes[0] - timedelta(days=1), *changes)


def units_on(on: date, *, level: str = "commune", tables: UnitTables | None = None) -> pa.Table:
    """The units of one level in force on one day, ordered by code."""
    units = (tables or load_units()).units
    started = pc.less_equal(pc.fill_null(units["valid_from"], date.min), pa.scalar(on))
    not_ended = pc.greater_equal(pc.fill_null(units["valid_to"], date.max), pa.scalar(on))
    kept = pc.and_(pc.and_(started, not_ended), pc.equal(units["level"], level))
    return units.filter(kept).sort_by("code").combine_chunks()


@lru_cache(maxsize=64)
def _attribute_tables(on: date, tables: UnitTables) -> pa.Table:
    levels = ("province", "district", "commune")
    return pa.concat_tables([units_on(on, level=level, tables=tables) for level in levels]).combine_chunks()


def _attribute_of(codes: pa.Array, on: date, column: str, tables: UnitTables | None) -> pa.Array:
    table = _attribute_tables(on, tables or load_units())
    positions = pc.index_in(codes, value_set=table["code"].combine_chunks())
    return pc.take(table[column].combine_chunks(), positions)


def name_of(codes: pa.Array, on: date, *, tables: UnitTables | None = None) -> pa.Array:
    """The official name of each province (2 digits), district (3) or commune (5) on one day; null if not in force."""
    return _attribute_of(codes, on, "name", tables)


def province_of(codes: pa.Array, on: date, *, tables: UnitTables | None = None) -> pa.Array:
    """The province code each unit lay in on one day; null where the code was not in force."""
    return _attribute_of(codes, on, "province_code", tables)


def unit(code: str, on: date, *, tables: UnitTables | None = None) -> Unit | None:
    """One unit as it stood on one day, or None."""
    table = _attribute_tables(on, tables or load_units())
    rows = table.filter(pc.equal(table["code"], code)).to_pylist()
    return Unit(**{name: rows[0][name] for name in Unit.__dataclass_fields__}) if rows else None


def lineage(tables: UnitTables | None = None) -> pa.Table:
    """Every pair old → new with both names: from_code, from_name, from_province, to_code, to_name, to_province,
    effective_on, relation, residents, resolution, clause."""
    return _lineage(tables or load_units())


@lru_cache(maxsize=8)
def _lineage(tables: UnitTables) -> pa.Table:
    pairs = tables.crosswalk
    parts = []
    for change in tables.change_dates:
        rows = pairs.filter(pc.equal(pairs["effective_on"], pa.scalar(change)))
        before, from_codes, to_codes = change - timedelta(days=1), rows["from_code"], rows["to_code"]
        columns = {
            "from_code": from_codes,
            "from_name": name_of(from_codes, before, tables=tables),
            "from_province": province_of(from_codes, before, tables=tables),
            "to_code": to_codes,
            "to_name": name_of(to_codes, change, tables=tables),
            "to_province": province_of(to_codes, change, tables=tables),
        }
        legal = {name: rows[name] for name in ("effective_on", "relation", "residents", "resolution", "clause")}
        parts.append(pa.table(columns | legal))
    return pa.concat_tables(parts).combine_chunks()


def split_units(*, ambiguous_only: bool = True, tables: UnitTables | None = None) -> pa.Table:
    """Communes that were divided: from_code, effective_on, successors list<string> with residents.

    With `ambiguous_only` those whose residents went to more than one unit, so that no rule may place a person.
    """
    pairs = (tables or load_units()).crosswalk
    parts = pairs.filter(pc.equal(pairs["relation"], "part"))
    if ambiguous_only:
        parts = parts.filter(pc.equal(parts["residents"], "some"))
    grouped = parts.sort_by([("from_code", "ascending"), ("to_code", "ascending")]).group_by(
        ["from_code", "effective_on"], use_threads=False
    )
    return grouped.aggregate([("to_code", "list")]).rename_columns(["from_code", "effective_on", "successors"])


def province_successors() -> pa.Table:
    """from_code → to_code of provinces with effective_on and resolution. Seven codes name another province since."""
    return load_units().province_crosswalk
