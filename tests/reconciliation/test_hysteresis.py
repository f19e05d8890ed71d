"""What registries were told is one person stays one while the link is above `keep`; all else is decided afresh."""

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import CaseKind, Decision
from reconciliation.store import postings, tables
from reconciliation.weights import load_model
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, person

MODEL = load_model()
WHOLE = {"personal_number": None, "full_name": "Vàng Thị Sáo", "birth_year": 1975}
PART = WHOLE | {"full_name": "Vàng Mỹ Sáo", "sex": None, "source_version": 2}  # between `keep` and `upper`
OTHER = PART | {"sex": "male", "source_version": 3}  # below `keep`


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def push(province: Province, source_id: str, key: str, said: dict[str, object]) -> None:
    province.push(source_id, person(key, **said))


def links(province: Province) -> list[tuple[str, float]]:
    return [(row["decision"], row["weight"]) for row in province.query(sa.select(tables.link))]


def persons(province: Province) -> int:
    heads = sa.select(tables.golden_head).where(tables.golden_head.c.kind == str(RecordKind.PERSON))
    return len(province.query(heads))


@pytest.fixture
def published(province: Province) -> Province:
    """Two records of one person, published as one."""
    push(province, YEN_BAI, "A", WHOLE)
    push(province, LAO_CAI, "B", WHOLE)
    province.run()
    assert persons(province) == 1
    return province


def test_a_link_that_is_published_stays_until_it_falls_below_keep(published):
    push(published, LAO_CAI, "B", PART)
    published.run()

    ((decision, weight),) = links(published)
    assert decision == "link"
    assert MODEL.keep <= weight < MODEL.upper
    assert persons(published) == 1

    push(published, LAO_CAI, "B", OTHER)
    published.run()

    assert [decision for decision, _ in links(published)] in ([], ["case"])
    assert persons(published) == 2


@pytest.mark.parametrize("order", [(YEN_BAI, LAO_CAI), (LAO_CAI, YEN_BAI)])
def test_what_nobody_was_told_is_decided_afresh_in_whatever_order_it_came(province, order):
    said = {YEN_BAI: WHOLE, LAO_CAI: PART}
    for source_id in order:
        push(province, source_id, "A" if source_id == YEN_BAI else "B", said[source_id])
    province.run()

    assert [decision for decision, _ in links(province)] == ["case"]


def test_what_a_judgement_joined_does_not_stay_when_it_is_reversed(province):
    push(province, YEN_BAI, "A", WHOLE)
    push(province, LAO_CAI, "B", PART)
    province.run()
    judgement = province.judge(province.case(CaseKind.DOUBTFUL_MATCH), Decision.SAME)
    province.run()
    assert persons(province) == 1
    with province.engine.connect() as connection:
        assert postings.links_by_weight(connection, province.code).num_rows == 0

    province.reverse(judgement)
    province.run()

    assert [decision for decision, _ in links(province)] == ["case"]
