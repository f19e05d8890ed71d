"""A record that breaks a rule is set aside alone: the others are reconciled, and what was published of it stands."""

import pytest
import sqlalchemy as sa

from reconciliation import jobs
from reconciliation.errors import RejectedRequestError
from reconciliation.model import State
from reconciliation.pipeline import reconcile as real
from reconciliation.poison import MOST_CULPRITS, culprits
from reconciliation.standing import Reconciled, Standing
from reconciliation.store import conservation_kept, reconciling, set_aside, tables
from tests.reconciliation.province import BOOKS, YEN_BAI, Province, book, check, other_person, person

LEAST = -(2**63)  # a version of which a rule cannot take the negative


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def names(standing: Standing) -> set[str]:
    return {name for table in standing.heads.values() for name in table["record_key"].to_pylist()}


def break_on(monkeypatch: pytest.MonkeyPatch, *keys: str) -> list[int]:
    """Runs that break whenever one of the records stands; how many records each was tried with."""
    tried: list[int] = []

    def breaking(standing: Standing, **options: object) -> Reconciled:
        tried.append(len(names(standing)))
        if names(standing) & set(keys):
            raise OverflowError("a value of somebody's")
        return real(standing, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "reconcile", breaking)
    return tried


def test_a_record_that_really_breaks_a_rule_costs_itself(province: Province) -> None:
    province.push(YEN_BAI, person("A"), other_person("P", source_version=LEAST), person("C", full_name="Sùng A Chứ"))

    counts = province.run()

    assert counts["set_aside"] == 1
    assert province.state(YEN_BAI, "A") is State.AWAITING_PULL
    assert province.query(sa.select(tables.update_state.c.cause).where(tables.update_state.c.cause == "POISONED"))
    made = conservation_kept.take(province.engine, "15", now=province.now)
    assert made is not None
    assert made.is_closed
    assert jobs.provinces_with_landings(province.engine, now=province.now) == [], "it is not tried again by itself"


def test_what_was_published_of_it_stands_and_a_mended_rule_takes_it_up(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    province.push(YEN_BAI, person("A"), other_person("P"))
    province.run()
    before = {one["full_name"] for one in province.published().values()}
    province.push(YEN_BAI, other_person("P", source_version=2, full_name="Giàng A Pó"))
    with monkeypatch.context() as patched:
        tried = break_on(patched, f"{YEN_BAI}|P")
        with pytest.raises(OverflowError):
            province.run()
    assert len(set(tried)) == 2, "the version before it breaks the rule as well: nothing is written"

    with reconciling.province_lock(province.engine, "15") as connection:
        assert connection is not None
        newest = sa.select(sa.func.max(tables.update_state.c.record_id))
        poisoned = connection.scalar(newest)
        set_aside.put(connection, [poisoned], province_code="15", now=province.now)
    province.run()
    assert {one["full_name"] for one in province.published().values()} == before

    assert jobs.take_up_again(province.engine, province_code="15", now=province.now) == {"taken_up": 1}
    province.run()
    assert "Giàng A Pó" in {one["full_name"] for one in province.published().values()}
    assert jobs.take_up_again(province.engine, province_code="15", now=province.now) == {"taken_up": 0}
    check(province)


def test_a_newer_version_takes_the_place_of_what_was_set_aside(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    province.push(YEN_BAI, person("A"), other_person("P"))
    with monkeypatch.context() as patched:
        break_on(patched, f"{YEN_BAI}|P")
        assert province.run()["set_aside"] == 1
    assert len(province.published()) == 1

    province.push(YEN_BAI, other_person("P", source_version=2))
    province.run()
    jobs.take_up_again(province.engine, province_code="15", now=province.now)

    assert len(province.published()) == 2
    causes = province.query(sa.select(tables.update_state.c.state).where(tables.update_state.c.cause == "NEWER_STANDS"))
    assert [row["state"] for row in causes] == [State.SUPERSEDED]
    check(province)


def test_several_are_found_and_too_many_are_a_fault_of_the_rules(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [other_person(f"P{number}", personal_number=f"0150900000{number}") for number in range(30, 60)]
    province.push(YEN_BAI, *people)
    province.push(BOOKS, book("I"))
    with reconciling.province_lock(province.engine, "15") as connection:
        assert connection is not None
        standing = reconciling.read(connection, "15")

    def broken_by(*keys: str) -> list[int]:
        def attempt(given: Standing) -> None:
            if names(given) & set(keys):
                raise ValueError

        return culprits(standing, attempt)

    assert len(broken_by(f"{YEN_BAI}|P31", f"{YEN_BAI}|P58", f"{BOOKS}|I")) == 3
    assert broken_by() == []
    assert broken_by(*(f"{YEN_BAI}|P{number}" for number in range(30, 31 + MOST_CULPRITS))) == []

    def refused(_: Standing) -> None:
        raise RejectedRequestError("UNITS_INVALID", "the tables", next_step="mend them.")

    with pytest.raises(RejectedRequestError):
        culprits(standing, refused)
