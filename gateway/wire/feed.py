"""The messages of FeedService ◄─► pages of changes and outcomes."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import pyarrow as pa

from adapters.canonical import RecordKind
from gateway.v1 import feed_pb2
from gateway.wire.values import invalid, read_key, read_kind, write_kind, write_time
from reconciliation.model import FeedPage, Following, Outcome, OutcomeKind
from reconciliation.snapshots import Snapshot

_OUTCOMES = {
    feed_pb2.OUTCOME_KIND_APPLIED: OutcomeKind.APPLIED,
    feed_pb2.OUTCOME_KIND_REFUSED: OutcomeKind.REFUSED,
}
_OUTCOME_NUMBERS = {kind: number for number, kind in _OUTCOMES.items()}
_LARGEST_SEQUENCE = 2**63 - 1


def write_page(
    page: FeedPage, *, next_cursor: str, compression: feed_pb2.Compression.ValueType
) -> feed_pb2.FetchResponse:
    """One page on the wire: one Arrow stream for each kind that has changes."""
    codec = "lz4" if compression == feed_pb2.COMPRESSION_LZ4_FRAME else None
    kinds = [
        feed_pb2.KindChanges(kind=write_kind(kind), arrow_stream=_to_stream(table, codec))
        for kind, table in page.tables.items()
        if table.num_rows
    ]
    return feed_pb2.FetchResponse(
        kinds=kinds,
        next_cursor=next_cursor,
        changes=page.changes,
        head_sequence=page.head,
        lag=page.head - page.upto.sequence,
    )


def write_bookmark(*, cursor: str, head: int, as_of: datetime, is_last: bool) -> feed_pb2.WatchResponse:
    """A bookmark on the wire."""
    bookmark = feed_pb2.Bookmark(cursor=cursor, head_sequence=head, as_of=write_time(as_of), is_last=is_last)
    return feed_pb2.WatchResponse(bookmark=bookmark)


def write_position(
    following: Following,
    *,
    acknowledged_cursor: str,
    beginning_cursor: str,
    earliest_cursor: str,
    head: int,
    now: datetime,
) -> feed_pb2.GetCursorResponse:
    """Where a registry stands, on the wire."""
    response = feed_pb2.GetCursorResponse(
        acknowledged_cursor=acknowledged_cursor,
        beginning_cursor=beginning_cursor,
        acknowledged_sequence=following.acknowledged,
        head_sequence=head,
        lag=following.behind,
        earliest_cursor=earliest_cursor,
    )
    if following.waiting_since is not None:
        response.lag_age.FromTimedelta(max(timedelta(0), now - following.waiting_since))
    return response


def write_snapshot(snapshot: Snapshot, *, cursor: str) -> feed_pb2.GetSnapshotResponse:
    """A snapshot on the wire."""
    return feed_pb2.GetSnapshotResponse(
        snapshot_id=snapshot.snapshot_id,
        cursor=cursor,
        feed_sequence=snapshot.cursor.sequence,
        written_at=write_time(snapshot.written_at),
        files=[
            feed_pb2.SnapshotFile(
                name=one.file,
                kind=write_kind(one.kind),
                rows=one.rows,
                size_bytes=one.size_bytes,
                sha256=bytes.fromhex(one.sha256),
                fields=one.fields,
            )
            for one in snapshot.files
        ],
    )


def read_tables(message: feed_pb2.FetchResponse) -> dict[RecordKind, pa.Table]:
    """The tables of a page; a kind without changes is absent."""
    tables: dict[RecordKind, pa.Table] = {}
    for changes in message.kinds:
        kind = read_kind(changes.kind, field_path="kinds.kind")
        if kind is not None:
            with pa.ipc.open_stream(changes.arrow_stream) as stream:
                tables[kind] = stream.read_all()
    return tables


def read_outcomes(messages: Sequence[feed_pb2.ChangeOutcome]) -> list[Outcome]:
    """What a registry reports. Raises FIELD_INVALID, naming the first outcome that is malformed."""
    outcomes = []
    for index, message in enumerate(messages):
        place = f"outcomes[{index}]"
        if message.kind not in _OUTCOMES:
            raise invalid(f"{place}.kind", "has to be APPLIED or REFUSED")
        if not 0 < message.feed_sequence <= _LARGEST_SEQUENCE:
            raise invalid(f"{place}.feed_sequence", "has to be 1 or more")
        reason = read_key(message.reason, field_path=f"{place}.reason", longest=64) if message.reason else None
        outcomes.append(Outcome(feed_seq=message.feed_sequence, kind=_OUTCOMES[message.kind], reason=reason))
    return outcomes


def write_outcomes(outcomes: Iterable[Outcome]) -> list[feed_pb2.ChangeOutcome]:
    """A report on the wire."""
    return [
        feed_pb2.ChangeOutcome(
            feed_sequence=outcome.feed_seq, kind=_OUTCOME_NUMBERS[outcome.kind], reason=outcome.reason or ""
        )
        for outcome in outcomes
    ]


def _to_stream(table: pa.Table, codec: str | None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())
