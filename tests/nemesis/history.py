"""What clients asked and were told, and what was done to them: one event a line, in the order it happened.

`invoke` begins an operation; `ok` and `fail` end it; `info` leaves it open: whether it took effect is unknown, and a
timeout is that. What the nemesis itself does is `info`, too.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Kind(StrEnum):
    """What an event says of its operation."""

    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


# Done beside the batches, at a pace of its own: the moments of faults are not counted by it.
BESIDE = frozenset({"write", "fetch", "acknowledge", "report", "position", "snapshot", "lie", "submit"})


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of a history. `t`: seconds since 1970 by this machine's clock, never falling; `key` names the batch."""

    t: float
    process: str
    type: Kind
    op: str
    key: str
    value: Mapping[str, Any]


@dataclass
class History:
    """Events as they happen."""

    events: list[Event] = field(default_factory=list)
    answers: int = 0  # how many operations have ended ok or fail, those of BESIDE left out
    _answered: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def note(self, process: str, kind: Kind, op: str, key: str = "", **value: Any) -> None:
        """Append an event."""
        before = self.events[-1].t if self.events else 0.0
        now = max(time.time(), before)
        self.events.append(Event(t=now, process=process, type=kind, op=op, key=key, value=value))
        if kind in {Kind.OK, Kind.FAIL} and op not in BESIDE:
            async with self._answered:
                self.answers += 1
                self._answered.notify_all()

    async def until_answers(self, count: int) -> None:
        """Wait for the `count`-th answer of the run."""
        async with self._answered:
            await self._answered.wait_for(lambda: self.answers >= count)


def write(path: Path, events: Iterable[Event]) -> None:
    """Keep a history as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(event), ensure_ascii=False) + "\n" for event in events), encoding="utf-8")


def read(path: Path) -> list[Event]:
    """A kept history."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Event(**(line | {"type": Kind(line["type"])})) for line in map(json.loads, lines)]
