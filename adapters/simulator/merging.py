"""Persons of a merged province in the registers of its former ones, by the hundred thousand, and who is who.

A table for linkage alone: no files, no dialects, no time. Most people are held once; some are held again by an older
system, whose entries are worse, or by the register of the former province that they left.
"""

import unicodedata
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.simulator.claims import World, draw_world
from adapters.simulator.names import Rng
from adapters.simulator.people import CHILD, HEAD, SPOUSE, Objects
from adapters.simulator.places import Mask, Numbers, load_places
from adapters.simulator.rates import RATES

_PEOPLE_PER_HOUSEHOLD = 3.3  # fewer than are drawn, so that there are always enough
_TONE_PLACES = (("òa", "oà"), ("óa", "oá"), ("ỏa", "oả"), ("ọa", "oạ"), ("úy", "uý"), ("ùy", "uỳ"), ("ủy", "uỷ"))
_TONES = {"\u0301": "s", "\u0300": "f", "\u0309": "r", "\u0303": "x", "\u0323": "j"}  # as Telex types them


@dataclass(frozen=True)
class MergerRates:
    """Shares of records, unless the comment names something else."""

    # Who is held where
    held_twice: float = 0.10
    old_only: float = 0.15  # of people: known to the older system alone
    moved: float = 0.20  # of the second entries: in the register of another former province, or of another commune
    moved_together: float = 0.5  # of those who moved: with their household
    recoded: float = 0.45  # already on today's units, with no trace of the former one

    # Faults of all records
    number_absent: float = 0.20
    number_wrong: float = 0.02
    cmnd_absent: float = 0.70
    insurance_absent: float = 0.80
    hamlet_absent: float = 0.40
    household_absent: float = 0.70
    parents_absent: float = 0.70  # of those whose parents or spouse live with them
    sex_wrong: float = 0.003
    first_january: float = 0.01
    swapped: float = 0.005

    # Faults of older entries, beside a tenth of each in the others
    marks_lost: float = 0.40
    typo: float = 0.15
    year_only: float = 0.15
    tone_place: float = 0.10
    telex: float = 0.02
    order: float = 0.03
    nfd: float = 0.05
    i_for_y: float = 0.03
    capitals: float = 0.30

    twins: float = 0.012  # of people
    card_renewed: float = 0.7  # of those who moved

    def scaled(self, factor: float) -> "MergerRates":
        """The same with every fault so much more or less often; who is held where stays."""
        kept = ("held_twice", "old_only", "moved_together", "recoded", "card_renewed")
        faults = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in kept}
        return replace(self, **{name: min(0.95, rate * factor) for name, rate in faults.items()})


MERGED = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("personal_number", pa.string()),
        pa.field("cmnd", pa.string()),
        pa.field("insurance_number", pa.string()),
        pa.field("health_card", pa.string()),
        pa.field("full_name", pa.string()),
        pa.field("birth_year", pa.int16()),
        pa.field("birth_month", pa.int8()),
        pa.field("birth_day", pa.int8()),
        pa.field("sex", pa.string()),
        pa.field("former_unit_code", pa.string()),
        pa.field("current_unit_code", pa.string()),
        pa.field("hamlet", pa.string()),
        pa.field("household_key", pa.string()),
        pa.field("household_number", pa.string()),
        pa.field("father_number", pa.string()),
        pa.field("father_name", pa.string()),
        pa.field("mother_number", pa.string()),
        pa.field("mother_name", pa.string()),
        pa.field("spouse_number", pa.string()),
        pa.field("spouse_name", pa.string()),
    ]
)
TRUTH = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("person", pa.int64(), nullable=False),
        pa.field("delivery", pa.int64(), nullable=False),  # one for twins
    ]
)


@dataclass(frozen=True)
class Merger:
    """Records in no order (MERGED), and the truth about them (TRUTH), which linkage never sees."""

    records: pa.Table
    truth: pa.Table


