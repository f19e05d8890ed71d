"""Which of a record's versions stands, why another does not, and whose turn it is to say so."""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

MERGER = date(2025, 7, 1)  # codes of an older list name the units before it


class Displaced(StrEnum):
    """Why a landed version is not the one that stands."""

    NEWER_VERSION = "NEWER_VERSION"  # it stood until a newer one came
    LATE_VERSION = "LATE_VERSION"  # a newer one was there before it came, or before it was let go
    REPEATED = "REPEATED"  # the same version with the same content had come before
    VERSION_REUSED = "VERSION_REUSED"  # other content came later under the same version, as from dates without hours


def former_unit_code(
    version: sa.FromClause, *, is_before_merger: sa.ColumnElement[bool]
) -> sa.ColumnElement[str | None]:
    """The unit before the merger that a version names, null when it names none.

    An export of before the merger can only name units of before it.
    """
    undeclared = sa.and_(version.c.unit_vintage.is_(None), is_before_merger)
    return sa.case((sa.or_(version.c.unit_vintage < MERGER, undeclared), version.c.unit_code))


def take_turns(connection: sa.Connection, source_ids: Iterable[str]) -> None:
    """Wait until no other transaction lands for these sources, and hold those turns to the end of this one.

    One landing of a source at a time: its records' heads are compared and set without a race or a deadlock. All take
    their turns in one order.
    """
    # What follows looks up by key what has just been written, of which the planner's figures know nothing yet.
    connection.execute(_KEYS_ONLY)
    connection.execute(_TAKE_TURNS, {"sources": sorted(set(source_ids))})


_KEYS_ONLY = sa.select(
    *(sa.func.set_config(name, "off", sa.true()) for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")),
    sa.func.set_config("jit", "off", sa.true()),
    sa.func.set_config("work_mem", "32MB", sa.true()),  # what a group copies is kept for its trigger: not on disk
)


def _take_turns() -> sa.Select[tuple[None]]:
    source = sa.func.unnest(sa.bindparam("sources", type_=pg.ARRAY(sa.Text))).table_valued(sa.column("id", sa.Text))
    number = sa.func.hashtextextended(source.render_derived(name="source").c.id, 0).label("number")
    turn = sa.select(number).distinct().order_by(number).offset(0).subquery("turn")
    return sa.select(sa.func.pg_advisory_xact_lock(turn.c.number))


_TAKE_TURNS = _take_turns()
