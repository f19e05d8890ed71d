"""What a judgement made general is made of: what is foreseen for each case, how far the work is, how right it was."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

MOST_ALONE = 20  # cases that one person decides at once; more take a second
MOST = 10_000  # cases in a work
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What a work would do with one case. `refused` is why it would leave it alone, None when it decides it."""

    case_id: int
    province_code: str
    value: str | None  # as the judgement's would be
    version: str  # what its records say
    refused: str | None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What would come of making a judgement general, by case, ordered by id. `accepted` has to be typed to start."""

    judgement_id: int
    foreseen: tuple[Foreseen, ...]
    is_cut: bool  # more than MOST cases have that cause

    @property
    def accepted(self) -> int:
        """How many cases it would decide."""
        return sum(one.refused is None for one in self.foreseen)

    @property
    def needs_second(self) -> bool:
        """Whether it takes a second person."""
        return self.accepted > MOST_ALONE


@dataclass(frozen=True, kw_only=True)
class Work:
    """A judgement made general. It runs by itself, once a second person approved it where it `needs_second`.

    Held back are the `held` of its pending cases, which somebody else holds for now, and those it has left alone: how
    many for which reason is in `left_alone`, together `refused`.
    """

    work_id: int
    judgement_id: int
    steward: str
    started_at: datetime
    accepted: int
    pending: int
    done: int
    refused: int
    reason_code: str
    reason: str
    reverses: int | None
    approver: str | None
    held: int
    left_alone: Mapping[str, int]

    @property
    def needs_second(self) -> bool:
        """Whether it waits for a second person. Taking a work back never does: every case is asked again."""
        return self.reverses is None and self.accepted > MOST_ALONE and self.approver is None


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """One case of a work: its judgement, or why it was left alone; neither while it is pending."""

    case_id: int
    refused: str | None
    judgement_id: int | None
    done_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What a sample of a work found. With CONFIDENCE at most the share `at_most` of its cases is decided wrongly."""

    decided: int
    checked: int
    wrong: int

    @property
    def at_most(self) -> float:
        """The most that can be wrong, by Clopper and Pearson, one-sided; exact when all are checked."""
        if self.checked >= self.decided:
            return self.wrong / self.decided if self.decided else 0.0
        return most_wrong(self.wrong, self.checked)


def sample_size(at_most: float) -> int:
    """How many cases have to be checked, and found right, to say that at most that share is wrong."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - at_most))


def most_wrong(wrong: int, checked: int) -> float:
    """The share of wrong ones that so few in a sample leave possible: a higher one would show fewer in 1 case of 20."""
    if wrong >= checked:
        return 1.0
    low, high = wrong / checked, 1.0
    for _ in range(60):  # halvings, past what a float can tell apart
        share = (low + high) / 2
        low, high = (share, high) if _at_most(wrong, checked, share) > 1 - CONFIDENCE else (low, share)
    return high


def _at_most(wrong: int, checked: int, share: float) -> float:
    """How probable `wrong` or fewer are among `checked` when that share is wrong."""
    terms = (
        math.lgamma(checked + 1)
        - math.lgamma(number + 1)
        - math.lgamma(checked - number + 1)
        + number * math.log(share)
        + (checked - number) * math.log1p(-share)
        for number in range(wrong + 1)
    )
    return math.fsum(math.exp(term) for term in terms) if 0 < share < 1 else float(share <= 0)
