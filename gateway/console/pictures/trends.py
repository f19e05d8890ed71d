"""How figures went over time: a line each, on a scale of its own, with its last value at its end."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gateway.console.pictures.drawing import ACCENT, BAD, GOOD, INK, picture, said, stroke, words
from reconciliation.numerals import VIETNAMESE, Numerals

_WIDTH, _LEFT, _RIGHT, _ROW, _TALL = 720.0, 10.0, 170.0, 55.0, 42.0
_COLOURS = {"accent": ACCENT, "good": GOOD, "bad": BAD, "ink": INK}


@dataclass(frozen=True)
class Line:
    """One figure, a value a tick, oldest first; None where it was not counted. Values are not negative.

    `kind` is accent, good, bad or ink. With `most` the scale ends there, else at the highest value.
    """

    label: str
    values: tuple[int | None, ...]
    kind: str = "accent"
    most: int | None = None
    unit: str = ""  # stands after the number, as " %" does


def trends(
    name: str, lines: Sequence[Line], *, title: str, ticks: Sequence[str], numerals: Numerals = VIETNAMESE
) -> Markup:
    """The lines one below the other over one row of `ticks`; what was not counted is a gap, never a zero."""
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(ticks) - 1)
    height = len(lines) * _ROW + 28
    every = max(1, -(-len(ticks) // 12))
    parts = [
        words(tick, (_LEFT + place * step, height - 6), size=10, kind="soft")
        for place, tick in enumerate(ticks)
        if place % every == 0
    ]
    for row, line in enumerate(lines):
        parts += _line(line, step, base=(row + 1) * _ROW, numerals=numerals)
    told = "; ".join(_told(line, ticks, numerals) for line in lines)
    return picture(name, (_WIDTH, height), title=title, description=told, parts=parts)


def _line(line: Line, step: float, *, base: float, numerals: Numerals) -> list[str]:
    most = line.most or max([value for value in line.values if value is not None] + [1])
    colour = _COLOURS[line.kind]
    points = [
        None if value is None else (_LEFT + place * step, base - _TALL * min(value, most) / most)
        for place, value in enumerate(line.values)
    ]
    parts = [stroke(run, kind=line.kind, colour=colour, width=2) for run in _runs(points) if len(run) > 1]
    parts += [_dot(run[0], line.kind, colour, radius=2) for run in _runs(points) if len(run) == 1]
    known = [point for point in points if point is not None]
    if known:
        last = known[-1]
        parts.append(_dot(last, line.kind, colour, radius=3.5))
        parts.append(words(_last(line, numerals), (last[0] + 10, last[1] + 4), size=11, kind=line.kind))
    return parts


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """The stretches without a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _dot(point: tuple[float, float], kind: str, colour: str, *, radius: float) -> str:
    return (
        f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{radius}" class="picture-{said(kind)}" fill="{colour}"/>'
    )


def _last(line: Line, numerals: Numerals) -> str:
    value = next(value for value in reversed(line.values) if value is not None)
    return f"{numerals.count(value)}{line.unit} {line.label}"


def _told(line: Line, ticks: Sequence[str], numerals: Numerals) -> str:
    pairs = zip(ticks, line.values, strict=True)
    known = [f"{tick} {numerals.count(value)}{line.unit}" for tick, value in pairs if value is not None]
    return f"{line.label}: " + (", ".join(known) or "–")
