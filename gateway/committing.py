"""What waits to be landed is landed together: while groups commit, the next batches are prepared and gather.

Nobody is answered before the COMMIT of their group. A group takes what is there and never waits for more; it takes from
each source in turn, so that no source's flood holds up another, and from each in its own order. Two groups of different
sources commit at once, so that neither PostgreSQL nor what prepares its statements waits for the other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

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
LANES = 2  # groups that commit at once
SHARED_RECORDS = 2_000  # from so many on what waits is shared out among the lanes: a commit of its own costs less


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
        self._landing: set[str] = set()  # sources of which something is being landed: what is behind it waits
        self._lanes: set[asyncio.Task[None]] = set()
        self._alone: set[asyncio.Task[None]] = set()  # for sources that somebody holds up, each by itself

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
        self._open_lane()
        return waiting.receipt

    def _open_lane(self) -> None:
        if sum(not one.done() for one in self._lanes) < LANES:
            _keep(self._lanes, self._land_groups())

    async def _land_groups(self) -> None:
        while group := self._next_group():
            its_sources = {one.arrival.source.source_id for one in group}
            self._landing |= its_sources
            if self._waiting:
                self._open_lane()  # for what this group left
            try:
                await self._land(group)
            except HeldUpError:
                for source_id, its in _by_source(group).items():
                    _keep(self._alone, self._land_alone(source_id, its))
            else:
                self._landing -= its_sources

    async def _land_alone(self, source_id: str, its: Sequence[_Waiting]) -> None:
        try:
            await self._land(its)
        finally:
            self._landing.discard(source_id)
            self._open_lane()

    def _next_group(self) -> list[_Waiting]:
        """What one lane lands next; empty when nothing waits that is not behind something being landed."""
        while share := self._share():
            if group := self._take(share):
                return group
        return []

    def _take(self, source_ids: Sequence[str]) -> list[_Waiting]:
        """One arrival of each source in turn, until nothing of theirs waits or the group is full; none who has gone."""
        group: list[_Waiting] = []
        records = 0
        ready = deque(source_ids)
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

    def _share(self) -> list[str]:
        """The sources whose turn it is: one lane's part of all that have something here, where that is much."""
        ready = [source_id for source_id in self._waiting if source_id not in self._landing]
        records = sum(one.arrival.normalised.received for source_id in ready for one in self._waiting[source_id])
        if records < SHARED_RECORDS:
            return ready
        return ready[: -(-(len(ready) + len(self._landing)) // LANES)]

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


def _keep(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    """Begin `work`; `tasks` holds it until it is done."""
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _by_source(group: Iterable[_Waiting]) -> dict[str, list[_Waiting]]:
    found: dict[str, list[_Waiting]] = {}
    for one in group:
        found.setdefault(one.arrival.source.source_id, []).append(one)
    return found
