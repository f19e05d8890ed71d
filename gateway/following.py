"""One reader of moves in a process, whoever watches updates: what it finds is handed to those whom it concerns.

A watcher takes part in whole rounds (store/moves.py). It joins at the end of the round that is being read, and reads
for itself what lies between its own place and there; so does one that took too long, for whom no more is kept than what
it has been handed already. Ten thousand that wait for nothing cost one statement for all.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

from gateway.errors import Reason, RejectedCallError
from gateway.settings import Settings
from gateway.shares import spread
from gateway.v1 import status_pb2
from gateway.wire.status import write_change
from gateway.workers import Workers
from observability.logs import get_logger
from reconciliation.errors import RetryableStoreError
from reconciliation.model import Moved, MovePlace
from reconciliation.store import moves

log = get_logger(__name__)

CHANGES_WAITING = 10_000  # handed to one watcher and not yet taken by its caller
READERS = 2  # watchers that read for themselves at once; the store's threads are for questions first
_MOST_SPREAD = 1.5  # bookmarks come at different times, none later than it should

Whose = str | int  # a source's id, or the record id of one update
Told = tuple[Sequence[status_pb2.UpdateChange], MovePlace]
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Page:
    """What of a part of a round concerns one watcher: with each change its transaction. The part ends with `after`."""

    lower: int
    upper: int
    after: int
    is_last: bool
    changes: Sequence[tuple[int, status_pb2.UpdateChange]]


@dataclass(eq=False)
class Watcher:
    """Who follows. Everything up to `place` was handed on; pages of rounds up to `since` are none of its."""

    whose: Whose
    place: MovePlace
    since: int
    pages: deque[Page] = field(default_factory=deque)
    waiting: int = 0
    is_behind: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self, page: Page) -> None:
        """Keep a page for it, or let it fall behind when it holds too much."""
        if page.upper <= self.since or self.is_behind:
            return
        if self.waiting + len(page.changes) > CHANGES_WAITING:
            self.is_behind = True
        else:
            self.pages.append(page)
            self.waiting += len(page.changes)
        self.wake.set()

    def take(self) -> Told:
        """The changes of the next page that were not handed on before, and the place after them."""
        page = self.pages.popleft()
        self.waiting -= len(page.changes)
        begun = max(page.lower, self.place.lower)  # it may have been ahead, of another gateway's reader
        changes = [change for xid, change in page.changes if xid >= begun]
        if page.upper > self.place.lower:
            self.place = _place(self.place.epoch, begun, page.upper, page.after, is_last=page.is_last)
        return changes, self.place


class Tail:
    """The reader of one gateway and those who follow it."""

    def __init__(
        self, workers: Workers, settings: Settings, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._workers = workers
        self._settings = settings
        self._pause = pause
        self._watchers: dict[Whose, set[Watcher]] = {}
        self._anyone = asyncio.Event()
        self._turn = asyncio.Lock()  # of who moves the place
        self._reading_alone = asyncio.Semaphore(READERS)
        self._reached: MovePlace | None = None  # up to here everything was handed out,
        self._round: moves.Round | None = None  # and of this round
        self._after = 0  # what has no higher id
        self._is_blind = False
        self._is_draining = False

    async def run(self) -> None:
        """Read on every `moves_seconds` while anybody follows, until cancelled. Stays where it is without a store."""
        while True:
            await self._anyone.wait()
            try:
                async with self._turn:
                    await self._read_on()
                self._is_blind = False
            except RetryableStoreError:
                self._is_blind = True  # the sequencer tells of it, and health shows it
            except Exception as error:
                self._is_blind = True
                log.error("moves_unread", exc_info=error)
            await self._pause(self._settings.moves_seconds)

    def drain(self) -> None:
        """End every watch with DRAINING, after its last place."""
        self._is_draining = True
        for watcher in chain.from_iterable(self._watchers.values()):
            watcher.wake.set()

    async def follow(self, whose: Whose, place: MovePlace | None) -> AsyncGenerator[Told]:
        """Changes of state after `place`, by default from now on, each answer with the place that it leads to.

        The first answer comes at once, and one without changes whenever `update_bookmark_seconds` passed without any.
        Raises RejectedCallError RESUME_TOKEN_EXPIRED or DRAINING, and RetryableStoreError.
        """
        if place is not None:
            self._check(place, await self._workers.store(moves.horizon))
        watcher = await self._join(whose, place)
        try:
            yield [], watcher.place
            while True:
                async for told in self._catch_up(watcher):
                    yield told
                async for told in self._hand_on(watcher):
                    yield told
        finally:
            self._leave(watcher)

    async def _join(self, whose: Whose, place: MovePlace | None) -> Watcher:
        reached = self._reached
        if reached is None or not self._watchers:
            reached = await self._begin()
        # From here on nothing waits, so that no page is handed out in between.
        since = reached.upper if self._round is None else self._round.upper
        begin = place or MovePlace(epoch=reached.epoch, lower=since, upper=since)
        watcher = Watcher(whose, begin, since)
        self._watchers.setdefault(whose, set()).add(watcher)
        self._anyone.set()
        return watcher

    def _leave(self, watcher: Watcher) -> None:
        others = self._watchers[watcher.whose]
        others.discard(watcher)
        if not others:
            del self._watchers[watcher.whose]
        if not self._watchers:
            self._anyone.clear()

    async def _begin(self) -> MovePlace:
        """The first who follows, maybe after a long time, begins at what is the horizon now."""
        async with self._turn:
            if self._reached is None:
                await self._workers.store(moves.begin_anew)
            if self._reached is None or not self._watchers:
                self._reached, self._round = await self._workers.store(moves.horizon), None
            return self._reached

    async def _read_on(self) -> None:
        """Hand out what is below the horizon by now, part by part. After an error it goes on where it was."""
        while self._watchers and self._reached is not None:
            if self._round is None:
                found = await self._workers.store(moves.round_after, self._reached.upper)
                if found.epoch != self._reached.epoch:
                    self._reached = None  # who follows finds out by its own place
                    return
                if found.upper == found.lower:
                    return
                self._round, self._after = found, 0
            one, followed = self._round, self._followed()
            told, after = await self._workers.store(moves.read, one, after=self._after, followed=followed)
            is_last = after >= one.last
            self._hand_out(one, told, after=after, is_last=is_last)
            self._after = after
            if is_last:
                self._reached = MovePlace(epoch=one.epoch, lower=one.upper, upper=one.upper)
                self._round = None

    def _followed(self) -> moves.Followed:
        return moves.Followed(
            source_ids=[whose for whose in self._watchers if isinstance(whose, str)],
            record_ids=[whose for whose in self._watchers if isinstance(whose, int)],
        )

    def _hand_out(self, one: moves.Round, told: Sequence[Moved], *, after: int, is_last: bool) -> None:
        changes: dict[Whose, list[tuple[int, status_pb2.UpdateChange]]] = defaultdict(list)
        for moved in told:
            change = (moved.xid, write_change(moved))
            for whose in (moved.source_id, moved.record_id):
                if whose in self._watchers:
                    changes[whose].append(change)
        for whose, theirs in changes.items():
            page = Page(one.lower, one.upper, after, is_last, theirs)
            for watcher in self._watchers[whose]:
                watcher.give(page)

    async def _catch_up(self, watcher: Watcher) -> AsyncGenerator[Told]:
        """What lies between the watcher's place and where it joined, in rounds of its own."""
        whose = watcher.whose
        followed = moves.Followed(**({"source_ids": [whose]} if isinstance(whose, str) else {"record_ids": [whose]}))
        while (is_within := watcher.place.lower < watcher.place.upper) or watcher.place.upper < watcher.since:
            place = watcher.place
            upper = place.upper if is_within else watcher.since
            one = await self._alone(moves.round_after, place.lower, upper=upper)
            self._check(place, one)
            after, is_last = place.after, False
            while not is_last:
                told, after = await self._alone(moves.read, one, after=after, followed=followed)
                is_last = after >= one.last
                watcher.place = _place(one.epoch, one.lower, one.upper, after, is_last=is_last)
                if told:
                    yield [write_change(moved) for moved in told], watcher.place
                self._check_open()

    async def _alone(self, function: Callable[..., _Read], *arguments: object, **named: object) -> _Read:
        async with self._reading_alone:
            return await self._workers.store(function, *arguments, **named)

    async def _hand_on(self, watcher: Watcher) -> AsyncGenerator[Told]:
        """Its pages as they come, until it falls behind; then it joins anew."""
        is_due = False
        while True:
            while watcher.pages:
                is_due = False
                yield watcher.take()
            reached, epoch = self._reached, watcher.place.epoch
            if reached is None or reached.epoch != epoch:
                raise _expired()
            if watcher.is_behind:
                watcher.is_behind = False
                watcher.since = reached.upper if self._round is None else self._round.upper
                return
            if reached.upper >= watcher.place.upper:  # its pages were all that concerned it
                watcher.place = reached
            if self._is_draining or (is_due and not self._is_blind):
                is_due = False
                yield [], watcher.place
                self._check_open()
                continue
            watcher.wake.clear()
            is_due = not await _woken(watcher, spread(self._settings.update_bookmark_seconds) / _MOST_SPREAD)

    def _check_open(self) -> None:
        if self._is_draining:
            raise RejectedCallError(Reason.DRAINING, "The gateway is shutting down.")

    def _check(self, place: MovePlace, known: MovePlace | moves.Round) -> None:
        """Whether a place is one of this database, as it is now."""
        if place.epoch != known.epoch or (isinstance(known, MovePlace) and place.upper > known.upper):
            raise _expired()


async def _woken(watcher: Watcher, seconds: float) -> bool:
    """Wait until there is something for the watcher; False when there was not for so long."""
    try:
        async with asyncio.timeout(seconds):
            return await watcher.wake.wait()
    except TimeoutError:
        return False


def _place(epoch: int, lower: int, upper: int, after: int, *, is_last: bool) -> MovePlace:
    return (
        MovePlace(epoch=epoch, lower=upper, upper=upper)
        if is_last
        else MovePlace(epoch=epoch, lower=lower, upper=upper, after=after)
    )


def _expired() -> RejectedCallError:
    return RejectedCallError(
        Reason.RESUME_TOKEN_EXPIRED,
        "The database was restored since then.",
        field_path="resume_token",
        facts={"field": "resume_token"},
    )
