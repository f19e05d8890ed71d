"""Epochs of the feed: a new one begins where rows may have been lost, so that no cursor from before is believed.

After a restore, or on a standby that was not synchronous, the feed goes on from an earlier place and gives out numbers
again that registries have seen on other changes. A cursor of an earlier epoch is answered with CURSOR_EPOCH.

A database can tell by itself that it runs on another server (the system identifier) or that its server was restored or
promoted (the timeline). It cannot tell whether rows were lost then, so that a new epoch begins; an operator whose
standbys are synchronous may say that a promoted one has everything. A folder that was copied back and started tells
nothing: for that there is `lienthong feed new-epoch`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from observability.logs import get_logger
from reconciliation.store.tables import feed_epoch, feed_head

BY_ITSELF: Final = "lienthong"  # who began an epoch that nobody asked for
ANOTHER_SERVER: Final = "ANOTHER_SERVER"  # why it did: another system identifier
ANOTHER_TIMELINE: Final = "ANOTHER_TIMELINE"

log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """An epoch after the first one. Up to `feed_seq` it is the one before it, which was on the server that is named."""

    epoch: int
    begun_at: datetime
    begun_by: str
    reason: str
    feed_seq: int
    system_identifier: int | None
    timeline: int | None


def begin(engine: sa.Engine, *, by: str, reason: str, now: datetime | None = None) -> Epoch:
    """Begin a new epoch and note who wanted it and why. `now` is the database's when None."""
    with engine.begin() as connection:
        begun = _begin(connection, by=by, reason=reason, now=now)
        _settle(connection)
        return begun


def history(engine: sa.Engine) -> Sequence[Epoch]:
    """Every epoch after the first one, the oldest first."""
    with engine.connect() as connection:
        return [Epoch(**row) for row in connection.execute(sa.select(feed_epoch).order_by("epoch")).mappings()]


def elsewhere() -> sa.ColumnElement[bool]:
    """Whether the feed was last sequenced on another server than this one, or never. A standby is nowhere else."""
    identifier, timeline = _server()
    is_known = sa.and_(feed_head.c.system_identifier == identifier, feed_head.c.timeline == timeline)
    here = sa.select(sa.func.coalesce(is_known, sa.false())).scalar_subquery()
    # A standby has no timeline of its own to ask for.
    return sa.case((sa.func.pg_is_in_recovery(), sa.false()), else_=~here)


def arrive(connection: sa.Connection, *, failover_keeps_all: bool) -> None:
    """Note the server that the feed is on now; begin a new epoch if there was another, see the module.

    With `failover_keeps_all` another timeline of the same server's keeps the epoch.
    """
    identifier, _ = _server()
    known, is_same = connection.execute(
        sa.select(feed_head.c.system_identifier, feed_head.c.system_identifier == identifier)
    ).one()
    if known is not None and not (is_same and failover_keeps_all):
        _begin(connection, by=BY_ITSELF, reason=ANOTHER_TIMELINE if is_same else ANOTHER_SERVER)
    _settle(connection)


def _begin(connection: sa.Connection, *, by: str, reason: str, now: datetime | None = None) -> Epoch:
    head = connection.execute(sa.select(feed_head).with_for_update()).one()
    row = {
        "epoch": head.epoch + 1,
        "begun_at": now or sa.func.now(),
        "begun_by": by,
        "reason": reason,
        "feed_seq": head.feed_seq,
        "system_identifier": head.system_identifier,
        "timeline": head.timeline,
    }
    begun = connection.execute(feed_epoch.insert().values(row).returning(*feed_epoch.c)).mappings().one()
    connection.execute(feed_head.update().values(epoch=head.epoch + 1))
    log.warning("feed_epoch_begun", feed_epoch=head.epoch + 1, feed_seq=head.feed_seq)
    return Epoch(**begun)


def _settle(connection: sa.Connection) -> None:
    identifier, timeline = _server()
    connection.execute(feed_head.update().values(system_identifier=identifier, timeline=timeline))


def _server() -> tuple[sa.ColumnElement[int], sa.ColumnElement[int]]:
    """The server's identifier, the same on all its standbys, and its timeline; the control file names an older one
    for a while after a promotion, the log of writing does not."""
    control = sa.func.pg_control_system().table_valued(sa.column("system_identifier", sa.BigInteger))
    segment = sa.func.pg_walfile_name(sa.func.pg_current_wal_lsn())
    timeline = sa.cast(sa.cast(sa.func.concat("x", sa.func.left(segment, 8)), pg.BIT(32)), sa.Integer)
    return sa.select(control.c.system_identifier).scalar_subquery(), timeline
