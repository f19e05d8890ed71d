"""Former borders are a risk: two units of two former provinces are looked at first, and take two persons to decide."""

import pytest
import sqlalchemy as sa

from adapters import catalogue
from reconciliation import generalising, reviewing
from reconciliation.desk import Steward
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Decision
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, check_settled, other_person, person

LAN = Steward(name="lan")


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """One person whom both former provinces have, and another whom two communes of one of them have."""
    province = Province(engine)
    province.push(YEN_BAI, person("A"), other_person("B"), other_person("B2", unit_code="02683"))
    province.push(LAO_CAI, person("A", unit_code="02671"))
    province.run()
    return province


def test_the_name_of_a_source_tells_its_former_province():
    named = {(one.source_id.partition(".")[0], one.former_province_code) for one in catalogue.load().sources.values()}

    assert len(named) == len({name for name, _ in named}) == len({code for _, code in named}) == 63


def test_what_crosses_a_former_border_is_handed_out_first(province):
    lines = reviewing.list_cases(province.engine, LAN, now=province.now)

    assert [(line.case.kind, line.case.crosses_former_borders, line.risk) for line in lines] == [
        (CaseKind.TWO_UNITS_ONE_PERSON, True, 0), (CaseKind.TWO_UNITS_ONE_PERSON, False, 1),
    ]  # fmt: skip


def test_on_which_side_of_a_former_border_somebody_lives_takes_two_persons(province):
    across, within = (line.case for line in reviewing.list_cases(province.engine, LAN, now=province.now))

    proposed = province.propose(across, Decision.UNIT, "02671")

    assert proposed.needs_approval
    with pytest.raises(RejectedRequestError, match="one case alone"):
        generalising.preview(province.engine, proposed.judgement_id, steward=LAN, now=province.now)
    assert not province.propose(within, Decision.UNIT, "02683").needs_approval
    province.reverse(proposed)
    assert province.judge(across, Decision.UNIT, "02671").approved_by == "s2"
    province.run()
    check_settled(province)
    assert sorted(row["unit_code"] for row in province.published().values()) == ["02671", "02683"]
