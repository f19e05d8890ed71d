"""What an agent tells: events in both languages as they happen, and how it stands, in a file for whoever looks."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.agent import durable

STATE_FILE = "state.json"


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened, for the engineer. Holds no personal data; names of files are escaped."""

    source_id: str
    event: str  # a code: taken, not_taken, landed, refused, full, alarm, damage, lost_line, held, clock, silence …
    vi: str
    en: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Tell = Callable[[Event], None]


@dataclass(kw_only=True)
class Standing:
    """How the agent of one source stands. Written to state.json beside its spool; `status` reads it."""

    source_id: str
    process: int = field(default_factory=os.getpid)
    looked_at: str = ""  # this machine's clock
    is_connected: bool = False
    batches_landed: int = 0  # since the agent started; only rises
    bytes_landed: int = 0
    bytes_per_second: float = 0.0
    seconds_left: float | None = None
    clock_skew_seconds: float | None = None
    clock_is_wrong: bool = False
    attested_at: str | None = None  # the gateway's clock
    expected_by: str | None = None  # the gateway's clock
    compared_at: str | None = None
    last_fault: dict[str, str] | None = None

    def write(self, folder: Path, *, now: datetime) -> None:
        """Replace the file. A disk without room keeps the old one: it says when it was written."""
        self.looked_at = now.isoformat()
        try:
            durable.replace_file(folder / STATE_FILE, json.dumps(asdict(self), indent=1).encode())
        except OSError as error:
            if error.errno not in durable.NO_ROOM:
                raise


def read_standing(folder: Path) -> dict[str, Any]:
    """What an agent last wrote; empty when none ever ran."""
    return durable.read_json(folder / STATE_FILE) or {}
