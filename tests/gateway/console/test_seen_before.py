"""A case's page tells what was decided before, what the province answered, and both as text."""

from datetime import timedelta

from reconciliation import review, reviewing
from reconciliation.desk import Steward
from reconciliation.model import CaseKind, Decision
from tests.gateway.console.queueing import fill
from tests.gateway.console.test_doors import client, sign_in

__all__ = ["client"]  # a fixture


def test_a_page_tells_what_was_decided_before_and_what_the_province_said(client, standing):
    province = fill(standing.engine)
    case_id = province.case(CaseKind.DOUBTFUL_MATCH).case_id
    now = standing.clock.now
    parted = review.judge(
        standing.engine, case_id, decision=Decision.NOT_SAME, reason_code="twins", steward="lan", now=now
    )
    review.reverse(standing.engine, parted.judgement_id, reason_code="new_papers", steward="hoa", now=now)
    later = now + timedelta(minutes=1)
    held = reviewing.claim(standing.engine, case_id, steward=Steward(name="lan"), now=later)
    reviewing.ask(standing.engine, held.lease, reason_code="papers_needed", now=later)
    reviewing.answer(standing.engine, case_id, by="yen-bai.population", words="<b>Hai người</b>", now=later)

    page = client.get(f"/i/{case_id}", headers=sign_in(client, "thao"))

    assert page.status_code == 200
    seen = page.text.partition("Câu hỏi này đã từng được quyết định")[2].partition("</p>")[0]
    assert "Không phải một người" in seen
    assert "hoa đã đảo lúc" in seen
    assert '<q lang="vi">&lt;b&gt;Hai người&lt;/b&gt;</q>' in page.text
