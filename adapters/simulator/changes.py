"""From 20 June to 15 August 2025: who moves, is born and dies, and what each system then sends anew.

A system sends the records it has changed since the export before. Recoding is a change: one that knows today's codes
sends nearly all it holds, except residents of divided communes whom nobody has verified yet.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from adapters.canonical import RecordKind
from adapters.catalogue import Source
from adapters.simulator.claims import Claims, World, make_claims
from adapters.simulator.homes import join_homes, settle_later
from adapters.simulator.names import Rng
from adapters.simulator.places import MERGER, Mask, Numbers
from adapters.simulator.rates import Fault, Rates

EXPORTED_BEFORE, EXPORTED_AFTER = date(2025, 6, 20), date(2025, 8, 15)

_FIRST_DEATH, _DAYS_OF_DEATHS = EXPORTED_BEFORE + timedelta(days=1), 45
_UNTIL_REGISTERED = np.timedelta64(3, "D")  # from a death to its entry

_IDENTITY_FAULTS = (
    Fault.NUMBER_ABSENT | Fault.CMND_ONLY | Fault.YEAR_ONLY_BIRTH | Fault.NAME_ORDER | Fault.NAME_TYPO
    | Fault.TONE_PLACE | Fault.BIRTH_DISAGREES | Fault.TWO_NUMBERS | Fault.SHARED_CMND | Fault.CAPITALS
    | Fault.NFD | Fault.D_STROKE | Fault.DATE_IMPOSSIBLE | Fault.RELATIVE_MISSPELT
)  # fmt: skip
# Codes that no recoding table knows: the record keeps them and is not touched.
_UNRECODABLE = Fault.RETIRED_CODE | Fault.DISTRICT_CODE


@dataclass(frozen=True)
class Versions:
    """The claims of one system as it held them before the merger, and the same without faults, row by row."""

    held: Claims
    right: Claims


@dataclass(frozen=True)
class Summer:
    """What happened to the world: `home_after` leads from each home to the one its people then live in."""

    world: World  # with the homes of those who moved house
    home_after: Numbers
    died_on: npt.NDArray[np.datetime64]  # of people; NaT who lives
    has_birth: Mask  # of households
    is_unverified: Mask  # of homes: in a divided commune, not yet assigned by the local police
    commune_is_recoded: Mask  # of communes, in systems that declare no vintage


def draw_summer(rng: Rng, world: World, rates: Rates) -> Summer:
    """Moves, deaths, and how far the verification of divided communes has come."""
    people, homes = world.people, world.homes
    households = len(world.households.commune)
    moved = np.flatnonzero(rng.random(households) < rates.moved_house)
    after = join_homes([homes, settle_later(rng, world.places, _near(rng, world, moved), homes)])
    home_after = np.arange(len(after.commune))
    home_after[moved] = len(homes.commune) + np.arange(len(moved))
    has_birth = np.zeros(households, np.bool_)
    has_birth[people.household[world.is_born_later]] = True
    return Summer(
        world=replace(world, homes=after),
        home_after=home_after,
        died_on=_deaths(rng.random(len(people.male)), world, rates),
        has_birth=has_birth,
        is_unverified=_unverified(rng, world, len(after.commune), rates),
        commune_is_recoded=rng.random(len(world.places.code)) < rates.recoded_communes,
    )


def _deaths(draw: npt.NDArray[np.float64], world: World, rates: Rates) -> npt.NDArray[np.datetime64]:
    """The days on which people die, evenly over the summer."""
    has_died = (draw < rates.died) & ~world.is_born_later
    died_on = np.full(len(draw), np.datetime64("NaT", "D"))
    day = np.floor(draw[has_died] / max(rates.died, 1e-9) * _DAYS_OF_DEATHS).astype("timedelta64[D]")
    died_on[has_died] = np.datetime64(_FIRST_DEATH) + day
    return died_on


def _near(rng: Rng, world: World, moved: Numbers) -> Numbers:
    """For each household that moves a commune of the same former province."""
    places, former = world.places, world.places.former[world.households.commune[moved]]
    found = np.zeros(len(moved), np.int64)
    for one in np.unique(former):
        rows, there = np.flatnonzero(former == one), places.rows_of(one)
        found[rows] = rng.choice(there, len(rows), p=places.weight[there] / places.weight[there].sum())
    return found


def _unverified(rng: Rng, world: World, count: int, rates: Rates) -> Mask:
    """Homes of divided communes that wait for the police; who moves in later is registered in the right unit."""
    divided = world.places.is_ambiguous[world.homes.commune]
    waits = np.zeros(count, np.bool_)
    waits[: len(divided)] = divided & (rng.random(len(divided)) < rates.unverified_split)
    return waits


def births(rng: Rng, summer: Summer, source: Source, *, first_key: int) -> Claims:
    """Claims about children born between the exports: all in the register, the insured with a card."""
    world, kind = summer.world, source.kind
    former = world.places.former[world.households.commune][world.people.household]
    known = world.insured | (kind is RecordKind.PERSON)
    rows = np.flatnonzero(world.is_born_later & known & (former == source.former_province_code))
    rows = rows if kind is not RecordKind.HOUSEHOLD else rows[:0]
    claims = make_claims(rng, world, kind, rows, world.people.household[rows], first_key=first_key)
    home = summer.home_after[claims.home]
    _write_units(summer, claims, home, _recodes(summer, source, home), is_moved=np.ones(len(home), np.bool_))
    registered = world.people.birth[rows] + np.timedelta64(9, "D")
    first = np.datetime64(MERGER + timedelta(days=1))
    return replace(claims, home=home, moment=np.maximum(registered, first).astype("datetime64[m]"))


def _recodes(summer: Summer, source: Source, home: Numbers) -> Mask:
    """Whether the system writes today's code for each home."""
    declared = source.unit_vintage(EXPORTED_AFTER)
    if declared is not None:
        return np.full(len(home), declared >= MERGER)
    recoded: Mask = summer.commune_is_recoded[summer.world.homes.commune[home]]
    return recoded


