"""What is late as lists and counts: every update once, over all pages, and of the provinces asked for only."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from reconciliation import jobs
from reconciliation.model import State
from reconciliation.store import landing, late, sending
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source
from tests.reconciliation.test_jobs import person, push

LAO_CAI, HA_NOI = "15", "01"
LATER = NOW + timedelta(days=30)


@pytest.fixture
def landed(engine: sa.Engine) -> sa.Engine:
    """Seven updates of Lào Cai that no run has looked at, from two systems, and two of Hà Nội; one in quarantine."""
    push(engine, "yen-bai.population", 1, *(person(f"Y{number}") for number in range(5)))
    push(engine, "lao-cai.population", 1, person("L0"), person("L1"))
    push(engine, "ha-noi.population", 1, person("H0", unit_code="00004"), person("H1", unit_code="00004"))
    held = {"row": 0, "codes": ["DATE_INVALID"], "source_record_id": "X", "raw": b"x"}
    where = source()
    landing.land(engine, batch(2, payload=b"2"), normalised(rows(where.kind), [held]), source=where, now=LATER)
    return engine


def test_pages_show_every_late_update_once(landed: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "PAGE", 2)
    seen, after = [], None
    for _ in range(9):
        page = late.page(landed, now=LATER, province_codes=None, after=after)
        seen += [(one.source_id, one.row) for one in page.updates]
        after = page.next
        if after is None:
            break

    assert len(seen) == len(set(seen)) == 9
    assert after is None


def test_a_list_is_of_the_provinces_states_and_owners_asked_for(landed: sa.Engine) -> None:
    def of(**asked: object) -> int:
        return len(late.page(landed, now=LATER, **{"province_codes": None, **asked}).updates)  # type: ignore[arg-type]

    assert (of(), of(province_codes={LAO_CAI}), of(province_codes={HA_NOI}), of(province_codes=frozenset())) == (
        9,
        7,
        2,
        0,
    )
    assert of(state=State.AWAITING_RECONCILIATION) == of(owner="gateway/operator") == 9
    assert of(state=State.AWAITING_UNIT) == of(owner="15/steward") == 0
    assert late.page(landed, now=NOW, province_codes=None).updates == []


def test_groups_and_provinces_count_what_the_list_lists(landed: sa.Engine) -> None:
    groups = late.groups(landed, now=LATER, province_codes=None)
    waiting = {one.province_code: (one.updates, one.stuck) for one in late.waiting(landed, now=LATER)}

    assert [(one.province_code, one.updates, one.owner) for one in groups] == [
        (LAO_CAI, 7, "gateway/operator"),
        (HA_NOI, 2, "gateway/operator"),
    ]
    assert waiting == {LAO_CAI: (7, 7), HA_NOI: (2, 2)}
    assert {one.stuck for one in late.waiting(landed, now=NOW)} == {0}


def test_counting_stops_where_a_page_would_wait(landed: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "MOST_COUNTED", 3)

    assert sum(one.updates for one in late.groups(landed, now=LATER, province_codes=None)) == 3
    assert sum(one.updates for one in late.waiting(landed, now=LATER)) == 3


def test_open_cases_are_parted_by_how_long_they_have_waited(landed: sa.Engine) -> None:
    sent = {"personal_number": "010080000025"}
    push(landed, "lao-cai.population", 2, person("P", **sent, full_name="Vàng A Sử"))
    push(landed, "yen-bai.population", 3, person("Q", **sent, full_name="Vàng A Sử", unit_code="04252"))
    jobs.reconcile_records(landed, province_code=LAO_CAI, now=NOW)

    def bands(days: float, **asked: object) -> dict[str, tuple[int, ...]]:
        return late.ages(landed, now=NOW + timedelta(days=days), **{"province_codes": None, **asked})  # type: ignore[arg-type]

    assert bands(0)["two_units_one_person"] == (1, 0, 0, 0, 0)
    assert bands(1.01)["two_units_one_person"] == (0, 1, 0, 0, 0)
    assert bands(30)["two_units_one_person"] == (0, 0, 0, 1, 0)
    assert bands(31)["two_units_one_person"] == (0, 0, 0, 0, 1)
    assert bands(0, province_codes={HA_NOI}) == {}


def test_a_province_is_told_what_its_systems_sent(landed: sa.Engine) -> None:
    own = ["yen-bai.population", "lao-cai.population", "lao-cai.household"]

    sent = sending.by_source(landed, own, now=LATER)
    last = sending.last(landed, own)

    assert {name: (one.batches, one.received, one.quarantined) for name, one in sent.items()} == {
        "yen-bai.population": (2, 6, 1),
        "lao-cai.population": (1, 2, 0),
    }
    assert (last[0].source_id, last[0].sequence) == ("yen-bai.population", 2)
    assert len(last) == 3
    assert [(one.code, one.records) for one in sending.findings(landed, last)] == [("DATE_INVALID", 1)]
    assert sending.by_source(landed, own, now=LATER + timedelta(days=sending.DAYS + 1)) == {}
    assert sending.last(landed, []) == []