def merge(seed: int, records: int, *, province: str = "25", rates: MergerRates | None = None) -> Merger:
    """About `records` records of one merged province (±3 %), the same for the same arguments."""
    rates = rates or MergerRates()
    rng = np.random.default_rng([seed, 6])
    places = load_places([province])
    households = max(20, round(records * (1 - rates.held_twice) / _PEOPLE_PER_HOUSEHOLD) + 20)
    world = draw_world(rng, places, households, replace(RATES, twins=rates.twins, moved_within_province=0.10))
    _tell_twins_apart(rng, world)
    entries = _entries(rng, world, records, rates)
    columns = _right(rng, world, entries, rates)
    _spoil(rng, columns, entries.is_old, rates)
    table = pa.table({field.name: _as_arrow(columns[field.name], field) for field in MERGED}, schema=MERGED)
    twin = world.people.twin_of[entries.person]
    delivery = np.where(twin >= 0, twin, entries.person)
    truth = pa.table([table["record_key"], entries.person, delivery], schema=TRUTH)
    order = pa.array(rng.permutation(table.num_rows))
    return Merger(table.take(order).combine_chunks(), truth.take(order).combine_chunks())


def _tell_twins_apart(rng: Rng, world: World) -> None:
    """No parents give two children one name."""
    names, twin_of = world.people.name, world.people.twin_of
    younger = np.flatnonzero(twin_of >= 0)
    for one, other in zip(younger.tolist(), twin_of[younger].tolist(), strict=True):
        while names[one].rpartition(" ")[2] == names[other].rpartition(" ")[2]:
            given = names[rng.integers(len(names))].rpartition(" ")[2]
            names[one] = f"{names[one].rpartition(' ')[0]} {given}".strip()


@dataclass(frozen=True)
class _Entries:
    """One row a record."""

    person: Numbers
    home: Numbers
    is_old: Mask  # held by an older system, or by a register that the person left
    is_moved: Mask


def _entries(rng: Rng, world: World, records: int, rates: MergerRates) -> _Entries:
    people = len(world.people.male)
    alive = rng.permutation(people)[: round(records * (1 - rates.held_twice))]
    alive.sort()
    doubles = round(records * rates.held_twice)
    movers = _movers(rng, world, alive, round(doubles * rates.moved), rates)
    stayed = rng.choice(
        np.setdiff1d(alive, movers), min(doubles - len(movers), len(alive) - len(movers)), replace=False
    )
    own = world.people.household
    old_only = rng.random(len(alive)) < rates.old_only
    person = np.concatenate([alive, movers, stayed])
    home = np.concatenate([own[alive], _left(rng, world, movers), own[stayed]])
    # Whoever the older system alone holds, and is held twice, is twice in it.
    is_old = np.concatenate([old_only, np.ones(len(movers) + len(stayed), np.bool_)])
    is_moved = np.repeat([False, True, False], [len(alive), len(movers), len(stayed)])
    return _Entries(person, home, is_old, is_moved)


def _movers(rng: Rng, world: World, alive: Numbers, count: int, rates: MergerRates) -> Numbers:
    """Some whole households, and some people of others."""
    household = world.people.household
    size = np.bincount(household[alive])
    order = rng.permutation(len(size))
    wanted = np.searchsorted(np.cumsum(size[order]), count * rates.moved_together)
    families = np.flatnonzero(np.isin(household[alive], order[:wanted]))
    rest = np.setdiff1d(np.arange(len(alive)), families)
    alone = rng.choice(rest, max(0, min(len(rest), count - len(families))), replace=False)
    movers: Numbers = alive[np.sort(np.concatenate([families, alone]))]
    return movers


def _left(rng: Rng, world: World, movers: Numbers) -> Numbers:
    """The home of a household elsewhere, the same for all who moved with one household."""
    household = world.people.household[movers]
    elsewhere = rng.integers(0, len(world.households.commune), len(world.households.commune))
    left: Numbers = elsewhere[household]
    return left


