"""What no rule may decide, brought about on purpose: of every kind that chance may leave out, a few.

Online systems say it one by one of people whom the registers hold, or of records of their own whose keys begin with
NEW. Who is who is not touched by it: the records of the exports stay those of the same people.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count, islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import RecordKind
from adapters.catalogue import Source
from adapters.simulator.changes import EXPORTED_AFTER
from adapters.simulator.country import Country, Phase, System
from adapters.simulator.places import MERGER

EACH = 2  # of every kind
NEW = "TT"
SPOKEN_ON = EXPORTED_AFTER + timedelta(days=11)  # after everything that was exported
UNLISTED_UNIT = "99999"
_EARLIER, _LATER = f"{SPOKEN_ON}T08:00:00", f"{SPOKEN_ON}T09:00:00"
_DIED_ON = SPOKEN_ON - timedelta(days=5)
_SHIFTED = timedelta(days=180)  # one period of a book against another: they last a year
_PEOPLE = 11 * EACH  # that a province needs
# Nobody could say whether these are one person: two letters, two sexes, no number and no day of birth.
_NAMESAKES = (("Vàng Thị Sáo", "SEX_FEMALE"), ("Vàng Thị Sáu", "SEX_MALE"))
_NAMESAKES_BORN = 1961

Person = Mapping[str, Any]  # a row of held_schema


@dataclass(frozen=True)
class Submission:
    """One update of an online system; `fields` as records.proto names them."""

    source_id: str
    kind: RecordKind
    fields: Mapping[str, object] = field(repr=False)
    spoken_on: date = SPOKEN_ON


@dataclass(frozen=True)
class _Scene:
    """The province in which it happens: its systems, people of one register each, and one province beside it."""

    register: Source
    others: Sequence[Source]  # its other registers, or itself
    households: Source | None
    people: Sequence[Person]
    townspeople: Sequence[Person]  # who have moved to a hamlet whose name several of their unit bear
    books: tuple[Source, Sequence[Person]] | None
    elsewhere: Sequence[Person]  # people of another province


def disputes(country: Country) -> list[Submission]:
    """What contradicts itself as soon as it is reconciled; none where no province has people enough.

    Kinds: unknown unit, one number of two people, a person who is their own father, a death taken back, a residence
    record in two units, a doubtful match, a hamlet's name that two bear (see `same_named_hamlets`), overlapping
    periods, one person of two provinces; and a version that follows one which has not come.
    """
    scene = _scene(country)
    return [] if scene is None else list(_disputes(scene))


def unfinished(country: Country) -> list[Submission]:
    """What waits for something that never comes: an earlier version, or the officer who has to sign a death.

    To be submitted long enough ago; the deaths to a gateway on which officers sign for the source.
    """
    scene = _scene(country)
    if scene is None:
        return []
    lacking, dying = scene.people[:EACH], scene.people[EACH : 2 * EACH]
    return [
        *(_of_register(scene, one, updated_at=_LATER, follows_updated_at=_EARLIER) for one in lacking),
        *(_of_register(scene, one, updated_at=_LATER, died_on=str(_DIED_ON)) for one in dying),
    ]


def disputed_hamlets(country: Country) -> list[tuple[str, str, str, str]]:
    """Province, former commune, name and unit of hamlets that share the name which a disputed record gives."""
    scene = _scene(country)
    if scene is None:
        return []
    return [
        (scene.register.province_code, former, one["hamlet"], one["right_unit"])
        for one in scene.townspeople
        for former in _formers(country, one["right_unit"])
    ]


def _disputes(scene: _Scene) -> Iterator[Submission]:
    keys = (f"{NEW}{number:06}" for number in count(1))
    people = iter(scene.people[2 * EACH :])
    yield from _of_known(scene, people)
    yield from _of_new(scene, people, keys)
    if scene.households is not None:
        yield from _residences(scene.households, scene.people, keys)
    if scene.books is not None:
        yield from _periods(*scene.books, keys)


def _of_known(scene: _Scene, people: Iterator[Person]) -> Iterator[Submission]:
    """What the register says anew of people whom it holds."""
    for one in islice(people, EACH):
        yield _of_register(scene, one, unit_code=UNLISTED_UNIT)
    for one, other in zip(islice(people, EACH), islice(people, EACH), strict=True):
        yield _of_register(scene, one, personal_number=other["personal_number"])
    for one in islice(people, EACH):
        yield _of_register(scene, one, father_number=one["personal_number"])
    for one in islice(people, EACH):
        yield _of_register(scene, one, updated_at=_EARLIER, died_on=str(_DIED_ON))
        yield _of_register(scene, one)
    for one in islice(people, EACH):
        yield _of_register(scene, one, follows_updated_at=_EARLIER)


def _of_new(scene: _Scene, people: Iterator[Person], keys: Iterator[str]) -> Iterator[Submission]:
    """Records that the registers of the province did not have before."""
    for one in scene.townspeople:
        yield _of_register(scene, one, source_record_id=next(keys))
    for (name, sex), source in zip(_NAMESAKES, (scene.register, scene.others[0]), strict=True):
        yield _namesake(name, sex, source, next(people), key=next(keys))
    for one in scene.elsewhere:
        moved = {"source_record_id": next(keys), "unit_code": scene.people[0]["right_unit"]}
        yield Submission(scene.register.source_id, RecordKind.PERSON, _identity_fields(one) | moved)


def _residences(source: Source, people: Sequence[Person], keys: Iterator[str]) -> Iterator[Submission]:
    """Residence records, each stated in two units; their numbers are longer than a paper book's."""
    units = list(dict.fromkeys(one["right_unit"] for one in people))[:2]
    for number, head in enumerate(people[:EACH], start=1):
        said = {
            "updated_at": _LATER,
            "household_number": f"{source.former_province_code}{number:010}",
            "head_personal_number": head["personal_number"],
            "head_name": head["full_name"],
            "member_count": 1,
        }
        for unit in units:
            own = {"source_record_id": next(keys), "unit_code": unit}
            yield Submission(source.source_id, RecordKind.HOUSEHOLD, said | own)


