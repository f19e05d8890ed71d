"""A run is whole or not at all, alone in its province, and loses nothing that happens beside it."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
import tenacity

from adapters.canonical import RecordKind
from reconciliation import jobs
from reconciliation.errors import FatalStoreError, RejectedRequestError, RetryableStoreError
from reconciliation.model import CaseKind, Cursor, Decision, Outcome, OutcomeKind, State
from reconciliation.pipeline import reconcile
from reconciliation.store import cases, feed, lifecycle_moves, reconciling, tables
from reconciliation.weights import load_model
from tests.reconciliation.province import (
    BOOKS,
    HOUSES,
    LAO_CAI,
    OF_RECORD,
    YEN_BAI,
    Province,
    book,
    check,
    check_settled,
    household,
    other_person,
    person,
)

SEED = 20250701
again = tenacity.retry(
    retry=tenacity.retry_if_exception_type(RetryableStoreError), stop=tenacity.stop_after_attempt(20), reraise=True
)


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def busy(province: Province) -> None:
    """A run on this has something to write of every sort."""
    province.push(YEN_BAI, person("A"), other_person("B"))
    province.push(HOUSES, household("H", "1"), household("K", "1", unit_code="02671"))
    province.run()
    province.apply_all()
    province.push(YEN_BAI, person("A", source_version=2, birth_day=18), other_person("C", unit_code="99999"))
    province.push(LAO_CAI, person("A"), other_person("B", unit_code="02671"))
    province.push(BOOKS, book("I", birth_day=18))
    province.push(HOUSES, household("K", "1", source_version=2))


class KilledError(Exception):
    """The process is gone."""


@pytest.mark.parametrize(
    "place",
    [
        (reconciling, "_replace"),
        (cases, "settle"),
        (reconciling, "_publish"),
        (reconciling, "_settle_carried"),
        (lifecycle_moves, "move"),
    ],
    ids=lambda place: place[1],
)
def test_a_run_that_is_killed_anywhere_leaves_nothing_and_the_next_does_it_all(province, monkeypatch, place):
    busy(province)
    before = province.dump()
    with province.engine.connect() as connection:
        standing = reconciling.read(connection, province.code)
    result = reconcile(standing, province_code=province.code, model=load_model(), as_of=province.now.date())
    calls = _count_calls(province, result, monkeypatch, *place)
    assert calls > 0

    for allowed in sorted({0, calls - 1}):
        with monkeypatch.context() as patch:
            _fail_after(patch, *place, allowed)
            with pytest.raises(KilledError), province.engine.begin() as connection:
                reconciling.write(connection, result, province_code=province.code, now=province.now)
        assert province.dump() == before, f"killed in call {allowed + 1} of {calls}"
    with province.engine.begin() as connection:
        reconciling.write(connection, result, province_code=province.code, now=province.now)
    feed.sequence(province.engine)
    check_settled(province)
    after = province.dump()
    province.run()
    assert province.dump() == after


def _count_calls(province: Province, result, monkeypatch, module, name: str) -> int:
    """How often a run calls the function; what it writes is rolled back."""
    calls = 0
    real = getattr(module, name)

    def counting(*arguments, **options):
        nonlocal calls
        calls += 1
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, counting)
        with province.engine.connect() as connection, connection.begin() as transaction:
            reconciling.write(connection, result, province_code=province.code, now=province.now)
            transaction.rollback()
    return calls


def _fail_after(patch: pytest.MonkeyPatch, module, name: str, allowed: int) -> None:
    """The function works `allowed` times and once more, and the process dies before it can say so."""
    calls = 0
    real = getattr(module, name)

    def dying(*arguments, **options):
        nonlocal calls
        found = real(*arguments, **options)
        calls += 1
        if calls > allowed:
            raise KilledError
        return found

    patch.setattr(module, name, dying)


def test_while_one_run_holds_the_province_another_does_nothing_and_other_provinces_go_on(province):
    province.push(YEN_BAI, person("A"))
    with reconciling.province_lock(province.engine, province.code) as held:
        assert held is not None
        before = province.dump()

        assert jobs.reconcile_records(province.engine, province_code=province.code, now=province.now) == {"skipped": 1}
        assert province.dump() == before
        assert "skipped" not in jobs.reconcile_records(province.engine, province_code="01", now=province.now)

    assert province.run()["records.person"] == 1


def test_of_two_runs_at_once_one_works_and_the_other_skips(province, monkeypatch):
    province.push(YEN_BAI, person("A"))
    reading, skipped = threading.Event(), threading.Event()
    real = reconciling.read

    def slow_read(*arguments, **options):
        reading.set()
        assert skipped.wait(30)
        return real(*arguments, **options)

    monkeypatch.setattr(reconciling, "read", slow_read)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(jobs.reconcile_records, province.engine, province_code="15", now=province.now)
        assert reading.wait(30)
        second = jobs.reconcile_records(province.engine, province_code="15", now=province.now)
        skipped.set()

    assert second == {"skipped": 1}
    assert first.result()["changes.person"] == 1


def test_a_province_without_a_registry_of_record_is_told_what_to_do(province):
    province.push(YEN_BAI, person("A"))
    with province.engine.begin() as connection:
        connection.execute(tables.consumer_grant.delete().where(tables.consumer_grant.c.kind == "person"))
    before = province.dump()

    with pytest.raises(FatalStoreError, match="person"):
        province.run()

    assert province.dump() == before


def test_what_happens_between_reading_and_writing_is_taken_up_by_the_next_run(province, monkeypatch):
    province.push(YEN_BAI, person("A"), other_person("B", unit_code="99999"))
    province.push(LAO_CAI, person("A", unit_code="02671"))
    province.run()
    two_units, unknown = province.case(CaseKind.TWO_UNITS_ONE_PERSON), province.case(CaseKind.UNKNOWN_UNIT)
    real = reconciling.read

    def read_and_then(*arguments, **options):
        standing = real(*arguments, **options)
        monkeypatch.undo()
        province.push(YEN_BAI, person("A", source_version=2, unit_code="02671"))
        province.judge(two_units, Decision.KEEP)
        province.judge(unknown, Decision.WITHDRAW)
        return standing

    monkeypatch.setattr(reconciling, "read", read_and_then)
    province.run()
    assert reconciling.provinces_with_landings(province.engine) == ["15"]
    province.run()

    check_settled(province)
    assert province.state(YEN_BAI, "B") is State.WITHDRAWN
    assert province.one()["unit_code"] == "02671"
    assert reconciling.provinces_with_landings(province.engine) == []


def test_a_judgement_wakes_its_province_even_when_no_update_waits(province):
    province.push(YEN_BAI, person("A", unit_code="99999"))
    province.run()
    assert reconciling.provinces_with_landings(province.engine) == []
    province.day += 1
    judgement = province.judge(province.case(), Decision.WITHDRAW)
    assert reconciling.provinces_with_landings(province.engine) == ["15"]

    province.run()
    assert reconciling.provinces_with_landings(province.engine) == []
    province.reverse(judgement)
    assert reconciling.provinces_with_landings(province.engine) == ["15"]
    assert reconciling.provinces(province.engine) == ["15"]


def test_a_refused_version_is_not_sent_again_over_a_newer_one(province):
    province.push(YEN_BAI, person("A"))
    province.run()
    province.refuse()
    case = province.case()
    province.push(YEN_BAI, person("A", source_version=2, birth_day=18))
    province.run()
    before = province.dump()

    with pytest.raises(RejectedRequestError) as refused:
        province.judge(case, Decision.SEND_AGAIN)

    assert refused.value.reason == "DECISION_INVALID"
    assert province.dump() == before
    province.judge(case, Decision.KEEP)
    check(province)
    assert province.state(YEN_BAI, "A") is State.AWAITING_PULL


def test_a_version_that_a_run_replaces_meanwhile_is_not_sent_again_either(province):
    province.push(YEN_BAI, person("A"))
    province.run()
    province.refuse()
    case = province.case()
    province.push(YEN_BAI, person("A", source_version=2, birth_day=18))
    with province.engine.connect() as connection:
        standing = reconciling.read(connection, province.code)
    result = reconcile(standing, province_code="15", model=load_model(), as_of=province.now.date())

    with ThreadPoolExecutor(1) as pool:
        with province.engine.begin() as run:
            reconciling.write(run, result, province_code="15", now=province.now)
            late = pool.submit(province.judge, case, Decision.SEND_AGAIN)
            province.until_somebody_waits_for_a_lock()
        assert isinstance(late.exception(timeout=30), RejectedRequestError)

    feed.sequence(province.engine)
    check_settled(province)
    assert province.one()["birth_day"] == 18


def test_an_update_attached_while_a_registry_acknowledges_or_reports_is_not_left_behind(province):
    province.push(YEN_BAI, person("A"))
    province.run()
    head = feed.head(province.engine)
    for act, expected in (
        (province.acknowledge, State.AWAITING_OUTCOME),
        (lambda: province.report(OutcomeKind.APPLIED, head.sequence), State.APPLIED),
    ):
        key = f"B{expected}"
        province.push(LAO_CAI, person(key))
        with province.engine.connect() as connection:
            standing = reconciling.read(connection, province.code)
        result = reconcile(standing, province_code="15", model=load_model(), as_of=province.now.date())

        with ThreadPoolExecutor(1) as pool:
            with province.engine.begin() as run:
                reconciling.write(run, result, province_code="15", now=province.now)
                registry = pool.submit(act)
                province.until_somebody_waits_for_a_lock()
            registry.result(timeout=30)

        check(province)
        assert province.state(LAO_CAI, key) is province.state(YEN_BAI, "A") is expected


def test_landings_runs_registries_and_stewards_at_once_leave_no_update_orphaned(province):
    """Threads act as the world does; afterwards, at rest, everything is where it belongs and nothing was lost."""
    busy(province)
    started = threading.Barrier(4)

    with ThreadPoolExecutor(4) as pool:
        acting = [
            pool.submit(_repeat, started, act, 6)
            for act in (_lander(province), _runner(province), _registry(province), _steward(province))
        ]
        for one in acting:
            one.result(timeout=240)

    check(province)
    province.run()
    check_settled(province)
    province.apply_all()
    check_settled(province)
    states = {row["state"] for row in province.query(sa.select(tables.update_state.c.state))}
    assert not states & {State.AWAITING_PULL, State.AWAITING_OUTCOME, State.AWAITING_RECONCILIATION}
    stands = province.dump()
    province.run()
    assert province.dump() == stands


def _repeat(started: threading.Barrier, act: Callable[[int], None], times: int) -> None:
    started.wait(30)
    for number in range(times):
        again(act)(number)


def _lander(province: Province) -> Callable[[int], None]:
    def land(number: int) -> None:
        unit = ("02647", "02671", "99999")[number % 3]
        province.push(YEN_BAI, person("A", source_version=10 + number, birth_day=1 + number), person(f"N{number}"))
        province.push(LAO_CAI, other_person("B", source_version=10 + number, unit_code=unit))

    return land


def _runner(province: Province) -> Callable[[int], None]:
    def run(number: int) -> None:
        jobs.reconcile_records(province.engine, province_code="15", now=province.now + timedelta(minutes=number))
        feed.sequence(province.engine)

    return run


def _registry(province: Province) -> Callable[[int], None]:
    dice = random.Random(SEED)

    def pull(_: int) -> None:
        head = feed.head(province.engine)
        for consumer_id in sorted(set(OF_RECORD.values())):
            seen = feed.cursor_of(province.engine, consumer_id=consumer_id).sequence
            upto = Cursor(epoch=head.epoch, sequence=dice.randint(seen, max(seen, head.sequence)))
            feed.acknowledge(province.engine, consumer_id=consumer_id, upto=upto, now=province.now)
            told = [
                Outcome(feed_seq=one, kind=OutcomeKind.REFUSED if one % 5 == 0 else OutcomeKind.APPLIED, reason="X")
                for one in range(1, upto.sequence + 1)
                if dice.random() < 0.7
            ]
            feed.report(province.engine, consumer_id=consumer_id, outcomes=told, now=province.now)

    return pull


def _steward(province: Province) -> Callable[[int], None]:
    def decide(number: int) -> None:
        for case in province.cases()[number % 2 :: 2]:
            try:
                match case.kind:
                    case CaseKind.UNKNOWN_UNIT | CaseKind.TWO_UNITS_ONE_PERSON:
                        province.judge(case, Decision.WITHDRAW, case.record_keys[-1])
                    case CaseKind.REFUSED_BY_REGISTRY:
                        province.judge(case, Decision.SEND_AGAIN if number % 2 else Decision.KEEP)
                    case _:
                        province.judge(case, Decision.NOT_SAME)
            except RejectedRequestError as refused:
                assert refused.reason in {"DECISION_INVALID", "CASE_DECIDED"}  # the world went on

    return decide


def test_a_record_that_moves_gives_a_correction_and_one_whose_unit_alone_changes_is_recoded(province):
    province.push(YEN_BAI, person("A", household_number="1"))
    province.push(HOUSES, household("H", "1"))
    province.run()
    province.push(YEN_BAI, person("A", household_number="1", source_version=2, unit_code="02671"))
    province.push(HOUSES, household("H", "1", source_version=2, unit_code="02671"))
    province.run()
    province.push(YEN_BAI, person("A", household_number="1", source_version=3, unit_code="02671", hamlet="Thôn 2"))
    province.run()

    assert [row["cause"] for row in province.changes(RecordKind.PERSON)] == ["NEW", "RECODED", "CORRECTED"]
    assert [row["cause"] for row in province.changes(RecordKind.HOUSEHOLD)] == ["NEW", "RECODED"]
    (house,) = province.published(RecordKind.HOUSEHOLD)
    assert province.one()["household_id"] == house
    check_settled(province)


@pytest.mark.parametrize("told", [None, OutcomeKind.APPLIED, OutcomeKind.REFUSED])
def test_an_update_that_changes_nothing_rides_on_the_version_that_stands_and_ends_where_that_is(province, told):
    province.push(YEN_BAI, person("A"))
    province.run()
    province.acknowledge()
    if told is not None:
        province.report(told, 1)

    province.push(YEN_BAI, person("A", source_version=2))
    counts = province.run()

    assert counts["changes.person"] == 0
    check_settled(province)
    assert (
        province.state(YEN_BAI, "A")
        is {
            None: State.AWAITING_OUTCOME,
            OutcomeKind.APPLIED: State.APPLIED,
            OutcomeKind.REFUSED: State.AWAITING_STEWARD,
        }[told]
    )


def test_two_published_people_who_turn_out_to_be_one_are_merged_and_parted_again_under_their_ids(province):
    province.push(YEN_BAI, person("A"))
    province.push(LAO_CAI, other_person("B", personal_number=None, unit_code="02671"))
    province.run()
    province.apply_all()
    (one,) = [subject for subject, row in province.published().items() if row["full_name"] == "Lò Thị Mẩy"]
    (other,) = set(province.published()) - {one}

    province.push(LAO_CAI, person("B", source_version=2, unit_code="02671"))  # now with her number
    province.run()
    check_settled(province)
    gone = province.changes(RecordKind.PERSON)[-1]
    assert (gone["cause"], {gone["subject_id"], gone["replaced_by"]}) == ("MERGED", {other, one})
    assert set(province.published()) == {gone["replaced_by"]}

    judgement = province.judge(province.case(CaseKind.TWO_UNITS_ONE_PERSON), Decision.KEEP)
    province.run()
    province.apply_all()
    province.reverse(judgement)
    province.judge(province.case(CaseKind.TWO_UNITS_ONE_PERSON), Decision.NOT_SAME)
    province.run()
    check_settled(province)

    assert {subject: row["unit_code"] for subject, row in province.published().items()} == {
        one: "02647",
        other: "02671",
    }
