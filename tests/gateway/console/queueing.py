"""A province whose queue holds cases of several kinds, made by a real run over made-up people."""

from collections import defaultdict
from datetime import date

import sqlalchemy as sa

from reconciliation import review
from reconciliation.model import CaseKind
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, doubtful, other_person, person

DIED, AFTER = date(2025, 7, 20), date(2025, 8, 2)
INVISIBLE = "\u200b"
# Names that differ in one letter.
NAMES = (
    ("Vàng Thị Sáo", "Vàng Thị Sáu"),
    ("Giàng Thị Páo", "Giàng Thị Páu"),
    ("Thào Thị Lao", "Thào Thị Lau"),
    ("Sùng Thị Dao", "Sùng Thị Dau"),
    ("Hờ Thị Chao", "Hờ Thị Chau"),
    ("Lù Thị Mao", "Lù Thị Mau"),
    ("Tẩn Thị Xao", "Tẩn Thị Xau"),
    ("Lý Thị Tao", "Lý Thị Tau"),
    ("Cháng Thị Ngao", "Cháng Thị Ngau"),
    ("Phàn Thị Vao", "Phàn Thị Vau"),
    ("Sần Thị Bao", "Sần Thị Bau"),
)


def fill(engine: sa.Engine, *, each: int = 1) -> Province:
    """Push and reconcile: of each kind so many doubtful matches, unknown units and contradicted deaths."""
    province = Province(engine)
    numbered = range(each)
    province.push(
        LAO_CAI,
        *(
            doubtful(
                f"D{n}", full_name=NAMES[n][0], birth_year=1930 + 9 * n, father_name="Vàng A Hoà", address="số 12, tổ 3"
            )
            for n in numbered
        ),
        *(person(f"L{n}", event_date=AFTER, hamlet="Thôn 2") | _mortal(n) for n in numbered),
    )
    province.push(
        YEN_BAI,
        *(
            doubtful(
                f"E{n}",
                full_name=NAMES[n][1],
                birth_year=1930 + 9 * n,
                sex="male",
                father_name="Vàng A Hòa",
                mother_name=f"Giàng Thị{INVISIBLE} Mỷ",
            )
            for n in numbered
        ),
        *(other_person(f"U{n}", unit_code="99999") | _somebody(n) for n in numbered),
        *(person(f"Y{n}", died_on=DIED, event_date=DIED) | _mortal(n) for n in numbered),
    )
    province.run()
    return province


def ids(engine: sa.Engine) -> dict[CaseKind, list[int]]:
    """The open cases of each kind."""
    found: defaultdict[CaseKind, list[int]] = defaultdict(list)
    for one in review.open_cases(engine, limit=1_000):
        found[one.kind].append(one.case_id)
    return dict(found)


def _mortal(n: int) -> dict[str, object]:
    return {
        "personal_number": f"0151800{n:05d}",
        "full_name": f"Lò Thị {NAMES[n][0].split()[-1]}",
        "birth_month": 1 + n,
    }


def _somebody(n: int) -> dict[str, object]:
    return {"personal_number": f"0150900{n:05d}", "full_name": f"Cư A {NAMES[n][0].split()[-1]}", "birth_month": 1 + n}