def _periods(source: Source, books: Sequence[Person], keys: Iterator[str]) -> Iterator[Submission]:
    """An entry of each book as it is known, and another whose period begins before that one's ends."""
    for one in books:
        yield Submission(source.source_id, RecordKind.INSURANCE, _book_fields(one))
        shifted = {name: str(one[name] + _SHIFTED) for name in ("valid_from", "valid_to")}
        own = {"source_record_id": next(keys)}
        yield Submission(source.source_id, RecordKind.INSURANCE, _book_fields(one) | shifted | own)


def _scene(country: Country) -> _Scene | None:
    """The last of the provinces that has people enough."""
    once = _held_once(country)
    for province in reversed(country.provinces):
        systems = [one for one in country.systems.values() if one.source.province_code == province]
        registers = _of_kind(systems, RecordKind.PERSON)
        people = {one.source.source_id: _sound(one, once) for one in registers}
        register = max(registers, key=lambda one: (_says_its_list(one), len(people[one.source.source_id])))
        known = people[register.source.source_id]
        if len(known) < _PEOPLE:
            continue
        books = [(one.source, _insured(one)) for one in _of_kind(systems, RecordKind.INSURANCE)]
        houses = [one.source for one in sorted(_of_kind(systems, RecordKind.HOUSEHOLD), key=_says_its_list)]
        return _Scene(
            register=register.source,
            others=[one.source for one in registers if one is not register] or [register.source],
            households=houses[-1] if houses else None,
            people=known[:_PEOPLE],
            townspeople=[one for one in known if len(_formers(country, one["right_unit"])) > 1][-EACH:],
            books=max(books, key=lambda one: len(one[1])) if books else None,
            elsewhere=_elsewhere(country, province, once),
        )
    return None


def _of_kind(systems: Sequence[System], kind: RecordKind) -> list[System]:
    return [one for one in systems if one.source.kind is kind]


def _says_its_list(system: System) -> bool:
    """Whether what the system says of units is read by today's list."""
    return system.source.unit_vintage(SPOKEN_ON) == MERGER


