"""From the province's export to applied: how old, and which hop held it."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from reconciliation import jobs, lifecycle
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Decision, Move, State
from reconciliation.store import ages, status, weekly
from tests.reconciliation.province import YEN_BAI, Province, other_person, person
from tests.reconciliation.store.landings import NOW

EXPORTED = datetime(2025, 8, 15, tzinfo=VIETNAM)  # of the landings' batches


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def test_an_age_runs_from_the_day_of_export_and_names_the_hop_that_took_longest(province: Province) -> None:
    province.push(YEN_BAI, person("A"), other_person("B", unit_code="99999"))
    province.run()
    province.day = 3
    province.apply_all()
    (first,) = ages.of_applied(province.engine, since=NOW, until=NOW + timedelta(days=4))
    province.day = 60
    province.judge(province.case(), Decision.UNIT, "02671")
    province.run()
    province.apply_all()

    (later,) = ages.of_applied(province.engine, since=NOW + timedelta(days=30), until=NOW + timedelta(days=90))

    assert (first.province_code, first.updates, first.hop) == ("15", 1, ages.LINE)
    assert first.median_seconds == first.p95_seconds == (NOW + timedelta(days=3) - EXPORTED).total_seconds()
    assert (later.updates, later.hop) == (1, State.AWAITING_UNIT)
    assert later.median_seconds == (NOW + timedelta(days=61) - EXPORTED).total_seconds()
    assert later.hop_share == pytest.approx(59 / ((NOW + timedelta(days=61) - EXPORTED) / timedelta(days=1)), abs=0.01)
    assert ages.of_applied(province.engine, since=NOW + timedelta(days=90), until=NOW + timedelta(days=99)) == []


def test_the_hops_of_one_update_are_its_whole_wait(province: Province) -> None:
    province.push(YEN_BAI, person("A", unit_code="99999"))
    province.run()
    now = NOW + timedelta(days=10)

    found = status.status_by_record(province.engine, source_id=YEN_BAI, source_record_id="A", now=now)

    assert found is not None
    assert lifecycle.hops(found.history, now=now) == {
        State.AWAITING_RECONCILIATION: timedelta(days=1),
        State.AWAITING_UNIT: timedelta(days=9),
    }


def test_what_has_ended_waits_no_more() -> None:
    moments = [datetime(2025, 9, day, tzinfo=UTC) for day in (1, 2, 5)]
    states = [State.AWAITING_RECONCILIATION, State.AWAITING_PULL, State.APPLIED]
    before = [None, *states]
    history = [
        Move(moved_at=moment, from_state=origin, to_state=to, cause="X")
        for moment, origin, to in zip(moments, before, states, strict=False)
    ]

    spent = lifecycle.hops(history, now=datetime(2026, 1, 1, tzinfo=UTC))

    assert spent == {State.AWAITING_RECONCILIATION: timedelta(days=1), State.AWAITING_PULL: timedelta(days=3)}


def test_the_weekly_report_tells_the_ages_of_its_week(province: Province) -> None:
    province.push(YEN_BAI, person("A"))
    province.run()
    province.apply_all()

    jobs.weekly_report(province.engine, now=province.now, week="2025-W36")

    figures = weekly.kept(province.engine, "2025-W36")
    assert figures is not None
    (lao_cai,) = (one for one in figures["provinces"] if one["code"] == "15")
    assert (lao_cai["age"]["updates"], lao_cai["age"]["hop"]) == (1, ages.LINE)
    assert lao_cai["age"]["median_days"] == round((province.now - EXPORTED) / timedelta(days=1), 1)
