"""The table of states is closed and leads to an end from everywhere; deadlines fall on Vietnamese working days."""

from datetime import UTC, date, datetime, timedelta

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation import lifecycle
from reconciliation.lifecycle import PENDING, RECALLED, REOPENED, TERMINAL, VIETNAM, WAITING, Role
from reconciliation.model import State

BY_JUDGEMENT = {State.AWAITING_RECONCILIATION: REOPENED, State.WITHDRAWN: RECALLED}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=VIETNAM)


def reachable(start: State) -> set[State]:
    found, edge = {start}, [start]
    while edge:
        state = edge.pop()
        following = set(WAITING[state].next) if state in WAITING else set()
        edge += following - found
        found |= following
    return found


def test_every_state_waits_or_has_ended_and_never_both():
    assert set(WAITING) | TERMINAL == set(State)
    assert set(WAITING).isdisjoint(TERMINAL)


@pytest.mark.parametrize("state", list(WAITING))
def test_a_waiting_state_has_somebody_who_acts_a_term_and_a_way_to_every_kind_of_end(state):
    rule = WAITING[state]

    assert isinstance(rule.role, Role)
    assert rule.working_days >= 1
    assert rule.next
    assert reachable(state) & TERMINAL >= {State.APPLIED, State.SUPERSEDED, State.WITHDRAWN}
    assert {State.SUPERSEDED, State.WITHDRAWN} <= rule.next, "a newer version or a steward ends any wait"


def test_every_state_is_reached_from_the_first():
    assert reachable(State.AWAITING_RECONCILIATION) == set(State)


@pytest.mark.parametrize("to", list(State))
def test_may_come_from_is_the_inverse_of_next_and_of_what_a_judgement_undoes(to):
    assert lifecycle.may_come_from(to) == {
        origin for origin in State if origin in WAITING and to in WAITING[origin].next
    } | BY_JUDGEMENT.get(to, frozenset())


def test_an_ended_update_moves_by_a_judgement_only_and_a_superseded_one_never():
    for origin in TERMINAL:
        onward = {to for to in State if origin in lifecycle.may_come_from(to)}
        assert onward <= set(BY_JUDGEMENT)
    assert not any(State.SUPERSEDED in lifecycle.may_come_from(to) for to in State)


def test_what_is_pending_has_not_been_given_to_a_registry():
    assert {state for state in WAITING if WAITING[state].role is not Role.REGISTRY} == PENDING


@pytest.mark.parametrize("state", list(State))
def test_a_state_has_an_owner_and_a_deadline_or_neither(state):
    since = at("2025-09-03T10:00")
    owner = lifecycle.owner(state, province_code="15", source_id="yen-bai.population", consumer_id="population")
    deadline = lifecycle.deadline(state, since=since)

    assert (owner is None) == (deadline is None) == (state in TERMINAL)
    if owner is not None and deadline is not None:
        who, role = owner.split("/")
        assert (who, Role(role)) == (
            {Role.OPERATOR: "gateway", Role.REGISTRY: "population", Role.SENDER: "yen-bai.population"}.get(
                WAITING[state].role, "15"
            ),
            WAITING[state].role,
        )
        assert deadline > since


@pytest.mark.parametrize("state", [State.AWAITING_PULL, State.AWAITING_OUTCOME])
def test_a_registrys_state_needs_the_registrys_name(state):
    with pytest.raises(ValueError, match="registry"):
        lifecycle.owner(state, province_code="15", source_id="yen-bai.population")


def test_a_senders_state_needs_the_sources_name():
    with pytest.raises(ValueError, match="sender"):
        lifecycle.owner(State.AWAITING_PREDECESSOR, province_code="15", consumer_id="population")


@pytest.mark.parametrize(
    ("since", "days", "until"),
    [
        ("2025-09-03T10:00", 1, "2025-09-04"),  # a Wednesday
        ("2025-09-05T10:00", 1, "2025-09-08"),  # over a weekend
        ("2025-09-06T10:00", 1, "2025-09-08"),  # from a Saturday
        ("2025-08-29T16:59", 1, "2025-09-03"),  # over the National Day, its second day and a weekend
        ("2025-04-29T09:00", 1, "2025-05-05"),  # over 30 April, 1 May, the bridge day and a weekend
        ("2026-02-13T09:00", 1, "2026-02-23"),  # over Tết Bính Ngọ, 16 to 20 February
        ("2026-02-12T09:00", 5, "2026-02-26"),  # 13, 23, 24, 25, 26
        ("2025-12-31T23:30", 1, "2026-01-02"),  # into another year, over its first day
    ],
)
def test_a_deadline_is_the_end_of_office_on_a_working_day(since, days, until):
    found = lifecycle.after_working_days(at(since), days)

    assert found.tzinfo is UTC
    assert found.astimezone(VIETNAM) == at(f"{until}T17:00")


def test_the_day_is_the_one_in_vietnam_whatever_the_clock_counts_in():
    late_on_thursday = datetime(2025, 9, 4, 16, 59, tzinfo=UTC)
    already_friday = datetime(2025, 9, 4, 17, 1, tzinfo=UTC)

    assert lifecycle.after_working_days(late_on_thursday, 1).astimezone(VIETNAM).date() == date(2025, 9, 5)
    assert lifecycle.after_working_days(already_friday, 1).astimezone(VIETNAM).date() == date(2025, 9, 8)


@settings(derandomize=True, database=None)
@given(
    since=st.datetimes(datetime(2024, 1, 1), datetime(2035, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    days=st.integers(1, 10),
)
def test_exactly_the_allowed_working_days_lie_between(since, days):
    until = lifecycle.after_working_days(since, days).astimezone(VIETNAM)

    day, counted = since.astimezone(VIETNAM).date(), 0
    while day < until.date():
        day += timedelta(days=1)
        counted += day.weekday() < 5 and day not in holidays.country_holidays("VN", years=day.year)
    assert counted == days
    assert until.date().weekday() < 5
    assert (until.hour, until.minute) == (17, 0)
