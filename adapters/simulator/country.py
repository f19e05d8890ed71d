"""The made-up country as tables: what each system sends before and after the merger, in the order of its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.canonical import SCHEMAS, RecordKind
from adapters.catalogue import Catalogue, Source
from adapters.catalogue import load as load_catalogue
from adapters.declaration import Charset
from adapters.simulator.changes import (
    EXPORTED_AFTER,
    EXPORTED_BEFORE,
    Summer,
    Versions,
    births,
    changed_claims,
    draw_summer,
)
from adapters.simulator.claims import Claims, World, draw_claims, draw_world
from adapters.simulator.faults import Traits, add_faults
from adapters.simulator.names import Rng
from adapters.simulator.places import Mask, Numbers, Places, load_places
from adapters.simulator.rates import RATES, Fault, Rates
from adapters.simulator.rendering import VIETNAM_SECONDS, floored_versions
from adapters.simulator.slips import add_slips

RECORDS_PER_FILE = 2_000
_RECORDS_PER_HOUSEHOLD = 12.6  # a first guess, corrected by what comes out
_TOLERANCE = 0.02
_ATTEMPTS = 4


class Phase(StrEnum):
    """The two exports of every system."""

    BEFORE = "before"
    AFTER = "after"


# Beside the canonical columns (without `row`, and with a key that may be missing): the truth, and where a row stands.
TRUTH = (
    pa.field("person_id", pa.int64()),  # null for a household
    pa.field("household_id", pa.int64()),  # null for a place the person has left
    pa.field("home", pa.int64()),  # row of the world's homes
    pa.field("right_unit", pa.string()),  # where the place truly lies today
    pa.field("faults", pa.int64(), nullable=False),  # bits of Fault
    pa.field("file", pa.int32(), nullable=False),  # of its phase, from 0
    pa.field("exported_on", pa.date32(), nullable=False),  # of its file
)


def held_schema(kind: RecordKind) -> pa.Schema:
    """The columns of a system's table of one kind."""
    fields = [field.with_nullable(True) for field in SCHEMAS[kind] if field.name != "row"]  # noqa: FBT003
    return pa.schema([*fields, *TRUTH])


@dataclass(frozen=True, eq=False)
class System:
    """What one source sends: per phase a table of `held_schema`, in the order of its files."""

    source: Source
    phases: Mapping[Phase, pa.Table]


@dataclass(frozen=True, eq=False)
class Country:
    """A country and its systems by source id; everything follows from the seed and the arguments."""

    seed: int
    provinces: tuple[str, ...]
    rates: Rates
    world: World
    systems: Mapping[str, System]

    @property
    def records(self) -> int:
        """Rows of all systems, kinds and phases."""
        return sum(table.num_rows for system in self.systems.values() for table in system.phases.values())


def simulate(
    seed: int,
    records: int,
    provinces: Sequence[str],
    *,
    rates: Rates = RATES,
    records_per_file: int = RECORDS_PER_FILE,
) -> Country:
    """A country whose systems send about `records` rows in all (±5 %, from some hundred on), the same for a seed.

    `provinces` are codes of current provinces that the catalogue declares; a KeyError names one it does not.
    """
    catalogue = load_catalogue()
    for province in provinces:
        if province not in catalogue.provinces:
            raise KeyError(f"province {province} has no page in adapters/provinces")
    places = load_places(provinces)
    households = max(1, round(records / _RECORDS_PER_HOUSEHOLD))
    for _ in range(_ATTEMPTS):
        country = _draw(seed, tuple(provinces), _Setting(catalogue, places, households, rates, records_per_file))
        if abs(country.records - records) <= _TOLERANCE * records:
            break
        households = max(1, round(households * records / country.records))
    return country


@dataclass(frozen=True)
class _Setting:
    catalogue: Catalogue
    places: Places
    households: int
    rates: Rates
    records_per_file: int


