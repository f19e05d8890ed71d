"""Two sides that hold numbered batches find out what differs without telling each other all of them.

A leaf is a batch's sequence as 8 bytes, big-endian, and its SHA-256. Roots say whether two sets of leaves are equal, a
sketch says which leaves differ as long as they are few. Pure; docs/agent.md states both forms for other languages.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAF_BYTES = 40
CELL_BYTES = 52  # count, check, exclusive or of the leaves
LEAST_CELLS = 48
MOST_CELLS = 60_000  # what fits into one message
MOST_ROUNDS = 256  # an honest sketch is read in a few dozen; more is made to keep us busy
PARTS = 3  # every leaf lies once in each third of the cells

Words = npt.NDArray[np.uint64]
Leaves = npt.NDArray[np.uint64]  # (n, 5): the sequence and the four words of the SHA-256, unique rows

_CELL = np.dtype([("count", ">i4"), ("check", ">u8"), ("leaf", ">u8", (5,))])
_GAMMA = 0x9E3779B97F4A7C15
_CHECK = np.uint64(0xA5A5A5A55A5A5A5A)


@dataclass(frozen=True)
class Sketch:
    """Cells of an invertible Bloom look-up table; all three have one row a cell."""

    count: npt.NDArray[np.int64]
    check: Words
    leaf: Leaves


@dataclass(frozen=True)
class Difference:
    """What one set has and the other has not, each by rising sequence."""

    only_theirs: Leaves
    only_ours: Leaves


def leaves(sequences: npt.ArrayLike, hashes: bytes) -> Leaves:
    """The leaves of batches; `hashes` holds their SHA-256 one after another. Raises ValueError when they do not fit."""
    numbers = np.asarray(sequences, np.uint64)
    if len(hashes) != 32 * len(numbers):
        raise ValueError(f"{len(numbers)} sequences and {len(hashes)} bytes of hashes")
    words = np.frombuffer(hashes, ">u8").astype(np.uint64).reshape(-1, 4)
    return np.column_stack([numbers, words])


def read_leaves(written: bytes) -> Leaves:
    """Leaves from their bytes, one after another."""
    return np.frombuffer(written, ">u8").astype(np.uint64).reshape(-1, 5)


def write_leaves(of: Leaves) -> bytes:
    """The bytes of leaves, one after another."""
    return of.astype(">u8").tobytes()


def merkle_root(of: Leaves) -> bytes:
    """The root of RFC 6962 over leaves, which have to rise. Of none it is the SHA-256 of nothing."""
    written, sha256 = write_leaves(of), hashlib.sha256
    if not written:
        return sha256(b"").digest()
    places = range(0, len(written), LEAF_BYTES)
    level = [sha256(b"\x00" + written[place : place + LEAF_BYTES]).digest() for place in places]
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(b"\x01" + one + two).digest() for one, two in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]


def cells_for(difference: int) -> int:
    """How many cells a sketch needs so that so many leaves can nearly always be read from it."""
    wanted = max(LEAST_CELLS, round(difference * 1.5) + 24)
    return min(MOST_CELLS, -(-wanted // PARTS) * PARTS)


def sketch(of: Leaves, *, cells: int) -> Sketch:
    """The sketch of leaves in so many cells, a multiple of 3."""
    if cells % PARTS or not 0 < cells <= MOST_CELLS:
        raise ValueError(f"{cells} cells")
    made = Sketch(np.zeros(cells, np.int64), np.zeros(cells, np.uint64), np.zeros((cells, 5), np.uint64))
    _put(made, of, np.ones(len(of), np.int64))
    return made


def write_sketch(of: Sketch) -> bytes:
    """The cells one after another: count as 4 bytes, check as 8 and leaf as 40, big-endian."""
    cells = np.zeros(len(of.count), _CELL)
    cells["count"], cells["check"], cells["leaf"] = of.count, of.check, of.leaf
    return cells.tobytes()


def read_sketch(written: bytes) -> Sketch:
    """A sketch from its bytes. Raises ValueError when they cannot be one."""
    count, rest = divmod(len(written), CELL_BYTES)
    if rest or count % PARTS or not 0 < count <= MOST_CELLS:
        raise ValueError(f"{len(written)} bytes are no sketch of 3 to {MOST_CELLS} cells, a multiple of {PARTS}")
    cells = np.frombuffer(written, _CELL)
    return Sketch(cells["count"].astype(np.int64), cells["check"].astype(np.uint64), cells["leaf"].astype(np.uint64))


def decode(theirs: Sketch, ours: Sketch) -> Difference | None:
    """The leaves in which two sets differ, None when they are too many for the sketches, or one of these is made up."""
    if len(theirs.count) != len(ours.count):
        raise ValueError(f"sketches of {len(theirs.count)} and {len(ours.count)} cells")
    left = Sketch(theirs.count - ours.count, theirs.check ^ ours.check, theirs.leaf ^ ours.leaf)
    found: dict[int, list[Leaves]] = {1: [np.empty((0, 5), np.uint64)], -1: [np.empty((0, 5), np.uint64)]}
    total = 0
    for _ in range(MOST_ROUNDS):
        pure = np.flatnonzero((np.abs(left.count) == 1) & (_check(left.leaf) == left.check))
        if not len(pure):
            break
        read, first = np.unique(left.leaf[pure], axis=0, return_index=True)
        sides = left.count[pure[first]]
        total += len(read)
        if total > len(left.count):
            return None
        _put(left, read, -sides)
        for side, several in found.items():
            several.append(read[sides == side])
    if left.count.any() or left.check.any() or left.leaf.any():
        return None
    theirs_only, ours_only = (_risen(np.concatenate(found[side])) for side in (1, -1))
    return Difference(theirs_only, ours_only)


def _put(into: Sketch, what: Leaves, sides: npt.NDArray[np.int64]) -> None:
    """Add leaves to their cells, `sides` times each (1 or -1); exclusive or undoes itself."""
    if not len(what):
        return
    third = len(into.count) // PARTS
    check = _check(what)
    for part in range(PARTS):
        cells = (_mix(_hash(what) + np.uint64((part + 1) * _GAMMA & (2**64 - 1))) % np.uint64(third)).astype(np.int64)
        cells += part * third
        order = np.argsort(cells, kind="stable")
        touched, starts = np.unique(cells[order], return_index=True)
        into.count[touched] += np.add.reduceat(sides[order], starts)
        into.check[touched] ^= np.bitwise_xor.reduceat(check[order], starts)
        into.leaf[touched] ^= np.bitwise_xor.reduceat(what[order], starts, axis=0)


def _hash(of: Leaves) -> Words:
    """One word from the five of each leaf."""
    word = np.zeros(len(of), np.uint64)
    for column in range(5):
        word = _mix(word ^ of[:, column])
    return word


def _check(of: Leaves) -> Words:
    return _mix(_hash(of) ^ _CHECK)


def _mix(word: Words) -> Words:
    """The finaliser of SplitMix64; products wrap around."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def _risen(of: Leaves) -> Leaves:
    return of[np.lexsort(of.T[::-1])]
