"""Every word of an answer is explained, in both languages, and written into the docs."""

from pathlib import Path

from adapters.reference.explanations import MEANINGS, Explanation, render_markdown
from tests.golden import Golden

DOCS = Path(__file__).parents[3] / "docs" / "units.md"


def test_docs_hold_the_explanations(golden: Golden) -> None:
    golden.check(DOCS, render_markdown())


def test_every_explanation_is_said_in_both_languages() -> None:
    assert set(MEANINGS) == set(Explanation)
    assert all(meaning.vi and meaning.en for meaning in MEANINGS.values())
    assert len(set(MEANINGS.values())) == len(MEANINGS)
