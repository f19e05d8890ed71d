import random
from uuid import UUID

import pytest

from observability import vocabulary
from observability.vocabulary import FIELDS, Shape

PERSONAL = [
    "Nguyễn Văn An",
    "NGUYEN VAN AN",
    "H'Hen Niê Kdăm",
    "001099012345",
    "010099012345",
    "123456789",
    "0123456789",
    "GD4010123456789",
    "số 12, tổ 4, phường Cam Đường",
    "0912 345 678",
    "an@example.vn",
    "12/05/1980",
    "x\r\nlevel=error",
    "\x1b[31mred",
    "",
]


@pytest.mark.parametrize("text", PERSONAL)
def test_no_field_admits_text_that_could_be_of_a_person(text: str) -> None:
    admitted, dropped = vocabulary.admit(dict.fromkeys(FIELDS, text))

    assert admitted == {}
    assert dropped == len(FIELDS)


def test_numbers_of_persons_are_refused_in_every_text_shape() -> None:
    dice = random.Random(20250701)
    texts = [field for field, shape in FIELDS.items() if shape is not Shape.UUID]

    for _ in range(200):
        number = "".join(dice.choices("0123456789", k=dice.choice((9, 10, 12))))
        for wrapped in (number, f"x{number}", f"lao-cai.{number}", f"X{number}", f"file.py:1 f{number}", f"m/{number}"):
            assert vocabulary.admit(dict.fromkeys(texts, wrapped))[0] == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source_id", "yen-bai.population"),
        ("province_code", "01"),
        ("unit_code", "00004"),
        ("receipt_id", "0190b5a0-0000-7000-8000-123456789012"),
        ("record_kind", "person"),
        ("reason", "IDEMPOTENCY_KEY_REUSED"),
        ("status_code", "UNAVAILABLE"),
        ("owner", "15/steward"),
        ("owner", "social-insurance/registry"),
        ("owner", "yen-bai.population/sender"),
        ("method", "/gateway.v1.IntakeService/Push"),
        ("place", "landing.py:12 land > __init__.py:3 <module>"),
        ("run_id", "scheduled__2026-07-01T00:00:00+00:00"),
        ("sequence", -1),
        ("feed_seq", 5_000_000_000),
        ("received", 0),
        ("seconds", 0.25),
        ("replayed", True),
    ],
)
def test_what_the_gateway_needs_to_say_is_admitted(field: str, value: vocabulary.Value) -> None:
    assert vocabulary.admit({field: value}) == ({field: value}, 0)


def test_a_uuid_may_be_given_as_such() -> None:
    receipt = UUID("0190b5a0-0000-7000-8000-123456789012")

    assert vocabulary.admit({"receipt_id": receipt}) == ({"receipt_id": str(receipt)}, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("received", True), ("received", 1_099_000_001), ("received", -1), ("replayed", 1), ("seconds", float("nan"))],
)
def test_a_number_of_the_wrong_shape_is_dropped(field: str, value: object) -> None:
    assert vocabulary.admit({field: value}) == ({}, 1)


def test_a_field_nobody_listed_is_dropped_and_a_null_is_left_out() -> None:
    assert vocabulary.admit({"full_name": "x", "source_id": None, "count": 3}) == ({"count": 3}, 1)


@pytest.mark.parametrize("name", ["intake.land", "job.reconcile_records", "batch_landed"])
def test_a_name_of_words_stays(name: str) -> None:
    assert vocabulary.admit_name(name) == name


@pytest.mark.parametrize("name", ["Nguyễn Văn An", "landed 001099012345", "a\nb", "x123456789", "", "a" * 61])
def test_a_name_that_could_be_anything_becomes_unnamed(name: str) -> None:
    assert vocabulary.admit_name(name) == vocabulary.UNNAMED
