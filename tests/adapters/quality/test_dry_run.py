"""A dry run counts the same whatever the chunks are, and its scores are what their formulas say."""

import io
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.catalogue import Cadence, load
from adapters.quality.dry_run import DryRun, dry_run
from adapters.quality.scoring import MEANINGS, Counts, Score, Word, scores
from adapters.readers.chunks import read_in_chunks
from tests.gateway.batches import json_lines, person

ON = date(2025, 7, 15)
SOURCE = "ha-noi.population"
WELL = Counts(
    received=100, usable=100, doubtful=0, unclean=0, repeated=0, cells=1_000, filled=1_000, values=1_000, repaired=0,
    unit_codes=100, off_list=0, numbered=100, placed=100, newest=ON, has_versions=True,
)  # fmt: skip

FAULTS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from([None, "P1", "P2"]),
        "ho_ten": st.sampled_from(["An", "Nguye\u0302\u0303n An", "A\u200bn", "", None]),
        "ngay_sinh": st.sampled_from(["1985", "2099-01-01", "1985-02-31", "1985-04-30"]),
        "gioi_tinh": st.sampled_from(["Nam", "Khác", None]),
        "ma_xa": st.sampled_from(["00004", "4", "99998", "001"]),
    },
)


def run(payload: bytes, *, records: int = 10_000) -> DryRun:
    source = load().sources[SOURCE]
    chunks = read_in_chunks(io.BytesIO(payload), source.dialect, source_id=SOURCE, records=records)
    return dry_run(chunks, source=source, exported_on=ON, as_of=ON)


@settings(max_examples=40)
@given(st.lists(FAULTS, min_size=1, max_size=12), st.integers(1, 6))
def test_the_size_of_chunks_changes_nothing_but_what_is_said_within_one(
    faults: list[dict[str, str]], records: int
) -> None:
    """That a key comes twice is said within a chunk, as within a batch; each of these has its own."""
    people = [person(number, **one) | {"id": f"K{number}"} for number, one in enumerate(faults)]

    whole, cut = run(json_lines(people)), run(json_lines(people), records=records)

    assert cut.scores == whole.scores
    assert cut.vintage == whole.vintage
    one, other = cut.counted, whole.counted
    for name in (
        "received",
        "quarantined",
        "findings",
        "examples",
        "dates",
        "units",
        "unit_codes",
        "doubtful",
        "newest",
    ):
        assert getattr(one, name) == getattr(other, name), name
    for name in other.columns:
        assert (one.column(name).empty, one.column(name).forms) == (other.column(name).empty, other.column(name).forms)


@settings(max_examples=40)
@given(st.lists(FAULTS, min_size=1, max_size=12))
def test_no_row_is_lost_and_every_score_is_a_share(faults: list[dict[str, str]]) -> None:
    found = run(json_lines([person(number, **one) for number, one in enumerate(faults)]))

    assert found.counted.received == len(faults) == found.usable + found.counted.quarantined
    assert sum(found.placed().values()) == found.usable
    assert [score.word for score in found.scores] == list(Word)
    assert all(score.value is None or 0 <= score.value <= 100 for score in found.scores)


def test_a_key_that_comes_again_in_another_chunk_is_counted() -> None:
    people = [person(number) for number in (1, 2, 3, 1, 2, 4)]

    found = run(json_lines(people), records=2)

    assert found.repeated == 2
    assert found.counted.quarantined == 0  # no batch of two holds both


def value(word: Word, **changes: object) -> int | None:
    found = scores(replace(WELL, **changes), exported_on=ON, cadence=Cadence.WEEKLY)
    return {one.word: one.value for one in found}[word]


def test_a_file_without_a_fault_scores_100_by_every_word() -> None:
    assert {one.value for one in scores(WELL, exported_on=ON, cadence=Cadence.WEEKLY)} == {100}


@pytest.mark.parametrize(
    ("word", "changes", "score"),
    [
        (Word.RIGHT, {"doubtful": 1}, 99), (Word.RIGHT, {"usable": 0}, None),
        (Word.RIGHT, {"usable": 3, "doubtful": 1}, 66),
        (Word.COMPLETE, {"filled": 999}, 99), (Word.COMPLETE, {"cells": 0, "filled": 0}, None),
        (Word.CLEAN, {"unclean": 5, "repeated": 5}, 90), (Word.CLEAN, {"unclean": 100, "repeated": 9}, 0),
        (Word.LIVE, {"newest": date(2025, 7, 8)}, 100), (Word.LIVE, {"newest": date(2025, 7, 1)}, 50),
        (Word.LIVE, {"newest": None}, None), (Word.LIVE, {"has_versions": False}, None),
        (Word.UNIFORM, {"repaired": 100}, 90), (Word.UNIFORM, {"repaired": 100, "off_list": 40}, 60),
        (Word.UNIFORM, {"values": 0, "unit_codes": 0}, None), (Word.CONNECTED, {"numbered": 50}, 50),
        (Word.SHARED, {"placed": 50}, 50),
    ],
)  # fmt: skip
def test_a_score_is_what_its_formula_says(word: Word, changes: dict[str, object], score: int | None) -> None:
    assert value(word, **changes) == score


def test_every_word_is_explained_in_both_languages() -> None:
    for word in Word:
        meaning = Score(word, None).meaning
        assert meaning is MEANINGS[word]
        assert all(vars(meaning).values())
