"""People in households: who lives with whom, how old, of which group, under which name.

Sizes, ages and kin are drawn for all households at once; the shares are those of the country.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from adapters.simulator.names import KINH, Rng, draw_names, draw_surnames, ethnic_shares
from adapters.simulator.places import Mask, Numbers, Places, Texts
from adapters.simulator.rates import Rates

TODAY = date(2025, 6, 1)  # ages are stated on this day
FIRST_BIRTH = date(2025, 6, 21)  # of those born between the two exports

Days = npt.NDArray[np.datetime64]  # datetime64[D]
Objects = npt.NDArray[np.object_]

_SIZES = np.arange(1, 9)
_SIZE_SHARES = (0.11, 0.20, 0.225, 0.255, 0.12, 0.055, 0.025, 0.01)  # 3.4 a household

# Kin of the head in the order of a household's rows; the words are those of Circular 55/2021.
HEAD, SPOUSE, CHILD, GRANDCHILD, PARENT, OTHER = range(6)
_SPOUSE_SHARE = 0.80
_LATER_SHARES = {  # of rows after the second, by the head's age: child, grandchild, parent, other
    "young": (0.80, 0.0, 0.12, 0.08),
    "middle": (0.78, 0.08, 0.08, 0.06),
    "old": (0.24, 0.68, 0.0, 0.08),
}


@dataclass(frozen=True)
class Households:
    """One row a household; `unit` is where it truly lives today."""

    commune: Numbers  # row of Places
    unit: Texts


@dataclass(frozen=True)
class People:
    """One row a person, those of a household together, its head first."""

    household: Numbers
    kin: Numbers  # HEAD … OTHER
    male: Mask
    birth: Days
    ethnic: Texts
    name: Objects
    twin_of: Numbers  # row of the twin born just before, or −1

    def ages(self) -> npt.NDArray[np.float64]:
        """Years on TODAY."""
        return (np.datetime64(TODAY) - self.birth).astype(np.float64) / 365.25


def draw_households(rng: Rng, places: Places, count: int) -> Households:
    """Households by the weights of their communes, at least one in each former province."""
    share = places.weight / places.weight.sum()
    first = [rng.choice(rows := places.rows_of(f), p=share[rows] / share[rows].sum()) for f in np.unique(places.former)]
    rest = rng.choice(len(share), max(0, count - len(first)), p=share)
    commune = np.sort(np.concatenate([first, rest]).astype(np.int64))
    return Households(commune, draw_units(rng, places, commune))


def draw_units(rng: Rng, places: Places, commune: Numbers) -> Texts:
    """Where each household of a commune truly lives today: of several successors one, each as likely."""
    chosen = (rng.random(len(commune)) * places.successor_counts[commune]).astype(np.int64)
    return places.successors[commune, chosen]


def draw_people(rng: Rng, places: Places, households: Households, rates: Rates) -> People:
    """The members of every household."""
    sizes = rng.choice(_SIZES, len(households.commune), p=_SIZE_SHARES)
    household = np.repeat(np.arange(len(sizes)), sizes)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    head_age = np.clip(rng.normal(48.5, 16.5, len(sizes)), 20, 92)[household]
    kin = _draw_kin(rng, np.arange(len(household)) - first, head_age)
    order = np.lexsort((kin, household))
    kin, head_age = kin[order], head_age[order]
    position_in_kin = _count_before(household * 10 + kin)
    age = _draw_ages(rng, kin, position_in_kin, head_age, household)
    birth = np.datetime64(TODAY) - np.maximum(1, age * 365.25).astype("timedelta64[D]")
    birth, twin_of = _make_twins(rng, birth, kin, position_in_kin, rates.twins)
    male = _draw_sexes(rng, kin, first)
    ethnic = _draw_ethnic(rng, places, households, household, kin)
    surnames = draw_surnames(rng, ethnic, places.former[households.commune][household])
    name = draw_names(rng, _family_surnames(surnames, household, kin, male), male, ethnic)
    return People(household, kin, male, birth, ethnic, name, twin_of)


def _draw_kin(rng: Rng, position: Numbers, head_age: npt.NDArray[np.float64]) -> Numbers:
    draw = rng.random(len(position))
    kin = np.full(len(position), HEAD)
    kin[position == 1] = np.where(draw < _SPOUSE_SHARE, SPOUSE, CHILD)[position == 1]
    stages = (("young", head_age < 40), ("middle", (head_age >= 40) & (head_age < 58)), ("old", head_age >= 58))
    for stage, is_stage in stages:
        chosen = is_stage & (position > 1)
        kin[chosen] = rng.choice([CHILD, GRANDCHILD, PARENT, OTHER], chosen.sum(), p=_LATER_SHARES[stage])
    return kin


def _count_before(keys: Numbers) -> Numbers:
    """How many rows with the same key stand directly before each; equal keys must be neighbours."""
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    lengths = np.diff(np.append(starts, len(keys)))
    return np.arange(len(keys)) - np.repeat(starts, lengths)


def _draw_ages(
    rng: Rng, kin: Numbers, order: Numbers, head_age: npt.NDArray[np.float64], household: Numbers
) -> npt.NDArray[np.float64]:
    count = len(kin)
    first_child = rng.uniform(21, 34, household.max() + 1)[household]
    age = head_age.copy()
    spread = rng.normal(0, 3.5, count)
    age[kin == SPOUSE] = np.maximum(19, head_age - 1 + spread)[kin == SPOUSE]
    child = head_age - first_child - 3 * order - rng.uniform(0, 1.2, count)
    # A child not yet born to so young a head is a younger sister or brother in the house.
    age[kin == CHILD] = np.where(child > 0, child, rng.uniform(4, 24, count))[kin == CHILD]
    grandchild = head_age - rng.uniform(50, 62, count) - 2.5 * order
    age[kin == GRANDCHILD] = np.where(grandchild > 0, grandchild, rng.uniform(0, 6, count))[kin == GRANDCHILD]
    age[kin == PARENT] = np.minimum(99, head_age + rng.uniform(20, 31, count))[kin == PARENT]
    age[kin == OTHER] = rng.uniform(5, 70, count)[kin == OTHER]
    return age


def _make_twins(rng: Rng, birth: Days, kin: Numbers, order: Numbers, share: float) -> tuple[Days, Numbers]:
    """Gives some children the birth date of the sibling before them; `share` of all people are then twins."""
    younger = np.flatnonzero((kin == CHILD) & (order == 1))
    pairs = min(len(younger), round(share * len(birth) / 2))
    chosen = np.sort(rng.choice(younger, pairs, replace=False))
    twin_of = np.full(len(birth), -1)
    twin_of[chosen] = chosen - 1
    twinned = birth.copy()
    twinned[chosen] = birth[chosen - 1]
    return twinned, twin_of


def _draw_sexes(rng: Rng, kin: Numbers, first: Numbers) -> Mask:
    male = rng.random(len(kin)) < np.where(kin == HEAD, 0.72, 0.507)
    spouse = kin == SPOUSE
    male[spouse] = ~male[first[spouse]]
    parent = kin == PARENT
    male[parent] = rng.random(parent.sum()) < 0.35
    return male


def _draw_ethnic(rng: Rng, places: Places, households: Households, household: Numbers, kin: Numbers) -> Texts:
    """One group a household by its former province; one spouse in ten is of another."""
    former = places.former[households.commune]
    formers = np.unique(places.former)
    shares = ethnic_shares(formers, np.array([places.weight[places.former == one].sum() for one in formers]))
    own, other = np.full(len(former), KINH), np.full(len(former), KINH)
    for one in formers:
        rows = np.flatnonzero(former == one)
        groups, weights = shares[str(one)]
        own[rows], other[rows] = (rng.choice(groups, len(rows), p=weights) for _ in range(2))
    mixed = (kin == SPOUSE) & (rng.random(len(kin)) < 0.1)
    return np.where(mixed, other[household], own[household])


def _family_surnames(own: Objects, household: Numbers, kin: Numbers, male: Mask) -> Objects:
    """Children and grandchildren bear the surname of the household's father, the others their own."""
    father = own[kin == HEAD].copy()
    husbands = (kin == SPOUSE) & male
    father[household[husbands]] = own[husbands]
    inherits = np.isin(kin, [CHILD, GRANDCHILD]) | ((kin == PARENT) & male)
    return np.where(inherits, father[household], own)


