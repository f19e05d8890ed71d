"""The catalogue of conflicts: closed, said in both languages, and its page is current."""

from pathlib import Path

import sqlalchemy as sa

from reconciliation.conflicts import CATALOGUE, Gravity, render_markdown
from reconciliation.detecting import HOLDS
from reconciliation.model import CaseKind
from reconciliation.review import DECISIONS, NEEDS_APPROVAL
from reconciliation.store.tables.desk import RISK
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


def test_the_desk_is_ordered_by_the_gravity_of_the_catalogue(engine: sa.Engine) -> None:
    risk = sa.text(f"SELECT {RISK} FROM (SELECT cast(:kind AS text) AS kind, cast(:keys AS text[]) AS record_keys) c")
    of_one = ["lao-cai.citizens|A", "lao-cai.population|B"]
    of_two = ["lao-cai.population|B", "yen-bai.population|A"]
    order = list(Gravity)

    with engine.connect() as connection:
        found = {
            kind: tuple(order[connection.scalar(risk, {"kind": kind, "keys": keys}) or 0] for keys in (of_one, of_two))
            for kind in CATALOGUE
        }

    assert found == {
        kind: (one.gravity, one.graver.gravity if one.graver else one.gravity) for kind, one in CATALOGUE.items()
    }


def test_a_kind_that_is_graver_in_some_cases_is_said_to_be_both() -> None:
    line = next(line for line in render_markdown().splitlines() if line.startswith("| `two_units_one_person`"))

    assert line.split(" | ")[1] == "medium; high where the sources are of two former provinces"
