"""Single records of online systems: a group of them lands as one batch a source, and a request has one answer for ever.

The answers are stored in the transaction that lands the records, so that whoever asks again is told the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.catalogue import Source
from adapters.findings import BATCH_ROW
from adapters.normalise import Normalised
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Batch, Finding, Receipt, State, SubmissionAnswer, SubmissionVerdict
from reconciliation.store.copying import copy_in, reserve
from reconciliation.store.isolation import speak_for
from reconciliation.store.landing import Arrival, land_in_turn
from reconciliation.store.tables import ROWS_PER_BATCH, finding, single_sequence, submission, update_state
from reconciliation.store.tables import batch as ledger
from reconciliation.store.versions import take_turns

# The ledger's name for what came record by record. A spool cannot have it: theirs have no "~".
EPOCH = "~online"

Outcome = SubmissionAnswer | RejectedRequestError
Outcomes = list[Outcome | None]  # of a portion, by row

_Place = tuple[UUID, int]  # receipt_id, row

_SUBMITTED = pa.schema(
    [
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("request_id", pa.binary(), nullable=False),  # its 16 bytes
        pa.field("sha256", pa.binary(), nullable=False),
        pa.field("receipt_id", pa.binary(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Submission:
    """One request and the hash of its record."""

    request_id: UUID
    sha256: bytes


@dataclass(frozen=True)
class Portion:
    """The records of one source in a group. Submission i is row i; `batch` gets number and trace when it lands."""

    source: Source
    batch: Batch
    normalised: Normalised
    submissions: Sequence[Submission]


def submit(
    engine: sa.Engine, portions: Sequence[Portion], *, now: datetime, traceparent: str | None = None
) -> list[Outcomes]:
    """Land one portion a source in one transaction; for each the answers to its requests, or what refuses them.

    When some of the requests had been submitted before, nothing lands and only these have an outcome: come again with
    the rest. Raises RetryableStoreError: then the outcome is unknown and the callers ask again.
    """
    with engine.begin() as connection:
        sources = [portion.source.source_id for portion in portions]
        speak_for(connection, sources)
        take_turns(connection, sources)
        return _known(connection, portions) or _landed(connection, portions, now=now, traceparent=traceparent)


def _known(connection: sa.Connection, portions: Sequence[Portion]) -> list[Outcomes] | None:
    """The answers to those requests that have one; None when none has."""
    ids = [sent.request_id for portion in portions for sent in portion.submissions]
    sources = [portion.source.source_id for portion in portions for _ in portion.submissions]
    # Written as one text: the driver takes several microseconds to write each UUID of a list.
    rows = connection.execute(_FIND_KNOWN, {"sources": sources, "ids": f"{{{','.join(map(str, ids))}}}"}).all()
    if not rows:
        return None
    places = sa.tuple_(ledger.c.receipt_id, finding.c.row).in_([(row.receipt_id, row.row) for row in rows])
    findings = _findings(connection, places)
    known = {(row.source_id, row.request_id): row for row in rows}
    told: list[Outcomes] = []
    for portion in portions:
        source_id = portion.source.source_id
        its = [(sent, known.get((source_id, sent.request_id))) for sent in portion.submissions]
        told.append([None if row is None else _replay(row, sent, findings) for sent, row in its])
    return told


def _find_known() -> sa.Select[Any]:
    asked = (
        sa.func.unnest(
            sa.bindparam("sources", type_=pg.ARRAY(sa.Text)),
            sa.cast(sa.bindparam("ids", type_=sa.Text), pg.ARRAY(pg.UUID(as_uuid=True))),
        )
        .table_valued("source_id", "request_id")
        .render_derived(name="asked")
    )
    is_asked = sa.and_(submission.c.source_id == asked.c.source_id, submission.c.request_id == asked.c.request_id)
    stored = sa.select(submission, ledger.c.landed_at)
    return stored.join(ledger, ledger.c.receipt_id == submission.c.receipt_id).join(asked, is_asked)


_FIND_KNOWN = _find_known()


def _replay(row: sa.Row[Any], sent: Submission, findings: Mapping[_Place, Sequence[Finding]]) -> Outcome:
    """The stored answer to a request, unless it was for another record."""
    if row.sha256 != sent.sha256:
        return _reused(row.source_id, row.request_id)
    return SubmissionAnswer(
        receipt_id=row.receipt_id,
        row=row.row,
        verdict=SubmissionVerdict(row.verdict),
        findings=tuple(findings.get((row.receipt_id, row.row), ())),
        landed_at=row.landed_at,
        replayed=True,
    )


def _reused(source_id: str, request_id: UUID) -> RejectedRequestError:
    return RejectedRequestError(
        "IDEMPOTENCY_KEY_REUSED",
        f"Request {request_id} of {source_id} has landed before with another record.",
        next_step="make a new request_id for every record.",
    )


def _landed(
    connection: sa.Connection, portions: Sequence[Portion], *, now: datetime, traceparent: str | None
) -> list[Outcomes]:
    """Land the portions and store the answer to every request of theirs."""
    told: list[list[SubmissionAnswer]] = []
    sequences = reserve(connection, single_sequence, len(portions))
    arrivals = [
        Arrival(replace(portion.batch, sequence=sequence, traceparent=traceparent), portion.normalised, portion.source)
        for portion, sequence in zip(portions, sequences, strict=True)
    ]
    for portion, receipt in zip(portions, land_in_turn(connection, arrivals, now=now), strict=True):
        if isinstance(receipt, Exception):
            raise receipt
        verdicts = _verdicts(portion, _superseded(connection, receipt) if receipt.superseded else ())
        findings = _findings_of(connection, receipt, portion.normalised)
        told.append(
            [
                SubmissionAnswer(
                    receipt_id=receipt.receipt_id,
                    row=row,
                    verdict=verdict,
                    findings=tuple(findings.get(row, ())),
                    landed_at=receipt.landed_at,
                )
                for row, verdict in enumerate(verdicts)
            ]
        )
    copy_in(connection, submission, _stored(portions, told))
    return [list(answers) for answers in told]


def _stored(portions: Sequence[Portion], told: Sequence[Sequence[SubmissionAnswer]]) -> pa.Table:
    """The rows of `submission`, whose answers were told."""
    sent = [one for portion in portions for one in portion.submissions]
    answers = [answer for its in told for answer in its]
    columns = [
        pa.array([portion.source.source_id for portion in portions for _ in portion.submissions], pa.string()),
        pa.array([one.request_id.bytes for one in sent], pa.binary()),
        pa.array([one.sha256 for one in sent], pa.binary()),
        pa.array([answer.receipt_id.bytes if answer.receipt_id else None for answer in answers], pa.binary()),
        pa.array([answer.row for answer in answers], pa.int32()),
        pa.array([answer.verdict for answer in answers], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=_SUBMITTED)


def _verdicts(portion: Portion, superseded: Iterable[int]) -> list[SubmissionVerdict]:
    """By row."""
    verdicts = [SubmissionVerdict.ACCEPTED] * len(portion.submissions)
    for row in superseded:
        verdicts[row] = SubmissionVerdict.SUPERSEDED
    for row in portion.normalised.quarantined["row"].to_pylist():
        verdicts[row] = SubmissionVerdict.QUARANTINED
    return verdicts


def _superseded(connection: sa.Connection, receipt: Receipt) -> Sequence[int]:
    """The rows of a batch that did not become heads."""
    first = ledger.c.batch_id * ROWS_PER_BATCH
    query = (
        sa.select(update_state.c.record_id - first)
        .join(ledger, update_state.c.record_id.between(first, first + ROWS_PER_BATCH - 1))
        .where(ledger.c.receipt_id == receipt.receipt_id, update_state.c.state == str(State.SUPERSEDED))
    )
    return connection.scalars(query).all()


def _findings_of(
    connection: sa.Connection, receipt: Receipt, normalised: Normalised
) -> Mapping[int, Sequence[Finding]]:
    """What is said of the rows of a batch; landing may have had more to say than normalising."""
    if receipt.findings != normalised.findings.num_rows:
        stored = _findings(connection, ledger.c.receipt_id == receipt.receipt_id)
        return {row: its for (_, row), its in stored.items()}
    found: dict[int, list[Finding]] = defaultdict(list)
    if normalised.findings.num_rows:
        for said in normalised.findings.filter(pc.greater(normalised.findings["row"], BATCH_ROW)).to_pylist():
            found[said["row"]].append(Finding(**said))
    return found


def _findings(connection: sa.Connection, chosen: sa.ColumnElement[bool]) -> Mapping[_Place, Sequence[Finding]]:
    """What was stored about rows. What is said of a whole group concerns no caller."""
    found: dict[_Place, list[Finding]] = defaultdict(list)
    query = (
        sa.select(finding, ledger.c.receipt_id)
        .join(ledger, ledger.c.batch_id == finding.c.batch_id)
        .where(chosen, finding.c.row > BATCH_ROW)
        .order_by(finding.c.batch_id, finding.c.position)
    )
    for row in connection.execute(query):
        found[row.receipt_id, row.row].append(
            Finding(
                row=row.row,
                column=row.column,
                code=row.code,
                severity=row.severity,
                seen=row.seen,
                source_record_id=row.source_record_id,
            )
        )
    return found
