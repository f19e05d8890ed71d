"""Two records of the store: why they are one person or not, and a preview that the decision then bears out."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation import inquiring, review, showing
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Cursor, Decision
from reconciliation.store import feed
from reconciliation.weighing import RecordPair
from reconciliation.weights import load_model
from tests.reconciliation.store.landings import NOW
from tests.reconciliation.test_jobs import person, push, run, snapshot_of

MODEL = load_model()
A, B = "yen-bai.population|A", "lao-cai.population|B"


@pytest.fixture
def doubtful(engine: sa.Engine) -> sa.Engine:
    """Two records of one number that agree in nothing else: no rule joins them, a steward is asked."""
    push(engine, "yen-bai.population", 1, person("A"))
    push(engine, "lao-cai.population", 1, person("B", full_name="Vũ Văn Nam", birth_year=1961, sex="male"))
    run(engine)
    return engine


def changes_after(engine: sa.Engine, before: int) -> dict[tuple[RecordKind, str], tuple[str, str | None]]:
    page = feed.fetch(engine, consumer_id="population", after=Cursor(epoch=1, sequence=before), limit=1_000)
    return {
        (kind, row["subject_id"]): (row["cause"], row["replaced_by"])
        for kind, table in page.tables.items()
        for row in table.to_pylist()
    }


def test_a_pair_is_explained_as_the_run_decided_it(doubtful):
    said = inquiring.why(doubtful, RecordPair(A, B), now=NOW)

    (case,) = review.open_cases(doubtful, kind=CaseKind.DOUBTFUL_MATCH)
    assert said.decision == "case"
    assert said.weight == pytest.approx(case.evidence["weight"], abs=0.01)


def test_asking_and_previewing_write_nothing(doubtful):
    before = snapshot_of(doubtful)

    inquiring.why(doubtful, RecordPair(A, B), now=NOW)
    inquiring.preview_merge(doubtful, RecordPair(A, B), now=NOW)

    assert snapshot_of(doubtful) == before


def test_a_preview_is_what_the_decision_then_does(doubtful):
    shown = inquiring.preview_merge(doubtful, RecordPair(A, B), now=NOW)
    before = feed.head(doubtful).sequence
    (case,) = review.open_cases(doubtful, kind=CaseKind.DOUBTFUL_MATCH)
    said = {"reason": "đã gặp người này", "steward": "s1", "now": NOW + timedelta(hours=1)}
    review.judge(doubtful, case.case_id, decision=Decision.SAME, **said)
    run(doubtful)

    happened = changes_after(doubtful, before)
    foreseen = {(one.kind, one.subject_id): (one.cause, one.replaced_by) for one in shown.changes}

    assert foreseen == happened
    assert happened
    assert shown.closed[CaseKind.DOUBTFUL_MATCH] == 1


def test_a_registry_is_shown_only_what_it_may_see(doubtful):
    shown = inquiring.preview_merge(doubtful, RecordPair(A, B), now=NOW)

    of_record = {one.consumer_id: one for one in shown.registries}
    assert "population" in of_record
    told = {one.subject_id for one in of_record["population"].changes}
    assert told <= {one.subject_id for one in shown.changes}


@pytest.mark.parametrize("pair", [(A, A), (A, "lao-cai.population|nobody"), ("nonsense", B)])
def test_what_are_no_two_records_of_one_province_is_refused(doubtful, pair):
    with pytest.raises(RejectedRequestError) as caught:
        inquiring.why(doubtful, RecordPair(*pair), now=NOW)

    assert caught.value.reason == "UPDATE_UNKNOWN"


def namesakes(engine: sa.Engine) -> None:
    """A hundred of one name and one more who may be any of two: how common the name is only the pool says."""
    crowd = [person(f"N{at}", personal_number=None, birth_year=1930 + at % 60) for at in range(100)]
    push(engine, "yen-bai.population", 1, *crowd)
    push(
        engine,
        "lao-cai.population",
        1,
        person("M", personal_number=None, birth_year=1931, birth_month=None, birth_day=None),
    )
    run(engine)


def test_on_the_desk_a_pair_weighs_what_the_run_gave_it_among_all_and_not_what_it_would_alone(
    engine: sa.Engine,
) -> None:
    namesakes(engine)
    cases = review.open_cases(engine, kind=CaseKind.DOUBTFUL_MATCH)
    assert cases

    for case in cases[:5]:
        told = showing.why_two(engine, RecordPair(*sorted(case.record_keys)), province_code="15", now=NOW)

        assert told is not None
        assert told.decision == "case"
        assert told.weight == pytest.approx(case.evidence["weight"], abs=0.01)
        assert told.weight == pytest.approx(sum(one.weight for one in told.parts) + MODEL.base)
        assert {one.comparison: one.level for one in told.parts}["bearers"] == "up_to_128"


def test_on_the_desk_a_pair_that_was_judged_weighs_what_it_did_before(doubtful: sa.Engine) -> None:
    (case,) = review.open_cases(doubtful, kind=CaseKind.DOUBTFUL_MATCH)
    before = showing.why_two(doubtful, RecordPair(B, A), province_code="15", now=NOW)
    said = {"reason": "đã gặp người này", "steward": "s1", "now": NOW + timedelta(hours=1)}
    review.judge(doubtful, case.case_id, decision=Decision.SAME, **said)
    run(doubtful)

    after = showing.why_two(doubtful, RecordPair(B, A), province_code="15", now=NOW)

    assert before is not None
    assert after is not None
    assert (after.decision, after.weight, after.parts) == (before.decision, before.weight, before.parts)


def test_on_the_desk_two_records_that_no_run_compared_are_weighed_by_the_names_of_their_province(
    engine: sa.Engine,
) -> None:
    namesakes(engine)
    pair = RecordPair("yen-bai.population|N0", "yen-bai.population|N30")  # of one name, born thirty years apart

    told, whole = showing.why_two(engine, pair, province_code="15", now=NOW), inquiring.why(engine, pair, now=NOW)

    assert told is not None
    assert told.decision == "apart"
    levels = {one.comparison: one.level for one in told.parts}
    assert levels["bearers"] == "up_to_128"
    assert levels == {one.comparison: one.level for one in whole.parts}
