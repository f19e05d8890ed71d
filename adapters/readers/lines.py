"""Lines of a text: where each lies in a whole file, and the lines of a file of any size, piece by piece."""

import codecs
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.model import LIMITS, Extents, Numbers

BLOCK_BYTES = 1024 * 1024
_LF, _CR = 0x0A, 0x0D


@dataclass(frozen=True)
class Piece:
    """Some whole lines, and where in the file they begin."""

    body: bytes  # with the end of its last line
    origin: int
    after: bytes  # the byte that follows; none at the end


class LineReader:
    """A file cut between lines. It never holds more than a batch may have and one block."""

    def __init__(self, stream: BinaryIO, *, source_id: str, quote: int | None = None, separator: int = 0) -> None:
        self._stream = stream
        self._source_id = source_id
        self._quote, self._separator = quote, separator
        first = stream.read(BLOCK_BYTES)
        mark = len(codecs.BOM_UTF8) if first.startswith(codecs.BOM_UTF8) else 0
        self._held, self._origin, self._cut, self._next = first, 0, mark, 0
        self._at_end = not first
        self._scan()

    def take(self, lines: int) -> Piece | None:
        """The next lines that are not empty, at most so many and no more bytes than a batch has; None at the end."""
        while not self._at_end and self._ready < lines and len(self._held) - self._cut <= LIMITS.payload_bytes:
            self._read_on()
        if not self._ready and self._at_end:
            return None
        ends = self._ends[self._next : self._next + min(lines, self._ready)]
        count = int(np.searchsorted(ends, self._cut + LIMITS.payload_bytes, side="right"))
        if not count:
            message = f"a row is longer than {LIMITS.payload_bytes} bytes; its line or its quotes may not end"
            place = f"byte offset {self._origin + self._cut}"
            raise RejectedBatchError(RejectionReason.TOO_LARGE, message, source_id=self._source_id, place=place)
        end = int(ends[count - 1])
        end += 2 if self._held[end : end + 2] == b"\r\n" else int(self._held[end : end + 1] in (b"\r", b"\n"))
        piece = Piece(self._held[self._cut : end], self._origin + self._cut, self._held[end : end + 1])
        self._cut = end
        self._next += count
        return piece

    @property
    def _ready(self) -> int:
        return len(self._ends) - self._next

    def _read_on(self) -> None:
        block = self._stream.read(BLOCK_BYTES)
        self._at_end = not block
        self._origin += self._cut
        self._held = self._held[self._cut :] + block
        self._cut = self._next = 0
        self._scan()

    def _scan(self) -> None:
        """Finds the lines that are held whole."""
        body = b"\n" * self._cut + self._held[self._cut :] if self._cut else self._held  # a byte order mark is cut
        ends = line_extents(body, quote=self._quote, separator=self._separator).ends if body else np.empty(0, np.int64)
        is_open = len(ends) > 0 and ends[-1] == len(body) and not self._at_end
        self._ends: Numbers = ends[:-1] if is_open else ends


def line_extents(body: bytes, *, quote: int | None = None, separator: int = 0) -> Extents:
    """Lines that are not empty, without their ends.

    With `quote` the lines are those of a CSV: a line end within quotes belongs to its line, and a quote opens only
    at the beginning of a field; a carriage return alone ends a line as well.
    """
    values = np.frombuffer(body, np.uint8)
    breaks = np.flatnonzero(values == _LF)
    if quote is not None:
        returns = np.flatnonzero(values == _CR)
        alone = returns[values[np.minimum(returns + 1, len(values) - 1)] != _LF]
        breaks = _outside(np.union1d(breaks, alone), _quoted(values, quote, separator))
    starts = np.concatenate([np.zeros(1, np.int64), breaks + 1])
    ends = np.concatenate([breaks, np.full(1, len(body), np.int64)])
    ends = ends - ((ends > starts) & (values[np.maximum(ends - 1, 0)] == _CR))
    filled = ends > starts
    return Extents(starts[filled].astype(np.int64), ends[filled].astype(np.int64))


def unclosed_quote(body: bytes, *, quote: int, separator: int) -> int | None:
    """The offset of a quote that opens a field and is never closed."""
    spans = _quoted(np.frombuffer(body, np.uint8), quote, separator)
    return int(spans.starts[-1]) if len(spans) and spans.ends[-1] == len(body) else None


def _outside(places: Numbers, spans: Extents) -> Numbers:
    """The places that lie in none of the spans."""
    return places[spans.rows_of(places) < 0]


def _quoted(values: npt.NDArray[np.uint8], quote: int, separator: int) -> Extents:
    """From each quote that opens a field to the one that closes it; the end of the text closes the last."""
    quotes = np.flatnonzero(values == quote)
    opening, closing = quotes[::2], np.append(quotes[1::2], len(values))[: len(quotes[::2])]
    before = np.where(opening > 0, values[opening - 1], _LF) if len(opening) else np.empty(0, np.uint8)
    doubled = np.append(np.zeros(1, np.bool_), opening[1:] == closing[:-1] + 1)[: len(opening)]
    if (np.isin(before, [separator, _LF, _CR]) | doubled).all():
        return Extents(opening.astype(np.int64), closing.astype(np.int64))
    return _quoted_one_by_one(values, quotes.tolist(), separator)


def _quoted_one_by_one(values: npt.NDArray[np.uint8], quotes: list[int], separator: int) -> Extents:
    """The same where a quote stands within a field, so that every second one no longer opens."""
    spans: list[tuple[int, int]] = []
    begun, skipped = -1, -1
    for number, place in enumerate(quotes):
        if place == skipped:
            continue
        if begun < 0:
            if place == 0 or values[place - 1] in (separator, _LF, _CR):
                begun = place
        elif number + 1 < len(quotes) and quotes[number + 1] == place + 1:
            skipped = place + 1
        else:
            spans.append((begun, place))
            begun = -1
    if begun >= 0:
        spans.append((begun, len(values)))
    found = np.array(spans, np.int64).reshape(-1, 2)
    return Extents(found[:, 0], found[:, 1])
