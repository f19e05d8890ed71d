"""Who did what: one list over every table that is appended and never updated, the latest first. Ids and codes only.

Reasons are people's own words and stay with their case. Each table is read from its newest end, a page at a time.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

import sqlalchemy as sa

from reconciliation.store.tables import (
    approval,
    case,
    console_event,
    feed_epoch,
    feed_purge,
    feed_replay,
    judgement,
    portal_grant,
    reveal,
    security_event,
    snapshot_purge,
    source_grant,
    steward_grant,
    unit_event,
)

PAGE = 50


class Act(StrEnum):
    """What was done."""

    JUDGED = "judged"
    APPROVED = "approved"
    REVERSED = "reversed"
    REVEALED = "revealed"
    USER = "user"  # of a user of the console: signing in, roles, exports; `detail` says which
    SOURCE_GRANTED = "source_granted"
    PORTAL_GRANTED = "portal_granted"
    STEWARD_GRANTED = "steward_granted"
    UNIT_EVENT = "unit_event"
    REPLAYED = "replayed"
    PURGED = "purged"
    SNAPSHOT_PURGED = "snapshot_purged"
    EPOCH_BEGUN = "epoch_begun"
    REFUSED_WRITE = "refused_write"  # somebody wrote where they may not


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One act. `about` is an id: of a case, a source, a portal, a registry, an event; `case_id` where it has one."""

    at: datetime
    act: Act
    who: str
    about: str
    detail: str
    case_id: int | None
    province_code: str | None


def entries(
    engine: sa.Engine,
    *,
    before: datetime,
    acts: Collection[Act] = tuple(Act),
    who: str | None = None,
    province_codes: Collection[str] | None = None,
    limit: int = PAGE,
) -> list[Entry]:
    """The last `limit` acts before a moment, the latest first.

    With `province_codes` only what is of a province and lies in these; None is everything.
    """
    found: list[Entry] = []
    with engine.connect() as connection:
        for act in sorted(set(acts)):
            one = _acts()[act].subquery()
            query = sa.select(one).where(one.c.at < before)
            if who is not None:
                query = query.where(one.c.who == who)
            if province_codes is not None:
                query = query.where(one.c.province_code.in_(sorted(province_codes)))
            rows = connection.execute(query.order_by(one.c.at.desc()).limit(limit)).mappings()
            found += [Entry(act=act, **row) for row in rows]
    return sorted(found, key=lambda one: one.at, reverse=True)[:limit]


@cache
def _acts() -> Mapping[Act, sa.Select[tuple[object, ...]]]:
    """Of each act: at, who, about, detail, case_id, province_code."""
    judged = judgement.join(case, case.c.fingerprint == judgement.c.fingerprint)
    approved = approval.join(judgement, judgement.c.judgement_id == approval.c.judgement_id).join(
        case, case.c.fingerprint == judgement.c.fingerprint
    )
    judging = _act(
        judgement.c.judged_at, judgement.c.steward, _text(case.c.kind), judgement.c.decision, is_of_case=True
    )
    nothing: sa.ColumnElement[str] = sa.literal_column("''")
    loaded = sa.case(
        (unit_event.c.revokes.is_(None), sa.literal_column("'loaded'")), else_=sa.literal_column("'unloaded'")
    )
    return {
        Act.JUDGED: judging.select_from(judged).where(judgement.c.reverses.is_(None)),
        Act.REVERSED: judging.select_from(judged).where(judgement.c.reverses.is_not(None)),
        Act.APPROVED: _act(
            approval.c.approved_at, approval.c.approver, _text(case.c.kind), judgement.c.decision, is_of_case=True
        ).select_from(approved),
        Act.REVEALED: sa.select(
            reveal.c.revealed_at.label("at"),
            reveal.c.user_id.label("who"),
            reveal.c.field.label("about"),
            reveal.c.purpose.label("detail"),
            reveal.c.case_id,
            reveal.c.province_code,
        ),
        Act.USER: _act(console_event.c.occurred_at, console_event.c.user_id, console_event.c.kind, nothing),
        Act.SOURCE_GRANTED: _granting(source_grant, source_grant.c.source_id),
        Act.PORTAL_GRANTED: _granting(portal_grant, portal_grant.c.portal_id),
        Act.STEWARD_GRANTED: _granting(steward_grant, steward_grant.c.steward),
        Act.UNIT_EVENT: _act(unit_event.c.recorded_at, unit_event.c.recorded_by, unit_event.c.event_id, loaded),
        Act.REPLAYED: _act(
            feed_replay.c.asked_at,
            feed_replay.c.asked_by,
            feed_replay.c.consumer_id,
            _text(feed_replay.c.from_seq) + " → " + _text(feed_replay.c.to_seq),
        ),
        Act.PURGED: _act(
            feed_purge.c.purged_at, feed_purge.c.purged_by, _text(feed_purge.c.purged_upto), _text(feed_purge.c.changes)
        ),
        Act.SNAPSHOT_PURGED: _act(
            snapshot_purge.c.purged_at,
            snapshot_purge.c.purged_by,
            snapshot_purge.c.consumer_id,
            _text(snapshot_purge.c.size_bytes),
        ),
        Act.EPOCH_BEGUN: _act(
            feed_epoch.c.begun_at, feed_epoch.c.begun_by, _text(feed_epoch.c.epoch), _text(feed_epoch.c.feed_seq)
        ),
        Act.REFUSED_WRITE: _act(
            security_event.c.occurred_at,
            security_event.c.source_id,
            security_event.c.kind,
            _text(security_event.c.records),
        ),
    }


def _granting(table: sa.Table, whose: sa.ColumnElement[str]) -> sa.Select[tuple[object, ...]]:
    """The entries of a history of grants."""
    done = sa.case((table.c.is_revoked, sa.literal_column("'revoked'")), else_=sa.literal_column("'granted'"))
    return _act(table.c.recorded_at, table.c.recorded_by, whose, done)


def _act(
    at: sa.ColumnElement[datetime],
    who: sa.ColumnElement[str],
    about: sa.ColumnElement[str],
    detail: sa.ColumnElement[str],
    *,
    is_of_case: bool = False,
) -> sa.Select[tuple[object, ...]]:
    """The columns of an act; one of no case has no province either."""
    nothing = sa.cast(sa.null(), sa.BigInteger), sa.cast(sa.null(), sa.Text)
    case_id, province = (case.c.case_id, case.c.province_code) if is_of_case else nothing
    return sa.select(
        at.label("at"),
        who.label("who"),
        about.label("about"),
        detail.label("detail"),
        case_id.label("case_id"),
        province.label("province_code"),
    )


def _text(column: sa.ColumnElement[object]) -> sa.ColumnElement[str]:
    return sa.cast(column, sa.Text)
