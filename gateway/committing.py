"""What waits to be landed is landed together: while one group commits, the next is prepared and gathers.

Nobody is answered before the COMMIT of their group. A group takes what is there and never waits for more; it takes from
each source in turn, so that no source's flood holds up another, and from each in its own order.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.failpoints import Failpoints
from gateway.settings import Failpoint
from gateway.workers import Workers
from observability import metrics
from reconciliation.model import Receipt
from reconciliation.store import landing
from reconciliation.store.engine import Engine
from reconciliation.store.landing import Arrival, HeldUpError, Verdict

GROUP_BATCHES = 256
GROUP_RECORDS = 16_000  # some tenths of a second of work: more in one transaction would save nothing


@dataclass(eq=False)
class _Waiting:
    """An arrival and who waits for its receipt."""

    arrival: Arrival
    receipt: "asyncio.Future[Receipt]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def tell(self, verdict: Verdict) -> None:
        if self.receipt.done():
            return
        if isinstance(verdict, Exception):
            self.receipt.set_exception(verdict)
        else:
            self.receipt.set_result(verdict)


class Committer:
    """Lands arrivals of all streams of one gateway, a group at a time."""

    def __init__(self, workers: Workers, *, clock: Callable[[], datetime], failpoints: Failpoints) -> None:
        self._workers = workers
        self._clock = clock
        self._failpoints = failpoints
        self._waiting: dict[str, deque[_Waiting]] = {}  # by source; the first has its turn next
        self._alone: dict[str, asyncio.Task[None]] = {}  # sources that somebody holds up, each landed by itself
        self._groups: asyncio.Task[None] | None = None

    async def land(self, arrival: Arrival) -> Receipt:
        """The receipt of the arrival, once it is durable; what `put` says holds."""
        return await self.put(arrival)

    def put(self, arrival: Arrival) -> "asyncio.Future[Receipt]":
        """Let the arrival wait for its group. Arrivals of one source are landed in the order in which they are put.

        The future fails with RejectedRequestError, with what the database refused the batch for, or with
        RetryableStoreError: then its outcome is unknown, and nothing of its source that waited behind it is landed.
        Cancelled while it waits, the arrival is left out; what is being committed stays committed.
        """
        waiting = _Waiting(arrival)
        self._waiting.setdefault(arrival.source.source_id, deque()).append(waiting)
        if self._groups is None or self._groups.done():
            self._groups = asyncio.create_task(self._land_groups())
        return waiting.receipt

    async def _land_groups(self) -> None:
        while group := self._next_group():
            try:
                await self._land(group)
            except HeldUpError:
                for source_id, its in _by_source(group).items():
                    self._alone[source_id] = asyncio.create_task(self._land_alone(source_id, its))

    async def _land_alone(self, source_id: str, its: Sequence[_Waiting]) -> None:
        try:
            await self._land(its)
        finally:
            del self._alone[source_id]
            if self._groups is None or self._groups.done():
                self._groups = asyncio.create_task(self._land_groups())

    def _next_group(self) -> list[_Waiting]:
        """One arrival of each source in turn, until nothing waits or the group is full; empty when nothing waits."""
        group: list[_Waiting] = []
        records = 0
        ready = deque(source_id for source_id in self._waiting if source_id not in self._alone)
        while ready and len(group) < GROUP_BATCHES and records < GROUP_RECORDS:
            source_id = ready.popleft()
            waiting = self._waiting.pop(source_id)
            first = waiting.popleft()
            if not first.receipt.done():
                group.append(first)
                records += first.arrival.normalised.received
            if waiting:
                self._waiting[source_id] = waiting  # at the end: it has had its turn
                ready.append(source_id)
        return group

    async def _land(self, group: Sequence[_Waiting]) -> None:
        """Land a group and tell each what became of it. Raises HeldUpError when it is to be done source by source."""
        try:
            verdicts = await self._workers.store(self._commit, [one.arrival for one in group])
        except HeldUpError:
            raise
        except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
            self._fail(group, error)
            return
        for one, verdict in zip(group, verdicts, strict=True):
            one.tell(verdict)

    def _fail(self, group: Sequence[_Waiting], error: Exception) -> None:
        """Nothing is known of the group: what waits behind it must not overtake it when it is sent again."""
        behind = [one for source_id in _by_source(group) for one in self._waiting.pop(source_id, ())]
        for one in (*group, *behind):
            one.tell(error)

    def _commit(self, engine: Engine, arrivals: Sequence[Arrival]) -> list[Verdict]:
        """Runs on a thread of the store."""
        for _ in arrivals:
            self._failpoints.reach(Failpoint.BEFORE_COMMIT)
        started = time.perf_counter()
        verdicts = landing.land_many(engine, arrivals, now=self._clock())
        for kind in sorted({one.source.kind for one in arrivals}):
            metrics.LANDING_SECONDS.record(time.perf_counter() - started, record_kind=kind)
        for _ in arrivals:
            self._failpoints.reach(Failpoint.AFTER_COMMIT_BEFORE_RECEIPT)
        return verdicts


def _by_source(group: Iterable[_Waiting]) -> dict[str, list[_Waiting]]:
    found: dict[str, list[_Waiting]] = {}
    for one in group:
        found.setdefault(one.arrival.source.source_id, []).append(one)
    return found