def changed_claims(
    rng: Rng, summer: Summer, source: Source, versions: Versions, rates: Rates
) -> tuple[Claims, Numbers]:
    """What one system sends after the merger: changed claims, and the rows of `held` that they are versions of.

    The register of the dead says so if its dialect can, else it sends them no more; one they had left does not know.
    """
    held, world = versions.held, summer.world
    home = summer.home_after[held.home]
    is_moved = home != held.home
    recodes = _recodes(summer, source, home)
    waits = summer.is_unverified[home] & recodes
    is_recoded = recodes & ~waits & (((held.faults & _UNRECODABLE.value) == 0) | is_moved)
    is_corrected = rng.random(len(home)) < rates.corrected
    is_replaced = _number_replaced(rng, held, rates)
    grows = (held.kind is RecordKind.HOUSEHOLD) & summer.has_birth[world.people.household[held.person]]
    is_changed = is_recoded | is_moved | is_corrected | is_replaced | grows
    died_on, is_unaware = summer.died_on[held.person], held.is_left & (held.kind is RecordKind.PERSON)
    is_told = ~np.isnat(died_on) & ~is_unaware & (source.dialect.mapping_to("died_on") is not None)
    rows = np.flatnonzero((is_changed | is_told) & ~waits & (np.isnat(died_on) | is_unaware | is_told))
    claims = _with_changes(versions, is_corrected, is_replaced, grows)
    if held.kind is RecordKind.PERSON:
        claims.columns["died_on"] = np.where(is_told, died_on, np.datetime64("NaT", "D"))
    claims.faults[is_moved] &= ~(_UNRECODABLE | Fault.HOMONYM_COMMUNE).value
    keeps_old = _keeps_old_code(rng, summer, home, is_recoded & (len(source.unit_codes) > 0), rates)
    claims.faults[keeps_old] |= Fault.OLD_CODE_AFTER_MERGER.value
    _write_units(summer, claims, home, is_recoded & ~keeps_old, is_moved=is_moved)
    moment = _moments(rng, source, is_recoded)
    registered = (died_on + _UNTIL_REGISTERED).astype(moment.dtype)
    moment = np.where(is_told, np.fmax(moment, registered), moment)
    return replace(claims, home=home, moment=moment).take(rows), rows


