import asyncio
from collections.abc import Callable
from datetime import date

import pytest

from gateway.errors import Reason, RejectedCallError
from gateway.lanes import WAITING_BYTES, Entry, Lane, Lanes, Run
from gateway.wire.online import Update
from reconciliation.errors import RetryableStoreError
from tests.gateway.batches import TYPED_SOURCE
from tests.gateway.updates import person, request, update

OTHER = "yen-bai.population"


def in_a_loop(test: Callable[[], None]) -> None:
    """Futures need a loop."""

    async def run() -> None:
        test()

    asyncio.run(run())


def entry(one: Update) -> Entry:
    return Entry(one, [asyncio.get_running_loop().create_future()])


def filled(*updates: Update, most: int = 100, most_of_source: int = 100) -> Lanes:
    lanes = Lanes(most, most_of_source)
    for one in updates:
        lanes.add(entry(one))
    return lanes


def requests(runs: list[Run]) -> list[list[object]]:
    return [[one.update.request_id for one in run.entries] for run in runs]


def test_a_group_takes_a_share_of_every_lane_in_its_order() -> None:
    def test() -> None:
        mine = [update(n, person(f"T{n}")) for n in range(5)]
        theirs = [update(n, person(f"T{n}"), source_id=OTHER) for n in range(5)]
        lanes = filled(*mine, *theirs)

        runs = lanes.take(most=4, most_bytes=1_000_000)

        assert [run.lane for run in runs] == [Lane(TYPED_SOURCE, False), Lane(OTHER, False)]
        assert requests(runs) == [[request(0), request(1)]] * 2

    in_a_loop(test)


def test_a_lane_is_taken_again_only_when_it_was_given_back() -> None:
    def test() -> None:
        lanes = filled(update("a", person("T1")))
        first = lanes.take(most=10, most_bytes=1_000)

        somebody_has_to_come = lanes.add(entry(update("b", person("T2"))))
        between = lanes.take(most=10, most_bytes=1_000)
        lanes.give_back(first)
        after = lanes.take(most=10, most_bytes=1_000)

        assert not somebody_has_to_come
        assert between == []
        assert requests(after) == [[request("a"), request("b")]]  # the first had no outcome

    in_a_loop(test)


def test_bytes_end_a_run_but_one_record_always_goes() -> None:
    def test() -> None:
        record = person("T1")
        lanes = filled(*(update(n, record) for n in range(4)))

        taken = [requests(lanes.take(most=10, most_bytes=most))[0] for most in (1,)]

        assert taken == [[request(0)]]
        lanes = filled(*(update(n, record) for n in range(4)))
        assert len(requests(lanes.take(most=10, most_bytes=3 * len(record)))[0]) == 3

    in_a_loop(test)


def test_another_day_and_a_request_with_other_bytes_end_a_run() -> None:
    def test() -> None:
        days = filled(update("a", person("T1")), update("b", person("T2"), exported_on=date(2025, 7, 11)))
        reused = filled(update("a", person("T1")), update("b", person("T2")), update("a", person("T3")))

        assert requests(days.take(most=10, most_bytes=10_000)) == [[request("a")]]
        assert requests(reused.take(most=10, most_bytes=10_000)) == [[request("a"), request("b")]]

    in_a_loop(test)


def test_who_has_gone_is_not_taken_and_who_came_twice_is_taken_once() -> None:
    def test() -> None:
        gone, twice = entry(update("a", person("T1"))), [entry(update("b", person("T2"))) for _ in range(2)]
        lanes = Lanes(10, 10)
        for one in (gone, *twice):
            lanes.add(one)
        gone.waiting[0].cancel()

        (run,) = lanes.take(most=10, most_bytes=10_000)

        assert [one.update.request_id for one in run.entries] == [request("b")]
        assert len(run.entries[0].waiting) == 2

    in_a_loop(test)


@pytest.mark.parametrize(
    ("most", "most_of_source", "limit"),
    [(2, 10, "limitUpdatesWaiting"), (10, 2, "limitUpdatesWaitingOfSource")],
)
def test_there_is_room_again_once_a_group_is_taken(most: int, most_of_source: int, limit: str) -> None:
    def test() -> None:
        lanes = filled(update("a", person("T1")), update("b", person("T2")), most=most, most_of_source=most_of_source)

        with pytest.raises(RejectedCallError) as caught:
            lanes.add(entry(update("c", person("T3"))))
        lanes.take(most=10, most_bytes=10_000)
        lanes.add(entry(update("c", person("T3"))))

        assert caught.value.reason is Reason.RATE_EXCEEDED
        assert caught.value.facts[limit] == "2"

    in_a_loop(test)


def test_bytes_that_wait_are_bounded() -> None:
    def test() -> None:
        record = b"x" * (WAITING_BYTES // 4)
        lanes = filled(*(update(n, record) for n in range(4)))

        with pytest.raises(RejectedCallError) as caught:
            lanes.add(entry(update("one more", b"x")))

        assert "limitBytesWaiting" in caught.value.facts

    in_a_loop(test)


def test_each_caller_is_raised_an_error_of_its_own() -> None:
    def test() -> None:
        one = entry(update("a", person("T1")))
        one.waiting.append(asyncio.get_running_loop().create_future())
        one.outcome = RetryableStoreError("away")

        one.tell()

        told = [future.exception() for future in one.waiting]
        assert [str(error) for error in told] == ["away", "away"]
        assert told[0] is not told[1]

    in_a_loop(test)
