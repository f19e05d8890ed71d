"""What has been published of one subject, version by version, and which records its values were taken from."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.store.tables import change, feed_entry, golden_tables, record_tables


def versions(connection: sa.Connection, subject_id: str) -> list[dict[str, Any]]:
    """The changes of a subject in their order: kind, cause, replaced_by, published_at (None: not in the feed yet), and
    where it was not taken away `fields`, `provenance` and `decided_by`. What the feed has let go of is not among them.
    """
    query = (
        sa.select(change, feed_entry.c.published_at)
        .outerjoin(feed_entry, feed_entry.c.change_id == change.c.change_id)
        .where(change.c.subject_id == subject_id)
        .order_by(change.c.change_id)
    )
    found = [dict(row) for row in connection.execute(query).mappings()]
    for kind in {RecordKind(row["kind"]) for row in found}:
        golden = golden_tables[kind]
        said = {
            row["change_id"]: row
            for row in connection.execute(sa.select(golden).where(golden.c.subject_id == subject_id)).mappings()
        }
        for row in found:
            if one := said.get(row["change_id"]):
                row["fields"] = {name: one[name] for name in GOLDEN_FIELDS[kind]}
                row |= {name: one[name] for name in ("provenance", "decided_by")}
    return found


def origins(connection: sa.Connection, record_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Of each of the records its kind, source_id, source_record_id, source_version and event_date."""
    found: dict[int, dict[str, Any]] = {}
    for kind, record in record_tables.items():
        named = ("record_id", "source_id", "source_record_id", "source_version", "event_date")
        query = sa.select(*(record.c[name] for name in named)).where(record.c.record_id.in_(record_ids))
        for row in connection.execute(query).mappings():
            found[row["record_id"]] = {"kind": kind, **row}
    return found
