"""A record that breaks a rule is set aside alone: the others are reconciled, and what was published of it stands.

It is a case of a steward's, who lets it be tried again once the rule is mended, or withdraws it.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from adapters.canonical import RecordKind
from reconciliation import jobs, lifecycle
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Case, CaseKind, Decision, State
from reconciliation.pipeline import reconcile as real
from reconciliation.poison import MOST_CULPRITS, culprits
from reconciliation.standing import Reconciled, Standing
from reconciliation.store import conservation_kept, reconciling, set_aside, tables
from reconciliation.store.engine import alembic_config, connect
from tests.database import temporary_database
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
        broke = {"error_type": "OverflowError", "place": None}
        set_aside.put(connection, [poisoned], province_code="15", **broke, now=province.now)
    check(province)
    province.run()
    assert {one["full_name"] for one in province.published().values()} == before

    assert jobs.take_up_again(province.engine, province_code="15", now=province.now) == {"taken_up": 1}
    assert province.cases(CaseKind.POISONED) == []
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

    assert len(province.published()) == 2
    assert province.cases() == []
    assert jobs.take_up_again(province.engine, province_code="15", now=province.now) == {"taken_up": 0}
    states = province.query(sa.select(tables.update_state.c.state).order_by(tables.update_state.c.record_id))
    assert [row["state"] for row in states][1] == State.SUPERSEDED
    check(province)


def version_of(province: Province, case: Case) -> list[dict[str, object]]:
    """The row that a case is about, as it stands in the table of its kind."""
    person_record = tables.record_tables[RecordKind.PERSON]
    return province.query(sa.select(person_record).where(person_record.c.record_id == case.evidence["update"]))


def test_what_is_set_aside_is_a_case_with_an_owner_a_deadline_and_the_place_where_the_rule_broke(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    province.push(YEN_BAI, person("A"), other_person("P"))
    landed = province.query(sa.select(tables.record_tables[RecordKind.PERSON]))
    break_on(monkeypatch, f"{YEN_BAI}|P")

    province.run()

    case = province.case()
    assert (case.kind, case.record_keys) == (CaseKind.POISONED, (f"{YEN_BAI}|P",))
    assert case.owner == lifecycle.owner(State.AWAITING_STEWARD, province_code="15")
    assert case.deadline == lifecycle.deadline(State.AWAITING_STEWARD, since=province.now)
    (batch,) = province.query(sa.select(tables.batch.c.receipt_id))
    said = dict(case.evidence)
    assert "test_poison.py" in str(said.pop("place"))
    assert said.pop("update") == version_of(province, case)[0]["record_id"]
    assert said == {"version": 1, "receipt": str(batch["receipt_id"]), "row": 1, "error": "OverflowError"}
    assert version_of(province, case)[0] in landed, "as it landed, in every column"
    check(province)


def test_a_steward_lets_it_be_tried_again_and_what_breaks_again_is_asked_again(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    province.push(YEN_BAI, person("A"), other_person("P"))
    with monkeypatch.context() as patched:
        break_on(patched, f"{YEN_BAI}|P")
        province.run()
        first = province.case()
        landed = version_of(province, first)
        province.judge(first, Decision.KEEP)
        assert province.cases() == []
        assert province.run()["set_aside"] == 1, "the rule is not mended yet"
    again = province.case()
    assert again.case_id != first.case_id, "another question than the one that was answered"
    check(province)

    judgement = province.judge(again, Decision.KEEP)
    province.run()

    assert {one["full_name"] for one in province.published().values()} == {"Lò Thị Mẩy", "Giàng A Páo"}
    assert version_of(province, again) == landed
    moves = tables.update_move.c
    causes = province.query(
        sa.select(moves.cause).where(moves.record_id == again.evidence["update"]).order_by(moves.move_id)
    )
    assert [row["cause"] for row in causes][:4] == ["POISONED", "JUDGED", "POISONED", "JUDGED"]
    province.reverse(judgement)
    province.run()
    assert province.cases() == [], "it is set aside no more"
    check(province)


def test_what_breaks_again_after_all_was_taken_up_is_the_same_case_with_a_new_clock(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    province.push(YEN_BAI, other_person("P"))
    break_on(monkeypatch, f"{YEN_BAI}|P")
    province.run()
    first = province.case()
    province.day += 30

    jobs.take_up_again(province.engine, province_code="15", now=province.now)
    assert province.cases() == []
    province.run()

    again = province.case()
    assert again.case_id == first.case_id
    assert again.deadline - first.deadline > timedelta(days=25)
    judgement = province.judge(again, Decision.WITHDRAW)
    assert province.run().get("set_aside") is None
    assert province.state(YEN_BAI, "P") is State.WITHDRAWN
    province.reverse(judgement)
    assert province.run()["set_aside"] == 1
    assert province.case().case_id == first.case_id
    check(province)


@pytest.fixture
def own_province(server_url: sa.URL, template: str) -> Iterator[Province]:
    """A province on a database whose schema may be changed."""
    with temporary_database(server_url, template=template) as url:
        engine = connect(url, pool_size=4)
        yield Province(engine)
        engine.dispose()


def test_what_was_set_aside_before_this_release_gets_its_case_with_the_migration(
    own_province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_province.push(YEN_BAI, other_person("P"))
    break_on(monkeypatch, f"{YEN_BAI}|P")
    own_province.run()
    before = own_province.case()

    with own_province.engine.begin() as connection:
        config = alembic_config(connection)
        release_before = ScriptDirectory.from_config(config).get_revision("0030").down_revision
        command.downgrade(config, str(release_before))
        assert connection.scalar(sa.text('SELECT count(*) FROM "case"')) == 0
        command.upgrade(config, "head")

    after = own_province.case()
    assert (after.fingerprint, after.owner, after.deadline) == (before.fingerprint, before.owner, before.deadline)
    assert after.evidence == {name: said for name, said in before.evidence.items() if name not in {"error", "place"}}
    check(own_province)


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
