"""How old what waits is: a bar a queue, parted by how long its items have waited."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gateway.console.pictures.drawing import (
    band_colour,
    bar,
    grain_id,
    grains,
    picture,
    shortened,
    words,
    wrapped,
)
from reconciliation.numerals import VIETNAMESE, Numerals

_WIDTH, _LEFT, _RIGHT, _ROW, _LEGEND = 720.0, 210.0, 84.0, 24.0, 30.0
_SIZE, _LINE = 12.0, 14.0  # of a label, and from one of its lines to the next


@dataclass(frozen=True)
class Pile:
    """One queue: how many of its items are in each band, youngest first. Counts are not negative."""

    label: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.counts)


def ageing(
    name: str, piles: Sequence[Pile], *, title: str, bands: Sequence[str], numerals: Numerals = VIETNAMESE
) -> Markup:
    """The piles in the order given, all on one scale, with the number of each band in it where there is room."""
    most = max([pile.total for pile in piles] + [1])
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    parts, top = _legend(name, bands), _LEGEND
    for pile in piles:
        lines = wrapped(pile.label, room=_LEFT - 14, size=_SIZE)
        row = _ROW + _LINE * (len(lines) - 1)
        middle = top + (row - _ROW) / 2
        for place, line in enumerate(lines):
            parts.append(words(line, (_LEFT - 8, top + 15 + place * _LINE), anchor="end"))
        begin = _LEFT
        for band, number in enumerate(pile.counts):
            if not number:
                continue
            width, says = number * scale, f"{pile.label}, {bands[band]}: {numerals.count(number)}"
            parts.append(
                bar(
                    (begin, middle + 2),
                    (width, _ROW - 6),
                    kind=f"band-{band}",
                    fill=band_colour(band),
                    says=says,
                    grain=grain_id(name, band),
                )
            )
            begin += width
        parts.append(words(numerals.count(pile.total), (begin + 6, middle + 15)))
        top += row
    height = top + 4
    return picture(
        name,
        (_WIDTH, height),
        title=title,
        description="; ".join(_told(pile, bands, numerals) for pile in piles),
        parts=parts,
        defs=grains(name, len(bands)),
    )


def _told(pile: Pile, bands: Sequence[str], numerals: Numerals) -> str:
    pairs = zip(bands, pile.counts, strict=True)
    parted = ", ".join(f"{band} {numerals.count(number)}" for band, number in pairs if number)
    return f"{pile.label}: {numerals.count(pile.total)}" + (f" ({parted})" if parted else "")


def _legend(name: str, bands: Sequence[str]) -> list[str]:
    room, parts = _WIDTH / max(len(bands), 1), []
    for band, label in enumerate(bands):
        begin = band * room
        swatch = bar((begin, 6), (14, 14), kind=f"band-{band}", fill=band_colour(band), grain=grain_id(name, band))
        parts += [swatch, words(shortened(label, room=room - 24, size=12), (begin + 20, 17), kind="soft")]
    return parts
