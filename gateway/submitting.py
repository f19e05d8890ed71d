"""Group commit of single updates: whatever waits when a committer is free is one batch a source and one COMMIT.

An update that comes while nothing is being committed waits for nobody. Updates of a source land in the order in which
they came; of two versions of one record the second goes into the next group.
"""

import asyncio
import contextvars
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow.compute as pc

from adapters.normalise import Normalised
from gateway import caps
from gateway.errors import Reason, RejectedCallError
from gateway.failpoints import Failpoints
from gateway.grouping import Prepared, prepare
from gateway.lanes import Entry, Lanes, Run
from gateway.settings import Failpoint
from gateway.wire.online import Update
from gateway.workers import Workers
from observability import metrics, telemetry
from observability.logs import get_logger
from reconciliation.errors import FatalStoreError, RejectedRequestError, RetryableStoreError
from reconciliation.model import Finding, SubmissionAnswer, SubmissionVerdict
from reconciliation.store import submissions
from reconciliation.store.engine import Engine

log = get_logger(__name__)

GROUP_RECORDS = 1_000
GROUP_BYTES = caps.MAX_PAYLOAD_BYTES - caps.ENVELOPE_BYTES
COMMITTERS = 2  # so that sources need not wait for one whose turn another process holds
# What is prepared on the event loop, in milliseconds. A thread would hand the interpreter to and fro with the loop at
# each of some hundred steps, and so take the same time of every call and a multiple of its own.
AT_ONCE_RECORDS = 512
AT_ONCE_BYTES = 131_072


@dataclass
class Submitter:
    """Collects the updates of all callers of one gateway and commits them."""

    lanes: Lanes
    workers: Workers
    clock: Callable[[], datetime]
    failpoints: Failpoints
    committing: set[asyncio.Task[None]] = field(default_factory=set)

    async def submit(self, update: Update) -> SubmissionAnswer:
        """The answer to one update, once it is durable. Who stops waiting finds it by sending the same again.

        Raises RejectedCallError RATE_EXCEEDED, IDEMPOTENCY_KEY_REUSED or what is wrong with the record, and
        RetryableStoreError: then the outcome is unknown.
        """
        waiting: asyncio.Future[SubmissionAnswer] = asyncio.get_running_loop().create_future()
        at_work = sum(not one.done() for one in self.committing)  # one that has ended takes nothing any more
        if self.lanes.add(Entry(update, [waiting])) and at_work < COMMITTERS:
            # In a context of its own: a group belongs to no caller's trace.
            task = asyncio.create_task(self._commit_waiting(), context=contextvars.Context())
            self.committing.add(task)
            task.add_done_callback(self.committing.discard)
        return await waiting

    async def _commit_waiting(self) -> None:
        """Commit group after group until nothing waits that another committer is not at."""
        while runs := self.lanes.take(most=GROUP_RECORDS, most_bytes=GROUP_BYTES):
            try:
                await self.workers.store(self._settle, runs, _ahead(runs))
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody is left without an answer
                for run in runs:
                    run.fail(error)
            self.lanes.give_back(runs)
            for run in runs:
                for entry in run.entries:
                    entry.tell()

    def _settle(self, engine: Engine, runs: Sequence[Run], ahead: list[Prepared] | None) -> None:
        """Runs on a thread of the store. Sets the outcome of every entry but those that have to wait for another.

        `ahead` is what the runs land as, if that is known already.
        """
        for run in runs:
            if run.lane.is_rehearsal:
                _one_by_one([run], lambda its: _rehearse(its[0]))
        whole = _landing(runs)
        _one_by_one(whole, lambda its: self._land_group(engine, its, ahead if its is whole else None))

    def _land_group(self, engine: Engine, runs: Sequence[Run], ahead: list[Prepared] | None) -> None:
        """Land what can land together. Requests that landed before are answered first, then come the others."""
        is_landed = False
        while not is_landed and runs:
            links = [entry.update.traceparent for run in runs for entry in run.entries if entry.update.traceparent]
            with telemetry.span("intake.land", parent=links[0] if len(links) == 1 else None, links=links) as span:
                prepared, ahead = ahead or prepare(runs), None
                self.failpoints.reach(Failpoint.BEFORE_COMMIT)
                started = time.perf_counter()
                portions = [one.portion for one in prepared]
                told = submissions.submit(engine, portions, now=self.clock(), traceparent=span.traceparent)
                seconds = time.perf_counter() - started
                self.failpoints.reach(Failpoint.AFTER_COMMIT_BEFORE_RECEIPT)
                span.set(records=sum(map(len, told)), batches=len(prepared))
            landed = [_answered(one, outcomes) for one, outcomes in zip(prepared, told, strict=True)]
            is_landed = all(landed)
            if is_landed:
                _count(prepared, seconds)
            runs = [run for run in (run.still_open() for run in runs) if run.entries]


