"""Stewards are asked each other's cases without being told, and how far they agree is counted."""

import math
import random

import pytest
import sqlalchemy as sa
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from reconciliation import agreement, generalising, review
from reconciliation.agreement import Share, kappa
from reconciliation.desk import Steward
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Decision
from reconciliation.store import tables
from tests.reconciliation.province import YEN_BAI, Province, person

LAN, MINH = Steward(name="lan"), Steward(name="minh")


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """Sixty cases that Lan has decided alike."""
    province = Province(engine)
    alike = {"unit_code": "99998", "personal_number": None}
    people = [person(f"A{n}", full_name=f"Lý Thị {n}", birth_year=1900 + n, **alike) for n in range(60)]
    province.push(YEN_BAI, *people)
    province.run()
    first = review.judge(
        engine, province.cases()[0].case_id, decision=Decision.UNIT, value="02671", reason_code="residence_papers",
        steward="lan", now=province.now,
    )  # fmt: skip
    work = generalising.start(engine, first.judgement_id, steward=LAN, typed_count=59, now=province.now)
    generalising.approve(engine, work.work_id, steward=Steward(name="hoa"), now=province.now)
    assert generalising.run(engine, work.work_id, now=province.now).done == 59
    return province


def answer_all(province: Province, steward: Steward, value: str = "02671") -> list[int]:
    answered = []
    while look := agreement.next_look(province.engine, steward, now=province.now):
        agreement.answer(
            province.engine, look.judgement_id, decision=Decision.UNIT, value=value, steward=steward, now=province.now
        )
        answered.append(look.judgement_id)
    return answered


def test_a_few_judgements_are_asked_once_more_of_another_and_known_ones_of_everybody(province):
    agreement.mark_known(province.engine, 1, by="tester", now=province.now)
    before = province.query(sa.select(tables.update_state).order_by(tables.update_state.c.record_id))

    by_minh = answer_all(province, MINH)
    by_hoa = answer_all(province, Steward(name="hoa"), value="02683")

    assert 1 < len(by_minh) < 12  # 1 in 20 of 60, drawn by the namespace of the tests, and the known one
    assert by_hoa == [1]
    assert agreement.next_look(province.engine, LAN, now=province.now) is None
    assert (
        agreement.next_look(province.engine, Steward(name="an", kinds=(CaseKind.MISSING_VERSION,)), now=province.now)
        is None
    )
    assert province.query(sa.select(tables.update_state).order_by(tables.update_state.c.record_id)) == before
    found = {one.steward: one for one in agreement.agreements(province.engine)}
    assert found["minh"].with_others == Share(agreed=len(by_minh) - 1, of=len(by_minh) - 1) == found["lan"].with_others
    assert (found["minh"].with_known, found["hoa"].with_known) == (Share(agreed=1, of=1), Share(agreed=0, of=1))
    assert found["lan"].with_known == Share(agreed=0, of=0)
    assert found["minh"].kappa is None  # one answer only: chance explains it
    in_15 = agreement.agreements(province.engine, seen_by=Steward(name="an", province_codes=("15",)))
    assert {one.steward: one for one in in_15} == found
    for elsewhere in ({"province_codes": ("01",)}, {"kinds": (CaseKind.MISSING_VERSION,)}):
        assert agreement.agreements(province.engine, seen_by=Steward(name="an", **elsewhere)) == []


def test_nobody_answers_their_own_case_and_only_what_it_takes(province):
    for steward, decision in ((LAN, Decision.UNIT), (MINH, Decision.SAME)):
        with pytest.raises(RejectedRequestError, match="one's own, or no answer"):
            agreement.answer(province.engine, 1, decision=decision, value=None, steward=steward, now=province.now)
    with pytest.raises(RejectedRequestError, match="no judgement"):
        agreement.mark_known(province.engine, 4711, by="tester", now=province.now)
    row = {"judgement_id": 1, "first": "lan", "decision": "unit", "reviewed_at": province.now}
    with pytest.raises(sa.exc.IntegrityError, match="two_persons"), province.engine.begin() as connection:
        connection.execute(tables.second_review.insert().values(reviewer="LAN", **row))


@pytest.mark.parametrize("seed", range(4))
def test_kappa_is_cohens(seed):
    dice = random.Random(seed)
    answers = [(dice.choice("abc"), dice.choice("aabc")) for _ in range(50)]

    assert math.isclose(kappa(answers), cohen_kappa_score(*zip(*answers, strict=True)))


def test_kappa_of_nothing_is_none():
    assert kappa([]) is None
    assert kappa([("a", "a")] * 3) is None
    assert kappa([("a", "a"), ("b", "b")]) == 1


@pytest.mark.parametrize(("agreed", "of"), [(0, 5), (5, 5), (17, 20), (1, 1)])
def test_the_interval_is_wilsons(agreed, of):
    expected = stats.binomtest(agreed, of).proportion_ci(method="wilson")

    assert math.isclose(Share(agreed=agreed, of=of).bounds[0], expected.low, abs_tol=1e-12)
    assert math.isclose(Share(agreed=agreed, of=of).bounds[1], expected.high, abs_tol=1e-12)
    assert Share(agreed=0, of=0).bounds == (0.0, 1.0)