def _draw(seed: int, provinces: tuple[str, ...], setting: _Setting) -> Country:
    rng = np.random.default_rng(seed)
    world = draw_world(rng, setting.places, setting.households, setting.rates)
    right = draw_claims(rng, world, setting.rates)
    summer = draw_summer(rng, world, setting.rates)
    slips = np.random.default_rng([seed, 1])  # of their own, so that they change nothing else that a seed gives
    systems = {}
    for kind in RecordKind:
        sources = [s for p in provinces for s in setting.catalogue.provinces[p].systems if s.kind is kind]
        held = add_faults(rng, world, right[kind], setting.rates, _traits(right[kind], sources))
        for source in sources:
            rows = np.flatnonzero(held.former == source.former_province_code)
            versions = Versions(held.take(rows), right[kind].take(rows))
            sending = _Sending(rng, slips, source, setting)
            systems[source.source_id] = _system(sending, summer, versions, first_key=len(held.key) + 1)
    return Country(seed, provinces, setting.rates, summer.world, systems)


def _traits(claims: Claims, sources: list[Source]) -> Traits:
    legacy = [s.former_province_code for s in sources if s.charset is not Charset.UTF_8]
    numbers = [s.former_province_code for s in sources if _keeps_numbers(s)]
    return Traits(is_legacy=np.isin(claims.former, legacy), keeps_numbers=np.isin(claims.former, numbers))


def _keeps_numbers(source: Source) -> bool:
    mapping = source.dialect.mapping_to("unit_code")
    return mapping is not None and mapping.is_number


@dataclass(frozen=True)
class _Sending:
    """One system at work."""

    rng: Rng
    slips: Rng
    source: Source
    setting: _Setting


def _system(sending: _Sending, summer: Summer, versions: Versions, *, first_key: int) -> System:
    rng, source, setting = sending.rng, sending.source, sending.setting

    def tabulated(claims: Claims, exported_on: date) -> pa.Table:
        table = tabulate(claims, summer.world, source, exported_on)
        return add_slips(sending.slips, table, source, setting.rates)

    before = tabulated(versions.held, EXPORTED_BEFORE)
    changed, rows = changed_claims(rng, summer, source, versions, setting.rates)
    born = births(rng, summer, source, first_key=first_key)
    tables = [tabulated(claims, EXPORTED_AFTER) for claims in (changed, born)]
    after = pa.concat_tables(tables).combine_chunks()
    second = [_laid_out(rng, after, setting)]
    for again in _resent(rng, before.take(pa.array(rows)), after, setting.rates):
        second.append(_in_files(again, setting.records_per_file, first=max(map(file_count, second))))
    first = _laid_out(rng, before, setting)
    return System(source, {Phase.BEFORE: first, Phase.AFTER: pa.concat_tables(second).combine_chunks()})


def file_count(table: pa.Table) -> int:
    """The number of files up to the last row of a table of `held_schema`."""
    return 0 if table.num_rows == 0 else int(table["file"][-1].as_py()) + 1


def tabulate(claims: Claims, world: World, source: Source, exported_on: date) -> pa.Table:
    """Claims as a table of `held_schema`, all in file 0; dates as precise as the source's dialect writes them."""
    homes, home = world.homes, claims.home
    seconds = pa.array(claims.moment.astype("datetime64[s]").astype(np.int64) - VIETNAM_SECONDS)
    version = floored_versions(seconds, source)
    household = np.where(claims.is_left, -1, world.people.household[claims.person])
    columns: dict[str, object] = {
        "source_record_id": claims.key,
        "source_version": version,
        "event_date": pa.array(claims.moment.astype("datetime64[D]")),
        "hamlet": homes.hamlet[home],
        "address": homes.address[home],
        "household_number": homes.book[home],
        "unit_vintage": pa.array([source.unit_vintage(exported_on)] * len(home), pa.date32()),
        "person_id": pa.nulls(len(home), pa.int64()) if claims.kind is RecordKind.HOUSEHOLD else claims.person,
        "household_id": pa.array(household, mask=household < 0),
        "home": home,
        "right_unit": homes.unit[home].astype(object),
        "faults": claims.faults,
        "file": np.zeros(len(home), np.int32),
        "exported_on": pa.array([exported_on] * len(home), pa.date32()),
        **claims.columns,
    }
    schema = held_schema(claims.kind)
    return pa.table(
        {field.name: _as_arrow(columns.get(field.name), field, len(home)) for field in schema}, schema=schema
    )


