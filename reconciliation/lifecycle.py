"""Where an accepted update can be, who owns it there, until when, and where it may go next.

The one table of the product's sentence: every accepted update is at every moment in exactly one state, terminal or
with an owner and a deadline. *Stuck* is no state and no flag: it is a deadline that has passed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

import holidays

from reconciliation.model import Move, State

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
END_OF_OFFICE = time(17, 0)


class Role(StrEnum):
    """Who can own a waiting update. An owner is written `<province, source or consumer>/<role>`, and where the commune
    is known `<province>/<commune>/<role>`; directory.py says whom that is.
    """

    STEERING = "steering"  # the committee to which everything late goes up in the end
    OPERATOR = "operator"  # of the gateway
    SENDER = "sender"  # the office that runs the source
    REGISTRAR = "registrar"  # the civil-status office of the province
    RESIDENCE = "residence"  # the local office that verifies where somebody lives (1555/BCA-C06)
    STEWARD = "steward"  # of the province
    REGISTRY = "registry"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A state that is not the end: who acts, in how many working days, and what may follow."""

    role: Role
    working_days: int
    next: frozenset[State]


_DECIDED = frozenset(
    {
        State.AWAITING_PULL,
        State.AWAITING_OUTCOME,
        State.APPLIED,
        State.REFUSED,
        State.SUPERSEDED,
        State.WITHDRAWN,
    }
)
_HELD = frozenset({State.AWAITING_UNIT, State.AWAITING_MATCH, State.AWAITING_STEWARD})
_JUDGED = _HELD | _DECIDED | {State.AWAITING_RECONCILIATION}
_LET_GO = frozenset({State.AWAITING_RECONCILIATION, State.SUPERSEDED, State.WITHDRAWN})

# Landed, but not to be looked at by a run: a version in one of these is not the head of its record.
KEPT_BACK = frozenset({State.AWAITING_PREDECESSOR, State.AWAITING_SIGNATURE})

TERMINAL = frozenset({State.APPLIED, State.REFUSED, State.SUPERSEDED, State.WITHDRAWN})

# One working day for what a machine, a sender or a registry does, five for what a person has to find out: the time
# after which an unanswered question counts as not delivered.
WAITING: Mapping[State, Waiting] = MappingProxyType(
    {
        State.AWAITING_RECONCILIATION: Waiting(role=Role.OPERATOR, working_days=1, next=_HELD | _DECIDED | KEPT_BACK),
        State.AWAITING_PREDECESSOR: Waiting(
            role=Role.SENDER, working_days=1, next=_LET_GO | {State.AWAITING_SIGNATURE}
        ),
        State.AWAITING_SIGNATURE: Waiting(role=Role.REGISTRAR, working_days=5, next=_LET_GO),
        State.AWAITING_UNIT: Waiting(role=Role.RESIDENCE, working_days=5, next=_JUDGED),
        State.AWAITING_MATCH: Waiting(role=Role.STEWARD, working_days=5, next=_JUDGED),
        State.AWAITING_STEWARD: Waiting(role=Role.STEWARD, working_days=5, next=_JUDGED),
        State.AWAITING_PULL: Waiting(
            role=Role.REGISTRY,
            working_days=1,
            next=frozenset({State.AWAITING_OUTCOME, State.APPLIED, State.SUPERSEDED, State.WITHDRAWN}),
        ),
        State.AWAITING_OUTCOME: Waiting(
            role=Role.REGISTRY,
            working_days=5,
            next=frozenset({State.APPLIED, State.AWAITING_STEWARD, State.SUPERSEDED, State.WITHDRAWN}),
        ),
    }
)

# The end is the end, but for a judgement: one that is reversed lets its update be taken up again, and one that finds a
# published update wrong withdraws it.
REOPENED = frozenset({State.WITHDRAWN, State.REFUSED})
RECALLED = frozenset({State.APPLIED, State.REFUSED})

# In working days after the deadline: when an item goes up its first rung, its second and so on (directory.ladder). The
# first one hears of it as the deadline passes.
RUNGS = (0, 2, 5, 10)

# The states whose owner is the desk of a commune where it is known of which one the record is.
LOCAL = frozenset({State.AWAITING_MATCH, State.AWAITING_STEWARD})

