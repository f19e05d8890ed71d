"""What a steward's desk is made of: who sits at it, what they ask for, what they hold, and what became of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from reconciliation.model import Case, CaseKind, Decision, Judgement, TouchKind

LEASE = timedelta(minutes=10)  # how long a case is somebody's without a sign of life
UNDO = timedelta(seconds=30)  # how long a judgement can be undone before anything comes of it
SKIPPED = timedelta(hours=16)  # how long a case is not handed again to who skipped it: until the next day
GATEWAY = "gateway"  # who acts when nobody does


@dataclass(frozen=True, kw_only=True)
class Steward:
    """Who decides, and on what: of no province or no kind named, on all. `name` is what the audit shows."""

    name: str
    province_codes: tuple[str, ...] = ()
    kinds: tuple[CaseKind, ...] = ()
    may_approve: bool = True

    def sees(self, case: Case) -> bool:
        """Whether a case is theirs to look at."""
        of_province = not self.province_codes or case.province_code in self.province_codes
        return of_province and (not self.kinds or case.kind in self.kinds)


class Stage(StrEnum):
    """What a case waits for."""

    OPEN = "open"  # a steward
    ASKED = "asked"  # the province's answer
    UNDOABLE = "undoable"  # the end of the time in which its judgement can be undone
    PROPOSED = "proposed"  # a second person
    DECIDED = "decided"
    CLOSED = "closed"  # its records no longer raise it


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which cases are asked for; what is None is not asked about. `stage` is OPEN, ASKED, UNDOABLE or PROPOSED."""

    province_code: str | None = None
    kind: CaseKind | None = None
    cause: str | None = None  # Listed.cause of a case: all that one reason made
    held_by: str | None = None
    due_before: datetime | None = None
    stage: Stage = Stage.OPEN


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A case is somebody's until `until`. `token` is the fencing number: a decision with an older one is refused."""

    case_id: int
    token: int
    steward: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Held:
    """A case on somebody's desk. `version` names what its records say now, and goes with the decision."""

    case: Case
    lease: Lease
    version: str
    needs_second: bool  # whether every decision on it takes a second person
    second: frozenset[Decision]  # those that do; to name a unit of another province does besides


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a list goes on: after this risk, deadline and id. For a URL: `str(place)` and `Place.read`."""

    risk: int
    deadline: datetime
    case_id: int

    def __str__(self) -> str:
        """The place in one word, without anybody's data."""
        return f"{self.risk}.{int(self.deadline.timestamp())}.{self.case_id}"

    @classmethod
    def read(cls, word: str) -> "Place":
        """The place that `str` wrote. Raises ValueError for anything else."""
        risk, seconds, case_id = (int(part) for part in word.split("."))
        return cls(risk=risk, deadline=datetime.fromtimestamp(seconds).astimezone(), case_id=case_id)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One line of a list. `leased_by` holds it until `leased_until`, `judged_by` is a judgement not yet in force."""

    case: Case
    risk: int  # 0 high, 1 medium, 2 low
    cause: str
    stage: Stage
    asked_until: datetime | None
    leased_by: str | None
    leased_until: datetime | None
    judged_by: int | None

    @property
    def place(self) -> Place:
        """Where the list goes on after this line."""
        return Place(risk=self.risk, deadline=self.case.deadline, case_id=self.case.case_id)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a province is asked about the records of one of its sources: `record_ids` are that source's own."""

    case_id: int
    kind: CaseKind
    record_ids: tuple[str, ...]
    asked_at: datetime
    answer_by: datetime
    reason_code: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Touch:
    """Something somebody did with a case besides deciding it. `words` may name people."""

    action: TouchKind
    steward: str
    touched_at: datetime
    until: datetime | None
    reason_code: str | None
    words: str | None


@dataclass(frozen=True, kw_only=True)
class Told:
    """One entry of a case's history: a judgement, its approval (`approved_at` alone is set beside it), or a touch."""

    at: datetime
    by: str
    judgement: Judgement | None = None
    approves: int | None = None  # the judgement that `by` approved
    touch: Touch | None = None
