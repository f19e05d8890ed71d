"""Second answers to questions that were decided, and the judgements that are known to be right."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.desk import Steward
from reconciliation.model import Decision, Judgement
from reconciliation.store.reviewing import seen_by
from reconciliation.store.tables import (
    approval,
    case,
    installation,
    judgement,
    known_answer,
    outbox,
    second_review,
)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two answers to one question: what was decided first, and what was said by somebody who did not know."""

    first: str
    reviewer: str
    answers: tuple[str, str]  # the decisions, first and second
    values_agree: bool
    is_known: bool

    @property
    def agrees(self) -> bool:
        """Whether the two are the same, the unit or the record named among them."""
        return self.answers[0] == self.answers[1] and self.values_agree


def find_next(connection: sa.Connection, steward: Steward, *, one_in: int, since: datetime) -> tuple[int, str] | None:
    """The id and the question of a judgement that `steward` is to answer too, the oldest; None when there is none.

    First those that are known to be right; then, of those made since then that nobody has answered, one in so many,
    drawn by the installation's own name, so that nobody can tell beforehand which it will be.
    """
    answered = second_review.c.judgement_id == judgement.c.judgement_id
    by_me = sa.exists().where(answered, second_review.c.reviewer == steward.name)
    known = _others(steward).join(known_answer, known_answer.c.judgement_id == judgement.c.judgement_id).where(~by_me)
    name = sa.func.concat(installation.c.namespace, judgement.c.judgement_id)
    drawn = (
        _others(steward)
        .join(installation, sa.true())
        .where(judgement.c.judged_at >= since, sa.func.hashtextextended(name, 0) % one_in == 0)
        .where(~sa.exists().where(answered))
        .where(~sa.exists().where(known_answer.c.judgement_id == judgement.c.judgement_id))
    )
    for query in (known, drawn):
        row = connection.execute(query.order_by(judgement.c.judgement_id).limit(1)).one_or_none()
        if row is not None:
            return row.judgement_id, row.fingerprint
    return None


def _others(steward: Steward) -> sa.Select[tuple[int, str]]:
    """The judgements of others that are in force, on cases that `steward` sees."""
    reversal = judgement.alias("reversal")
    approved = sa.exists().where(approval.c.judgement_id == judgement.c.judgement_id)
    query = (
        sa.select(judgement.c.judgement_id, judgement.c.fingerprint)
        .join(case, case.c.fingerprint == judgement.c.fingerprint)
        .where(judgement.c.reverses.is_(None), sa.func.lower(judgement.c.steward) != steward.name.lower())
        .where(~sa.exists().where(reversal.c.reverses == judgement.c.judgement_id))
        .where(~sa.exists().where(outbox.c.judgement_id == judgement.c.judgement_id))
        .where(sa.or_(~judgement.c.needs_approval, approved))
    )
    return query.where(*seen_by(steward))


def append(
    connection: sa.Connection, first: Judgement, *, decision: Decision, value: str | None, reviewer: str, now: datetime
) -> None:
    """Note a second answer, unless its steward has given one. That it is another person's, SQL demands."""
    said = {
        "judgement_id": first.judgement_id,
        "reviewer": reviewer,
        "first": first.steward,
        "decision": str(decision),
        "value": value,
        "reviewed_at": now,
    }
    connection.execute(pg.insert(second_review).values(said).on_conflict_do_nothing())


def mark_known(connection: sa.Connection, judgement_id: int, *, by: str, now: datetime) -> None:
    """Note that a judgement is known to be right."""
    said = {"judgement_id": judgement_id, "marked_by": by, "marked_at": now}
    connection.execute(pg.insert(known_answer).values(said).on_conflict_do_nothing())


def pairs(connection: sa.Connection, steward: Steward | None = None) -> list[Pair]:
    """Every second answer beside the first, on the cases that the steward sees, in the order of the judgements."""
    query = (
        sa.select(
            second_review.c.first,
            second_review.c.reviewer,
            judgement.c.decision,
            second_review.c.decision.label("second"),
            judgement.c.value.is_not_distinct_from(second_review.c.value).label("values_agree"),
            sa.exists().where(known_answer.c.judgement_id == judgement.c.judgement_id).label("is_known"),
        )
        .join(judgement, judgement.c.judgement_id == second_review.c.judgement_id)
        .order_by(second_review.c.judgement_id, second_review.c.reviewer)
    )
    if steward is not None:
        query = query.join(case, case.c.fingerprint == judgement.c.fingerprint).where(*seen_by(steward))
    return [
        Pair(
            first=row.first,
            reviewer=row.reviewer,
            answers=(row.decision, row.second),
            values_agree=row.values_agree,
            is_known=row.is_known,
        )
        for row in connection.execute(query)
    ]
