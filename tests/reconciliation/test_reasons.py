"""The keys and reasons of every kind of case: one digit one meaning, and a digit for every reason."""

import pytest

from reconciliation import reasons
from reconciliation.answers import ANSWERS, answer, every
from reconciliation.model import CaseKind, Decision
from reconciliation.reasons import MOST_FITTING, OTHER, Action, OtherReason
from reconciliation.review import DECISIONS
from tests.reconciliation.questions import case_of

# What an action can mean, in whatever kind.
MEANS = {
    Action.ACCEPT: {Decision.UNIT, Decision.SEND_AGAIN, Decision.KEEP},
    Action.KEEP: {Decision.KEEP},
    Action.MERGE: {Decision.SAME},
    Action.NOT_SAME: {Decision.NOT_SAME},
    Action.ASK: {None},
    Action.SKIP: {None},
    Action.WITHDRAW: {Decision.WITHDRAW},
}


@pytest.mark.parametrize("kind", CaseKind)
def test_every_decision_has_one_action_and_an_action_means_the_same_everywhere(kind: CaseKind) -> None:
    meant = reasons.actions(kind, DECISIONS[kind])

    assert {one for one in meant.values() if one} == DECISIONS[kind]
    assert len(meant) == len(DECISIONS[kind]) + 2
    assert list(meant) == [one for one in Action if one in meant]
    for action, decision in meant.items():
        assert decision in MEANS[action]


def test_to_keep_is_to_leave_all_as_it_is_where_another_decision_lets_go_on_what_came() -> None:
    kept = {kind for kind in CaseKind if Action.KEEP in reasons.actions(kind, DECISIONS[kind])}

    assert kept == {
        CaseKind.TWO_UNITS_ONE_PERSON,
        CaseKind.REFUSED_BY_REGISTRY,
        CaseKind.DUPLICATE_HAMLET,
        CaseKind.UNSIGNED_EVENT,
    }
    for kind in kept:
        assert ANSWERS[kind, Decision.KEEP].vi.startswith("Giữ như hiện tại")


@pytest.mark.parametrize("kind", CaseKind)
def test_reasons_fit_their_kind_and_each_has_a_digit(kind: CaseKind) -> None:
    for action, decision in reasons.actions(kind, DECISIONS[kind]).items():
        of: Decision | OtherReason = decision or OtherReason(action)
        fitting = reasons.fitting(kind, of)

        assert len(fitting) == len(set(fitting)) <= MOST_FITTING
        assert set(fitting) <= set(reasons.codes(of))
        assert fitting[-1] == OTHER
        assert len(fitting) > 1


@pytest.mark.parametrize(
    ("kind", "of", "code"),
    [
        (CaseKind.TWO_UNITS_ONE_PERSON, Decision.UNIT, "later_statement"),
        (CaseKind.DOUBTFUL_MATCH, Decision.NOT_SAME, "other_generation"),
        (CaseKind.REFUSED_BY_REGISTRY, Decision.KEEP, "nothing_changed"),
        (CaseKind.UNKNOWN_UNIT, OtherReason.ASK, "no_commune"),
    ],
)
def test_what_a_page_shows_can_be_the_reason(kind: CaseKind, of: Decision | OtherReason, code: str) -> None:
    assert code in reasons.fitting(kind, of)


def test_every_decision_of_every_kind_is_called_something_in_both_languages() -> None:
    assert set(ANSWERS) == {(kind, decision) for kind in CaseKind for decision in DECISIONS[kind]}
    for (kind, _, decision), said in every():
        assert decision in DECISIONS[kind]
        for text in (said.vi, said.en, said.then_vi, said.then_en):
            assert text
            assert "|" not in text, "would break the table of docs/conflicts.md"
        assert not {str(one) for one in Decision} & set(said.vi.split()), "a code in a Vietnamese label"


def test_the_reason_of_a_case_says_what_its_decisions_are_called() -> None:
    back = case_of(CaseKind.DEATH_THEN_UPDATE, reason="resurrected")
    later = case_of(CaseKind.DEATH_THEN_UPDATE, reason="later_update")
    refused = case_of(CaseKind.REFUSED_BY_REGISTRY, reason="FIELDS_INCONSISTENT")

    assert answer(back, Decision.KEEP).en == "Accept the new version: it takes the death back"
    assert answer(later, Decision.KEEP).en == "Accept both the death and the update"
    assert answer(refused, Decision.KEEP) == ANSWERS[CaseKind.REFUSED_BY_REGISTRY, Decision.KEEP]
