"""`lienthong queue works` and `lienthong stewards agreement`: what is held back, and how far people agree."""

import json

import pytest
import sqlalchemy as sa

from reconciliation import agreement, generalising, review, reviewing
from reconciliation.desk import Steward
from reconciliation.model import Decision
from tests.gateway.terminal import lienthong
from tests.reconciliation.province import YEN_BAI, Province, person

LAN, MINH = Steward(name="lan"), Steward(name="minh")


@pytest.fixture
def province(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Province:
    """Four cases of one cause, of which Lan has decided the first."""
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database_url)
    province = Province(engine)
    alike = {"unit_code": "99998", "personal_number": None}
    province.push(YEN_BAI, *(person(f"A{n}", full_name=f"Lý Thị {n}", birth_year=1900 + n, **alike) for n in range(4)))
    province.run()
    review.judge(
        engine, province.cases()[0].case_id, decision=Decision.UNIT, value="02671", reason_code="residence_papers",
        steward=LAN.name, now=province.now,
    )  # fmt: skip
    return province


def told(*words: object) -> str:
    """What a command says that has to go well."""
    answer = lienthong(*words)
    assert answer.code == 0, (words, answer.err)
    return answer.out


def test_works_tell_what_was_done_and_what_is_left_to_a_person(province: Province) -> None:
    asked = reviewing.claim(province.engine, province.cases()[0].case_id, steward=LAN, now=province.now)
    reviewing.ask(province.engine, asked.lease, reason_code="papers_needed", now=province.now)
    begun = generalising.start(province.engine, 1, steward=LAN, typed_count=2, now=province.now)
    generalising.run(province.engine, begun.work_id, now=province.now)

    (work,) = [json.loads(line) for line in told("queue", "works", "--json").splitlines()]
    table = told("queue", "works")

    assert (work["work_id"], work["done"], work["pending"], work["held"], work["refused"]) == (
        begun.work_id,
        2,
        0,
        0,
        1,
    )
    assert (work["left_alone"], work["needs_second"]) == ({"PROVINCE_ASKED": 1}, False)
    assert "1 PROVINCE_ASKED=1" in table
    assert told("queue", "works", "--before", begun.work_id, "--json") == ""


def test_a_known_answer_is_marked_and_agreement_told(province: Province) -> None:
    told("stewards", "known", 1, "--by", "tester")
    look = agreement.next_look(province.engine, MINH, now=province.now)
    assert look is not None
    agreement.answer(
        province.engine, look.judgement_id, decision=Decision.UNIT, value="02671", steward=MINH, now=province.now
    )

    lan, minh = (json.loads(line) for line in told("stewards", "agreement", "--json").splitlines())
    table = told("stewards", "agreement")

    assert (lan["steward"], lan["with_known"]["of"]) == ("lan", 0)
    assert (minh["steward"], minh["with_known"], minh["kappa"]) == ("minh", {"agreed": 1, "of": 1}, None)
    assert "1/1 (21% – 100%)" in table
    assert lienthong("stewards", "known", 4711, "--by", "tester").code == 1
