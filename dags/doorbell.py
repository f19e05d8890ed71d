"""When to ring for reconciliation: while there is something to reconcile, and not at every look.

Knows nothing of the scheduler. Once rung it rings again from time to time as long as provinces wait: that costs nothing
while a run is under way, and makes good a run that failed or a ring that nobody heard.
"""

from collections.abc import Callable
from functools import partial

from dags import running
from observability import logs
from reconciliation.errors import RetryableStoreError

log = logs.get_logger(__name__)


_RESTS = 20  # times as long as a look took: over many records looking is still no more than a twentieth of a core


def pause(least_seconds: float, *, took_seconds: float) -> float:
    """Seconds until the next look, after one that took so long."""
    return max(least_seconds, _RESTS * took_seconds)


class Doorbell:
    """Looks through `watch`, which says which provinces have something to reconcile."""

    def __init__(self, watch: Callable[[], list[str]], *, again_seconds: float) -> None:
        self._watch = watch
        self._again_seconds = again_seconds
        self._known: list[str] = []
        self._rung_at = float("-inf")

    def look(self, at: float) -> list[str]:
        """The provinces to ring for at `at` (seconds of a clock that never goes back); none when it is not time.

        While the database does not answer, what was known still holds.
        """
        try:
            waiting = self._watch()
        except RetryableStoreError as error:
            log.warning("landings_unknown", error_type=type(error).__name__)
            waiting = self._known
        is_news = not set(waiting) <= set(self._known)
        self._known = waiting
        if not waiting or not (is_news or at - self._rung_at >= self._again_seconds):
            return []
        self._rung_at = at
        return waiting


def on_registry(*, again_seconds: float) -> Doorbell:
    """A doorbell on the registry of the environment, over one connection that is kept."""
    from reconciliation import jobs  # noqa: PLC0415 - reading a schedule must not load the registry
    from reconciliation.store.engine import connect  # noqa: PLC0415

    engine = connect(running.settings().database_url, pool_size=1)
    return Doorbell(partial(jobs.provinces_with_landings, engine), again_seconds=again_seconds)
