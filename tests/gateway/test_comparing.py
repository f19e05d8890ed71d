"""Two sides that hold batches: the roots say whether they differ, the sketch in what, or that it cannot say."""

import hashlib
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import comparing
from tests.gateway.conftest import ROOT


def leaves(*held: tuple[int, int]) -> comparing.Leaves:
    """The leaves of batches (sequence, content)."""
    hashes = b"".join(hashlib.sha256(b"%d" % content).digest() for _, content in sorted(held))
    return comparing.leaves([sequence for sequence, _ in sorted(held)], hashes)


def pairs(of: comparing.Leaves) -> set[bytes]:
    return {comparing.write_leaves(of[row : row + 1]) for row in range(len(of))}


def told(theirs: comparing.Leaves, ours: comparing.Leaves, *, cells: int) -> comparing.Difference | None:
    """What differs, after the sketch of one went over the line."""
    sent = comparing.read_sketch(comparing.write_sketch(comparing.sketch(theirs, cells=cells)))
    return comparing.decode(sent, comparing.sketch(ours, cells=cells))


def naive_root(written: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if not written:
        return hashlib.sha256(b"").digest()
    if len(written) == 1:
        return hashlib.sha256(b"\x00" + written[0]).digest()
    split = 1
    while split * 2 < len(written):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(written[:split]) + naive_root(written[split:])).digest()


@given(st.dictionaries(st.integers(1, 2**63 - 1), st.integers(0, 9), max_size=70))
@settings(max_examples=60, deadline=None)
def test_the_root_is_that_of_the_rfc(held):
    made = leaves(*held.items())

    written = comparing.write_leaves(made)
    assert comparing.merkle_root(made) == naive_root([written[at : at + 40] for at in range(0, len(written), 40)])
    assert np.array_equal(comparing.read_leaves(written), made)


held = st.dictionaries(st.integers(1, 60), st.integers(0, 2), max_size=50)


@given(theirs=held, ours=held, cells=st.sampled_from([3, 9, 24, 48, 192]))
@settings(max_examples=100, deadline=None)
def test_any_two_sets_differ_in_just_what_is_told_or_nothing_is_told(theirs, ours, cells):
    one, two = leaves(*theirs.items()), leaves(*ours.items())

    difference = told(one, two, cells=cells)

    if difference is not None:
        assert pairs(difference.only_theirs) == pairs(one) - pairs(two)
        assert pairs(difference.only_ours) == pairs(two) - pairs(one)
        assert list(difference.only_theirs[:, 0]) == sorted(difference.only_theirs[:, 0])
    elif cells >= 192:
        assert len(pairs(one) ^ pairs(two)) > 60  # so many cells can tell of so few


@pytest.mark.parametrize("size", [0, 1, 3, 10, 100, 1_000, 20_000])
def test_a_sketch_of_the_advised_size_tells_the_difference(size):
    random = np.random.default_rng(size)
    trials = 20 if size <= 1_000 else 2
    read = 0
    for _ in range(trials):
        both = comparing.leaves(range(1, 50_001), random.bytes(32 * 50_000))
        theirs = comparing.leaves(range(60_000, 60_000 + size), random.bytes(32 * size))

        difference = told(np.concatenate([both, theirs]), both, cells=comparing.cells_for(size))

        if difference is not None:
            assert np.array_equal(difference.only_theirs, theirs)
            read += 1
    assert read >= trials - 1


def test_one_batch_with_two_contents_differs_on_both_sides():
    difference = told(leaves((1, 0), (2, 0)), leaves((1, 0), (2, 5)), cells=48)

    assert difference is not None
    assert list(difference.only_theirs[:, 0]) == list(difference.only_ours[:, 0]) == [2]


def test_the_form_is_the_one_that_is_written_down():
    """docs/agent.md gives this sketch for an implementation in another language to check itself against."""
    made = comparing.write_sketch(comparing.sketch(leaves((1, 1), (2, 2)), cells=3))
    guide = "".join((ROOT / "docs" / "agent.md").read_text(encoding="utf-8").split())

    assert comparing.merkle_root(leaves((1, 1), (2, 2))).hex() in guide
    assert made[:52].hex() in guide
    assert made[:52] == made[52:104] == made[104:]


@pytest.mark.parametrize("written", [b"", b"\0", bytes(52), bytes(52 * 4), bytes(52 * 60_003)])
def test_what_is_no_sketch_is_refused(written):
    with pytest.raises(ValueError, match="no sketch"):
        comparing.read_sketch(written)


@given(st.binary(min_size=52 * 9, max_size=52 * 9).filter(any))
@settings(max_examples=50, deadline=None)
def test_a_made_up_sketch_tells_nothing(written):
    """Random cells are never read as a difference: their checks do not hold."""
    assert comparing.decode(comparing.read_sketch(written), comparing.sketch(leaves((1, 1)), cells=9)) is None


def test_the_largest_sketch_there_may_be_is_given_up_in_bounded_time_and_memory():
    random = np.random.default_rng(7)
    ours = comparing.sketch(comparing.leaves([], b""), cells=comparing.MOST_CELLS)
    crowd = comparing.leaves(range(1, 52_001), random.bytes(32 * 52_000))  # beyond what can be read: it stalls
    theirs = comparing.sketch(crowd, cells=comparing.MOST_CELLS)

    tracemalloc.start()
    begun = time.perf_counter()
    difference = comparing.decode(theirs, ours)
    seconds, (_, peak) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert difference is None
    assert seconds < 20
    assert peak < 100 * 1024 * 1024
