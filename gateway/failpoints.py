"""A kill -9 or a pause at a named place, for tests that prove what survives one.

Off unless LIENTHONG_FAILPOINT says otherwise.
"""

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
        """Die here, or pause, when this place is armed and this is its pass."""
        if self.armed and self.armed.place is place and next(self._passes) == self.armed.hit:
            os.kill(os.getpid(), signal.SIGSTOP if self.armed.pauses else signal.SIGKILL)
