"""Single updates that wait for their commit, a lane a source: bounded, shared out fairly, in the order they came."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from uuid import UUID

from adapters.catalogue import Source
from gateway.errors import Reason, RejectedCallError
from gateway.wire.online import Update
from reconciliation.errors import FatalStoreError, RetryableStoreError
from reconciliation.model import SubmissionAnswer

WAITING_BYTES = 64 * 1024 * 1024  # of records in all lanes


@dataclass(frozen=True)
class Lane:
    """Whose updates: a source's, and apart from them its rehearsals, which have no order."""

    source_id: str
    is_rehearsal: bool


@dataclass(eq=False)
class Entry:
    """One request and who waits for its answer: more than one when it was sent again meanwhile."""

    update: Update
    waiting: list[asyncio.Future[SubmissionAnswer]]
    outcome: SubmissionAnswer | Exception | None = None

    @property
    def is_abandoned(self) -> bool:
        """Whether everyone who asked has gone."""
        return all(one.done() for one in self.waiting)

    def tell(self) -> None:
        """Give the outcome, when there is one, to those who still wait; none but the first had it committed."""
        for position, one in enumerate(self.waiting):
            if one.done():
                continue
            match self.outcome:
                case SubmissionAnswer(receipt_id=UUID()) as answer if position:
                    one.set_result(replace(answer, replayed=True))
                case SubmissionAnswer() as answer:
                    one.set_result(answer)
                case RetryableStoreError() | FatalStoreError() as error:  # each its own: raising one marks it
                    one.set_exception(type(error)(*error.args))
                case Exception() as error:
                    one.set_exception(error)


@dataclass(frozen=True)
class Run:
    """Updates of one lane that follow one another and speak of one day."""

    lane: Lane
    source: Source
    entries: list[Entry]

    def still_open(self) -> "Run":
        """The same without the entries that have their outcome."""
        return Run(self.lane, self.source, [entry for entry in self.entries if entry.outcome is None])

    def fail(self, error: Exception) -> None:
        """Make `error` the outcome of those that have none."""
        for entry in self.still_open().entries:
            entry.outcome = error


@dataclass
class Lanes:
    """All lanes of one gateway. `most` updates may wait, `most_of_source` of each lane."""

    most: int
    most_of_source: int
    _lanes: dict[Lane, deque[Entry]] = field(default_factory=dict)
    _busy: set[Lane] = field(default_factory=set)
    _waiting: int = 0
    _waiting_bytes: int = 0

    def add(self, entry: Entry) -> bool:
        """Put an entry at the end of its lane; say whether somebody has to come for it.

        Raises RejectedCallError RATE_EXCEEDED when there is no room.
        """
        update = entry.update
        lane = Lane(update.source.source_id, update.is_rehearsal)
        held = self._lanes.setdefault(lane, deque())
        self._check_room(update, len(held))
        self._push(held, entry)
        return lane not in self._busy

    def take(self, *, most: int, most_bytes: int) -> list[Run]:
        """The next group: of every free lane its share of `most` records and bytes. These lanes are busy now."""
        for held in self._lanes.values():
            while held and held[0].is_abandoned:
                self._pop(held)
        free = [lane for lane, held in self._lanes.items() if held and lane not in self._busy]
        self._busy.update(free)
        return [self._take(lane, max(1, most // len(free)), most_bytes // len(free)) for lane in free]

    def give_back(self, runs: Iterable[Run]) -> None:
        """Free the lanes of a group. Its entries without an outcome go back to the front, in their order."""
        for run in runs:
            self._busy.discard(run.lane)
            for entry in reversed(run.still_open().entries):
                self._push(self._lanes[run.lane], entry, is_first=True)

    def _take(self, lane: Lane, most: int, most_bytes: int) -> Run:
        held, taken, size = self._lanes[lane], dict[UUID, Entry](), 0
        source, day = held[0].update.source, held[0].update.exported_on
        while held and held[0].update.exported_on == day:
            update = held[0].update
            size += len(update.record)
            same = taken.get(update.request_id)
            if taken and (len(taken) == most or size > most_bytes or (same and same.update.sha256 != update.sha256)):
                break
            entry = self._pop(held)
            if same:
                same.waiting += entry.waiting
            elif not entry.is_abandoned:
                taken[update.request_id] = entry
        return Run(lane, source, list(taken.values()))

    def _push(self, held: deque[Entry], entry: Entry, *, is_first: bool = False) -> None:
        (held.appendleft if is_first else held.append)(entry)
        self._waiting += 1
        self._waiting_bytes += len(entry.update.record)

    def _pop(self, held: deque[Entry]) -> Entry:
        entry = held.popleft()
        self._waiting -= 1
        self._waiting_bytes -= len(entry.update.record)
        return entry

    def _check_room(self, update: Update, of_source: int) -> None:
        for limit, most, held in (
            ("limitUpdatesWaitingOfSource", self.most_of_source, of_source),
            ("limitUpdatesWaiting", self.most, self._waiting),
            ("limitBytesWaiting", WAITING_BYTES, self._waiting_bytes + len(update.record) - 1),
        ):
            if held >= most:
                raise RejectedCallError(
                    Reason.RATE_EXCEEDED,
                    f"As many updates wait as may ({most}).",
                    facts={"source_id": update.source.source_id, limit: str(most)},
                )
