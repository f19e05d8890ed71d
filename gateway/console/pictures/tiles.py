"""The country as a grid of tiles, a province each, laid out roughly as it lies; no borders, no map data."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from markupsafe import Markup

from gateway.console.pictures.drawing import (
    band_colour,
    bar,
    grain_id,
    grains,
    picture,
    share,
    shortened,
    words,
)
from reconciliation.numerals import VIETNAMESE, Numerals

COLUMNS = 6
_TILE, _HIGH, _LEGEND = 124.0, 46.0, 34.0
_TYPES = ("Thành phố ", "Tỉnh ")

# Province code → (column, row), from the north-west: each row of the text is one of the map, west to east.
_ROWS = """
.. 12 15 08 04 ..
11 14 25 19 20 ..
.. .. 01 24 31 22
.. .. 37 33 .. ..
.. .. 38 .. .. ..
.. .. 40 .. .. ..
.. .. .. 42 .. ..
.. .. .. 44 .. ..
.. .. .. .. 46 ..
.. .. .. .. 48 ..
.. .. .. .. .. 51
.. .. .. .. .. 52
.. .. .. .. .. 66
.. .. .. 75 68 56
.. .. 80 79 .. ..
.. 91 82 86 .. ..
.. 96 92 .. .. ..
"""
PLACES = MappingProxyType(
    {
        code: (column, row)
        for row, line in enumerate(_ROWS.split("\n")[1:-1])
        for column, code in enumerate(line.split())
        if code != ".."
    }
)
BOUNDS = (0.001, 0.01, 0.05, 0.2)  # shares at which a tile's grain changes, ascending


@dataclass(frozen=True)
class Tile:
    """A province and its share of 0–1; None where there is nothing to have a share of."""

    code: str
    name: str
    share: float | None
    says: str  # in words, with its numbers


def band_of(part: float) -> int:
    """The band of a share: 0 for less than the first bound, then one more at each."""
    return sum(part >= bound for bound in BOUNDS)


def tiles(name: str, provinces: Sequence[Tile], *, title: str, nothing: str, numerals: Numerals = VIETNAMESE) -> Markup:
    """Every province given, at its place; one without a place stands in rows below. `nothing` names what has no share.

    The share stands in each tile: its colour and its grain only repeat it.
    """
    rows = 1 + max(row for _, row in PLACES.values())
    placed = dict(PLACES)
    strangers = [one.code for one in provinces if one.code not in placed]
    for number, code in enumerate(strangers):
        placed[code] = (number % COLUMNS, rows + number // COLUMNS)
    rows += -(-len(strangers) // COLUMNS)
    parts = _legend(name, nothing, numerals)
    for one in provinces:
        column, row = placed[one.code]
        parts += _tile(name, one, (column * _TILE, _LEGEND + row * _HIGH), nothing=nothing)
    return picture(
        name,
        (COLUMNS * _TILE, _LEGEND + rows * _HIGH),
        title=title,
        description="; ".join(f"{one.name}: {one.says}" for one in provinces),
        parts=parts,
        defs=grains(name, len(BOUNDS) + 1),
    )


def _tile(name: str, one: Tile, place: tuple[float, float], *, nothing: str) -> list[str]:
    x, y = place
    size, says = (_TILE - 4, _HIGH - 4), f"{one.name}: {one.says}"
    if one.share is None:
        drawn = bar(place, size, kind="nothing", fill="#eef1f4", says=says)
        number = nothing
    else:
        band = band_of(one.share)
        drawn = bar(place, size, kind=f"band-{band}", fill=band_colour(band), says=says, grain=grain_id(name, band))
        number = share(one.share)
    # Names stand on paper of their own: no grain makes them hard to read.
    back = bar((x + 3, y + 3), (_TILE - 28, _HIGH - 10), kind="paper", fill="#ffffff")
    called = shortened(_short(one.name), room=_TILE - 34, size=11.5)
    return [
        drawn,
        back,
        words(called, (x + 8, y + 18), size=11.5, bold=True),
        words(number, (x + 8, y + 34), size=12),
    ]


def _short(name: str) -> str:
    for kind in _TYPES:
        name = name.removeprefix(kind)
    return name


def _legend(name: str, nothing: str, numerals: Numerals) -> list[str]:
    bounds = [f"< {numerals.percent(BOUNDS[0])}", *(f"≥ {numerals.percent(bound)}" for bound in BOUNDS)]
    parts = []
    for band, label in enumerate(bounds):
        drawn = bar((band * 98, 6), (16, 16), kind=f"band-{band}", fill=band_colour(band), grain=grain_id(name, band))
        parts += [drawn, words(label, (band * 98 + 22, 19), kind="soft")]
    x = len(bounds) * 98
    parts.append(bar((x, 6), (16, 16), kind="nothing", fill="#eef1f4"))
    parts.append(words(shortened(nothing, room=150, size=12), (x + 22, 19), kind="soft"))
    return parts
