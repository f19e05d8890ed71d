"""The table of what is true: whole, said in both languages, and its page is current."""

from pathlib import Path

import pytest

from adapters.canonical import RecordKind
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.survivorship import REASONS, RULES, Rank, render_markdown
from tests.golden import Golden

DOCS = Path(__file__).parents[2] / "docs" / "survivorship.md"


def test_the_page_holds_the_table(golden: Golden) -> None:
    golden.check(DOCS, render_markdown())


@pytest.mark.parametrize("kind", list(RecordKind))
def test_every_golden_field_has_one_rule(kind: RecordKind) -> None:
    ruled = [name for rule in RULES[kind] for name in rule.fields]

    assert sorted(ruled) == sorted(GOLDEN_FIELDS[kind])


@pytest.mark.parametrize("kind", list(RecordKind))
def test_every_rule_has_who_speaks_by_which_law_and_always_decides(kind: RecordKind) -> None:
    for rule in RULES[kind]:
        assert rule.speakers[0] is kind
        assert rule.law
        assert rule.by[-1] is Rank.FIRST_HELD
        assert len(set(rule.by)) == len(rule.by)
        assert {Rank.AUTHORITY, Rank.EVENT_DATE, Rank.VERIFICATION, Rank.RECENCY} <= set(rule.by)


def test_every_rank_has_words_in_both_languages_and_an_order() -> None:
    assert set(REASONS) == set(Rank)
    for reason in REASONS.values():
        assert reason.vi
        assert reason.en
        assert reason.orders
