"""The scoreboard as it is kept: one line a day for each province and each of today's units, counted by one statement.

Pages read lines that were counted before; counting looks at every standing record and belongs into a job.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from adapters.findings import Severity
from adapters.quality.scoring import Word
from adapters.reference.explanations import Outcome
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import State
from reconciliation.scoreboard import WORDS, Score, Scores
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    batch,
    cluster_member,
    finding,
    placement,
    quality_score,
    record_head,
    record_tables,
    update_state,
)

WHOLE_PROVINCE = ""  # the unit_code of a province's own line
MOST_DAYS = 400

_person = record_tables[RecordKind.PERSON]
_MUST_BE_THERE = (
    _person.c.full_name,
    _person.c.birth_day,
    _person.c.sex,
    _person.c.personal_number,
    _person.c.unit_code,
)


def count(engine: sa.Engine, *, now: datetime) -> int:
    """Count the scores of everything that stands, as those of today in Vietnam; return how many lines were written.

    Counted again on one day, the later figures replace the earlier.
    """
    day = sa.literal(now.astimezone(VIETNAM).date(), sa.Date)
    counted = _counted(now)
    lines = sa.select(
        day,
        counted.c.province_code,
        sa.func.coalesce(counted.c.unit_code, WHOLE_PROVINCE),
        pg.array([counted.c[f"{word}_part"] for word in WORDS]),
        pg.array([counted.c[f"{word}_whole"] for word in WORDS]),
    ).where(sa.or_(counted.c.is_whole, counted.c.unit_code.is_not(None)))
    names = ["taken_on", "province_code", "unit_code", "parts", "wholes"]
    made = pg.insert(quality_score).from_select(names, lines)
    said = made.on_conflict_do_update(
        index_elements=["unit_code", "province_code", "taken_on"],
        set_={name: made.excluded[name] for name in ("parts", "wholes")},
    )
    with engine.begin() as connection:
        return connection.execute(said).rowcount


def of_provinces(engine: sa.Engine, *, days: int) -> list[Scores]:
    """The lines of all provinces on the last `days` days that were counted, oldest first, then by province."""
    own = quality_score.c.unit_code == WHOLE_PROVINCE
    counted = _days(own, days)
    return _read(engine, sa.and_(own, quality_score.c.taken_on.in_(counted)), limit=100 * days)


def of_units(engine: sa.Engine, province_code: str) -> list[Scores]:
    """The lines of a province's units on the last day that was counted, by unit code."""
    own = sa.and_(quality_score.c.province_code == province_code, quality_score.c.unit_code != WHOLE_PROVINCE)
    newest = sa.select(sa.func.max(quality_score.c.taken_on)).where(quality_score.c.province_code == province_code)
    return _read(engine, sa.and_(own, quality_score.c.taken_on == newest.scalar_subquery()), limit=1_000)


def of_one(engine: sa.Engine, province_code: str, *, unit_code: str | None = None, days: int) -> list[Scores]:
    """The lines of a province, or of one of its units, on the last `days` days that were counted, oldest first."""
    named = sa.and_(
        quality_score.c.unit_code == (unit_code or WHOLE_PROVINCE), quality_score.c.province_code == province_code
    )
    return _read(engine, sa.and_(named, quality_score.c.taken_on.in_(_days(named, days))), limit=days)


def _days(named: sa.ColumnElement[bool], days: int) -> sa.Select[Any]:
    counted = sa.select(quality_score.c.taken_on).where(named).distinct()
    return counted.order_by(quality_score.c.taken_on.desc()).limit(min(days, MOST_DAYS))


def _read(engine: sa.Engine, named: sa.ColumnElement[bool], *, limit: int) -> list[Scores]:
    ordered = (quality_score.c.taken_on, quality_score.c.province_code, quality_score.c.unit_code)
    query = sa.select(quality_score).where(named).order_by(*ordered).limit(limit)
    with engine.connect() as connection:
        return [_scores(row) for row in connection.execute(query)]


def _scores(row: sa.Row[Any]) -> Scores:
    pairs = zip(WORDS, row.parts, row.wholes, strict=True)
    return Scores(
        province_code=row.province_code,
        unit_code=row.unit_code or None,
        taken_on=row.taken_on,
        of={word: Score(part, whole) for word, part, whole in pairs},
    )