def newborns(rng: Rng, people: People, share: float) -> tuple[People, Mask]:
    """Makes the last small child of `share` of all households a child born after 20 June 2025; says who they are."""
    last = np.append(people.household[1:] != people.household[:-1], True)
    twins = np.isin(np.arange(len(last)), people.twin_of) | (people.twin_of >= 0)
    small = np.flatnonzero(last & np.isin(people.kin, [CHILD, GRANDCHILD]) & (people.ages() < 8) & ~twins)
    chosen = rng.choice(small, min(len(small), round(share * (people.household[-1] + 1))), replace=False)
    birth, is_born = people.birth.copy(), np.zeros(len(last), np.bool_)
    birth[chosen] = np.datetime64(FIRST_BIRTH) + rng.integers(0, 35, len(chosen)).astype("timedelta64[D]")
    is_born[chosen] = True
    return replace(people, birth=birth), is_born


def relation_words(people: People) -> Objects:
    """Kin of the head in the words of Circular 55/2021."""
    words: dict[int, Sequence[str]] = {  # for a woman, for a man
        HEAD: ("chủ hộ", "chủ hộ"),
        SPOUSE: ("vợ", "chồng"),
        CHILD: ("con đẻ", "con đẻ"),
        GRANDCHILD: ("cháu nội/ngoại", "cháu nội/ngoại"),
        PARENT: ("mẹ đẻ", "cha đẻ"),
        OTHER: ("ở nhờ/ở thuê/khác", "ở nhờ/ở thuê/khác"),
    }
    table = np.array([words[kin] for kin in sorted(words)], object)
    return table[people.kin, people.male.astype(np.int64)]
