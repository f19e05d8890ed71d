"""What can be chosen on a case: in the words of its question, under the digits that mean the same in all kinds."""

import pytest

from gateway.console import choosing
from gateway.console.words import LANGUAGES, Words
from reconciliation.model import CaseKind, Decision
from tests.reconciliation.questions import case_of

KEYS = {
    "accept": "1",
    "keep": "2",
    "merge": "3",
    "not_same": "4",
    "ask": "5",
    "skip": "6",
    "withdraw": "7",
}


@pytest.mark.parametrize("kind", CaseKind)
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_choice_has_its_digit_its_words_and_what_happens_then(kind: CaseKind, language: str) -> None:
    found = choosing.choices(case_of(kind, "yen-bai.population|1", "lao-cai.population|2"), Words(language))

    assert {one.name: one.key for one in found}.items() <= KEYS.items()
    assert [one.key for one in found] == sorted(one.key for one in found)
    assert len({one.label for one in found}) == len(found)
    assert all(one.then for one in found)


def test_a_citizens_correction_is_used_or_refused_and_nothing_else_is_withdrawn() -> None:
    case = case_of(CaseKind.CITIZEN_CORRECTION, "a|1", "b|2", correction=1, sides=[0, 1])

    found = {one.name: one for one in choosing.choices(case, Words("vi"))}

    assert (found["accept"].label, found["withdraw"].label) == ("Dùng bản sửa của công dân", "Bác bản sửa")
    assert found["withdraw"].records == (2,)


def test_any_record_of_another_case_can_be_withdrawn() -> None:
    case = case_of(CaseKind.DOUBTFUL_MATCH, "a|1", "b|2", sides=[0, 1])

    withdraw = choosing.choice(case, "withdraw", Words("vi"))

    assert withdraw is not None
    assert (withdraw.decision, withdraw.records) == (Decision.WITHDRAW, (1, 2))


def test_one_record_alone_is_parted_from_nobody() -> None:
    case = case_of(CaseKind.DEATH_THEN_UPDATE, "a|1", reason="resurrected", sides=[0])

    assert choosing.choice(case, "not_same", Words("vi")) is None


def test_a_version_that_is_a_moment_is_told_as_one() -> None:
    words = Words("vi")

    assert words.version(1751916780) == "bản lúc 08/07/2025 02:33"
    assert words.version(2) == "phiên bản 2 của nguồn"
