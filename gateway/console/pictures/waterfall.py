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
    shortened,
    signed,
    stroke,
    words,
)

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 720.0, 210.0, 70.0, 26.0, 30.0


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


def waterfall(name: str, steps: Sequence[Step], *, title: str, total: str, marks: Sequence[Mark] = ()) -> Markup:
    """The steps in their order and their sum at the end, called `total`. The sign says what the colour says."""
    sums = [0.0, *accumulate(step.weight for step in steps)]
    told = [*(f"{step.label}: {signed(step.weight)}" for step in steps), f"{total}: {signed(sums[-1])}"]
    low, high = _span([*sums, *(mark.weight for mark in marks)])
    scale = (_WIDTH - _LEFT - _RIGHT) / (high - low)
    height = _TOP + (len(steps) + 1) * _ROW + 8

    def across(weight: float) -> float:
        return _LEFT + (weight - low) * scale

    parts = [stroke([(across(0), _TOP - 6), (across(0), height - 4)], kind="line", colour=LINE)]
    for mark in marks:
        x = across(mark.weight)
        parts.append(stroke([(x, _TOP - 6), (x, height - 4)], kind="line", colour=INK, dash="4 3"))
        parts.append(
            words(f"{mark.label} {signed(mark.weight)}", (x, _TOP - 12), size=11, kind="soft", anchor="middle")
        )
    for row, step in enumerate(steps):
        parts += _row(row, step.label, (across(sums[row]), across(sums[row + 1])), step.weight)
    parts += _row(len(steps), total, (across(0), across(sums[-1])), sums[-1], is_total=True)
    return picture(name, (_WIDTH, height), title=title, description="; ".join(told), parts=parts)


def _row(row: int, label: str, ends: tuple[float, float], weight: float, *, is_total: bool = False) -> list[str]:
    top, (begin, end) = _TOP + row * _ROW, (min(ends), max(ends))
    kind, fill = ("minus", BAD) if weight < 0 else ("plus", GOOD)
    if is_total:
        kind, fill = "total", INK
    name = words(
        shortened(label, room=_LEFT - 16, size=13), (_LEFT - 10, top + 15), size=13, anchor="end", bold=is_total
    )
    drawn = bar(
        (begin, top + 3), (max(end - begin, 1), _ROW - 8), kind=kind, fill=fill, says=f"{label}: {signed(weight)}"
    )
    number = words(signed(weight), (end + 6, top + 15), size=13, bold=is_total)
    return [name, drawn, number]


def _span(weights: Sequence[float]) -> tuple[float, float]:
    """From the lowest to the highest weight, 0 among them, and never nothing."""
    low, high = min(0.0, *weights), max(0.0, *weights)
    return (low, high) if high - low > 1e-6 else (low, low + 1.0)
