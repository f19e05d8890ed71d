"""The gauges say what is there, and fall to 0 when it is gone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway import watching
from observability import telemetry
from reconciliation.model import Following
from reconciliation.store import feed_keeping
from reconciliation.store.overview import Overview, read
from reconciliation.store.stuck import Waiting

NOW = datetime(2025, 9, 3, 3, 0, tzinfo=UTC)


def an_overview(**changes: object) -> Overview:
    said = {"states": {}, "stuck": [], "cases": {}, "links": {}, "feed_head": 0} | changes
    return Overview(**said)


def test_every_figure_is_shown_with_its_labels_and_a_vanished_one_becomes_zero():
    late = Waiting(state="awaiting_pull", owner="population/registry", updates=3, since=NOW, deadline=NOW)
    full = an_overview(
        states={"applied": 7}, stuck=[late], cases={("15", "ambiguous_unit"): 2}, links={"15": 5}, feed_head=9
    )
    with telemetry.configure(service_name="test", trace_file=None, otlp_endpoint=None, prometheus_port=0) as seen:
        shown = watching.show(full, set())
        first = seen.metrics_text()
        watching.show(an_overview(states={"applied": 8}), shown)
        second = seen.metrics_text()

    assert 'lienthong_updates_stuck{owner="population/registry",state="awaiting_pull"} 3.0' in first
    assert 'lienthong_cases_open{case_kind="ambiguous_unit",province_code="15"} 2.0' in first
    assert "lienthong_feed_head 9.0" in first
    assert 'lienthong_updates{state="applied"} 8.0' in second
    assert 'lienthong_updates_stuck{owner="population/registry",state="awaiting_pull"} 0.0' in second


def test_an_empty_store_has_nothing_to_show(engine):
    nobody_waits = {"feed_lag": feed_keeping.following(engine), "taken_at": NOW}

    assert read(engine, now=NOW) == replace(an_overview(), **nobody_waits)


def test_how_far_each_registry_is_behind_is_shown_in_changes_and_seconds():
    since = NOW - timedelta(hours=1)
    slow = Following(consumer_id="slow", acknowledged=1, behind=7, waiting_since=since, earliest=3, is_expired=True)
    quick = replace(slow, consumer_id="quick", behind=0, waiting_since=None, is_expired=False)
    with telemetry.configure(service_name="test", trace_file=None, otlp_endpoint=None, prometheus_port=0) as seen:
        watching.show(an_overview(feed_lag=[slow, quick], taken_at=NOW), set())
        shown = seen.metrics_text()

    for name, of_slow, of_quick in (("lag", 7, 0), ("lag_seconds", 3600, 0), ("expired", 1, 0)):
        assert f'lienthong_feed_{name}{{consumer_id="slow"}} {of_slow:.1f}' in shown
        assert f'lienthong_feed_{name}{{consumer_id="quick"}} {of_quick:.1f}' in shown
