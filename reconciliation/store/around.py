"""What bears on a case and is no record of it: deaths that were said, hamlets of one name, whom others published."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    batch,
    feed_entry,
    golden_head,
    golden_tables,
    hamlet,
    officer_signature,
    record_tables,
    update_state,
)

_PERSONS, _PUBLISHED = record_tables[RecordKind.PERSON], golden_tables[RecordKind.PERSON]


def deaths_said(connection: sa.Connection, record_keys: Sequence[str]) -> list[dict[str, Any]]:
    """Every version of the records that says a day of death, the oldest first: the fields of showing.DeathSaid."""
    named = [tuple(key.partition("|")[::2]) for key in record_keys]
    said = sa.tuple_(_PERSONS.c.source_id, _PERSONS.c.source_record_id).in_(named)
    return _deaths(connection, said)


def deaths_published(
    connection: sa.Connection, numbers: Collection[str], *, province_code: str
) -> list[dict[str, Any]]:
    """As `deaths_said`, of the versions by which who bears one of the numbers is published as dead."""
    by_record = sa.cast(sa.cast(_PUBLISHED.c.provenance, pg.JSONB)["died_on"].astext, sa.BigInteger)
    told = (
        sa.select(by_record)
        .join(golden_head, golden_head.c.change_id == _PUBLISHED.c.change_id)
        .where(_PUBLISHED.c.personal_number.in_(sorted(numbers)), _PUBLISHED.c.died_on.is_not(None))
        .where(golden_head.c.province_code == province_code)
    )
    records = [one for one in connection.scalars(told) if one is not None]
    return _deaths(connection, _PERSONS.c.record_id.in_(records)) if records else []


def hamlets_named(connection: sa.Connection, unit_code: str, name_key: str, *, on: date) -> list[dict[str, Any]]:
    """The hamlets of a unit that bear a name on a day: name, former_unit_code."""
    query = (
        sa.select(hamlet.c.name, hamlet.c.former_unit_code)
        .where(hamlet.c.unit_code == unit_code, hamlet.c.name_key == name_key, hamlet.c.replaced_at.is_(None))
        .where(sa.func.coalesce(hamlet.c.named_from <= on, sa.true()))
        .where(sa.func.coalesce(hamlet.c.named_to >= on, sa.true()))
        .order_by(hamlet.c.former_unit_code, hamlet.c.name)
        .distinct()
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def published(
    connection: sa.Connection, subject_ids: Sequence[str], province_codes: Collection[str]
) -> list[dict[str, Any]]:
    """Those of the people that the provinces publish now: province_code, published_at, and what is published."""
    query = (
        sa.select(golden_head.c.province_code, feed_entry.c.published_at, _PUBLISHED)
        .join(_PUBLISHED, _PUBLISHED.c.change_id == golden_head.c.change_id)
        .outerjoin(feed_entry, feed_entry.c.change_id == golden_head.c.change_id)
        .where(golden_head.c.subject_id.in_(list(subject_ids)))
        .where(golden_head.c.province_code.in_(sorted(province_codes)))
        .order_by(golden_head.c.province_code, golden_head.c.subject_id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _deaths(connection: sa.Connection, chosen: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    query = (
        sa.select(
            _PERSONS.c.source_id,
            _PERSONS.c.source_version,
            _PERSONS.c.died_on,
            batch.c.landed_at,
            officer_signature.c.signed_at,
            update_state.c.state,
        )
        .join(batch, batch.c.batch_id == _PERSONS.c.record_id // ROWS_PER_BATCH)
        .join(update_state, update_state.c.record_id == _PERSONS.c.record_id)
        .outerjoin(officer_signature, officer_signature.c.record_id == _PERSONS.c.record_id)
        .where(_PERSONS.c.died_on.is_not(None), chosen)
        .order_by(_PERSONS.c.source_id, _PERSONS.c.source_record_id, _PERSONS.c.source_version)
    )
    return [dict(row) for row in connection.execute(query).mappings()]