def _held_once(country: Country) -> pa.ChunkedArray:
    """The people of whom one register holds one record, and no other any."""
    persons = [
        table.select(["person_id", "source_record_id"])
        for system in _of_kind(list(country.systems.values()), RecordKind.PERSON)
        for table in system.phases.values()
    ]
    each = pa.concat_tables(persons).group_by(["person_id", "source_record_id"]).aggregate([])
    counted = each.group_by("person_id").aggregate([("source_record_id", "count")])
    return counted.filter(pc.equal(counted["source_record_id_count"], 1))["person_id"]


_KNOWN = ("source_record_id", "personal_number", "birth_month", "birth_day", "hamlet")


def _sound(system: System, once: pa.ChunkedArray) -> list[Person]:
    """People of a register of whom all is known and right, one of each household before the others; by record."""
    held = system.phases[Phase.AFTER]
    fit = pc.and_(pc.equal(held["faults"], 0), pc.is_in(held["person_id"], value_set=once.combine_chunks()))
    for name in _KNOWN:
        fit = pc.and_(fit, pc.is_valid(held[name]))
    rows = held.filter(pc.and_(fit, pc.is_null(held["died_on"]))).sort_by("source_record_id")
    _, first = np.unique(rows["household_id"].to_numpy(), return_index=True)
    others = np.setdiff1d(np.arange(rows.num_rows), first)
    order = np.concatenate([np.sort(first), others])[: 3 * _PEOPLE]
    return rows.take(pa.array(order)).to_pylist()  # type: ignore[no-any-return]


def _insured(system: System) -> list[Person]:
    """A few entries of whole books."""
    held = system.phases[Phase.BEFORE]
    fit = pc.equal(held["faults"], 0)
    for name in ("source_record_id", "personal_number", "insurance_number", "birth_day", "valid_from", "valid_to"):
        fit = pc.and_(fit, pc.is_valid(held[name]))
    rows = held.filter(fit).sort_by("source_record_id")
    return rows.slice(0, EACH).to_pylist()  # type: ignore[no-any-return]


def _elsewhere(country: Country, province: str, once: pa.ChunkedArray) -> list[Person]:
    """A few people of the first other province that has them."""
    for system in _of_kind(list(country.systems.values()), RecordKind.PERSON):
        if system.source.province_code != province and (people := _sound(system, once)):
            return people[:EACH]
    return []


def _formers(country: Country, unit: str) -> list[str]:
    """The former communes that went whole to one of today's units."""
    places = country.world.places
    whole = (places.successor_counts == 1) & (places.successors[:, 0] == unit)
    return places.code[whole].tolist()  # type: ignore[no-any-return]


def _of_register(scene: _Scene, row: Person, **said: str) -> Submission:
    """What the register says of somebody anew."""
    return Submission(scene.register.source_id, RecordKind.PERSON, _person_fields(row) | said)


def _namesake(name: str, sex: str, source: Source, beside: Person, *, key: str) -> Submission:
    said = {"source_record_id": key, "full_name": name, "sex": sex, "birth_date": str(_NAMESAKES_BORN)}
    where = {"updated_at": _LATER, "unit_code": beside["right_unit"]}
    return Submission(source.source_id, RecordKind.PERSON, said | where)


def _person_fields(row: Person) -> dict[str, object]:
    names = ("hamlet", "address", "household_number", "relation_to_head")
    return _identity_fields(row) | {name: row[name] for name in names if row[name] is not None}


def _book_fields(row: Person) -> dict[str, object]:
    days = {name: str(row[name]) for name in ("valid_from", "valid_to")}
    return _identity_fields(row) | days | {name: row[name] for name in ("insurance_number", "scheme")}


def _identity_fields(row: Person) -> dict[str, object]:
    return {
        "source_record_id": row["source_record_id"],
        "updated_at": _LATER,
        "personal_number": row["personal_number"],
        "full_name": row["full_name"],
        "birth_date": f"{row['birth_year']:04}-{row['birth_month']:02}-{row['birth_day']:02}",
        "sex": f"SEX_{row['sex'].upper()}",
        "unit_code": row["right_unit"],
    }
