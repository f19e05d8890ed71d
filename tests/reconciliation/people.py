"""A small made-up province for linkage tests: two former provinces, their systems, and who is really who.

Independent of adapters.simulator on purpose: what is tuned on one is checked on the other.
"""

import random
import unicodedata
from dataclasses import dataclass, replace

import pyarrow as pa

from reconciliation.candidates import RECORDS

SURNAMES = (
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Hoàng",
    "Vũ",
    "Phan",
    "Đặng",
    "Bùi",
    "Đỗ",
    "Hồ",
    "Ngô",
    "Dương",
    "Lý",
    "Giàng",
    "Lò",
    "Vàng",
)
SURNAME_WEIGHTS = (34, 11, 10, 7, 5, 5, 4, 3, 3, 3, 2, 2, 2, 1, 3, 3, 2)
WORDS = (
    "Hòa", "Hoa", "Hoài", "Lan", "Mai", "Thúy", "Thủy", "Hương", "Hường", "Hồng", "Hùng", "Hưng", "Dũng", "Dung",
    "Tuấn", "Tuân", "Minh", "Anh", "Ánh", "Quân", "Quang", "Quảng", "Long", "Nam", "Năm", "Bình", "Sơn", "Sen",
    "Thảo", "Thảnh", "Thành", "Thanh", "Linh", "Lĩnh", "Ngọc", "Nga", "Ngà", "Phương", "Phượng", "Trang", "Tràng",
    "Vân", "Văn", "Yến", "Mỹ", "Lý", "Đức", "Đạt", "Cường", "Khánh", "Khải", "Tâm", "Tám", "Hạnh", "Hạ", "Hà",
    "Hải", "Giang", "Chi", "Châu", "Bảo", "Báo", "Tú", "Tùng", "Trung", "Kiên", "Nhung", "Nhi", "Như", "My", "Vy",
    "Trâm", "Uyên", "Oanh", "Xuân", "Thu", "Hiền", "Hiển", "Loan", "Liên", "Diệp", "Dương",
)  # fmt: skip
RESTYLED = {"Hòa": "Hoà", "Thúy": "Thuý", "Thủy": "Thuỷ"}


