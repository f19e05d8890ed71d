"""How far stewards agree: a few judgements are asked once more of somebody who does not know the first answer.

One in 20 by chance, and every one that is known to be right. Nothing comes of the second answer but the comparison.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciliation import review
from reconciliation.desk import Steward
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Case, Decision
from reconciliation.store import cases, judgements, second_reviews
from reconciliation.store.engine import Engine, transaction

ONE_IN = 20
AGE = timedelta(days=30)  # of a judgement, at the most, to be drawn: its case is still as it was decided
_Z = 1.959963984540054  # of the normal distribution, for 95 % on two sides


@dataclass(frozen=True, kw_only=True)
class SecondLook:
    """A case to be answered once more. What was decided first is not in it."""

    judgement_id: int
    case: Case


@dataclass(frozen=True, kw_only=True)
class Share:
    """So many of so many, with the bounds of Wilson's interval at 95 %: 0 to 1 when there are none."""

    agreed: int
    of: int

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest share that fits what was seen."""
        if not self.of:
            return 0.0, 1.0
        share, square = self.agreed / self.of, _Z * _Z / self.of
        middle = (share + square / 2) / (1 + square)
        reach = _Z / (1 + square) * math.sqrt(share * (1 - share) / self.of + square / (4 * self.of))
        return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How one steward's answers compare: with others' on the same cases, and with what is known to be right.

    `kappa` is Cohen's, of the decisions: agreement beyond what chance would bring; None where chance explains all.
    """

    steward: str
    with_others: Share
    kappa: float | None
    with_known: Share


def next_look(engine: Engine, steward: Steward, *, now: datetime) -> SecondLook | None:
    """The oldest judgement that the steward is to answer once more: another's, in force, drawn or known to be right."""
    with transaction(engine) as connection:
        found = second_reviews.find_next(connection, steward, one_in=ONE_IN, since=now - AGE)
        if found is None:
            return None
        judgement_id, fingerprint = found
        return SecondLook(judgement_id=judgement_id, case=cases.find_case_of(connection, fingerprint))


def answer(
    engine: Engine, judgement_id: int, *, decision: Decision, value: str | None, steward: Steward, now: datetime
) -> None:
    """Note the second answer; the first time counts.

    Raises RejectedRequestError JUDGEMENT_UNKNOWN (or not theirs to see), or DECISION_INVALID: their own judgement, or
    an answer that the kind of case does not take.
    """
    with transaction(engine) as connection:
        found = judgements.find(connection, judgement_id)
        case = None if found is None else cases.find_case_of(connection, found[0].fingerprint)
        if found is None or case is None or not steward.sees(case):
            raise RejectedRequestError(
                "JUDGEMENT_UNKNOWN", f"There is no judgement {judgement_id}.", next_step="take the next one."
            )
        is_own = found[0].steward.casefold() == steward.name.casefold()
        if is_own or decision not in review.DECISIONS[case.kind]:
            raise RejectedRequestError(
                "DECISION_INVALID", "It is one's own, or no answer to such a case.", next_step="take the next one."
            )
        second_reviews.append(connection, found[0], decision=decision, value=value, reviewer=steward.name, now=now)


def mark_known(engine: Engine, judgement_id: int, *, by: str, now: datetime) -> None:
    """Say that a judgement is known to be right: every steward is asked its case once."""
    with transaction(engine) as connection:
        if judgements.find(connection, judgement_id) is None:
            raise RejectedRequestError(
                "JUDGEMENT_UNKNOWN", f"There is no judgement {judgement_id}.", next_step="look at the case's history."
            )
        second_reviews.mark_known(connection, judgement_id, by=by, now=now)


def agreements(engine: Engine, *, seen_by: Steward | None = None) -> list[Agreement]:
    """How each steward's answers compare, by name, on all cases or those that `seen_by` sees.

    A known answer counts for who was asked it, not for who gave it.
    """
    with transaction(engine) as connection:
        pairs = second_reviews.pairs(connection, seen_by)
    stewards = sorted({name for pair in pairs for name in (pair.first, pair.reviewer)})
    return [_agreement(name, pairs) for name in stewards]


def kappa(answers: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa of pairs of answers; None without pairs, or when all answers are the same one."""
    if not answers:
        return None
    count = len(answers)
    one, other = Counter(first for first, _ in answers), Counter(second for _, second in answers)
    by_chance = sum(one[said] * other[said] for said in one) / count**2
    observed = sum(first == second for first, second in answers) / count
    return None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)


def _agreement(name: str, pairs: Sequence[second_reviews.Pair]) -> Agreement:
    drawn = [pair for pair in pairs if name in {pair.first, pair.reviewer} and not pair.is_known]
    known = [pair for pair in pairs if name == pair.reviewer and pair.is_known]
    mine_first = [pair.answers if pair.first == name else pair.answers[::-1] for pair in drawn]
    return Agreement(
        steward=name,
        with_others=Share(agreed=sum(pair.agrees for pair in drawn), of=len(drawn)),
        kappa=kappa(mine_first),
        with_known=Share(agreed=sum(pair.agrees for pair in known), of=len(known)),
    )
