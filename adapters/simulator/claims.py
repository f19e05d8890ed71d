"""Claims: what each system holds about whom before the merger, one row a record, with the truth beside it.

The same person may be claimed by several systems: by the register of the province they live in, by that of the
former province they left, and by one or two insurance books.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.canonical import RecordKind
from adapters.simulator.homes import Homes, join_homes, settle, settle_later
from adapters.simulator.names import Rng
from adapters.simulator.numbers import Identity, draw_identity
from adapters.simulator.people import (
    HEAD,
    Households,
    Objects,
    People,
    draw_households,
    draw_people,
    newborns,
    relation_words,
)
from adapters.simulator.places import Mask, Numbers, Places, Texts
from adapters.simulator.rates import Fault, Rates
from adapters.simulator.relatives import Relatives, draw_relatives

Columns = dict[str, npt.NDArray[Any]]  # canonical names; None or "" = null in text, 0 = null in parts of dates and sums

_KEYS = {RecordKind.PERSON: "NK", RecordKind.HOUSEHOLD: "HO", RecordKind.INSURANCE: "BH"}
_FIRST_RECORD, _LAST_RECORD = date(2012, 1, 1), date(2025, 6, 15)
_FIRST_LEFT, _LAST_LEFT = date(2008, 1, 1), date(2021, 12, 31)  # when a register last touched who has left it
_MOVED_FROM_AGE = 17
_NUMBER_IN_REGISTER = 0.3  # of the insured have their insurance number in the population register as well


@dataclass(frozen=True)
class World:
    """The truth: people, their households, numbers and homes. Home i is that of household i; others follow."""

    places: Places
    households: Households
    people: People
    identity: Identity
    homes: Homes
    is_born_later: Mask  # of people: born after the first export
    relation: Objects
    insured: Mask
    home_left: Numbers  # of people: the home a register elsewhere still knows, or −1
    relatives: Relatives


@dataclass(frozen=True)
class Claims:
    """Records of one kind by row. `columns` are canonical, as held; places are columns of `home`."""

    kind: RecordKind
    key: Objects  # the system's own record id
    former: Texts
    person: Numbers  # row of people; for a household its head
    home: Numbers  # row of homes
    is_left: Mask  # the person no longer lives there
    moment: npt.NDArray[np.datetime64]  # last change, local time, whole minutes
    columns: Columns
    faults: Numbers  # bits of Fault

    def take(self, rows: Numbers) -> "Claims":
        """The claims of the given rows."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        plain = {name: getattr(self, name)[rows] for name in _ROWS}
        return replace(self, columns=columns, **plain)


_ROWS = ("key", "former", "person", "home", "is_left", "moment", "faults")


def draw_world(rng: Rng, places: Places, households: int, rates: Rates) -> World:
    """A country of the given number of households, before the merger."""
    settled = draw_households(rng, places, households)
    people = draw_people(rng, places, settled, rates)
    people, is_born_later = newborns(rng, people, rates.born)
    former = places.former[settled.commune][people.household]
    identity = draw_identity(rng, people, former, rates)
    homes, home_left = _homes_left(rng, places, people, settle(rng, places, settled), rates)
    return World(
        places=places,
        households=settled,
        people=people,
        identity=identity,
        homes=homes,
        is_born_later=is_born_later,
        relation=relation_words(people),
        insured=rng.random(len(people.male)) < rates.insured,
        home_left=home_left,
        relatives=draw_relatives(rng.spawn(1)[0], people, identity, former),
    )


def _homes_left(rng: Rng, places: Places, people: People, homes: Homes, rates: Rates) -> tuple[Homes, Numbers]:
    """Adds the homes that movers have left, in another former of their province or in another province."""
    former, province = places.former[homes.commune], places.province[homes.commune]
    grown = people.ages() >= _MOVED_FROM_AGE
    share = grown.mean()
    draw = rng.random(len(grown))
    inside = grown & (draw < rates.moved_within_province / share)
    outside = grown & ~inside & (draw > 1 - rates.moved_from_elsewhere / share)
    home_left, communes, movers = np.full(len(grown), -1), [], []
    for one in np.unique(former):
        current = province[former == one][0]
        own = former[people.household] == one
        for chosen, reachable in (
            (own & inside, (places.province == current) & (places.former != one)),
            (own & outside, places.province != current),
        ):
            rows = np.flatnonzero(chosen)
            if len(rows) and reachable.any():
                there = np.flatnonzero(reachable)
                weight = places.weight[there] / places.weight[there].sum()
                communes.append(rng.choice(there, len(rows), p=weight))
                movers.append(rows)
    if not movers:
        return homes, home_left
    mover = np.concatenate(movers)
    home_left[mover] = len(homes.commune) + np.arange(len(mover))
    return join_homes([homes, settle_later(rng, places, np.concatenate(communes), homes)]), home_left


def draw_claims(rng: Rng, world: World, rates: Rates) -> dict[RecordKind, Claims]:
    """What the three kinds of systems hold on the day of the first export, without faults; births come later."""
    alive = np.flatnonzero(~world.is_born_later)
    left = alive[world.home_left[alive] >= 0]
    insured = alive[world.insured[alive]]
    heads = np.flatnonzero(world.people.kin == HEAD)
    person = np.concatenate([alive, left])
    person_home = np.concatenate([world.people.household[alive], world.home_left[left]])
    books, book_home, is_second = _insurance_books(rng, world, insured, rates)
    return {
        RecordKind.PERSON: make_claims(rng, world, RecordKind.PERSON, person, person_home),
        RecordKind.HOUSEHOLD: make_claims(rng, world, RecordKind.HOUSEHOLD, heads, world.people.household[heads]),
        RecordKind.INSURANCE: make_claims(rng, world, RecordKind.INSURANCE, books, book_home, is_second=is_second),
    }