def _as_arrow(values: object, field: pa.Field, count: int) -> pa.Array:
    """A column of the field's type; "" in text and 0 in parts of dates and sums are null."""
    if values is None:
        return pa.nulls(count, field.type)
    if isinstance(values, pa.Array):
        return values.cast(field.type)
    assert isinstance(values, np.ndarray)  # noqa: S101
    if field.name in ("birth_month", "birth_day", "contribution_salary"):
        return pa.array(values, mask=values == 0).cast(field.type)
    if pa.types.is_string(field.type):
        return pa.array(values, pa.string(), mask=values == "")
    return pa.array(values).cast(field.type)


def _laid_out(rng: Rng, table: pa.Table, setting: _Setting) -> pa.Table:
    """Rows in files, with some rows of each file sent twice in it and some once more without their key."""
    if table.num_rows == 0:
        return table
    spare = max(2, setting.records_per_file // 50)
    per_file = max(1, setting.records_per_file - spare)
    file = np.arange(table.num_rows) // per_file
    rates = ((setting.rates.sent_twice, Fault.SENT_TWICE), (setting.rates.key_missing, Fault.KEY_MISSING))
    extra = [_extra_rows(rng, file, rate, spare // 2) for rate, _ in rates]
    rows = np.concatenate([np.arange(table.num_rows), *extra])
    bits = np.repeat([0, *(fault.value for _, fault in rates)], [table.num_rows, *map(len, extra)])
    order = np.argsort(file[rows], kind="stable")
    return _marked(table.take(pa.array(rows[order])), bits[order], file[rows][order])


def _extra_rows(rng: Rng, file: Numbers, rate: float, most: int) -> Numbers:
    """Rows to send once more: at least one of all, at most `most` of each file."""
    if rate == 0:
        return np.zeros(0, np.int64)
    chosen = np.flatnonzero(rng.random(len(file)) < rate)
    chosen = chosen if len(chosen) else rng.integers(0, len(file), 1)
    position = np.arange(len(chosen)) - np.searchsorted(file[chosen], file[chosen])
    return chosen[position < most]


def _marked(table: pa.Table, bits: Numbers, file: Numbers) -> pa.Table:
    """The table with further fault bits, without keys where KEY_MISSING, and with file numbers."""
    faults = table["faults"].to_numpy() | bits
    keyless: Mask = (bits & Fault.KEY_MISSING.value) != 0
    keys = table["source_record_id"].to_numpy()
    replaced = {"source_record_id": pa.array(keys, pa.string(), mask=keyless), "faults": faults, "file": file}
    for name, values in replaced.items():
        index = table.schema.get_field_index(name)
        column = values if isinstance(values, pa.Array) else pa.array(values).cast(table.schema.field(name).type)
        table = table.set_column(index, table.schema.field(name), column)
    return table


def _resent(rng: Rng, earlier: pa.Table, latest: pa.Table, rates: Rates) -> tuple[pa.Table, pa.Table]:
    """Latest versions once more, and old ones in the file they were first exported in, of different records.

    `earlier` are the old versions of the first rows of `latest`.
    """
    draw = rng.random(earlier.num_rows)
    same = np.flatnonzero(draw > 1 - rates.resent_same)
    old = np.flatnonzero(draw < rates.resent_old)
    return _again(latest, same, Fault.RESENT_SAME), _again(earlier, old, Fault.RESENT_OLD)


def _again(table: pa.Table, rows: Numbers, fault: Fault) -> pa.Table:
    return _marked(table.take(pa.array(rows)), _constant(len(rows), fault.value), _constant(len(rows), 0))


def _constant(count: int, value: int) -> npt.NDArray[np.int64]:
    return np.full(count, value, np.int64)


def _in_files(table: pa.Table, records_per_file: int, *, first: int) -> pa.Table:
    return _marked(table, _constant(table.num_rows, 0), first + np.arange(table.num_rows) // records_per_file)
