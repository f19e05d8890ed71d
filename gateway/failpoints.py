"""A kill -9 at a named place, for tests that prove what survives one. Off unless LIENTHONG_FAILPOINT says otherwise."""

import os
import signal
from dataclasses import dataclass, field
from itertools import count

from gateway.settings import ArmedFailpoint, Failpoint


@dataclass
class Failpoints:
    """Counts the passes of the armed place."""

    armed: ArmedFailpoint | None
    _passes: "count[int]" = field(default_factory=lambda: count(1))

    def reach(self, place: Failpoint) -> None:
        """Die here when this place is armed and this is its pass."""
        if self.armed and self.armed.place is place and next(self._passes) == self.armed.hit:
            os.kill(os.getpid(), signal.SIGKILL)
