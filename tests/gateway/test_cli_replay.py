"""`lienthong replay`, `lienthong job purge_feed` and `purge_snapshots` as an operator types them."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciliation import jobs
from reconciliation.store import feed, tables
from tests.gateway.test_cli import Type, lines, type_
from tests.gateway.test_cli_units import registry
from tests.reconciliation.store.changes import cursor, published
from tests.reconciliation.store.landings import NOW

__all__ = ["registry", "type_"]  # fixtures

BY = ("--by", "tester", "--why", "their disk was lost")


def test_an_operator_sees_who_is_behind_and_sets_one_back(type_: Type, registry: str, engine: sa.Engine) -> None:
    published(engine, *"abc")
    feed.acknowledge(engine, consumer_id="population", upto=cursor(engine, 3), now=NOW)

    before = lines(type_("replay", "--json")[1])
    moved = lines(type_("replay", "population", "--to", "1", *BY, "--json")[1])
    after = lines(type_("replay", "population", "--json")[1])

    assert [(one["consumer_id"], one["behind"], one["is_expired"]) for one in before] == [
        ("population", 0, False),
        ("social-insurance", 3, False),
    ]
    assert moved == [{"consumer_id": "population", "from": 3, "to": 1}]
    assert [(one["acknowledged"], one["behind"]) for one in after] == [(1, 2)]
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.feed_replay)).mappings().one()
    assert (row["asked_by"], row["why"]) == ("tester", "their disk was lost")


@pytest.mark.parametrize(
    "words",
    [
        ("replay", "population", "--to", "0"),
        ("replay", "population", "--to", "0", "--by", "tester"),
        ("replay", "--to", "0", *BY),
        ("replay", "atlantis", "--to", "0", *BY),
        ("replay", "population", "--to", "9", *BY),
        ("job", "purge_feed", "--leaving-behind", "population"),
        ("job", "purge_feed", "--leaving-behind", "atlantis", "--by", "tester"),
    ],
)
def test_what_says_not_who_why_or_what_there_is_changes_nothing(
    type_: Type, registry: str, engine: sa.Engine, words: tuple[str, ...]
) -> None:
    published(engine, *"abc")

    code, _, _ = type_(*words)

    assert code != 0
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.feed_replay)) == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.feed_purge)) == 0


def test_the_purge_tells_what_went_and_who_is_behind(type_: Type, registry: str, engine: sa.Engine) -> None:
    published(engine, "a", "b")

    code, said, _ = type_("job", "purge_feed", "--keep-days", "1", "--json")

    assert code == 0
    assert lines(said) == [
        {"changes": 0, "purged_upto": 0, "expired": 0, "behind.population": 2, "behind.social-insurance": 2}
    ]


def test_old_snapshots_are_let_go_as_the_settings_say(
    type_: Type, registry: str, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        published(engine, name)
        jobs.publish_snapshot(engine, consumer_id="population", folder=tmp_path, now=NOW)
    monkeypatch.setenv("LIENTHONG_SNAPSHOTS_KEPT", "1")

    code, said, _ = type_("job", "purge_snapshots", "--folder", str(tmp_path), "--json")

    assert code == 0
    (counts,) = lines(said)
    assert (counts["kept"], counts["gone"], counts["held"], counts["left"]) == (1, 1, 0, 0)
