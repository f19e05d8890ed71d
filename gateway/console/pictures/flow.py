"""What became of units: old ones on the left, new ones on the right, a ribbon for each pair that the law names."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gateway.console.pictures.drawing import ACCENT, INK, SOFT, at, bar, picture, said, shortened, words

_WIDTH, _LEFT, _RIGHT, _NODE, _GAP, _THICK, _TOP = 720.0, 230.0, 490.0, 10.0, 10.0, 22.0, 30.0
MOST_RIBBONS = 80  # more cannot be told apart; what is beyond stands in the table beside


@dataclass(frozen=True)
class Ribbon:
    """One pair old → new; `is_part`: only a part of the old unit went there. Keys tell nodes apart."""

    from_key: str
    from_label: str
    to_key: str
    to_label: str
    is_part: bool
    says: str  # what it means, in words


def flow(name: str, ribbons: Sequence[Ribbon], *, title: str, before: str, after: str) -> Markup:
    """The first MOST_RIBBONS ribbons, each as thick as the next; a part's edge is dashed. The sides are called so."""
    drawn = list(ribbons[:MOST_RIBBONS])
    left = _Side(drawn, keys=[(one.from_key, one.from_label) for one in drawn])
    right = _Side(drawn, keys=[(one.to_key, one.to_label) for one in drawn])
    height = _TOP + max(left.height, right.height)
    left.centre(height - _TOP)
    right.centre(height - _TOP)
    parts = [
        words(before, (_LEFT, 16), kind="soft", anchor="end"),
        words(after, (_RIGHT, 16), kind="soft"),
    ]
    parts += [_ribbon(one, left.next_slot(one.from_key), right.next_slot(one.to_key)) for one in drawn]
    parts += left.nodes(_LEFT - _NODE, anchor="end") + right.nodes(_RIGHT, anchor="start")
    told = "; ".join(f"{one.from_label} → {one.to_label}: {one.says}" for one in drawn)
    left_out = len(ribbons) - len(drawn)
    return picture(
        name,
        (_WIDTH, height),
        title=title,
        description=told + (f"; … +{left_out}" if left_out else ""),
        parts=parts,
    )


class _Side:
    """The nodes of one side: each as high as its ribbons are together, one below the other."""

    def __init__(self, ribbons: Sequence[Ribbon], *, keys: Sequence[tuple[str, str]]) -> None:
        self._labels: dict[str, str] = {}
        self._count: dict[str, int] = defaultdict(int)
        for key, label in keys:
            self._labels.setdefault(key, label)
            self._count[key] += 1
        self.height = len(ribbons) * _THICK + len(self._labels) * _GAP
        self._tops: dict[str, float] = {}
        self._used: dict[str, int] = defaultdict(int)

    def centre(self, room: float) -> None:
        """Lay the nodes out in the middle of `room`."""
        top = _TOP + (room - self.height) / 2
        for key, number in self._count.items():
            self._tops[key] = top
            top += number * _THICK + _GAP

    def next_slot(self, key: str) -> float:
        """The upper edge of a node's next ribbon."""
        slot = self._tops[key] + self._used[key] * _THICK
        self._used[key] += 1
        return slot

    def nodes(self, x: float, *, anchor: str) -> list[str]:
        """The nodes with their names."""
        parts = []
        for key, label in self._labels.items():
            top, height = self._tops[key], self._count[key] * _THICK
            beside = (x - 8, top + height / 2 + 4) if anchor == "end" else (x + _NODE + 8, top + height / 2 + 4)
            parts.append(bar((x, top), (_NODE, height), kind="node", fill=INK, says=label))
            parts.append(words(shortened(label, room=_LEFT - 22, size=12), beside, anchor=anchor))
        return parts


def _ribbon(one: Ribbon, left: float, right: float) -> str:
    begin, end, middle = _LEFT, _RIGHT, (_LEFT + _RIGHT) / 2
    upper = f"M{at(begin)} {at(left)}C{at(middle)} {at(left)} {at(middle)} {at(right)} {at(end)} {at(right)}"
    low_left, low_right = left + _THICK - 2, right + _THICK - 2
    lower = f"V{at(low_right)}C{at(middle)} {at(low_right)} {at(middle)} {at(low_left)} {at(begin)} {at(low_left)}Z"
    kind, edge = ("part", f' stroke="{SOFT}" stroke-dasharray="5 3"') if one.is_part else ("whole", "")
    return (
        f'<path d="{upper}{lower}" class="picture-{kind}" fill="{ACCENT}" fill-opacity="0.22"{edge}>'
        f"<title>{said(f'{one.from_label} → {one.to_label}: {one.says}')}</title></path>"
    )
