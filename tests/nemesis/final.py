"""What the database holds when a run is over and everything unknown has been asked again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import sqlalchemy as sa

from adapters import catalogue

SUPERSEDED = "superseded"


@dataclass(frozen=True, kw_only=True)
class Landing:
    """A batch of the ledger. `landed_at`: seconds since 1970."""

    batch_id: int
    receipt_id: str
    key: str
    source_id: str
    sha256: str
    province_code: str
    received: int
    accepted: int
    superseded: int
    quarantined: int
    landed_at: float


@dataclass(frozen=True, kw_only=True)
class Record:
    """A stored record version with its state; `state` is None when it has none, which must not be."""

    batch_id: int
    row: int
    source_id: str
    source_record_id: str
    version: int
    content: str
    state: str | None
    state_source_id: str | None
    state_province: str | None
    is_head: bool


@dataclass(frozen=True, kw_only=True)
class Held:
    """A record in quarantine."""

    batch_id: int
    row: int


@dataclass(frozen=True, kw_only=True)
class Single:
    """The stored answer to the request `key` (source and request id) of an online system."""

    key: str
    sha256: str
    receipt_id: str
    row: int
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A place of the feed: what happened to whom, and the content that stands since; None when it went."""

    feed_seq: int
    change_id: int
    subject: str
    cause: str
    content: str | None


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The feed: its epoch, its entries, where each epoch after the first began, and (epoch, place) acknowledged."""

    epoch: int = 1
    head: int = 0
    entries: tuple[Entry, ...] = ()
    begun: Mapping[int, int] = field(default_factory=dict)
    acknowledged: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Final:
    """Everything stored, in order of its numbers. `provinces`: whose records each source may send."""

    landings: tuple[Landing, ...]
    records: tuple[Record, ...]
    held: tuple[Held, ...]
    provinces: Mapping[str, str]
    singles: tuple[Single, ...] = ()
    feed: Feed = Feed()


_LANDINGS = """
    SELECT batch_id, receipt_id::text, source_id || '/' || epoch || '/' || sequence AS key, source_id,
           encode(sha256, 'hex') AS sha256, province_code, received, accepted, superseded, quarantined,
           extract(epoch FROM landed_at)::float8 AS landed_at
    FROM batch ORDER BY batch_id"""
_RECORDS = """
    SELECT r.record_id / 10000 AS batch_id, (r.record_id % 10000)::int AS row, r.source_id, r.source_record_id,
           r.source_version AS version, coalesce(r.address, '') AS content, s.state, s.source_id AS state_source_id,
           s.province_code AS state_province, h.record_id IS NOT NULL AS is_head
    FROM person_record r LEFT JOIN update_state s USING (record_id) LEFT JOIN record_head h USING (record_id)
    ORDER BY r.record_id"""
_HELD = "SELECT batch_id, row FROM quarantine ORDER BY batch_id, row"
_SINGLES = """
    SELECT source_id || '/' || request_id AS key, encode(sha256, 'hex') AS sha256, receipt_id::text, row, verdict
    FROM submission ORDER BY 1"""
_ENTRIES = """
    SELECT feed_seq, c.change_id, c.subject_id AS subject, c.cause, g.full_name AS content
    FROM feed_entry JOIN change c USING (change_id) LEFT JOIN golden_person g USING (change_id) ORDER BY feed_seq"""


def read(engine: sa.Engine) -> Final:
    """The state of the database of `engine`."""
    with engine.connect() as connection:
        landings, records, held, singles = (
            connection.execute(sa.text(query)).mappings().all() for query in (_LANDINGS, _RECORDS, _HELD, _SINGLES)
        )
        feed = _read_feed(connection)
    return Final(
        landings=tuple(Landing(**row) for row in landings),
        records=tuple(Record(**row) for row in records),
        held=tuple(Held(**row) for row in held),
        provinces={one.source_id: one.province_code for one in catalogue.load().sources.values()},
        singles=tuple(Single(**row) for row in singles),
        feed=feed,
    )


def _read_feed(connection: sa.Connection) -> Feed:
    head = connection.execute(sa.text("SELECT epoch, feed_seq FROM feed_head")).one()
    begun = connection.execute(sa.text("SELECT epoch, feed_seq FROM feed_epoch")).all()
    consumers = connection.execute(sa.text("SELECT consumer_id, acknowledged_epoch, acknowledged FROM consumer")).all()
    return Feed(
        epoch=head.epoch,
        head=head.feed_seq,
        entries=tuple(Entry(**row) for row in connection.execute(sa.text(_ENTRIES)).mappings()),
        begun=dict(map(tuple, begun)),
        acknowledged={name: (epoch, place) for name, epoch, place in consumers},
    )


def state_hash(final: Final, *, in_order: bool = True) -> str:
    """What does not depend on how the sendings of several sources fell among one another, nor on when.

    Without `in_order` nor on the order in which the batches of one source arrived.
    """
    keys = {landing.batch_id: landing.key for landing in final.landings}
    said: dict[str, object] = {
        "landings": sorted((one.key, one.sha256, one.received, one.quarantined) for one in final.landings),
        "records": sorted(
            (keys.get(one.batch_id, ""), one.row, one.source_record_id, one.version, one.content)
            for one in final.records
        ),
        "heads": sorted(
            (one.source_id, one.source_record_id, one.version, one.content) for one in final.records if one.is_head
        ),
    }
    if in_order:
        by_source = sorted(final.landings, key=lambda landing: landing.source_id)  # each in its order of arrival
        said["order"] = [(one.key, one.accepted, one.superseded) for one in by_source]
        said["states"] = sorted((keys.get(one.batch_id, ""), one.row, str(one.state)) for one in final.records)
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()


def write(path: Path, final: Final) -> None:
    """Keep a final state beside its history."""
    path.write_text(json.dumps(asdict(final), ensure_ascii=False, indent=1), encoding="utf-8")