def _right(rng: Rng, world: World, entries: _Entries, rates: MergerRates) -> dict[str, Objects]:
    """What faultless records would say."""
    people, identity, homes, places = world.people, world.identity, world.homes, world.places
    person, home, count = entries.person, entries.home, len(entries.person)
    birth = people.birth[person]
    months = birth.astype("datetime64[M]").astype(np.int64)
    commune = homes.commune[home]
    former = places.former[commune].astype(object)
    older = np.where(entries.is_old & ~entries.is_moved, "insurance", "population").astype(object)
    serial = np.array([f"|{number:08d}" for number in rng.permutation(count).tolist()], object)
    source = former + "." + older
    renewed = entries.is_moved & (rng.random(count) < rates.card_renewed)
    other_cards = np.array([f"{number:09d}" for number in rng.integers(0, 10**9, count).tolist()], object)
    household = people.household[person]
    # A household that moved keeps no number: where it lived before it had another.
    books = np.where(
        entries.is_moved, np.array([str(9 * 10**8 + one) for one in household.tolist()], object), homes.book[home]
    )
    recoded = rng.random(count) < rates.recoded
    whole = ~places.is_ambiguous[commune]
    parents = _parents(world, person)
    return {
        "record_key": source + serial,
        "source_id": source,
        "personal_number": identity.personal_number[person],
        "cmnd": np.where(renewed & (identity.cmnd[person] != ""), other_cards, identity.cmnd[person]),
        "insurance_number": identity.insurance_number[person],
        "health_card": np.full(count, "", object),
        "full_name": people.name[person],
        "birth_year": months // 12 + 1970,
        "birth_month": months % 12 + 1,
        "birth_day": (birth - birth.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1,
        "sex": np.where(people.male[person], "male", "female").astype(object),
        "former_unit_code": np.where(recoded, "", places.code[commune].astype(object)),
        "current_unit_code": np.where(recoded | whole, homes.unit[home].astype(object), ""),
        "hamlet": homes.hamlet[home],
        "household_key": source + "|" + places.code[commune].astype(object) + "|" + books,
        "household_number": books,
        **parents,
    }


def _parents(world: World, person: Numbers) -> dict[str, Objects]:
    """Father and mother of children at home, and the spouse of heads: names and numbers, "" where not known."""
    people, numbers = world.people, world.identity.personal_number
    homes = len(world.households.commune)
    head: Numbers = np.full(homes, -1)
    spouse: Numbers = np.full(homes, -1)
    for relation, place in ((HEAD, head), (SPOUSE, spouse)):
        rows = np.flatnonzero(people.kin == relation)
        place[people.household[rows]] = rows
    household, kin = people.household[person], people.kin[person]
    first, second = head[household], spouse[household]
    is_father_head = people.male[first]
    is_child = kin == CHILD
    kin_rows = {
        "father": np.where(is_child, np.where(is_father_head, first, second), -1),
        "mother": np.where(is_child, np.where(is_father_head, second, first), -1),
        "spouse": np.where(kin == HEAD, second, np.where(kin == SPOUSE, first, -1)),
    }
    columns: dict[str, Objects] = {}
    for role, rows in kin_rows.items():
        known = rows >= 0
        columns[f"{role}_number"] = np.where(known, numbers[rows], "")
        columns[f"{role}_name"] = np.where(known, people.name[rows], "")
    return columns


class _Dice:
    """Draws rows for a fault."""

    def __init__(self, rng: Rng, is_old: Mask) -> None:
        self.rng = rng
        self.is_old = is_old

    def any(self, rate: float) -> Mask:
        """Of all records."""
        return self.rng.random(len(self.is_old)) < rate

    def old(self, rate: float) -> Mask:
        """Of the older entries, and of the others a tenth as many."""
        return self.rng.random(len(self.is_old)) < np.where(self.is_old, rate, rate / 10)


def _spoil(rng: Rng, columns: dict[str, Objects], is_old: Mask, rates: MergerRates) -> None:
    """Put the faults into the columns, in place."""
    dice = _Dice(rng, is_old)
    wrong = np.flatnonzero(dice.any(rates.number_wrong))
    columns["personal_number"][wrong] = _other_numbers(rng, columns["personal_number"][wrong])
    for column, rate in (
        ("personal_number", rates.number_absent),
        ("cmnd", rates.cmnd_absent),
        ("insurance_number", rates.insurance_absent),
        ("hamlet", rates.hamlet_absent),
    ):
        columns[column][dice.any(rate)] = ""
    no_household, other_sex = dice.any(rates.household_absent), dice.any(rates.sex_wrong)
    columns["household_key"][no_household] = ""
    columns["household_number"][no_household] = ""
    columns["sex"][other_sex] = np.where(columns["sex"][other_sex] == "male", "female", "male")
    _spoil_births(columns, dice, rates)
    columns["full_name"] = _spoilt_names(dice, columns["full_name"], rates)
    for role in ("father", "mother", "spouse"):
        absent = dice.any(rates.parents_absent)
        columns[f"{role}_name"] = _spoilt_names(dice, columns[f"{role}_name"], rates)
        columns[f"{role}_name"][absent] = ""
        # Numbers of kin are newer on paper than their names.
        columns[f"{role}_number"][absent | dice.any(0.6)] = ""


def _other_numbers(rng: Rng, numbers: Objects) -> Objects:
    """Half of them one slip of a typist, the others another serial of the same place, sex and year."""
    at, digit = rng.integers(6, 12, len(numbers)).tolist(), rng.integers(1, 10, len(numbers)).tolist()
    slipped = [
        number[:place] + str((int(number[place]) + more) % 10) + number[place + 1 :]
        for number, place, more in zip(numbers, at, digit, strict=True)
    ]
    serial = rng.integers(0, 10**6, len(numbers)).tolist()
    other = [f"{number[:6]}{six:06d}" for number, six in zip(numbers, serial, strict=True)]
    return np.where(rng.random(len(numbers)) < 0.5, np.array(slipped, object), np.array(other, object))


def _spoil_births(columns: dict[str, Objects], dice: _Dice, rates: MergerRates) -> None:
    day, month = columns["birth_day"].copy(), columns["birth_month"].copy()
    swapped = dice.any(rates.swapped) & (day <= 12)
    columns["birth_day"][swapped], columns["birth_month"][swapped] = month[swapped], day[swapped]
    first, year_only = dice.any(rates.first_january), dice.old(rates.year_only)
    for column in ("birth_day", "birth_month"):
        columns[column][first] = 1
        columns[column][year_only] = 0


def _spoilt_names(dice: _Dice, names: Objects, rates: MergerRates) -> Objects:
    names = names.copy()
    for rate, spoil in (
        (rates.typo, _misspelt),
        (rates.order, _given_first),
        (rates.i_for_y, _with_i),
        (rates.tone_place, _with_tone_moved),
        (rates.telex, _in_telex),
        (rates.marks_lost, _bare),
        (rates.nfd, _decomposed),
        (rates.capitals, _upper),
    ):
        rows = np.flatnonzero(dice.old(rate))
        draws = dice.rng.random((len(rows), 2)).tolist()
        names[rows] = np.array([spoil(name, *draw) for name, draw in zip(names[rows], draws, strict=True)], object)
    return names


def _misspelt(name: str, kind: float, place: float) -> str:
    """Two letters changed over, one lost, one doubled, or one replaced by its neighbour on the keys."""
    at = 1 + int(place * (len(name) - 2)) if len(name) > 2 else 0
    match int(kind * 4):
        case 0:
            spoilt = name[:at] + name[at + 1 : at + 2] + name[at : at + 1] + name[at + 2 :]
        case 1:
            spoilt = name[:at] + name[at + 1 :]
        case 2:
            spoilt = name[:at] + name[at : at + 1] + name[at:]
        case _:
            spoilt = name[:at] + "aeiounhtgc"[int(kind * 400) % 10] + name[at + 1 :]
    return " ".join(spoilt.split())


def _given_first(name: str, _: float, __: float) -> str:
    first, _space, last = name.rpartition(" ")
    return f"{last} {first}" if first else last


def _with_i(name: str, _: float, __: float) -> str:
    return name.translate(str.maketrans("yýỳỷỹỵYÝỲỶỸỴ", "iíìỉĩịIÍÌỈĨỊ"))


def _with_tone_moved(name: str, _: float, __: float) -> str:
    for official, other in _TONE_PLACES:
        name = name.replace(official, other)
    return name


def _in_telex(name: str, _: float, __: float) -> str:
    """The last word as typed where the keyboard's program was off."""
    first, space, last = name.rpartition(" ")
    letters = unicodedata.normalize("NFD", last)
    tone = next((_TONES[letter] for letter in letters if letter in _TONES), "")
    return first + space + _bare(last, 0.0, 0.0) + tone


def _bare(name: str, _: float, __: float) -> str:
    letters = unicodedata.normalize("NFD", name.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _decomposed(name: str, _: float, __: float) -> str:
    return unicodedata.normalize("NFD", name)


def _upper(name: str, _: float, __: float) -> str:
    return name.upper()


def _as_arrow(values: npt.NDArray[np.generic], field: pa.Field) -> pa.Array:
    if pa.types.is_string(field.type):
        return pa.array(values, pa.string(), mask=values == "")
    return pa.array(values, mask=values == 0).cast(field.type)