@dataclass(frozen=True, kw_only=True)
class Person:
    identity: int
    household: int
    province: int
    number: str
    cmnd: str | None
    insurance: str
    name: str
    birth: tuple[int, int, int]
    sex: str
    unit: int
    hamlet: str


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Shares of records (of people for `twins` and `moved`) that a fault strikes."""

    number_missing: float = 0.14
    number_wrong: float = 0.02
    year_only: float = 0.08
    first_january: float = 0.02
    swapped: float = 0.01
    typo: float = 0.03
    marks_lost: float = 0.04
    reordered: float = 0.01
    i_for_y: float = 0.01
    unit_ambiguous: float = 0.05
    sex_wrong: float = 0.004
    twins: float = 0.012
    moved: float = 0.06
    held_twice: float = 0.01

    def scaled(self, factor: float) -> "Faults":
        return replace(self, **{name: share * factor for name, share in vars(self).items()})


def made_up(people: int, *, seed: int, faults: Faults | None = None) -> tuple[pa.Table, pa.Table]:
    """About `people` persons: records (RECORDS), and truth with record_key, person, delivery (one for twins)."""
    dice = random.Random(seed)
    faults = faults or Faults()
    rows: list[dict[str, object]] = []
    truth: list[dict[str, object]] = []
    serials: dict[str, int] = {}
    household = identity = 0
    while identity < people:
        household += 1
        family = _family(dice, household=household, first=identity, serials=serials, faults=faults)
        identity += len(family)
        for person in family:
            for source, where in _entries(dice, person, faults):
                key = f"{source}|{len(rows):07d}"
                rows.append(_record(dice, person, source=source, where=where, key=key, faults=faults))
                truth.append({"record_key": key, "person": person.identity, "delivery": f"{household} {person.birth}"})
    order = list(range(len(rows)))
    dice.shuffle(order)
    schema = pa.schema(
        [pa.field("record_key", pa.string()), pa.field("person", pa.int64()), pa.field("delivery", pa.string())]
    )
    return pa.Table.from_pylist([rows[at] for at in order], schema=RECORDS), pa.Table.from_pylist(truth, schema=schema)


def _given(dice: random.Random) -> str:
    return WORDS[min(int(dice.paretovariate(0.55)) - 1, dice.randrange(len(WORDS)))]


def _family(
    dice: random.Random, *, household: int, first: int, serials: dict[str, int], faults: Faults
) -> list[Person]:
    province, unit = dice.randrange(2), dice.randrange(40)
    surname = dice.choices(SURNAMES, SURNAME_WEIGHTS)[0]
    middle = dice.choice(WORDS)
    hamlet = f"{dice.choice(('Thôn', 'TDP', 'Bản'))} {dice.randrange(1, 9)}"
    year = dice.randrange(1945, 2000)
    members = [
        (surname, "male", year),
        (dice.choices(SURNAMES, SURNAME_WEIGHTS)[0], "female", year + dice.randrange(-3, 6)),
    ]
    births = [(dice.randrange(1, 13), dice.randrange(1, 29)) for _ in range(8)]
    members += [
        (surname, dice.choice(("male", "female")), min(2024, year + 24 + 3 * child))
        for child in range(dice.choice((0, 0, 1, 1, 2, 2, 3, 4)))
    ]
    if len(members) > 2 and dice.random() < faults.twins * 2:
        members.append((surname, members[-1][1] if dice.random() < 0.7 else "female", members[-1][2]))
        births[len(members) - 1] = births[len(members) - 2]
    if dice.random() < 0.15:
        members = members[:1]
    people = []
    given_before: set[str] = set()
    for place, (family, sex, born) in enumerate(members):
        given = _given(dice)
        while given in given_before:
            given = dice.choice(WORDS)
        given_before.add(given)
        worn = middle if place > 1 else dice.choice(WORDS)
        between = (
            "Thị"
            if sex == "female" and dice.random() < 0.45
            else "Văn"
            if sex == "male" and dice.random() < 0.3
            else worn
        )
        stem = f"{('010', '015')[province]}{2 * (born >= 2000) + (sex == 'female')}{born % 100:02d}"
        serials[stem] = serials.get(stem, dice.randrange(1000, 9000)) + (
            1 if place and members[place - 1][2] == born else dice.randrange(1, 60)
        )
        people.append(
            Person(
                identity=first + place,
                household=household,
                province=province,
                number=f"{stem}{serials[stem]:06d}",
                cmnd=f"{dice.randrange(10**8, 10**9)}" if born < 2005 else None,
                insurance=f"{dice.randrange(10**9, 10**10)}",
                name=f"{family} {between} {given}",
                birth=(born, *births[place]),
                sex=sex,
                unit=unit,
                hamlet=hamlet,
            )
        )
    return people


def _entries(dice: random.Random, person: Person, faults: Faults) -> list[tuple[str, tuple[int, int, str]]]:
    here = ("lao-cai", "yen-bai")[person.province]
    there = ("yen-bai", "lao-cai")[person.province]
    at_home = (person.province, person.unit, person.hamlet)
    elsewhere = (1 - person.province, dice.randrange(40), f"Thôn {dice.randrange(1, 9)}")
    entries = [(f"{here}.population", at_home)]
    if dice.random() < faults.moved:
        entries.append((f"{there}.population", elsewhere))
    if dice.random() < 0.85:
        entries.append((f"{here}.insurance", at_home))
    if dice.random() < faults.held_twice:
        entries.append((f"{there}.insurance", elsewhere))
    if dice.random() < faults.held_twice / 3:
        entries.append((f"{here}.population", at_home))
    return entries


def _record(
    dice: random.Random, person: Person, *, source: str, where: tuple[int, int, str], key: str, faults: Faults
) -> dict[str, object]:
    insured = source.endswith("insurance")
    year, month, day = _birth(dice, person, faults)
    province, unit, hamlet = where
    moved = (province, unit) != (person.province, person.unit)
    cmnd = person.cmnd[::-1] if person.cmnd and moved else person.cmnd  # a card is renewed on moving
    insurance = person.insurance[::-1] if moved and insured and dice.random() < 0.5 else person.insurance
    # Book numbers are given out commune by commune: the same ones come back in the next.
    household = f"{100_000_000 + (person.household if not moved else 7 * person.identity) % 4_999:09d}"
    has_household = not insured or dice.random() < 0.7
    ambiguous = dice.random() < faults.unit_ambiguous
    return {
        "record_key": key,
        "source_id": source,
        "personal_number": _number(dice, person, faults),
        "cmnd": cmnd if dice.random() < (0.5 if insured else 0.3) else None,
        "insurance_number": insurance if insured and dice.random() < 0.97 else None,
        "health_card": f"GD4{10 + province}{insurance}" if insured and dice.random() < 0.5 else None,
        "full_name": _name(dice, person.name, restyled=source.startswith("yen"), faults=faults),
        "birth_year": year,
        "birth_month": month,
        "birth_day": day,
        "sex": person.sex if dice.random() > faults.sex_wrong else {"male": "female", "female": "male"}[person.sex],
        "former_unit_code": f"{10_000 * (province + 1) + unit:05d}" if dice.random() < 0.7 else None,
        "current_unit_code": None if ambiguous else f"{50_000 + province * 1000 + unit // 3:05d}",
        "hamlet": hamlet if not insured or dice.random() < 0.3 else None,
        "household_key": f"{source}|{province}{unit}|{household}" if has_household else None,
        "household_number": household if has_household and (not insured or dice.random() < 0.8) else None,
    }


def _number(dice: random.Random, person: Person, faults: Faults) -> str | None:
    roll = dice.random()
    if roll < faults.number_missing:
        return None
    if roll < faults.number_missing + faults.number_wrong:
        if dice.random() < 0.5:
            at = dice.randrange(12)
            return (
                person.number[:at]
                + str((int(person.number[at]) + dice.randrange(1, 10)) % 10)
                + person.number[at + 1 :]
            )
        return person.number[:6] + f"{dice.randrange(10**6):06d}"
    return person.number


def _birth(dice: random.Random, person: Person, faults: Faults) -> tuple[int, int | None, int | None]:
    year, month, day = person.birth
    roll = dice.random()
    if roll < faults.year_only * (2 if year < 1965 else 0.7):
        return year, None, None
    if roll > 1 - faults.first_january:
        return year, 1, 1
    if day <= 12 and dice.random() < faults.swapped:
        return year, day, month
    if dice.random() < faults.typo / 3:
        return dice.choice(((year, month, 1 + day % 28), (year - 1, month, day), (year, 1 + month % 12, day)))
    return year, month, day


def _name(dice: random.Random, name: str, *, restyled: bool, faults: Faults) -> str:
    words = name.split(" ")
    if restyled:
        words = [RESTYLED.get(word, word) for word in words]
    if dice.random() < faults.i_for_y:
        words = [word.replace("ý", "í").replace("ỹ", "ĩ") for word in words]
    if dice.random() < faults.reordered:
        words = [*words[1:], words[0]]
    name = " ".join(words)
    if dice.random() < faults.typo:
        at = dice.randrange(len(name))
        letter = dice.choice("aeiounhtgc")
        before, after = name[:at], name[at + 1 :]
        lost, changed, added = before + after, before + letter + after, before + letter + name[at:]
        turned = before + name[at : at + 2][::-1] + name[at + 2 :]
        name = dice.choice((lost, changed, added, turned))
    if dice.random() < faults.marks_lost:
        bare = unicodedata.normalize("NFD", name.replace("đ", "d").replace("Đ", "D"))
        name = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return name.upper() if restyled else name


def pool(*rows: dict[str, object]) -> pa.Table:
    """RECORDS of the given rows; keys and sources that are not given are r0, r1 … of one population system each."""
    stated = [
        {"record_key": f"r{place}", "source_id": f"{('lao-cai', 'yen-bai')[place % 2]}.population", **row}
        for place, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(stated, schema=RECORDS)
