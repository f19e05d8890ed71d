"""What SubmitUpdate is measured against: the same call with a transaction of its own for every update, and an echo.

The peer is what a careful engineer would write without groups: an asynchronous server, rules for one record with
compiled patterns, prepared statements, rows locked by their key and never by their source. It makes the same rows as
the gateway: ledger, version, head, state and move, findings and the stored answer.

`python -m tests.benchmarks.online_peers echo` or `… commit DATABASE CONNECTIONS` serves until it is ended.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from uuid import uuid4

import grpc
import psycopg
from psycopg import sql

from adapters import catalogue
from adapters.canonical import SCHEMAS, RecordKind
from adapters.catalogue import Source
from adapters.findings import FINDINGS
from gateway import garbage
from gateway.calls import CallPolicy
from gateway.settings import Settings
from gateway.shares import Shares
from gateway.typed import as_typed
from gateway.v1 import intake_pb2, intake_pb2_grpc, records_pb2
from gateway.wire import online as wire
from observability import logs, telemetry
from reconciliation import lifecycle
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Finding, State, SubmissionAnswer, SubmissionVerdict
from reconciliation.store.tables import ROWS_PER_BATCH
from tests.benchmarks.per_record import Result, SingleRecords

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_COLUMNS = [name for name in SCHEMAS[RecordKind.PERSON].names if name != "row"]
_KNOWN = """
    SELECT b.receipt_id, b.landed_at, s.row, s.verdict FROM submission s JOIN batch b USING (receipt_id)
    WHERE s.source_id = %s AND s.request_id = %s"""
_LEDGER = """
    INSERT INTO batch (source_id, epoch, sequence, sha256, format, exported_on, kind, province_code, received, accepted,
                       superseded, quarantined, findings, landed_at, payload)
    VALUES (%s, 'single', nextval('single_sequence'), %s, 'typed_records', %s, %s, %s, 1, %s, %s, %s, %s, %s, %s)
    RETURNING batch_id, receipt_id"""
_HEAD = "SELECT record_id, source_version FROM record_head WHERE source_id = %s AND source_record_id = %s FOR UPDATE"
_NEW_HEAD = """
    INSERT INTO record_head (source_id, source_record_id, record_id, source_version, kind, province_code)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (source_id, source_record_id) DO UPDATE
    SET record_id = excluded.record_id, source_version = excluded.source_version"""
_STATE = """
    INSERT INTO update_state (record_id, kind, province_code, source_id, state, cause, since, owner, deadline)
    VALUES (%s, %s, %s, %s, %s, 'LANDED', %s, %s, %s)"""
_MOVE = "INSERT INTO update_move (record_id, moved_at, from_state, to_state, cause) VALUES (%s, %s, %s, %s, %s)"
_SUPERSEDE = """
    UPDATE update_state SET state = 'superseded', cause = 'NEWER_VERSION', since = %s, owner = NULL, deadline = NULL
    WHERE record_id = %s"""
_FINDING = """
    INSERT INTO finding (batch_id, position, row, "column", code, severity, seen, source_record_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"""
_HELD = "INSERT INTO quarantine (batch_id, row, codes, source_record_id, raw) VALUES (%s, 0, %s, %s, %s)"
_ANSWER = """
    INSERT INTO submission (source_id, request_id, sha256, receipt_id, row, verdict) VALUES (%s, %s, %s, %s, 0, %s)"""
_RECORD = sql.SQL("INSERT INTO person_record (record_id, source_id, {}) VALUES (%s, %s, {})").format(
    sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)), sql.SQL(", ").join(sql.Placeholder() * len(_COLUMNS))
)


class Echo(intake_pb2_grpc.IntakeServiceServicer):
    """Answers without looking."""

    async def SubmitUpdate(  # noqa: N802 - gRPC's name
        self, request: intake_pb2.SubmitUpdateRequest, context: object
    ) -> intake_pb2.SubmitUpdateResponse:
        answer = SubmissionAnswer(
            receipt_id=uuid4(), row=0, verdict=SubmissionVerdict.ACCEPTED, findings=(), landed_at=datetime.now(UTC)
        )
        return wire.write_answer(answer)


class CommitEach(intake_pb2_grpc.IntakeServiceServicer):
    """Every update in a transaction of its own, on one of so many connections."""

    def __init__(self, connections: "asyncio.Queue[Connection]") -> None:
        self._connections = connections
        self._catalogue = catalogue.load()

    async def SubmitUpdate(  # noqa: N802 - gRPC's name
        self, request: intake_pb2.SubmitUpdateRequest, context: object
    ) -> intake_pb2.SubmitUpdateResponse:
        source = self._catalogue.sources[request.source_id]
        now = datetime.now(UTC)
        about, today = (source.province_code,), now.astimezone(VIETNAM).date()
        update = wire.read_update(request, source=source, about=about, today=today)
        message = records_pb2.PersonRecord.FromString(update.record)
        record = {field.name: str(value) for field, value in message.ListFields()}
        result = _rules(source.source_id, update.exported_on).normalise(record)
        connection = await self._connections.get()
        try:
            async with connection.transaction():
                answer = await _land(connection, update, result, now=now)
        finally:
            self._connections.put_nowait(connection)
        return wire.write_answer(answer)


@cache
def _rules(source_id: str, exported_on: date) -> SingleRecords:
    return SingleRecords(as_typed(catalogue.load().sources[source_id]), exported_on)


@cache
def _waiting(province_code: str, on: date) -> tuple[str | None, datetime | None]:
    """Owner and deadline of what landed on a day."""
    since = datetime.combine(on, datetime.min.time(), UTC)
    state = State.AWAITING_RECONCILIATION
    return lifecycle.owner(state, province_code=province_code), lifecycle.deadline(state, since=since)


async def _land(connection: Connection, update: wire.Update, result: Result, *, now: datetime) -> SubmissionAnswer:
    source = update.source
    known = await (await connection.execute(_KNOWN, (source.source_id, update.request_id))).fetchone()
    if known:
        receipt_id, landed_at, row, verdict = known
        return SubmissionAnswer(
            receipt_id=receipt_id, row=row, verdict=SubmissionVerdict(verdict), findings=(), landed_at=landed_at
        )
    head = None
    verdict = SubmissionVerdict.QUARANTINED
    if result.rows:
        key = (source.source_id, result.rows[0]["source_record_id"])
        head = await (await connection.execute(_HEAD, key)).fetchone()
        is_old = head is not None and head[1] >= result.rows[0]["source_version"]
        verdict = SubmissionVerdict.SUPERSEDED if is_old else SubmissionVerdict.ACCEPTED
    counts = [verdict is one for one in SubmissionVerdict]
    payload = update.record if result.quarantined else None
    ledger = await connection.execute(
        _LEDGER,
        (
            *(source.source_id, update.sha256, update.exported_on, source.kind, source.province_code),
            *(*map(int, counts), len(result.findings), now, payload),
        ),
    )
    batch_id, receipt_id = await ledger.fetchone() or (0, uuid4())
    if result.rows:
        row = result.rows[0]
        await _land_version(connection, batch_id * ROWS_PER_BATCH, row, head, source=source, verdict=verdict, now=now)
    for position, (_, *said) in enumerate(result.findings):
        await connection.execute(_FINDING, (batch_id, position, 0, *said))
    for _, source_record_id, codes, raw in result.quarantined:
        await connection.execute(_HELD, (batch_id, " ".join(codes), source_record_id, raw))
    await connection.execute(_ANSWER, (source.source_id, update.request_id, update.sha256, receipt_id, verdict))
    return SubmissionAnswer(
        receipt_id=receipt_id,
        row=0,
        verdict=verdict,
        findings=tuple(Finding(**dict(zip(FINDINGS.names, said, strict=True))) for said in result.findings),
        landed_at=now,
    )


async def _land_version(
    connection: Connection,
    record_id: int,
    row: dict[str, Any],
    head: tuple[Any, ...] | None,
    *,
    source: Source,
    verdict: SubmissionVerdict,
    now: datetime,
) -> None:
    await connection.execute(_RECORD, (record_id, source.source_id, *(row.get(name) for name in _COLUMNS)))
    is_old = verdict is SubmissionVerdict.SUPERSEDED
    state = State.SUPERSEDED if is_old else State.AWAITING_RECONCILIATION
    waiting = (None, None) if is_old else _waiting(source.province_code, now.date())
    whose = (source.kind, source.province_code, source.source_id)
    await connection.execute(_STATE, (record_id, *whose, state, now, *waiting))
    if is_old:
        await connection.execute(_MOVE, (record_id, now, "awaiting_reconciliation", state, "LATE_VERSION"))
        return
    if head:
        await connection.execute(_SUPERSEDE, (now, head[0]))
        await connection.execute(_MOVE, (head[0], now, "awaiting_reconciliation", "superseded", "NEWER_VERSION"))
    key = (source.source_id, row["source_record_id"])
    await connection.execute(_NEW_HEAD, (*key, record_id, row["source_version"], source.kind, source.province_code))


async def _serve(service: intake_pb2_grpc.IntakeServiceServicer) -> None:
    server = grpc.aio.server(interceptors=[CallPolicy(help_url="docs/error-reasons.md", shares=Shares(Settings()))])
    intake_pb2_grpc.add_IntakeServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    garbage.spare_what_stays()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


async def _serve_commits(url: str, count: int) -> None:
    async with AsyncExitStack() as stack:
        connections: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(count):
            connected = await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=1)
            connections.put_nowait(await stack.enter_async_context(connected))
        await _serve(CommitEach(connections))


def main() -> int:
    """Serve what the arguments name."""
    logs.configure(service_name="peer")
    with telemetry.configure(service_name="peer"):
        match sys.argv[1:]:
            case ["echo"]:
                asyncio.run(_serve(Echo()))
            case ["commit", url, count]:
                asyncio.run(_serve_commits(url, int(count)))
            case _:
                sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
