"""`lienthong feed` as somebody types it: a new epoch, and the epochs there were."""

import sqlalchemy as sa

from reconciliation.store import feed
from tests.gateway.test_cli import Type, lines, type_
from tests.gateway.test_cli_units import registry
from tests.reconciliation.store.changes import published

__all__ = ["registry", "type_"]  # fixtures


def test_a_new_epoch_is_begun_and_listed(type_: Type, registry: str, engine: sa.Engine) -> None:
    published(engine, "a")

    begun = type_("feed", "new-epoch", "--reason", "bản sao lưu 03:00", "--by", "tester")
    again = lines(type_("feed", "new-epoch", "--reason", "lần nữa", "--by", "tester", "--json")[1])
    listed = lines(type_("feed", "epochs", "--json")[1])
    shown = type_("feed", "epochs")[1]

    assert begun[0] == 0
    assert "Kỳ 2" in begun[1]
    assert [(one["epoch"], one["begun_by"], one["reason"], one["feed_seq"]) for one in listed] == [
        (2, "tester", "bản sao lưu 03:00", 1),
        (3, "tester", "lần nữa", 1),
    ]
    assert again == listed[1:]
    assert "bản sao lưu 03:00" in shown
    assert feed.head(engine).epoch == 3


def test_an_epoch_needs_a_reason_and_somebody(type_: Type, registry: str, engine: sa.Engine) -> None:
    assert type_("feed", "new-epoch", "--reason", " ", "--by", "tester")[0] == 2
    assert type_("feed", "new-epoch", "--by", "tester")[0] == 2
    assert feed.head(engine).epoch == 1
