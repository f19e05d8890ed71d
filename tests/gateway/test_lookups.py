"""Group reading of statuses: one statement for all who wait, answers kept under who asked, never older than stated."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from gateway import workers
from gateway.errors import Reason, RejectedCallError
from gateway.lookups import Lookups
from gateway.settings import Settings
from gateway.v1 import status_pb2
from reconciliation.errors import RetryableStoreError
from reconciliation.model import EVERYTHING, Sight, State, UpdateAsked
from reconciliation.store import status
from tests.gateway.conftest import NOW
from tests.gateway.test_watching_updates import OTHER, SOURCE, all_of, land, move

OWN = Sight(source_ids=(SOURCE,))


class Asking:
    """Lookups on a real store, with clocks of the test's own, and how often the store was asked."""

    def __init__(self, engine: sa.Engine, **settings: object) -> None:
        self.engine = engine
        self.workers = workers.start(engine, store_threads=4, column_threads=1)
        self.ticks, self.now = 1_000.0, NOW
        self.groups: list[int] = []
        chosen = Settings(**{"status_seconds": 1.0, "ended_status_seconds": 30.0, **settings})  # type: ignore[arg-type]
        self.lookups = Lookups(self.workers, chosen, lambda: self.now, lambda: self.ticks)

    async def state(self, asked: UpdateAsked) -> State | None:
        answer = await self.lookups.find(asked)
        if answer is None:
            return None
        return State(status_pb2.UpdateState.Name(answer.status.state).removeprefix("UPDATE_STATE_").lower())


@pytest.fixture
def asking(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Asking]]:
    """`asking(**settings)`; the threads end with the test."""
    made: list[Asking] = []
    find = status.Reader.find

    def make(**settings: object) -> Asking:
        one = Asking(engine, **settings)
        made.append(one)

        def counting(reader: status.Reader, on: sa.Engine, asked: list[UpdateAsked], *, now: datetime) -> object:
            one.groups.append(len(asked))
            return find(reader, on, asked, now=now)

        monkeypatch.setattr(status.Reader, "find", counting)
        return one

    yield make
    for one in made:
        asyncio.run(one.lookups.close())
        one.workers.shutdown()


def by_key(key: str, *, sight: Sight = OWN) -> UpdateAsked:
    return UpdateAsked(sight=sight, source_id=SOURCE, source_record_id=key)


def by_row(receipt_id: UUID, row: int = 0, *, sight: Sight = OWN) -> UpdateAsked:
    return UpdateAsked(sight=sight, receipt_id=receipt_id, row=row)


def test_questions_that_wait_together_are_one_statement_and_the_same_one_is_asked_once(
    asking: Callable[..., Asking], engine: sa.Engine
) -> None:
    land(engine, 1, 50)
    one = asking()

    async def run() -> list[State | None]:
        return await asyncio.gather(*(one.state(by_key(f"1-{number % 60}")) for number in range(600)))

    found = asyncio.run(run())

    assert found == [State.AWAITING_RECONCILIATION if number % 60 < 50 else None for number in range(600)]
    assert sum(one.groups) <= 60 + 1
    assert len(one.groups) <= 2


def test_a_single_question_waits_for_nobody(asking: Callable[..., Asking], engine: sa.Engine) -> None:
    land(engine, 1, 1)
    one = asking()

    assert asyncio.run(one.state(by_key("1-0"))) is State.AWAITING_RECONCILIATION
    assert one.groups == [1]