def _number_replaced(rng: Rng, held: Claims, rates: Rates) -> Mask:
    """Insurance records on which the personal number has taken the place of the insurance number."""
    if held.kind is not RecordKind.INSURANCE:
        return np.zeros(len(held.home), np.bool_)
    replaced: Mask = (held.columns["personal_number"] != "") & (rng.random(len(held.home)) < rates.number_replaced)
    return replaced


def _with_changes(versions: Versions, is_corrected: Mask, is_replaced: Mask, grows: Mask) -> Claims:
    held, right = versions.held, versions.right
    columns = {
        name: np.where(is_corrected, right.columns[name], values) if name in right.columns else values.copy()
        for name, values in held.columns.items()
    }
    if held.kind is RecordKind.INSURANCE:
        columns["health_card"] = np.where(is_replaced, columns["personal_number"], columns["health_card"])
        columns["insurance_number"] = np.where(is_replaced, "", columns["insurance_number"])
    if held.kind is RecordKind.HOUSEHOLD:
        columns["member_count"] = columns["member_count"] + grows
    faults = np.where(is_corrected, held.faults & ~_IDENTITY_FAULTS.value, held.faults)
    return replace(held, columns=columns, faults=faults)


def _keeps_old_code(rng: Rng, summer: Summer, home: Numbers, is_recoded: Mask, rates: Rates) -> Mask:
    """Rows on which the old code was left where it names nothing new."""
    places, commune = summer.world.places, summer.world.homes.commune[home]
    eligible = is_recoded & ~places.is_reissued[commune]
    share = eligible.mean() if eligible.any() else 1.0
    chosen: Mask = eligible & (rng.random(len(commune)) < rates.old_code_after_merger / share)
    return chosen


def _write_units(summer: Summer, claims: Claims, home: Numbers, is_new: Mask, *, is_moved: Mask) -> None:
    """Today's code and name where recoded (of the wrong commune where that was on record), else as held."""
    world, columns = summer.world, claims.columns
    places, commune = world.places, world.homes.commune[home]
    is_homonym = (claims.faults & Fault.HOMONYM_COMMUNE.value) != 0
    today = np.where(is_homonym, places.successors[places.homonym[commune], 0], world.homes.unit[home])
    former = {"unit_code": places.code[commune].astype(object), "unit_name": places.whole_name[commune]}
    held = {name: np.where(is_moved, there, columns.get(name, there)) for name, there in former.items()}
    columns["unit_code"] = np.where(is_new, today.astype(object), held["unit_code"])
    columns["unit_name"] = np.where(is_new, places.names_today(today), held["unit_name"])


def _moments(rng: Rng, source: Source, is_recoded: Mask) -> npt.NDArray[np.datetime64]:
    """When each record was changed: recoding in one night, the rest on any day from then to the export."""
    count = len(is_recoded)
    begun = max([MERGER, *(rule.from_date for rule in source.unit_codes if rule.from_date <= EXPORTED_AFTER)])
    night = begun + timedelta(days=int(rng.integers(0, max(1, (EXPORTED_AFTER - begun).days - 2))))
    in_the_night = np.datetime64(night, "m") + rng.integers(0, 300, count).astype("timedelta64[m]")
    minutes = max(1, (EXPORTED_AFTER - night).days - 1) * 1440
    later = np.datetime64(night, "m") + (300 + rng.integers(0, minutes, count)).astype("timedelta64[m]")
    return np.where(is_recoded, in_the_night, later)