# Before it may be published: what its sender, an officer, a steward or the next run has to say of it.
PENDING = _HELD | KEPT_BACK | {State.AWAITING_RECONCILIATION}


# What each is called in a line for a person.
IN_VIETNAMESE: Mapping[State, str] = MappingProxyType(
    {
        State.AWAITING_RECONCILIATION: "chờ đối soát",
        State.AWAITING_PREDECESSOR: "chờ phiên bản trước",
        State.AWAITING_SIGNATURE: "chờ ký số",
        State.AWAITING_UNIT: "chờ xác minh đơn vị",
        State.AWAITING_MATCH: "chờ kết luận trùng",
        State.AWAITING_STEWARD: "chờ cán bộ quyết định",
        State.AWAITING_PULL: "chờ cơ sở dữ liệu quốc gia nhận",
        State.AWAITING_OUTCOME: "chờ kết quả áp dụng",
        State.APPLIED: "đã áp dụng",
        State.REFUSED: "bị từ chối",
        State.SUPERSEDED: "đã có bản mới hơn",
        State.WITHDRAWN: "đã rút",
    }
)


def may_come_from(state: State) -> frozenset[State]:
    """The states from which a move to `state` is legal."""
    ended = {State.AWAITING_RECONCILIATION: REOPENED, State.WITHDRAWN: RECALLED}.get(state, frozenset())
    return ended | {origin for origin, rule in WAITING.items() if state in rule.next}


def owner(
    state: State,
    *,
    province_code: str,
    unit_code: str | None = None,
    source_id: str | None = None,
    consumer_id: str | None = None,
) -> str | None:
    """Who owns an update in `state`; None when the state is terminal.

    A registry's states need `consumer_id`, a sender's `source_id`; `unit_code` is today's unit of the record, if known.
    """
    if state in TERMINAL:
        return None
    match WAITING[state].role:
        case Role.OPERATOR:
            return f"gateway/{Role.OPERATOR}"
        case Role.REGISTRY:
            if consumer_id is None:
                raise ValueError(f"{state} is owned by a registry, and none was named")
            return f"{consumer_id}/{Role.REGISTRY}"
        case Role.SENDER:
            if source_id is None:
                raise ValueError(f"{state} is owned by a source's sender, and none was named")
            return f"{source_id}/{Role.SENDER}"
        case role if unit_code is not None and state in LOCAL:
            return f"{province_code}/{unit_code}/{role}"
        case role:
            return f"{province_code}/{role}"


def deadline(state: State, *, since: datetime) -> datetime | None:
    """17:00 in Vietnam on the last working day that `state` allows after `since`; None when it is terminal."""
    if state in TERMINAL:
        return None
    return after_working_days(since, WAITING[state].working_days)


def after_working_days(since: datetime, days: int) -> datetime:
    """17:00 in Vietnam on the `days`-th working day after `since`; weekends and holidays do not count."""
    day = since.astimezone(VIETNAM).date()
    while days > 0:
        day += timedelta(days=1)
        if day.weekday() < 5 and not _is_holiday(day):
            days -= 1
    return datetime.combine(day, END_OF_OFFICE, VIETNAM).astimezone(UTC)


def late_before(now: datetime, days: int) -> datetime:
    """The moment of which every deadline before it lies `days` working days, or more, before `now`."""
    if not days:
        return now
    day = now.astimezone(VIETNAM).date()
    while after_working_days(datetime.combine(day, time(), VIETNAM), days) >= now:
        day -= timedelta(days=1)
    return datetime.combine(day + timedelta(days=1), time(), VIETNAM).astimezone(UTC)


def hops(history: Sequence[Move], *, now: datetime) -> dict[State, timedelta]:
    """How long an update has been in each state by its history, all stays together; the present one up to `now`."""
    spent: dict[State, timedelta] = {}
    for move, left_at in zip(history, [*(move.moved_at for move in history[1:]), now], strict=True):
        if move.to_state not in TERMINAL:
            spent[move.to_state] = spent.get(move.to_state, timedelta()) + (left_at - move.moved_at)
    return spent


def _is_holiday(day: date) -> bool:
    return day in _holidays(day.year)


@cache
def _holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("VN", years=year))
