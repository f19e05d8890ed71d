"""How the weights of single comparisons add up to a match weight: bars that each begin where the one before ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from markupsafe import Markup

from gateway.console.pictures.drawing import (
    BAD,
    GOOD,
    INK,
    LINE,
    bar,
    picture,
    stroke,
    words,
    wrapped,
)
from reconciliation.numerals import VIETNAMESE, Numerals

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 720.0, 210.0, 70.0, 26.0, 30.0
_SIZE, _LINE = 13.0, 14.0  # of a label, and from one of its lines to the next
_APART = 140.0  # marks that stand nearer to each other are written to different sides


@dataclass(frozen=True)
class Step:
    """What one comparison adds, in bits: what was compared and how it came out, as a person reads it."""

    label: str
    weight: float


@dataclass(frozen=True)
class Mark:
    """A weight that decides something, as "ghép từ 12" does."""

    label: str
    weight: float


def waterfall(
    name: str,
    steps: Sequence[Step],
    *,
    title: str,
    total: str,
    marks: Sequence[Mark] = (),
    numerals: Numerals = VIETNAMESE,
) -> Markup:
    """The steps in their order and their sum at the end, called `total`. The sign says what the colour says."""
    sums = [0.0, *accumulate(step.weight for step in steps)]
    signed = numerals.signed
    told = [*(f"{step.label}: {signed(step.weight)}" for step in steps), f"{total}: {signed(sums[-1])}"]
    low, high = _span([*sums, *(mark.weight for mark in marks)])
    scale = (_WIDTH - _LEFT - _RIGHT) / (high - low)
    labels = [wrapped(one, room=_LEFT - 16, size=_SIZE) for one in (*(step.label for step in steps), total)]
    tops = [*accumulate((_ROW + _LINE * (len(lines) - 1) for lines in labels), initial=_TOP)]
    height = tops[-1] + 8

    def across(weight: float) -> float:
        return _LEFT + (weight - low) * scale

    parts = [stroke([(across(0), _TOP - 6), (across(0), height - 4)], kind="line", colour=LINE)]
    for mark in marks:
        x = across(mark.weight)
        anchor = _anchor(x, [across(one.weight) for one in marks])
        parts.append(stroke([(x, _TOP - 6), (x, height - 4)], kind="line", colour=INK, dash="4 3"))
        parts.append(words(f"{mark.label} {signed(mark.weight)}", (x, _TOP - 12), size=11, kind="soft", anchor=anchor))
    for row, step in enumerate(steps):
        parts += _row((tops[row], labels[row]), step, (across(sums[row]), across(sums[row + 1])), numerals=numerals)
    ends = (across(0), across(sums[-1]))
    parts += _row((tops[-2], labels[-1]), Step(total, sums[-1]), ends, numerals=numerals, is_total=True)
    return picture(name, (_WIDTH, height), title=title, description="; ".join(told), parts=parts)


def _anchor(x: float, places: Sequence[float]) -> str:
    """To which side of its line a mark is written: away from the next line, if that is near."""
    nearest = min((x - other for other in places if other != x), key=abs, default=_APART)
    if abs(nearest) >= _APART:
        return "middle"
    return "end" if nearest < 0 else "start" if x + _APART < _WIDTH else "middle"


def _row(
    place: tuple[float, tuple[str, ...]],
    step: Step,
    ends: tuple[float, float],
    *,
    numerals: Numerals,
    is_total: bool = False,
) -> list[str]:
    """The bar of a step, its weight and its label, of which `place` is the top and the lines."""
    (top, lines), (begin, end) = place, (min(ends), max(ends))
    kind, fill = ("minus", BAD) if step.weight < 0 else ("plus", GOOD)
    if is_total:
        kind, fill = "total", INK
    middle = top + (len(lines) - 1) * _LINE / 2
    name = [
        words(line, (_LEFT - 10, top + 15 + n * _LINE), size=_SIZE, anchor="end", bold=is_total)
        for n, line in enumerate(lines)
    ]
    weight, width = numerals.signed(step.weight), max(end - begin, 1)
    says = f"{step.label}: {weight}"
    drawn = bar((begin, middle + 3), (width, _ROW - 8), kind=kind, fill=fill, says=says)
    number = words(weight, (end + 6, middle + 15), size=_SIZE, bold=is_total)
    return [*name, drawn, number]


def _span(weights: Sequence[float]) -> tuple[float, float]:
    """From the lowest to the highest weight, 0 among them, and never nothing."""
    low, high = min(0.0, *weights), max(0.0, *weights)
    return (low, high) if high - low > 1e-6 else (low, low + 1.0)
