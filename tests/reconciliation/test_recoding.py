"""A unit of before is a unit of today by law, by judgement, or a question; never a guess."""

import hashlib
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation import recoding
from reconciliation.detecting import unplaced
from reconciliation.model import CaseKind

OLD, TODAY, AS_OF = date(2025, 6, 30), date(2025, 7, 1), date(2025, 9, 3)
NOBODY = recoding.JUDGED_UNITS.empty_table()
WHOLE, AMBIGUOUS, UNKNOWN = "02641", "00007", "99999"


def records(*said: tuple[str | None, date | None, date | None]) -> pa.Table:
    """PLACED of (code, vintage, written no later than)."""
    rows = [
        {"record_id": number, "record_key": f"ha-noi.population|{number}"}
        | dict(zip(("unit_code", "unit_vintage", "event_date"), one, strict=True))
        for number, one in enumerate(said)
    ]
    return pa.Table.from_pylist(rows, schema=recoding.PLACED)


def recode(table: pa.Table, judged: pa.Table = NOBODY, province: str = "01") -> list[dict[str, object]]:
    return recoding.recode(table, judged, as_of=AS_OF, province_code=province).to_pylist()


def judgement(fingerprint: object, unit: str, judgement_id: int = 7) -> pa.Table:
    row = {"fingerprint": fingerprint, "unit_code": unit, "judgement_id": judgement_id, "judged_on": AS_OF}
    return pa.Table.from_pylist([row], schema=recoding.JUDGED_UNITS)


def test_a_whole_commune_is_recoded_with_its_legal_basis():
    (found,) = recode(records((WHOLE, OLD, None)), province="15")

    assert (found["unit_code"], found["sent_code"], found["sent_vintage"]) == ("02647", WHOLE, OLD)
    assert found["outcome"] == "current"
    assert str(found["basis"]).startswith("1673/NQ-UBTVQH15")


def test_a_unit_that_the_law_leaves_open_is_a_question_for_the_residence_office_with_its_candidates():
    table = recoding.recode(records((AMBIGUOUS, OLD, None)), NOBODY, as_of=AS_OF, province_code="01")
    (found,) = table.to_pylist()
    (case,) = unplaced(table).to_pylist()

    assert (found["outcome"], found["unit_code"]) == ("ambiguous", None)
    assert len(found["candidates"]) > 1
    assert case["kind"] == CaseKind.AMBIGUOUS_UNIT
    assert case["fingerprint"] == found["fingerprint"]
    assert case["record_keys"] == [found["record_key"]]


@pytest.mark.parametrize("code", [None, UNKNOWN, "268", "01"])
def test_a_code_that_names_no_commune_is_unknown_and_a_question(code):
    table = recoding.recode(records((code, OLD, None)), NOBODY, as_of=AS_OF, province_code="01")

    assert (table["outcome"].to_pylist(), table["unit_code"].to_pylist()) == (["unknown"], [None])
    assert unplaced(table)["kind"].to_pylist() == [CaseKind.UNKNOWN_UNIT]


def test_a_judgement_answers_the_question_of_its_record_only_and_says_so():
    table = records((AMBIGUOUS, OLD, None), (AMBIGUOUS, OLD, None))
    asked = recode(table)
    chosen = asked[0]["candidates"][-1]

    first, second = recode(table, judgement(asked[0]["fingerprint"], chosen))

    assert (first["outcome"], first["unit_code"], first["basis"]) == ("judged", chosen, "judgement 7")
    assert (second["outcome"], second["unit_code"]) == ("ambiguous", None)


@pytest.mark.parametrize("said", [("00010", OLD, None), (AMBIGUOUS, TODAY, None), (AMBIGUOUS, None, None)])
def test_a_judgement_does_not_hold_when_the_source_says_something_else(said):
    (asked,) = recode(records((AMBIGUOUS, OLD, None)))

    (found,) = recode(records(said), judgement(asked["fingerprint"], asked["candidates"][0]))

    assert found["outcome"] != "judged"


def test_a_judgement_holds_while_the_source_repeats_itself_in_later_exports():
    (asked,) = recode(records((AMBIGUOUS, OLD, date(2025, 8, 1))))

    (found,) = recode(
        records((AMBIGUOUS, OLD, date(2025, 9, 1))), judgement(asked["fingerprint"], asked["candidates"][0])
    )

    assert found["outcome"] == "judged"


def test_the_fingerprint_is_of_the_record_and_what_it_said():
    (found,) = recode(records((AMBIGUOUS, OLD, None)))

    assert found["fingerprint"] == hashlib.sha256(b"unit|ha-noi.population|0|00007|2025-06-30").hexdigest()


_said = st.tuples(
    st.sampled_from([None, WHOLE, AMBIGUOUS, UNKNOWN, "00004", "02647"]),
    st.sampled_from([None, OLD, TODAY]),
    st.sampled_from([None, date(2025, 6, 1), date(2025, 8, 1)]),
)


@settings(max_examples=12, derandomize=True, deadline=None, database=None)
@given(said=st.lists(_said, min_size=1, max_size=8), order=st.randoms(use_true_random=False))
def test_each_record_is_recoded_by_itself_whatever_stands_around_it(said, order):
    table = records(*said)
    together = recode(table)
    shuffled = list(range(len(said)))
    order.shuffle(shuffled)

    assert recode(table.take(shuffled)) == together
    assert [recode(table.slice(number, 1))[0] for number in range(len(said))] == together
    for row in together:
        assert (row["unit_code"] is None) == (row["outcome"] in {"ambiguous", "unknown"})
        assert (row["outcome"] == "ambiguous") == (len(row["candidates"]) > 1)