def _insurance_books(rng: Rng, world: World, insured: Numbers, rates: Rates) -> tuple[Numbers, Numbers, Mask]:
    """Who is insured with the office of which home: some movers where they left, some people twice."""
    stayed = (world.home_left[insured] >= 0) & (rng.random(len(insured)) < rates.insured_where_they_left)
    home = np.where(stayed, world.home_left[insured], world.people.household[insured])
    second = insured[rng.random(len(insured)) < rates.two_insurance_books]
    second_home = np.where(world.home_left[second] >= 0, world.home_left[second], world.people.household[second])
    is_second = np.repeat([False, True], [len(insured), len(second)])
    return np.concatenate([insured, second]), np.concatenate([home, second_home]), is_second


def make_claims(
    rng: Rng,
    world: World,
    kind: RecordKind,
    person: Numbers,
    home: Numbers,
    *,
    is_second: Mask | None = None,
    first_key: int = 1,
) -> Claims:
    """Faultless claims about people (of a household: its head) who live in, or have left, the given homes."""
    is_left = home != world.people.household[person]
    moment = np.where(
        is_left,
        _moments(rng, len(person), _FIRST_LEFT, _LAST_LEFT),
        _moments(rng, len(person), _FIRST_RECORD, _LAST_RECORD),
    )
    moment = np.maximum(moment, world.people.birth[person].astype(moment.dtype))  # nobody is on record before birth
    former = world.places.former[world.homes.commune[home]]
    serial = [f"{number:07d}" for number in range(first_key, first_key + len(person))]
    differs = world.identity.sex_digit_differs[person]
    return Claims(
        kind=kind,
        key=_KEYS[kind] + former.astype(object) + np.array(serial, object),
        former=former,
        person=person,
        home=home,
        is_left=is_left,
        moment=moment,
        columns=_COLUMNS[kind](rng, world, person, is_second),
        faults=np.where(differs & (kind is not RecordKind.HOUSEHOLD), Fault.SEX_DIGIT.value, 0),
    )


def _moments(rng: Rng, count: int, first: date, last: date) -> npt.NDArray[np.datetime64]:
    minutes = ((last - first).days + 1) * 1440
    return np.datetime64(first, "m") + rng.integers(0, minutes, count).astype("timedelta64[m]")


def _identity_columns(world: World, person: Numbers) -> Columns:
    people, identity = world.people, world.identity
    birth = people.birth[person]
    months = birth.astype("datetime64[M]")
    return {
        "personal_number": identity.personal_number[person],
        "cmnd": identity.cmnd[person],
        "full_name": people.name[person],
        "birth_year": birth.astype("datetime64[Y]").astype(np.int64) + 1970,
        "birth_month": months.astype(np.int64) % 12 + 1,
        "birth_day": (birth - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "sex": np.where(people.male[person], "male", "female").astype(object),
    }


def _person_columns(rng: Rng, world: World, person: Numbers, _: Mask | None) -> Columns:
    known = world.insured[person] & (rng.random(len(person)) < _NUMBER_IN_REGISTER)
    return _identity_columns(world, person) | {
        "insurance_number": np.where(known, world.identity.insurance_number[person], ""),
        "ethnic_group": world.people.ethnic[person].astype(object),
        "relation_to_head": world.relation[person],
        **{f"{relative}_number": numbers[person] for relative, numbers in world.relatives.numbers.items()},
        **{f"{relative}_name": names[person] for relative, names in world.relatives.names.items()},
    }


def _household_columns(_: Rng, world: World, person: Numbers, __: Mask | None) -> Columns:
    members = np.bincount(world.people.household[~world.is_born_later], minlength=world.people.household[-1] + 1)
    return {
        "head_personal_number": world.identity.personal_number[person],
        "head_name": world.people.name[person],
        "member_count": members[world.people.household[person]],
    }


def _insurance_columns(rng: Rng, world: World, person: Numbers, is_second: Mask | None) -> Columns:
    second = np.zeros(len(person), np.bool_) if is_second is None else is_second
    identity = world.identity
    number = np.where(second, identity.second_insurance_number[person], identity.insurance_number[person])
    # The number is the end of every card that is not yet replaced.
    head = np.array([card[:-10] for card in identity.health_card[person]], object)
    drawn = np.datetime64("2025-01-01") + rng.integers(0, 150, len(person)).astype("timedelta64[D]")
    start = np.maximum(drawn, world.people.birth[person])
    return _identity_columns(world, person) | {
        "insurance_number": number,
        "health_card": head + number,
        "scheme": identity.scheme[person],
        "valid_from": start,
        "valid_to": start + np.timedelta64(364, "D"),
        "first_clinic": identity.clinic[person],
        "contribution_salary": identity.salary[person],
    }


_COLUMNS: dict[RecordKind, Callable[[Rng, World, Numbers, Mask | None], Columns]] = {
    RecordKind.PERSON: _person_columns,
    RecordKind.HOUSEHOLD: _household_columns,
    RecordKind.INSURANCE: _insurance_columns,
}