def _landing(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if not run.lane.is_rehearsal]


def _ahead(runs: Sequence[Run]) -> list[Prepared] | None:
    """What the runs land as, where that is made in no time; None where it is not, or cannot be made of all of them."""
    updates = [entry.update for run in _landing(runs) for entry in run.entries]
    size = sum(len(update.record) for update in updates)
    if not updates or len(updates) > AT_ONCE_RECORDS or size > AT_ONCE_BYTES:
        return None
    try:
        return prepare(_landing(runs))
    except Exception:  # noqa: BLE001 - the thread meets it again, and finds whose it is
        return None


def _one_by_one(runs: Sequence[Run], settle: Callable[[Sequence[Run]], None]) -> None:
    """Settle all runs together, or by halves where that fails: one record is to blame, and only that one is to pay."""
    if not runs:
        return
    try:
        settle(runs)
    except (RetryableStoreError, FatalStoreError):
        raise
    except Exception as error:  # noqa: BLE001 - the record's caller is told, and the edge logs it
        left = [run for run in (run.still_open() for run in runs) if run.entries]
        if len(left) == len(left[0].entries) == 1:
            left[0].entries[0].outcome = error
            return
        for half in _halves(left):
            _one_by_one(half, settle)


def _halves(runs: Sequence[Run]) -> tuple[Sequence[Run], Sequence[Run]]:
    if len(runs) > 1:
        return runs[: len(runs) // 2], runs[len(runs) // 2 :]
    run, middle = runs[0], len(runs[0].entries) // 2
    return [replace(run, entries=run.entries[:middle])], [replace(run, entries=run.entries[middle:])]


def _answered(prepared: Prepared, outcomes: submissions.Outcomes) -> bool:
    """Give entries their outcomes; whether every one got its first answer, and none an answer from before."""
    is_landed = True
    for entry, outcome in zip(prepared.entries, outcomes, strict=True):
        match outcome:
            case SubmissionAnswer():
                entry.outcome = outcome
                is_landed = is_landed and not outcome.replayed
            case RejectedRequestError():
                entry.outcome = RejectedCallError(
                    Reason.IDEMPOTENCY_KEY_REUSED, outcome.message, field_path="request_id"
                )
                is_landed = False
            case None:
                is_landed = False
    return is_landed


def _rehearse(run: Run) -> None:
    """What would become of the records of a run. Whether one is old is not looked up."""
    while run.entries:
        (prepared,) = prepare([run])
        normalised = prepared.portion.normalised
        held = set(normalised.quarantined["row"].to_pylist())
        for row, entry in enumerate(prepared.entries):
            entry.outcome = SubmissionAnswer(
                receipt_id=None,
                row=0,
                verdict=SubmissionVerdict.QUARANTINED if row in held else SubmissionVerdict.ACCEPTED,
                findings=_said_of(normalised, row),
                landed_at=None,
            )
        run = run.still_open()


def _said_of(normalised: Normalised, row: int) -> tuple[Finding, ...]:
    of_row = normalised.findings.filter(pc.equal(normalised.findings["row"], row))
    return tuple(Finding(**one | {"row": 0}) for one in of_row.to_pylist())


_COUNTED = (
    (metrics.RECORDS_ACCEPTED, SubmissionVerdict.ACCEPTED),
    (metrics.RECORDS_QUARANTINED, SubmissionVerdict.QUARANTINED),
    (metrics.RECORDS_SUPERSEDED, SubmissionVerdict.SUPERSEDED),
)


def _count(prepared: Sequence[Prepared], seconds: float) -> None:
    """Count what landed for the first time."""
    for one in prepared:
        source, said = one.portion.source, one.portion.normalised.findings
        split = {"province_code": source.province_code, "record_kind": source.kind}
        verdicts = Counter(
            entry.outcome.verdict for entry in one.entries if isinstance(entry.outcome, SubmissionAnswer)
        )
        for instrument, verdict in _COUNTED:
            if verdicts[verdict]:
                instrument.add(verdicts[verdict], **split)
        codes = Counter(zip(said["code"].to_pylist(), said["severity"].to_pylist(), strict=True))
        for (code, severity), count in codes.items():
            metrics.FINDINGS.add(count, source_id=source.source_id, code=code, severity=severity)
    for kind in sorted({one.portion.source.kind for one in prepared}):
        metrics.LANDING_SECONDS.record(seconds, record_kind=kind)