def test_an_answer_is_never_older_than_stated_and_an_end_known_by_receipt_may_be_older(
    asking: Callable[..., Asking], engine: sa.Engine
) -> None:
    receipt = land(engine, 1, 1)
    one = asking()

    async def run() -> list[State | None]:
        seen = []
        for ticks, to in ((0.0, State.AWAITING_MATCH), (0.9, None), (0.1, State.WITHDRAWN), (1.0, None), (1.0, None)):
            one.ticks += ticks
            seen += [await one.state(by_key("1-0")), await one.state(by_row(receipt.receipt_id))]
            if to:
                await asyncio.to_thread(move, engine, all_of(receipt), to)
        await asyncio.to_thread(move, engine, all_of(receipt), State.AWAITING_RECONCILIATION)
        one.ticks += 1.0
        seen += [await one.state(by_key("1-0")), await one.state(by_row(receipt.receipt_id))]
        one.ticks += 28.0
        seen += [await one.state(by_row(receipt.receipt_id))]
        return seen

    waiting, match, withdrawn = State.AWAITING_RECONCILIATION, State.AWAITING_MATCH, State.WITHDRAWN

    assert asyncio.run(run()) == [
        *(waiting, waiting),
        *(waiting, waiting),  # moved meanwhile, and 0.9 s old
        *(match, match),
        *(withdrawn, withdrawn),
        *(withdrawn, withdrawn),
        *(waiting, withdrawn),  # by its record at once, by its receipt within half a minute
        waiting,
    ]


def test_what_landed_a_moment_after_it_was_asked_for_is_found(asking: Callable[..., Asking], engine: sa.Engine) -> None:
    """That it is not there is never kept."""
    one = asking()

    async def run() -> list[State | None]:
        before = await one.state(by_key("1-0"))
        await asyncio.to_thread(land, engine, 1, 1)
        return [before, await one.state(by_key("1-0"))]

    assert asyncio.run(run()) == [None, State.AWAITING_RECONCILIATION]


def test_an_answer_is_not_kept_beyond_its_deadline(asking: Callable[..., Asking], engine: sa.Engine) -> None:
    """Stuck is true from the moment after the deadline, kept or not."""
    land(engine, 1, 1)
    one = asking(status_seconds=60.0)

    async def run() -> list[bool]:
        found = await one.lookups.find(by_key("1-0"))
        assert found is not None
        deadline = found.status.deadline.ToDatetime(tzinfo=NOW.tzinfo)
        one.now, one.ticks = deadline - timedelta(seconds=10), one.ticks + 60
        seen = []
        for seconds in (0.0, 9.0, 2.0):
            one.now, one.ticks = one.now + timedelta(seconds=seconds), one.ticks + seconds
            found = await one.lookups.find(by_key("1-0"))
            assert found is not None
            seen.append(found.status.is_stuck)
        return seen

    assert asyncio.run(run()) == [False, False, True]


def test_what_was_read_for_one_is_never_told_to_another(asking: Callable[..., Asking], engine: sa.Engine) -> None:
    receipt = land(engine, 1, 1)
    one = asking()
    sights = [
        EVERYTHING,
        OWN,
        Sight(source_ids=(OTHER,)),
        Sight(),
        Sight(source_ids=(OTHER, SOURCE)),
        Sight(areas=(("person", "15"),)),  # type: ignore[arg-type]
        Sight(areas=(("household", ""),)),  # type: ignore[arg-type]
    ]

    async def run() -> list[list[bool]]:
        return [
            [
                await one.lookups.find(asked) is not None
                for asked in (by_row(receipt.receipt_id, sight=sight), by_key("1-0", sight=sight))
            ]
            for _ in range(2)
            for sight in sights
        ]

    found = asyncio.run(run())

    assert found[: len(sights)] == found[len(sights) :]
    assert [all(one) for one in found[: len(sights)]] == [True, True, False, False, True, True, False]
    assert [any(one) for one in found] == [all(one) for one in found]


def test_who_asks_the_moment_a_reader_is_done_is_not_forgotten(
    asking: Callable[..., Asking], engine: sa.Engine
) -> None:
    one = asking()

    async def caller(number: int) -> int:
        for turn in range(40):
            assert await one.state(by_key(f"{number}-{turn}")) is None
        return 40

    async def run() -> list[int]:
        async with asyncio.timeout(60):
            return await asyncio.gather(*(caller(number) for number in range(4)))

    assert asyncio.run(run()) == [40] * 4


