"""Group reading of statuses: the questions that wait when a reader is free are answered by one statement.

A question that comes while nothing is being read waits for nobody. Answers are kept for a short time, under the
question and the sight of who asked it, so that nobody hears what was read for somebody who may see more. What is not
there is never kept: what landed a moment ago is found, and the unknown costs the same however often it is asked for.
"""

import asyncio
import contextvars
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

from gateway.errors import Reason, RejectedCallError
from gateway.settings import Settings
from gateway.v1 import status_pb2
from gateway.wire import status as wire
from gateway.workers import Workers
from observability import metrics
from reconciliation.errors import FatalStoreError, RetryableStoreError
from reconciliation.lifecycle import TERMINAL
from reconciliation.model import UpdateAsked, UpdateStatus
from reconciliation.store import status
from reconciliation.store.bounding import Bound, bounded

GROUP_QUESTIONS = 500
READERS = 2

Answer = status_pb2.GetUpdateStatusResponse
Group = dict[UpdateAsked, list[asyncio.Future[Answer | None]]]


@dataclass(frozen=True)
class Kept:
    """An answer, good until `expires`; both are readings of the monotonic clock."""

    answer: Answer
    read_at: float
    expires: float


@dataclass
class Lookups:
    """Answers all callers of one gateway; see the module. Readers take turns on the threads of the store."""

    workers: Workers
    settings: Settings
    clock: Callable[[], datetime]
    ticks: Callable[[], float] = time.monotonic
    _kept: OrderedDict[UpdateAsked, Kept] = field(default_factory=OrderedDict)
    _waiting: Group = field(default_factory=dict)
    _waiting_count: int = 0
    _reading: set[asyncio.Task[None]] = field(default_factory=set)
    _free: list[status.Reader] = field(default_factory=lambda: [status.Reader() for _ in range(READERS)])

    async def find(self, asked: UpdateAsked) -> Answer | None:
        """The answer to one question; None when there is nothing that may be seen. Not to be changed by who gets it.

        Raises RejectedCallError RATE_EXCEEDED when too many wait, and RetryableStoreError.
        """
        kept = self._kept.get(asked)
        if kept is not None and self.ticks() < kept.expires:
            self._kept.move_to_end(asked)
            metrics.STATUSES_ANSWERED.add(read_from="memory")
            return kept.answer
        if self._waiting_count >= self.settings.statuses_waiting:
            raise RejectedCallError(
                Reason.RATE_EXCEEDED,
                f"{self._waiting_count} questions wait for the database.",
                facts={"limitStatusesWaiting": str(self.settings.statuses_waiting)},
            )
        waiting: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(asked, []).append(waiting)
        self._waiting_count += 1
        if self._free:
            # In a context of its own: a group belongs to no caller's trace and to no caller's deadline.
            task = asyncio.create_task(self._read_waiting(self._free.pop()), context=contextvars.Context())
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
        return await waiting

    async def close(self) -> None:
        """Give the connections back, once what is being read is read."""
        await asyncio.gather(*self._reading, return_exceptions=True)
        for reader in self._free:
            await self.workers.columns(reader.close)

    async def _read_waiting(self, reader: status.Reader) -> None:
        try:
            await self._read_with(reader)
        finally:
            self._free.append(reader)  # at once: who asks next must not take it for busy, and wait for nobody

    async def _read_with(self, reader: status.Reader) -> None:
        await asyncio.sleep(0)  # the questions that have come together go together
        while group := self._take():
            questions = list(group)
            read_at, now = self.ticks(), self.clock()  # before the statement sees anything
            try:
                with bounded(None) as bound:
                    _stop_without(group, bound)
                    found = await self.workers.store(reader.find, questions, now=now)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody is left without an answer
                _fail(group, error)
                continue
            self._tell(group, found, read_at=read_at, now=now)

    def _take(self) -> Group:
        """The next group, without those that nobody waits for any more."""
        group: Group = {}
        while self._waiting and len(group) < GROUP_QUESTIONS:
            asked = next(iter(self._waiting))
            futures = self._waiting.pop(asked)
            self._waiting_count -= len(futures)
            if still := [one for one in futures if not one.done()]:
                group[asked] = still
        return group

    def _tell(
        self,
        group: Group,
        found: Sequence[UpdateStatus | None],
        *,
        read_at: float,
        now: datetime,
    ) -> None:
        for (asked, futures), one in zip(group.items(), found, strict=True):
            answer = (
                None if one is None else wire.write_status(one, shows_key=not asked.sight.areas or not asked.receipt_id)
            )
            if one is not None and answer is not None:
                self._keep(asked, Kept(answer, read_at, read_at + self._good_for(asked, one, now=now)))
            metrics.STATUSES_ANSWERED.add(len(futures), read_from="store")
            for future in futures:
                if not future.done():
                    future.set_result(answer)

    def _good_for(self, asked: UpdateAsked, found: UpdateStatus, *, now: datetime) -> float:
        """For how many seconds an answer is good. A record may get a newer version, a deadline may pass."""
        if found.state in TERMINAL and asked.receipt_id is not None:
            return self.settings.ended_status_seconds
        seconds = self.settings.status_seconds
        if found.deadline is None or found.is_stuck:
            return seconds
        return min(seconds, max(timedelta(0), found.deadline - now).total_seconds())

    def _keep(self, asked: UpdateAsked, kept: Kept) -> None:
        before = self._kept.get(asked)
        if before is not None and before.read_at > kept.read_at:
            return  # another reader was quicker with what is newer
        self._kept[asked] = kept
        self._kept.move_to_end(asked)
        if len(self._kept) > self.settings.statuses_kept:
            self._kept.popitem(last=False)


def _stop_without(group: Group, bound: Bound) -> None:
    """Stop the statement when nobody of the group waits any more."""
    waiting = set(chain.from_iterable(group.values()))

    def gone(future: asyncio.Future[Answer | None]) -> None:
        waiting.discard(future)
        if not waiting and future.cancelled():
            asyncio.get_running_loop().run_in_executor(None, bound.cancel)

    for future in list(waiting):
        future.add_done_callback(gone)


def _fail(group: Group, error: Exception) -> None:
    for futures in group.values():
        for future in futures:
            if not future.done():
                is_ours = isinstance(error, RetryableStoreError | FatalStoreError)  # each its own: raising one marks it
                future.set_exception(type(error)(*error.args) if is_ours else error)
