"""Conformance: a system that is well passes every criterion, and each fault breaks the one that is about it."""

import io
from datetime import date

import pytest

from adapters.catalogue import Source, load
from adapters.errors import RejectedBatchError
from adapters.quality.conforming import Conformance, conform, refused
from adapters.readers.chunks import read_in_chunks
from adapters.simulator import exports, simulate
from tests.gateway.batches import json_lines, person

ON = date(2025, 7, 15)
SOURCE = "ha-noi.population"
CRITERIA = ["readable", "enough", "whole", "halves", "columns", "filled", "quarantine", "findings", "vintage", "units",
            "unicode", "dates", "identifiers"]  # fmt: skip


def source() -> Source:
    return load().sources[SOURCE]


def of(payload: bytes) -> Conformance:
    chunks = list(read_in_chunks(io.BytesIO(payload), source().dialect, source_id=SOURCE))
    return conform(chunks, source=source(), exported_on=ON, as_of=ON)


def people(count: int = 60, **fields: object) -> bytes:
    """People of whom every column says something; one in two has the given fields."""
    whole = {"so_cmnd": "012345678", "ma_so_bhxh": "0123456789"}
    return json_lines([person(n) | whole | (fields if n % 2 else {}) for n in range(count)])


def broken(found: Conformance) -> list[str]:
    return [one.name for one in found.criteria if not one.is_kept]


def test_a_system_that_is_well_passes() -> None:
    found = of(people())

    assert [one.name for one in found.criteria] == CRITERIA
    assert (broken(found), found.score, found.is_passed, found.received) == ([], 100, True, 60)


@pytest.mark.parametrize(
    ("fields", "criterion"),
    [
        ({"id": None}, "quarantine"),
        ({"ngay_sinh": "2031-01-01"}, "dates"),
        ({"so_cccd": "12345"}, "identifiers"),
        ({"noi_cu_tru": {"ma_xa": "99998", "thon_to": "Tổ 1", "dia_chi": "Số 1"}}, "units"),
        ({"ho_ten": "Nguye\u0302\u0303n Va\u0306n An"}, "unicode"),
        ({"gioi_tinh": "?", "ma_dan_toc": "99"}, "findings"),
    ],
)
def test_a_fault_breaks_its_criterion(fields: dict[str, object], criterion: str) -> None:
    assert criterion in broken(of(people(**fields)))


def test_a_column_that_is_always_empty_is_not_conform() -> None:
    payload = json_lines([person(n, ho_ten="") for n in range(60)])

    found = {one.name: one for one in of(payload).criteria}

    assert not found["filled"].is_kept
    assert "full_name" in found["filled"].found


def test_a_few_records_are_no_sample() -> None:
    found = of(people(10))

    assert broken(found) == ["enough"]
    assert found.score == 92


def test_a_file_that_cannot_be_read_scores_nothing() -> None:
    with pytest.raises(RejectedBatchError) as caught:
        of(b"\n")

    found = refused(source(), caught.value)

    assert (found.score, found.is_passed, broken(found)) == (0, False, ["readable"])


def test_an_unknown_column_is_answered_and_not_raised() -> None:
    assert broken(of(people().replace(b'"ton_giao"', b'"tin_nguong"'))) == ["readable"]


def test_the_halves_of_what_the_simulator_sends_are_the_whole() -> None:
    country = simulate(7, 600, ["15"])
    for name in ("lao-cai.population", "yen-bai.household", "yen-bai.insurance"):
        one = load().sources[name]
        made = max(exports(country, phase="before", source_id=name), key=lambda file: file.record_count)
        chunks = list(read_in_chunks(io.BytesIO(made.payload), one.dialect, source_id=name))

        found = {
            each.name: each for each in conform(chunks, source=one, exported_on=made.exported_on, as_of=ON).criteria
        }

        assert found["whole"].is_kept
        assert found["halves"].is_kept
