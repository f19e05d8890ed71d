"""Every file that fuzzing kept, and hypothesis's own mutations of the samples, keep the promises of verdict.py."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.declaration import read_dialect
from tests.adapters.conformance import sample_source
from tests.fuzzing.corpus import load_corpus
from tests.fuzzing.verdict import DIALECTS, judge, samples

each_dialect = pytest.mark.parametrize("folder", DIALECTS, ids=lambda folder: folder.name)


@each_dialect
def test_kept_files_are_read_or_refused(folder: Path) -> None:
    dialect = read_dialect(folder)
    files = list(load_corpus(folder.name))

    verdicts = [judge(file, source=sample_source(dialect), exported_on=dialect.sample.exported_on) for file in files]

    assert len(verdicts) >= 10, f"{folder.name} has never been fuzzed: make fuzz ARGS={folder.name}"
    assert set(verdicts) <= {"read", "refused"}


@each_dialect
@given(seed=st.integers(0, 2**32))
@settings(max_examples=40)
def test_mutated_samples_are_read_or_refused(folder: Path, seed: int) -> None:
    dialect, dice = read_dialect(folder), random.Random(seed)
    payload = mutated(dice.choice(list(samples(folder))), dice)

    assert judge(payload, source=sample_source(dialect), exported_on=dialect.sample.exported_on) in {"read", "refused"}


def mutated(payload: bytes, dice: random.Random) -> bytes:
    """A file with a few stretches overwritten, cut out, doubled or moved."""
    changed = bytearray(payload)
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(changed) + 1)
        stretch = changed[start : start + dice.choice((1, 2, 8, 64))]
        match dice.randrange(4):
            case 0:
                changed[start : start + len(stretch)] = dice.randbytes(len(stretch))
            case 1:
                del changed[start : start + len(stretch)]
            case 2:
                changed[start:start] = stretch
            case _:
                place = dice.randrange(len(changed) + 1)
                changed[place:place] = stretch
    return bytes(changed)
