"""A province's balance: its cells lead to their records, it is kept once, and what is lost is named."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation import jobs
from reconciliation.model import CaseKind, Decision
from reconciliation.statement import Statement, from_bytes, to_bytes
from reconciliation.store import balance, conservation_kept, landing, tables
from reconciliation.store.conservation_drill import Cell, drill
from tests.reconciliation.province import (
    BOOKS,
    HOUSES,
    LAO_CAI,
    YEN_BAI,
    Province,
    book,
    doubtful,
    household,
    other_person,
    person,
)
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

LANDED = date(2025, 9, 3)
OLD = date(2025, 6, 30)


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """Two people, one of them held by two systems; a third waits; a row in quarantine; an old version; a book."""
    found = Province(engine)
    found.push(YEN_BAI, person("A"), other_person("B"))
    found.push(YEN_BAI, doubtful("C", unit_code="99999"))
    found.push(LAO_CAI, person("A", unit_code="02641", unit_vintage=OLD))
    found.push(HOUSES, household("H", "1"), household("K", "2", unit_code="99999"))
    found.push(BOOKS, book("I"))
    found.push(YEN_BAI, other_person("B", source_version=2, sex="female"))
    where = source(YEN_BAI)
    bad = {"row": 0, "codes": "DATE_INVALID", "source_record_id": "Q", "raw": b"?"}
    found.sequences[YEN_BAI] = 4
    one = batch(4, source_id=YEN_BAI, payload=b"quarantined")
    landing.land(engine, one, normalised(rows(where.kind), [bad]), source=where, now=NOW)
    found.run()
    return found


def taken(province: Province) -> Statement:
    made = conservation_kept.take(province.engine, province.code, now=province.now)
    assert made is not None
    return made


def test_every_record_is_accounted_for_by_source_by_former_unit_and_by_unit(province: Province) -> None:
    made = taken(province)

    assert made.is_closed
    (yen_bai,) = [one for one in made.sources if one.source_id == YEN_BAI]
    assert (yen_bai.day, yen_bai.received) == (LANDED, 5)
    assert (yen_bai.accepted, yen_bai.quarantined, yen_bai.superseded, yen_bai.pending) == (2, 1, 1, 1)
    people = {one.former_unit_code: one for one in made.former_units if one.kind == "person"}
    assert people["02641"].records == 1
    assert sum(people["02641"].current.values()) == 1
    assert people[None].exceptions == {"awaiting_unit": 1}
    assert sum(one.records for one in people.values()) == 4
    insured = [one for one in made.former_units if one.kind == "insurance"]
    assert [sum(one.current.values()) for one in insured] == [1]
    assert {one.kind for one in made.current_units} == {"person", "household"}
    assert from_bytes(to_bytes(made)) == made


def test_what_the_receipts_of_a_spool_say_can_be_counted_by_who_has_them(province: Province) -> None:
    (spool,) = [one for one in taken(province).ledger if one.source_id == YEN_BAI]

    assert (spool.epoch, spool.day, spool.batches, spool.first, spool.last) == ("e1", LANDED, 4, 1, 4)
    assert (spool.received, spool.quarantined) == (5, 1)
    assert len(spool.digest) == 64


def test_the_same_balance_is_kept_once_and_each_new_one_names_the_one_before(province: Province) -> None:
    first = taken(province)
    again = taken(province)
    province.push(YEN_BAI, person("D"))
    landed = taken(province)
    province.run()
    second = taken(province)

    assert again == first
    assert landed.is_closed, "what has landed since is pending"
    kept = balance.latest(province.engine, province.code)
    assert kept is not None
    assert (kept.statement, kept.signature) == (second, None)
    assert len({first.previous, landed.previous, second.previous}) == 3
    assert first.previous is None
    with province.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.balance_statement)) == 3


def test_two_made_at_once_keep_one(province: Province) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: conservation_kept.take(province.engine, "15", now=NOW), range(8)))

    assert any(made)
    with province.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.balance_statement)) == 1


def test_a_cell_leads_to_its_records(province: Province) -> None:
    counted = {
        Cell(name="quarantined"): 1,
        Cell(name="quarantined", source_id=LAO_CAI): 0,
        Cell(name="superseded", day=LANDED): 1,
        Cell(name="superseded", day=LANDED + timedelta(days=1)): 0,
        Cell(name="pending", kind=RecordKind.PERSON): 1,
        Cell(name="awaiting_unit"): 2,
        Cell(name="awaiting_unit", kind=RecordKind.PERSON, former_unit=""): 1,
        Cell(name="accepted", kind=RecordKind.PERSON, former_unit="02641"): 1,
        Cell(name="pending", kind=RecordKind.PERSON, former_unit="02641"): 0,
        Cell(name="accepted", kind=RecordKind.PERSON, published_in="02647"): 3,
        Cell(name="missing"): 0,
        Cell(name="unpublished"): 0,
    }

    found = {cell: drill(province.engine, province.code, cell) for cell in counted}

    assert {cell: len(records) for cell, records in found.items()} == counted
    for cell, records in found.items():
        assert {one.state is None for one in records} <= {cell.name == "quarantined"}


def test_a_long_cell_is_read_in_pages_and_a_cell_that_is_none_is_refused(province: Province) -> None:
    whole = drill(province.engine, province.code, Cell(name="accepted"))

    first = drill(province.engine, province.code, Cell(name="accepted"), limit=2)
    rest = drill(province.engine, province.code, Cell(name="accepted"), after=first[-1].record_id)

    assert (*first, *rest) == whole
    assert len(whole) > 3
    with pytest.raises(ValueError, match="quarantined"):
        drill(province.engine, province.code, Cell(name="lost"))


def test_every_exception_of_a_balance_leads_to_as_many_records_as_it_says(province: Province) -> None:
    made = taken(province)

    told = [
        (Cell(name=name, source_id=one.source_id, day=one.day), getattr(one, name))
        for one in made.sources
        for name in ("accepted", "quarantined", "superseded", "pending")
    ]
    told += [
        (Cell(name=name, kind=RecordKind(one.kind), former_unit=one.former_unit_code or ""), number)
        for one in made.former_units
        for name, number in one.exceptions.items()
    ]
    assert [len(drill(province.engine, province.code, cell)) for cell, _ in told] == [number for _, number in told]


def delete(province: Province, table: sa.Table, *where: sa.ColumnElement[bool]) -> None:
    with province.engine.begin() as connection:
        assert connection.execute(table.delete().where(*where)).rowcount == 1


def test_one_record_that_was_deleted_behind_the_gateway_is_named(province: Province) -> None:
    assert jobs.take_balance(province.engine, province_code="15", now=province.now)["lost"] == 0
    lost = drill(province.engine, "15", Cell(name="accepted", source_id=LAO_CAI))[0]
    for name in ("update_state", "person_record", "record_head"):
        table = tables.metadata.tables[name]
        delete(province, table, table.c.record_id == lost.record_id)

    counts = jobs.take_balance(province.engine, province_code="15", now=province.now)

    assert (counts["closed"], counts["lost"], counts["open_sources"]) == (0, 1, 1)
    kept = balance.latest(province.engine, "15")
    assert kept is not None
    (loss,) = kept.statement.losses
    assert (loss.what, loss.source_id, loss.receipt_id, loss.row) == ("state", LAO_CAI, lost.receipt_id, lost.row)
    (found,) = drill(province.engine, "15", Cell(name="missing"))
    assert found.record_id == lost.record_id


def test_whatever_is_lost_is_named_and_stays_named(province: Province) -> None:
    taken(province)
    lao_cai = drill(province.engine, "15", Cell(name="accepted", source_id=LAO_CAI))[0].record_id
    yen_bai = drill(province.engine, "15", Cell(name="accepted", source_id=YEN_BAI))[0].record_id
    version, head = tables.record_tables[RecordKind.PERSON], tables.record_head
    golden, ledger = tables.golden_head, tables.batch

    delete(province, version, version.c.record_id == lao_cai)
    assert [one.what for one in taken(province).losses] == ["version"]
    delete(province, head, head.c.record_id == yen_bai)
    assert {one.what for one in taken(province).losses} == {"version", "head"}
    delete(province, golden, golden.c.kind == "household")
    assert {one.what for one in taken(province).losses} == {"version", "head", "subject"}
    delete(province, tables.quarantine)
    assert {one.what for one in taken(province).losses} == {"version", "head", "subject", "state"}
    delete(province, ledger, ledger.c.source_id == LAO_CAI)
    made = taken(province)

    assert made.lost == len(made.losses) == 4, "the version's batch is lost with what it tells"
    assert (made.losses[0].what, made.losses[0].source_id, made.losses[0].sequence) == ("batch", LAO_CAI, 1)
    province.push(YEN_BAI, person("D"))
    later = taken(province)
    assert later.previous != made.previous
    assert later.losses[0] == made.losses[0]


def test_a_withdrawn_record_is_an_exception_of_its_former_unit(province: Province) -> None:
    for case in province.cases(CaseKind.UNKNOWN_UNIT):
        province.judge(case, Decision.WITHDRAW)
    assert taken(province).is_closed, "decided, and not yet run"

    province.run()

    made = taken(province)
    assert made.is_closed
    assert sum(one.exceptions.get("withdrawn", 0) for one in made.former_units) == 2


def test_a_balance_does_not_hide_a_judgement_from_the_next_run(province: Province) -> None:
    province.day += 1
    province.judge(province.cases(CaseKind.UNKNOWN_UNIT)[0], Decision.WITHDRAW)

    jobs.take_balance(province.engine, province_code="15", now=province.now + timedelta(hours=1))

    assert jobs.provinces_with_landings(province.engine, now=province.now) == ["15"]


def test_a_book_of_somebody_whose_records_all_wait_is_published_all_the_same(engine: sa.Engine) -> None:
    province = Province(engine)
    province.push(YEN_BAI, person("A", unit_code="04252"))
    province.push(LAO_CAI, person("A"))
    province.push(BOOKS, book("I"))
    province.run()
    assert {state.state for state in drill(engine, "15", Cell(name="pending"))} == {"awaiting_steward"}

    assert taken(province).is_closed


def test_each_balance_is_signed_once(province: Province) -> None:
    taken(province)
    signed: list[bytes] = []

    def sign(content: bytes) -> str:
        signed.append(content)
        return f"signature {len(signed)}"

    counts = [conservation_kept.sign_unsigned(province.engine, sign) for _ in range(2)]

    kept = balance.latest(province.engine, "15")
    assert kept is not None
    assert (counts, kept.signature, signed) == ([1, 0], "signature 1", [kept.content])
