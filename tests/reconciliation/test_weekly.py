"""The weekly report on a real database: its figures are what happened, and each missed indicator has an answerer."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from adapters import catalogue
from reconciliation import duties, jobs, review, weekly
from reconciliation.lifecycle import TERMINAL, WAITING, owner
from reconciliation.model import Cursor, Decision, State
from reconciliation.store import feed
from reconciliation.store import weekly as store
from tests.reconciliation.store.landings import NOW
from tests.reconciliation.test_jobs import OLD, person, push

WEEK = weekly.week_of(NOW)  # Wednesday of it
LAO_CAI = "15"


@pytest.fixture
def told(engine: sa.Engine) -> sa.Engine:
    """Lào Cai sends five people: one is published, two units claim one who stands twice, one unit is ambiguous."""
    push(engine, "yen-bai.population", 1, person("A"))
    push(
        engine,
        "lao-cai.population",
        1,
        person("B", personal_number="010080000025", full_name="Vàng A Sử", unit_code="02647"),
    )
    push(
        engine,
        "yen-bai.population",
        2,
        person("C", personal_number="010080000025", full_name="Vàng A Sử", unit_code="04252"),
    )
    push(engine, "ha-noi.population", 1, person("D", unit_code="00007", unit_vintage=OLD, personal_number=None))
    for code in (LAO_CAI, "01"):
        jobs.reconcile_records(engine, province_code=code, now=NOW)
    feed.sequence(engine)
    return engine


def made(engine: sa.Engine, *, days: int = 0, week: str = WEEK) -> weekly.Figures:
    jobs.weekly_report(engine, now=NOW + timedelta(days=days), week=week)
    figures = store.kept(engine, week)
    assert figures is not None
    return figures


def of(figures: weekly.Figures, code: str) -> weekly.Figures:
    (province,) = [one for one in figures["provinces"] if one["code"] == code]
    return province


def indicators(province: weekly.Figures) -> dict[str, weekly.Figures]:
    return {one["indicator"]: one for one in province["indicators"]}


def test_a_week_is_counted_by_province(told):
    figures = made(told)

    lao_cai, ha_noi = of(figures, LAO_CAI), of(figures, "01")
    assert (lao_cai["received"], lao_cai["reconciled"], lao_cai["published"]) == (3, 3, 1)
    assert (lao_cai["placed"], lao_cai["unplaced"]) == (3, 0)
    assert (lao_cai["cases_opened"], lao_cai["cases_open"], lao_cai["cases_closed"]) == (1, 1, 0)
    assert (lao_cai["waiting"], lao_cai["stuck"]) == (3, 0)
    assert (ha_noi["received"], ha_noi["placed"], ha_noi["unplaced"]) == (1, 0, 1)
    assert len(figures["provinces"]) == 34
    assert figures["totals"]["received"] == 4
    assert not figures["is_whole"]


def test_the_units_where_something_waits_are_named_with_cause_and_office(told):
    units = {one["unit_code"]: one for one in made(told)["units"]}

    assert set(units) == {"02647", "04252", None}
    assert [cause["cause"] for cause in units["02647"]["causes"]] == ["TWO_UNITS_ONE_PERSON"]
    assert units["02647"]["unit"]
    assert units[None]["causes"][0]["office"] == catalogue.load().provinces["01"].residence_office.name


def test_what_is_late_has_its_six_clear_things_and_the_province_misses_its_indicator(told):
    figures = made(told, days=30)

    lao_cai = of(figures, LAO_CAI)
    assert lao_cai["stuck"] == 3
    assert sum(one["updates"] for one in lao_cai["stuck_with"]) == 3
    missed = indicators(lao_cai)["in_time"]
    assert not missed["met"]
    assert missed["responsible"] == lao_cai["stuck_with"][0]["office"]
    assert len(figures["oldest"]) == 4
    clear = ("person", "task_vi", "responsibility_vi", "authority_vi", "deadline", "result_vi")
    assert all(one[name] for one in figures["oldest"] for name in clear)
    assert figures["oldest"][0]["days_late"] >= figures["oldest"][-1]["days_late"] > 0


def test_a_met_indicator_has_no_cause_and_a_missed_one_has_an_answerer(told):
    for days in (0, 30):
        for province in made(told, days=days)["provinces"]:
            for one in province["indicators"]:
                assert bool(one["cause_vi"]) == bool(one["cause_en"]) == bool(one["responsible"]) == (not one["met"])


def test_a_decision_closes_its_case_in_its_week_and_a_reversal_opens_it_again(told):
    (case,) = review.open_cases(told, province_code=LAO_CAI)
    said = {"reason": "đã xác minh", "steward": "s1", "now": NOW + timedelta(hours=1)}
    judgement = review.judge(told, case.case_id, decision=Decision.UNIT, value="02647", **said)

    closed = of(made(told, days=1), LAO_CAI)
    review.reverse(told, judgement.judgement_id, **said)
    opened = of(made(told, days=1), LAO_CAI)

    assert (closed["cases_closed"], closed["cases_open"]) == (1, 0)
    assert (opened["cases_closed"], opened["cases_open"]) == (0, 1)


def test_a_lost_record_is_found_and_its_province_named(told):
    with told.begin() as connection:
        lost = sa.text(
            "DELETE FROM update_state WHERE record_id ="
            " (SELECT min(record_id) FROM update_state WHERE province_code = '15')"
        )
        connection.execute(lost)

    figures = made(told)

    missed = [one["code"] for one in figures["provinces"] if not indicators(one)["conserved"]["met"]]
    assert missed == [LAO_CAI]


def test_the_trend_is_the_totals_that_were_kept(told):
    first = made(told)
    later = weekly.week_of(NOW + timedelta(days=14))

    figures = made(told, days=14, week=later)

    assert [one["week"] for one in figures["trend"]] == [WEEK, later]
    assert figures["trend"][0] == {"week": WEEK, **first["totals"]}
    assert figures["totals"]["received"] == 0
    assert figures["totals"]["stuck"] > 0


def test_counting_again_replaces_the_week_and_a_pull_changes_whose_turn_it_is(told):
    before = of(made(told, days=30), LAO_CAI)
    upto = feed.head(told)
    feed.acknowledge(told, consumer_id="population", upto=Cursor(epoch=1, sequence=upto.sequence), now=NOW)

    after = of(made(told, days=30), LAO_CAI)

    states = [{one["state"] for one in province["stuck_with"]} for province in (before, after)]
    assert "awaiting_pull" in states[0]
    assert "awaiting_pull" not in states[1]
    assert "awaiting_outcome" in states[1]


@pytest.mark.parametrize("week", ["2026-W00", "2026-W54", "2026", "W47", "2026-Wx", ""])
def test_what_is_no_week_is_refused(week):
    with pytest.raises(ValueError):
        weekly.period(week)


def test_a_week_begins_on_monday_at_midnight_in_vietnam():
    since, until = weekly.period("2026-W01")

    assert (since.isoformat(), until - since) == ("2025-12-29T00:00:00+07:00", timedelta(days=7))
    assert weekly.week_of(since) == "2026-W01"
    assert weekly.week_of(since - timedelta(seconds=1)) == "2025-W52"


def test_every_waiting_state_has_its_duty():
    assert set(duties.DUTIES) == set(State) - TERMINAL == set(WAITING)


def test_every_owner_of_every_province_is_an_office_with_a_name():
    pages = catalogue.load()
    for code, province in pages.provinces.items():
        for state in WAITING:
            whose = owner(state, province_code=code, source_id=province.sources[0].source_id, consumer_id="population")
            name = duties.person(str(whose), catalogue=pages, registries={"population": "CSDLQG về dân cư"})
            assert name
            assert "/" not in name, whose
