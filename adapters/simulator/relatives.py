"""Everybody's father, mother and spouse: people of the same house where they live there, else made up.

Drawn with numbers of its own, so that nothing else that a seed gives depends on it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapters.simulator.names import Rng, draw_names, draw_surnames
from adapters.simulator.numbers import Identity, made_up_numbers
from adapters.simulator.people import CHILD, GRANDCHILD, HEAD, OTHER, PARENT, SPOUSE, Objects, People
from adapters.simulator.places import Mask, Numbers, Texts

FATHER, MOTHER, SPOUSE_OF = "father", "mother", "spouse"
NOBODY = -1  # of the world: made up, or none
_DAYS = 365.25
_YOUNGEST_PARENT = 15  # years; a step-parent's or a grandparent's child is no child of theirs
_OLDEST = {FATHER: 60, MOTHER: 50}
_PARENTS_AGE = {FATHER: (20, 40), MOTHER: (18, 36)}  # of those made up, at the birth of their eldest

# How often a record names a relative, and says the number of one that it names.
_NAMED_BY_AGE = ((30, 0.95), (60, 0.85), (200, 0.6))
_SPOUSE_NAMED = 0.95
_NUMBERED = {FATHER: 0.55, MOTHER: 0.55, SPOUSE_OF: 0.8}
_NUMBERED_ELSEWHERE = 0.25  # of parents who live elsewhere, of the young


@dataclass(frozen=True)
class Relatives:
    """By person and relative: the row of people, or NOBODY; the number and the name that records say, "" for none."""

    rows: dict[str, Numbers]
    numbers: dict[str, Objects]
    names: dict[str, Objects]


def draw_relatives(rng: Rng, people: People, identity: Identity, former: Texts) -> Relatives:
    """The relatives of all people; `former` is the province each lives in."""
    rows = _in_the_house(people)
    names, numbers = _elsewhere(rng, people, identity, former)
    for relative, own in rows.items():
        at_home = own != NOBODY
        names[relative][at_home] = people.name[own[at_home]]
        numbers[relative][at_home] = identity.personal_number[own[at_home]]
        is_named = rng.random(len(own)) < _named(people, relative)
        is_numbered = is_named & at_home & (rng.random(len(own)) < _NUMBERED[relative])
        is_numbered |= is_named & ~at_home & (rng.random(len(own)) < _NUMBERED_ELSEWHERE) & (people.ages() < 40)
        names[relative][~is_named] = ""
        numbers[relative][~is_numbered] = ""
    return Relatives(rows, numbers, names)


def _named(people: People, relative: str) -> npt.NDArray[np.float64] | float:
    if relative == SPOUSE_OF:
        return _SPOUSE_NAMED
    ages = people.ages()
    return np.select([ages < limit for limit, _ in _NAMED_BY_AGE], [share for _, share in _NAMED_BY_AGE])


def _in_the_house(people: People) -> dict[str, Numbers]:
    """Relatives among the people of the same household."""
    count = people.household[-1] + 1
    head, spouse = _first_of(people, people.kin == HEAD, count), _first_of(people, people.kin == SPOUSE, count)
    old_man = _first_of(people, (people.kin == PARENT) & people.male, count)
    old_woman = _first_of(people, (people.kin == PARENT) & ~people.male, count)
    nobody = np.full(count, NOBODY)
    head_is_man = people.male[head]
    man, woman = np.where(head_is_man, head, spouse), np.where(head_is_man, spouse, head)
    own_child = (people.kin == CHILD) & _is_parent(people, head[people.household], FATHER)
    of_old = (people.kin == HEAD) | ((people.kin == CHILD) & ~own_child)  # a young head's brothers and sisters
    found = {}
    for relative, of_child, of_head in ((FATHER, man, old_man), (MOTHER, woman, old_woman)):
        chosen = np.where(own_child, of_child[people.household], nobody[people.household])
        chosen = np.where(of_old, of_head[people.household], chosen)
        found[relative] = np.where(_is_parent(people, chosen, relative), chosen, NOBODY)
    married = np.full(len(people.kin), NOBODY)
    for one, other in ((head, spouse), (spouse, head), (old_man, old_woman), (old_woman, old_man)):
        both = (one != NOBODY) & (other != NOBODY)
        married[one[both]] = other[both]
    return {**found, SPOUSE_OF: married}


def _first_of(people: People, chosen: Mask, count: int) -> Numbers:
    """The first of the chosen people of each household, or NOBODY."""
    first = np.full(count, NOBODY)
    rows = np.flatnonzero(chosen)[::-1]
    first[people.household[rows]] = rows
    return first


def _is_parent(people: People, parent: Numbers, relative: str) -> Mask:
    """Whether somebody is of an age to be the parent."""
    years = (people.birth - people.birth[parent]).astype(np.float64) / _DAYS
    fits: Mask = (parent != NOBODY) & (years >= _YOUNGEST_PARENT) & (years <= _OLDEST[relative])
    return fits


def _elsewhere(
    rng: Rng, people: People, identity: Identity, former: Texts
) -> tuple[dict[str, Objects], dict[str, Objects]]:
    """Names and numbers of parents who live elsewhere or no longer: one couple for brothers and sisters."""
    alone = np.isin(people.kin, [PARENT, OTHER])
    of_head = (people.kin == CHILD) & ~(people.ages() < people.ages()[_heads(people)] - _YOUNGEST_PARENT)
    role = np.select([of_head, people.kin == GRANDCHILD], [HEAD, GRANDCHILD], people.kin)
    key = np.where(alone, -1 - np.arange(len(alone)), people.household * (OTHER + 1) + role)
    _, eldest, couple = np.unique(key, return_index=True, return_inverse=True)
    surname = {
        FATHER: np.array([name.partition(" ")[0] for name in people.name[eldest]], object),
        MOTHER: draw_surnames(rng, people.ethnic[eldest], former[eldest]),
    }
    names, numbers = {}, {}
    for relative, (youngest, oldest) in _PARENTS_AGE.items():
        is_man = np.full(len(eldest), relative == FATHER)
        age = (rng.uniform(youngest, oldest, len(eldest)) * _DAYS).astype("timedelta64[D]")
        birth = people.birth[eldest] - age
        names[relative] = draw_names(rng, surname[relative], is_man, people.ethnic[eldest])[couple]
        numbers[relative] = made_up_numbers(rng, birth, is_man, former[eldest], taken=identity.personal_number)[couple]
    names[SPOUSE_OF], numbers[SPOUSE_OF] = (np.full(len(alone), "", object) for _ in range(2))
    return names, numbers


def _heads(people: People) -> Numbers:
    """The row of everybody's head of household."""
    return np.flatnonzero(people.kin == HEAD)[people.household]
