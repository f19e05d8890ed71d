"""Grants are appended: the newest entry of a source stands, a release never undoes an operator, nothing is changed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from adapters.catalogue import load
from reconciliation.entitlements import read_grants, shipped_source_grants
from reconciliation.model import SourceGrant
from reconciliation.store import grants, registers, tables
from tests.reconciliation.store.landings import NOW

SOURCE = "lao-cai.population"
LATER = NOW + timedelta(days=1)


def shipped() -> list[SourceGrant]:
    return shipped_source_grants(load())


def own() -> SourceGrant:
    return next(one for one in shipped() if one.source_id == SOURCE)


def entries(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(tables.source_grant)) or 0)


def test_every_declared_source_ships_with_its_own_kind_and_province_and_identity():
    catalogue = load()

    assert {one.source_id for one in shipped()} == set(catalogue.sources)
    for one in shipped():
        source = catalogue.sources[one.source_id]
        assert (one.kind, one.province_codes) == (source.kind, (source.province_code,))
        assert one.identity_uris == (f"spiffe://lienthong/source/{one.source_id}",)
        assert one.purpose
        assert one.legal_reference
    assert {len(shipped_source_grants(catalogue, trust_domain="x")[0].identity_uris[0].split("/x/"))} == {2}


@pytest.mark.every_server
def test_what_was_shipped_stands_and_is_read_back_as_it_was(engine):
    standing = grants.standing(engine)

    assert standing.sources == {one.source_id: one for one in shipped()}
    assert [one for of_one in standing.consumers.values() for one in of_one] == sorted(
        read_grants(), key=lambda one: (one.consumer_id, one.kind)
    )


def test_shipping_again_adds_nothing_and_a_later_release_only_what_it_changed(engine):
    before = entries(engine)
    wider = replace(own(), province_codes=("15", "25"))

    again = grants.ship(engine, shipped(), now=LATER)
    changed = grants.ship(engine, [wider if one.source_id == SOURCE else one for one in shipped()], now=LATER)

    assert (again, changed) == (0, 1)
    assert entries(engine) == before + 1
    assert grants.standing(engine).sources[SOURCE] == wider


def test_what_an_operator_granted_or_revoked_outlasts_a_release(engine):
    wider = replace(own(), province_codes=("15", "25"), granted_until=date(2026, 1, 1))
    registers.sources.give(engine, wider, by="operator one", now=NOW)
    registers.sources.revoke(engine, "yen-bai.population", by="operator two", now=NOW)

    shipped_again = grants.ship(engine, shipped(), now=LATER)

    standing = grants.standing(engine).sources
    assert shipped_again == 0
    assert standing[SOURCE] == wider
    assert "yen-bai.population" not in standing


def test_history_says_who_granted_and_who_revoked_and_when(engine):
    wider = replace(own(), signature_required=True)
    registers.sources.give(engine, wider, by="operator one", now=NOW)
    first = registers.sources.revoke(engine, SOURCE, by="operator two", now=LATER)
    second = registers.sources.revoke(engine, SOURCE, by="operator two", now=LATER)
    never = registers.sources.revoke(engine, "atlantis.population", by="operator two", now=LATER)

    told = [
        (one.recorded_by, one.is_revoked, one.grant.signature_required)
        for one in registers.sources.history(engine, SOURCE)
    ]

    assert (first, second, never) == (True, False, False)
    assert told == [(grants.SHIPPED_BY, False, False), ("operator one", False, True), ("operator two", True, True)]
    assert registers.sources.history(engine, SOURCE)[-1].recorded_at == LATER


def test_the_database_refuses_to_change_an_entry(engine):
    with engine.begin() as connection, pytest.raises(sa.exc.ProgrammingError, match="never changed"):
        connection.execute(tables.source_grant.update().values(province_codes=["01"]))


def test_many_gateways_may_start_at_once(engine):
    with engine.begin() as connection:
        connection.execute(tables.source_grant.delete())

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: grants.ship(engine, shipped(), now=NOW), range(8)))

    assert sum(made) == len(shipped()) == entries(engine)


def test_a_grant_holds_from_its_first_to_its_last_day():
    one = replace(own(), granted_from=date(2025, 8, 1), granted_until=date(2025, 8, 3))

    assert [one.holds(date(2025, 8, day)) for day in (1, 2, 3, 4)] == [True, True, True, False]
    assert not one.holds(date(2025, 7, 31))
    assert replace(one, granted_until=None).holds(date.max)
    assert one.kind is RecordKind.PERSON
