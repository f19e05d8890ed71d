"""Group commit of single updates: whatever waits when a committer is free is one table a source and one COMMIT.

An update that comes while nothing is being committed waits for nobody. Updates of a source land in the order in which
they came; of two versions of one record the second goes into the next group.
"""

import asyncio
import contextvars
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from adapters.catalogue import Source
from adapters.checking import ACROSS_ROWS
from adapters.normalise import Normalised
from gateway import caps, receiving
from gateway.errors import Reason, RejectedCallError
from gateway.failpoints import Failpoints
from gateway.lanes import Entry, Lanes, Run
from gateway.settings import Failpoint
from gateway.typed import join_records
from gateway.wire.online import Update
from gateway.workers import Workers
from observability import metrics, telemetry
from observability.logs import get_logger
from reconciliation.errors import FatalStoreError, RejectedRequestError, RetryableStoreError
from reconciliation.model import Batch, BatchFormat, Finding, SubmissionAnswer, SubmissionVerdict
from reconciliation.store import submissions
from reconciliation.store.engine import Engine
from reconciliation.store.submissions import Portion, Submission

log = get_logger(__name__)

GROUP_RECORDS = 1_000
GROUP_BYTES = caps.MAX_PAYLOAD_BYTES - caps.ENVELOPE_BYTES
COMMITTERS = 2  # so that sources need not wait for one whose turn another process holds

_SECOND_OF_ITS_RECORD = "DUPLICATE_IN_BATCH"
_SAID_OF_NEIGHBOURS = pa.array(sorted(ACROSS_ROWS), pa.string())


@dataclass(frozen=True)
class Prepared:
    """Those entries of a run that can land together, and what they land as."""

    entries: list[Entry]
    portion: Portion


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
        if self.lanes.add(Entry(update, [waiting])) and len(self.committing) < COMMITTERS:
            # In a context of its own: a group belongs to no caller's trace.
            task = asyncio.create_task(self._commit_waiting(), context=contextvars.Context())
            self.committing.add(task)
            task.add_done_callback(self.committing.discard)
        return await waiting

    async def _commit_waiting(self) -> None:
        """Commit group after group until nothing waits that another committer is not at."""
        while runs := self.lanes.take(most=GROUP_RECORDS, most_bytes=GROUP_BYTES):
            try:
                await self.workers.store(self._settle, runs)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody is left without an answer
                for run in runs:
                    run.fail(error)
            self.lanes.give_back(runs)
            for run in runs:
                for entry in run.entries:
                    entry.tell()

    def _settle(self, engine: Engine, runs: Sequence[Run]) -> None:
        """Runs on a thread of the store. Sets the outcome of every entry but those that have to wait for another."""
        for run in runs:
            if run.lane.is_rehearsal:
                _one_by_one([run], lambda its: _rehearse(its[0]))
        _one_by_one([run for run in runs if not run.lane.is_rehearsal], lambda its: self._land_group(engine, its))

    def _land_group(self, engine: Engine, runs: Sequence[Run]) -> None:
        """Land what can land together. Requests that landed before are answered first, then come the others."""
        is_landed = False
        while not is_landed and runs:
            links = [entry.update.traceparent for run in runs for entry in run.entries if entry.update.traceparent]
            with telemetry.span("intake.land", parent=links[0] if len(links) == 1 else None, links=links) as span:
                prepared = [_prepare(run.source, run.entries, traceparent=span.traceparent) for run in runs]
                self.failpoints.reach(Failpoint.BEFORE_COMMIT)
                started = time.perf_counter()
                told = submissions.submit(engine, [one.portion for one in prepared], now=self.clock())
                seconds = time.perf_counter() - started
                self.failpoints.reach(Failpoint.AFTER_COMMIT_BEFORE_RECEIPT)
                span.set(records=sum(map(len, told)), batches=len(prepared))
            landed = [_answered(one, outcomes) for one, outcomes in zip(prepared, told, strict=True)]
            is_landed = all(landed)
            if is_landed:
                _count(prepared, seconds)
            runs = [run for run in (run.still_open() for run in runs) if run.entries]


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


def _prepare(source: Source, entries: list[Entry], *, traceparent: str | None) -> Prepared:
    """One table of the records, without those whose record has an earlier version among them."""
    payload = join_records([entry.update.record for entry in entries], kind=source.kind)
    batch = Batch(
        source_id=source.source_id,
        epoch=submissions.EPOCH,
        sequence=0,  # it gets its number as it lands
        format=BatchFormat.TYPED_RECORDS,
        sha256=hashlib.sha256(payload).digest(),
        exported_on=entries[0].update.exported_on,
        payload=payload,
        traceparent=traceparent,
    )
    normalised = receiving.normalise(batch, source=source, stated=len(entries), province_codes=entries[0].update.about)
    said = normalised.findings
    if said.num_rows:
        second = set(said.filter(pc.equal(said["code"], _SECOND_OF_ITS_RECORD))["row"].to_pylist())
        if second:
            first = [entry for row, entry in enumerate(entries) if row not in second]
            return _prepare(source, first, traceparent=traceparent)
        of_neighbours = pc.is_in(said["code"], value_set=_SAID_OF_NEIGHBOURS)
        normalised = replace(normalised, findings=said.filter(pc.invert(of_neighbours)))
    sent = [Submission(entry.update.request_id, entry.update.sha256) for entry in entries]
    return Prepared(entries, Portion(source, batch, normalised, sent))


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
        prepared = _prepare(run.source, run.entries, traceparent=None)
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


def _count(prepared: Sequence[Prepared], seconds: float) -> None:
    """Count what landed for the first time."""
    for one in prepared:
        source, said = one.portion.source, one.portion.normalised.findings
        split = {"province_code": source.province_code, "record_kind": source.kind}
        verdicts = Counter(
            entry.outcome.verdict for entry in one.entries if isinstance(entry.outcome, SubmissionAnswer)
        )
        metrics.RECORDS_ACCEPTED.add(verdicts[SubmissionVerdict.ACCEPTED], **split)
        metrics.RECORDS_QUARANTINED.add(verdicts[SubmissionVerdict.QUARANTINED], **split)
        metrics.RECORDS_SUPERSEDED.add(verdicts[SubmissionVerdict.SUPERSEDED], **split)
        if not said.num_rows:
            continue
        for row in said.group_by(["code", "severity"], use_threads=False).aggregate([([], "count_all")]).to_pylist():
            counted = {"code": row["code"], "severity": row["severity"]}
            metrics.FINDINGS.add(row["count_all"], source_id=source.source_id, **counted)
    for kind in sorted({one.portion.source.kind for one in prepared}):
        metrics.LANDING_SECONDS.record(seconds, record_kind=kind)
