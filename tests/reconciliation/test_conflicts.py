"""The catalogue of conflicts: closed, said in both languages, and its page is current."""

from pathlib import Path

from reconciliation.conflicts import CATALOGUE, render_markdown
from reconciliation.detecting import HOLDS
from reconciliation.model import CaseKind
from reconciliation.review import DECISIONS, NEEDS_APPROVAL
from tests.golden import Golden

DOCS = Path(__file__).parents[2] / "docs" / "conflicts.md"


def test_the_page_holds_the_catalogue(golden: Golden) -> None:
    golden.check(DOCS, render_markdown())


def test_every_kind_has_words_decisions_and_somebody_who_waits() -> None:
    assert set(CATALOGUE) == set(DECISIONS) == set(HOLDS) == set(CaseKind)
    assert set(CaseKind) >= NEEDS_APPROVAL
    for one in CATALOGUE.values():
        assert all((one.vi, one.en, one.question_vi, one.question_en, one.evidence_vi, one.evidence_en))
        assert "|" not in one.vi + one.en + one.evidence_en  # would break the table


def test_what_needs_two_persons_is_grave() -> None:
    assert {CATALOGUE[kind].gravity for kind in NEEDS_APPROVAL} == {"high"}
