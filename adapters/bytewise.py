"""Columns of text seen as bytes: whole-column tests that say cheaply which few rows deserve a closer look.

A regular expression costs a tenth of a microsecond a row even where it finds nothing; comparing all bytes of a column
at once costs a hundredth. Text is UTF-8, so a byte below 0x80 is always the character it seems to be.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]

SPACE, DEL = 0x20, 0x7F
_PLACES = 256  # rows looked at to see whether a column repeats itself
_SIGNS = 0xC2  # leads U+0080 to U+00BF: controls, the hard space, the soft hyphen, signs
_EXTENDED = 0xE1  # leads U+1000 to U+1FFF, with the Vietnamese letters U+1E00 to U+1EFF among them
_EXTENDED_NEXT = (0xB8, 0xBB)  # second bytes of U+1E00 to U+1EFF
_MARKS = 0xCC  # from here on lead bytes stand for U+0300 and above: combining marks, other scripts, format characters


@dataclass(frozen=True)
class Text:
    """A column's bytes: row i is data[starts[i]:starts[i] + lengths[i]]. Null rows count as empty."""

    data: Octets
    starts: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    valid: Mask

    def __len__(self) -> int:
        return len(self.starts)

    def at(self, rows: Numbers, place: int) -> Octets:
        """The byte at one place of some rows, each of which must be longer than that."""
        return self.data[self.starts[rows] + place]

    def after(self, positions: Numbers) -> Octets:
        """The bytes that follow some positions of `data`; the last byte follows itself."""
        return self.data[np.minimum(positions + 1, len(self.data) - 1)]

    def rows_at(self, positions: Numbers) -> Mask:
        """Rows that hold at least one of the positions of `data`."""
        held = np.zeros(len(self), np.bool_)
        if len(positions):
            held[np.searchsorted(self.starts, positions, side="right") - 1] = True
        return held & self.valid & (self.lengths > 0)

    def rows_with(self, hits: Mask) -> Mask:
        """Rows in which a test that was made of every byte came out true at least once."""
        held = np.zeros(len(self), np.bool_)
        filled = np.flatnonzero(self.lengths > 0)
        if len(filled):
            held[filled] = np.logical_or.reduceat(hits, self.starts[filled])
        return held


def view(values: pa.Array) -> Text:
    """The bytes of a string array, without copying them; only null rows that hide bytes make a copy."""
    _, bounds_buffer, data_buffer = values.buffers()
    valid = validity(values)
    if not len(values) or bounds_buffer is None:
        nothing = np.zeros(len(values), np.int32)
        return Text(np.empty(0, np.uint8), nothing, nothing, valid)
    bounds = np.frombuffer(bounds_buffer, np.int32)[values.offset : values.offset + len(values) + 1]
    starts, lengths = bounds[:-1], bounds[1:] - bounds[:-1]
    if values.null_count and lengths[~valid].any():
        return view(values.take(pa.array(np.arange(len(values)), mask=~valid)))
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    first = bounds[0]
    return Text(data[first : bounds[-1]], starts - first if first else starts, lengths, valid)


def validity(values: pa.Array) -> Mask:
    """Rows that are not null."""
    if not values.null_count:
        return np.ones(len(values), np.bool_)
    valid: Mask = values.is_valid().to_numpy(zero_copy_only=False)
    return valid


def is_true(mask: pa.Array) -> Mask:
    """Rows where an Arrow mask is true, neither false nor null."""
    known = pc.fill_null(mask, fill_value=False) if mask.null_count else mask
    true: Mask = known.to_numpy(zero_copy_only=False)
    return true


def is_digits(text: Text) -> Mask:
    """Rows of nothing but the digits 0 to 9, at least one."""
    other = (text.data - np.uint8(ord("0"))) > np.uint8(9)  # below 0 wraps round to the top
    filled = text.lengths > 0
    return filled & ~text.rows_with(other) if other.any() else filled


def is_ascii(text: Text) -> bool:
    """Whether no row holds a character above U+007F."""
    return not len(text.data) or bool(text.data.max() < 0x80)


def digit_at(text: Text, rows: Numbers, place: int) -> Octets:
    """The digit at one place of some rows; above 9 where it is none."""
    return text.at(rows, place) - np.uint8(ord("0"))


def cells_of(text: Text, rows: Numbers, place: int, width: int) -> Octets:
    """`width` bytes of some rows, from one place on: a matrix of a line a row."""
    cells: Octets = text.data[(text.starts[rows] + place)[:, None] + np.arange(width)]
    return cells


def number_of(digits: Octets) -> Numbers:
    """The number that each line of a matrix of digits writes."""
    number = np.zeros(len(digits), np.int64)
    for place in range(digits.shape[1]):
        number = number * 10 + digits[:, place]
    return number


def number_at(text: Text, rows: Numbers, place: int, width: int) -> Numbers:
    """The number that `width` digits of some rows write, from one place on."""
    return number_of(cells_of(text, rows, place, width) - np.uint8(ord("0")))


def rows_beyond_latin(text: Text) -> Mask:
    """Rows with a character above U+02FF that is no Vietnamese letter: what NFC or a look-alike may concern."""
    if is_ascii(text):
        return np.zeros(len(text), np.bool_)
    return text.rows_at(np.sort(_beyond_latin(text)))


def rows_unlike_words(text: Text) -> Mask:
    """Rows that are empty, hold a sign, a control or a character beyond Latin, or whose spaces are not single."""
    odd: Mask = text.valid & (text.lengths == 0)
    if not len(text.data):
        return odd
    hits = (text.data < SPACE) | (text.data == DEL)
    if not is_ascii(text):
        hits |= text.data == _SIGNS
        hits[_beyond_latin(text)] = True
    gaps = text.data == SPACE
    if gaps.any():
        hits[1:] |= gaps[1:] & gaps[:-1]
        filled = np.flatnonzero(text.lengths > 0)
        first = text.starts[filled]
        last = first + text.lengths[filled] - 1
        odd[filled] |= gaps[first] | gaps[last]
    unlike: Mask = odd | text.rows_at(np.flatnonzero(hits))
    return unlike


def repeats_itself(values: pa.Array) -> bool:
    """Whether a run of rows from the middle holds many values more than once."""
    first = max(0, (len(values) - _PLACES) // 2)
    run = values.slice(first, _PLACES)
    return bool(len(run.dictionary_encode().dictionary) * 4 <= len(run) * 3)


def _beyond_latin(text: Text) -> Numbers:
    extended = np.flatnonzero(text.data == _EXTENDED)
    following = text.after(extended)
    lowest, highest = _EXTENDED_NEXT
    foreign = extended[(following < lowest) | (following > highest)]
    return np.concatenate([foreign, np.flatnonzero((text.data >= _MARKS) & (text.data != _EXTENDED))])