def _counted(now: datetime) -> sa.Subquery:
    """By province and unit, and by province alone (is_whole): part and whole of each word."""
    one, held = _standing(now), _held()
    units = sa.func.grouping_sets(sa.tuple_(one.c.province_code, one.c.unit_code), sa.tuple_(one.c.province_code))
    is_whole = sa.func.grouping(one.c.unit_code) == 1
    records, people = sa.func.count(), sa.func.count().filter(one.c.is_person)
    quarantined = sa.case((is_whole, sa.func.coalesce(sa.func.max(held.c.quarantined), 0)), else_=0)
    parts: dict[Word, tuple[sa.ColumnElement[int], sa.ColumnElement[int]]] = {
        Word.RIGHT: (sa.func.count().filter(~one.c.is_doubtful), records),
        Word.COMPLETE: (sa.func.coalesce(sa.func.sum(one.c.filled), 0), people * len(_MUST_BE_THERE)),
        Word.CLEAN: (sa.func.count(sa.distinct(one.c.subject)), people + quarantined),
        Word.LIVE: (sa.func.count().filter(~one.c.is_late), records),
        Word.UNIFORM: (sa.func.count().filter(one.c.is_of_today), records),
        Word.CONNECTED: (sa.func.count().filter(one.c.has_number), people),
        Word.SHARED: (sa.func.count().filter(one.c.is_applied), records),
    }
    columns = [
        sa.cast(value, sa.BigInteger).label(f"{word}_{name}")
        for word, pair in parts.items()
        for name, value in zip(("part", "whole"), pair, strict=True)
    ]
    return (
        sa.select(one.c.province_code, one.c.unit_code, is_whole.label("is_whole"), *columns)
        .select_from(one.outerjoin(held, held.c.province_code == one.c.province_code))
        .group_by(units)
        .subquery()
    )


def _standing(now: datetime) -> sa.Subquery:
    """A row for each standing record: where it is, and what each word asks of it."""
    doubtful = (
        sa.select((finding.c.batch_id * ROWS_PER_BATCH + finding.c.row).label("record_id"))
        .where(finding.c.severity == str(Severity.WARNING))
        .distinct()
        .subquery()
    )
    key = record_head.c.source_id + "|" + record_head.c.source_record_id
    is_person = record_head.c.kind == str(RecordKind.PERSON)
    subject = sa.func.coalesce(cluster_member.c.subject_id, key)  # one not looked at yet is nobody's double yet
    return (
        sa.select(
            record_head.c.province_code,
            placement.c.unit_code,
            is_person.label("is_person"),
            doubtful.c.record_id.is_not(None).label("is_doubtful"),
            sa.case((is_person, sa.func.num_nonnulls(*_MUST_BE_THERE))).label("filled"),
            sa.case((is_person, subject)).label("subject"),
            sa.func.coalesce(update_state.c.deadline < now, sa.false()).label("is_late"),
            sa.func.coalesce(placement.c.outcome == str(Outcome.CURRENT), sa.false()).label("is_of_today"),
            sa.and_(is_person, _person.c.personal_number.is_not(None)).label("has_number"),
            (update_state.c.state == str(State.APPLIED)).label("is_applied"),
        )
        .select_from(
            record_head.join(update_state, update_state.c.record_id == record_head.c.record_id)
            .outerjoin(placement, placement.c.record_id == record_head.c.record_id)
            .outerjoin(doubtful, doubtful.c.record_id == record_head.c.record_id)
            .outerjoin(_person, _person.c.record_id == record_head.c.record_id)
            .outerjoin(cluster_member, cluster_member.c.record_key == key)
        )
        .where(update_state.c.state != str(State.WITHDRAWN))
        .subquery()
    )


def _held() -> sa.Subquery:
    """Records of people in quarantine, by province."""
    return (
        sa.select(batch.c.province_code, sa.func.sum(batch.c.quarantined).label("quarantined"))
        .where(batch.c.kind == str(RecordKind.PERSON))
        .group_by(batch.c.province_code)
        .subquery()
    )