def test_no_more_is_kept_than_may_be(asking: Callable[..., Asking], engine: sa.Engine) -> None:
    receipt = land(engine, 1, 40)
    one = asking(statuses_kept=10)

    async def run() -> None:
        for row in range(40):
            assert await one.state(by_row(receipt.receipt_id, row))

    asyncio.run(run())

    assert len(one.lookups._kept) == 10


def test_a_question_beyond_those_that_may_wait_is_refused_and_who_gave_up_holds_no_place(
    asking: Callable[..., Asking], engine: sa.Engine
) -> None:
    land(engine, 1, 1)
    one = asking(statuses_waiting=3)

    async def run() -> list[object]:
        waiting = [asyncio.create_task(one.state(by_key(f"1-{number}"))) for number in range(5)]
        await asyncio.wait(waiting)
        waiting[0].cancel()
        told = [task.exception() or task.result() for task in waiting]
        given_up = asyncio.create_task(one.state(by_key("1-0")))
        await asyncio.sleep(0)
        given_up.cancel()
        again = await asyncio.gather(*(one.state(by_key(f"1-{number}")) for number in range(3)))
        return [*told, again, one.lookups._waiting_count]

    *told, again, left = asyncio.run(run())

    refused = [one for one in told if isinstance(one, RejectedCallError)]
    assert [(one.reason, one.facts) for one in refused] == [
        (Reason.RATE_EXCEEDED, {"limitStatusesWaiting": "3"}),
        (Reason.RATE_EXCEEDED, {"limitStatusesWaiting": "3"}),
    ]
    assert again == [State.AWAITING_RECONCILIATION, None, None]
    assert left == 0


def test_an_error_of_the_store_is_told_to_all_who_wait_and_the_next_question_asks_anew(
    asking: Callable[..., Asking], engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(engine, 1, 1)
    one = asking()
    find = status.Reader.find

    def away(*_: object, **__: object) -> object:
        raise RetryableStoreError("away")

    async def run() -> list[object]:
        monkeypatch.setattr(status.Reader, "find", away)
        told = await asyncio.gather(*(one.state(by_key(f"1-{n}")) for n in range(9)), return_exceptions=True)
        monkeypatch.setattr(status.Reader, "find", find)
        return [*told, await one.state(by_key("1-0"))]

    *told, after = asyncio.run(run())

    assert {type(error) for error in told} == {RetryableStoreError}
    assert len({id(error) for error in told}) == len(told)
    assert after is State.AWAITING_RECONCILIATION


def test_the_slower_of_two_readers_does_not_put_back_what_is_older(
    asking: Callable[..., Asking], engine: sa.Engine
) -> None:
    receipt = land(engine, 1, 1)
    one = asking()
    asked = by_row(receipt.receipt_id)

    async def run() -> State | None:
        await one.state(asked)
        newer = one.lookups._kept[asked]
        older = replace(newer, answer=status_pb2.GetUpdateStatusResponse(), read_at=newer.read_at - 1)
        one.lookups._keep(asked, older)
        return await one.state(asked)

    assert asyncio.run(run()) is State.AWAITING_RECONCILIATION


def test_the_key_of_a_source_is_not_told_to_a_portal_that_has_a_receipt_only(
    asking: Callable[..., Asking], engine: sa.Engine
) -> None:
    receipt = land(engine, 1, 1)
    one = asking()
    portal = Sight(areas=((RecordKind.PERSON, ""),))

    async def told(asked: UpdateAsked) -> tuple[str, int]:
        answer = await one.lookups.find(asked)
        assert answer is not None
        return answer.status.source_record_id, answer.status.source_version

    async def run() -> list[tuple[str, int]]:
        return [
            await told(by_row(receipt.receipt_id, sight=portal)),
            await told(by_key("1-0", sight=portal)),
            await told(by_row(receipt.receipt_id)),
        ]

    (hidden, _), (named, _), (own, _) = found = asyncio.run(run())

    assert (hidden, named, own) == ("", "1-0", "1-0")
    assert found[0][1] == 0
    assert found[1][1] == found[2][1] > 0
