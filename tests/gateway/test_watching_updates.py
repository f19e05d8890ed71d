"""Following changes of state through a real socket: nothing missed, nothing twice, nobody else's, and ended in time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from adapters import catalogue
from gateway import following, server
from gateway.client import Change, RejectedByGatewayError, StatusClient, Watched, connect
from gateway.settings import Settings
from gateway.v1 import status_pb2, status_pb2_grpc
from gateway.wire.faults import read_call_error
from reconciliation.model import Receipt, State
from reconciliation.store import landing, lifecycle_moves, moves, registers, tables
from tests.gateway.certificates import Certified
from tests.gateway.conftest import NOW, Serve, free_port
from tests.reconciliation.store.landings import batch, normalised, rows, source

SOURCE, OTHER = "yen-bai.population", "lao-cai.population"
QUICK = {"moves_seconds": 0.02, "update_bookmark_seconds": 0.3}


def land(engine: sa.Engine, sequence: int, count: int, *, source_id: str = SOURCE) -> Receipt:
    """A batch of new records, numbered on."""
    where = source(source_id)
    table = rows(where.kind, *({"source_record_id": f"{sequence}-{row}"} for row in range(count)))
    one = batch(sequence, source_id=source_id, payload=f"{source_id} {sequence}".encode())
    return landing.land(engine, one, normalised(table), source=where, now=NOW)


def all_of(*receipts: Receipt) -> sa.Select[tuple[int]]:
    """The updates of some receipts."""
    ids = [one.receipt_id for one in receipts]
    return (
        sa.select(tables.update_state.c.record_id)
        .join(tables.batch, tables.batch.c.batch_id == tables.update_state.c.record_id // tables.ROWS_PER_BATCH)
        .where(tables.batch.c.receipt_id.in_(ids))
    )


def move_in(connection: sa.Connection, updates: sa.Select[tuple[int]], to: State) -> int:
    return lifecycle_moves.move(
        connection, updates, to=to, cause="TESTED", now=NOW, province_code="15", consumer_id="population"
    )


def move(engine: sa.Engine, updates: sa.Select[tuple[int]], to: State) -> int:
    with engine.begin() as connection:
        return move_in(connection, updates, to)


async def changes_of(watched: AsyncIterator[Watched], count: int) -> list[Change]:
    """The next `count` changes; more at once are told as well."""
    found: list[Change] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found += (await anext(watched)).changes
    return found


def states(changes: Sequence[Change]) -> list[tuple[int, State]]:
    return [(one.row, one.move.to_state) for one in changes]


def test_a_source_follows_its_own_updates_and_no_others(serve: Serve, engine: sa.Engine) -> None:
    mine, theirs = land(engine, 1, 2), land(engine, 1, 2, source_id=OTHER)

    async def run() -> list[Change]:
        async with serve(**QUICK) as channel, aclosing(StatusClient(channel).watch(SOURCE)) as watched:
            first = await anext(watched)
            assert first.changes == ()
            assert first.resume_token
            await asyncio.to_thread(move, engine, all_of(theirs), State.AWAITING_MATCH)
            await asyncio.to_thread(move, engine, all_of(mine), State.AWAITING_PULL)
            return await changes_of(watched, 2)

    found = asyncio.run(run())

    assert states(found) == [(0, State.AWAITING_PULL), (1, State.AWAITING_PULL)]
    assert {one.receipt_id for one in found} == {mine.receipt_id}
    assert {(one.move.from_state, one.move.cause, one.move.moved_at) for one in found} == {
        (State.AWAITING_RECONCILIATION, "TESTED", NOW)
    }


def test_one_update_is_followed_by_its_receipt(serve: Serve, engine: sa.Engine) -> None:
    receipt = land(engine, 1, 3)

    async def run() -> list[Change]:
        async with serve(**QUICK) as channel:
            async with aclosing(StatusClient(channel).watch(receipt_id=receipt.receipt_id, row=1)) as watched:
                await anext(watched)
                for to in (State.AWAITING_MATCH, State.AWAITING_UNIT):
                    await asyncio.to_thread(move, engine, all_of(receipt), to)
                return await changes_of(watched, 2)

    assert states(asyncio.run(run())) == [(1, State.AWAITING_MATCH), (1, State.AWAITING_UNIT)]


def test_what_commits_late_is_told_after_what_was_numbered_later(serve: Serve, engine: sa.Engine) -> None:
    """The first transaction has the lower ids, and commits last: who read by ids would have passed over them."""
    slow, quick = land(engine, 1, 1), land(engine, 2, 1)

    async def run() -> list[Change]:
        async with serve(**QUICK) as channel, aclosing(StatusClient(channel).watch(SOURCE)) as watched:
            await anext(watched)
            with engine.connect() as open_one:
                move_in(open_one, all_of(slow), State.AWAITING_MATCH)
                await asyncio.to_thread(move, engine, all_of(quick), State.AWAITING_UNIT)
                bookmark = await anext(watched)
                assert bookmark.changes == ()
                open_one.commit()
            return await changes_of(watched, 2)

    found = asyncio.run(run())

    assert {one.move.to_state for one in found} == {State.AWAITING_MATCH, State.AWAITING_UNIT}


def test_a_watch_goes_on_from_its_token_with_neither_a_gap_nor_a_change_twice(
    serve: Serve, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after every answer, at another gateway each time, while moves are made by several transactions."""
    monkeypatch.setattr(moves, "WINDOW", 3)
    receipts = [land(engine, sequence, 4) for sequence in range(1, 4)]
    steps = [State.AWAITING_MATCH, State.AWAITING_UNIT, State.AWAITING_STEWARD, State.AWAITING_PULL]

    async def run() -> list[Change]:
        async with serve(**QUICK) as one, serve(**QUICK) as other:
            clients = [StatusClient(one), StatusClient(other)]
            async with aclosing(clients[0].watch(SOURCE)) as watched:
                token = (await anext(watched)).resume_token

            async def moving() -> None:
                for to in steps:
                    await asyncio.gather(
                        *(asyncio.to_thread(move, engine, all_of(receipt), to) for receipt in receipts)
                    )

            task = asyncio.create_task(moving())
            found: list[Change] = []
            turn = 0
            while len(found) < 3 * 4 * len(steps):
                turn += 1
                async with aclosing(clients[turn % 2].watch(SOURCE, resume_token=token)) as watched:
                    async with asyncio.timeout(30):
                        while not (answer := await anext(watched)).changes:
                            token = answer.resume_token
                found += answer.changes
                token = answer.resume_token
            await task
            return found

    found = asyncio.run(run())

    told = [(one.receipt_id, one.row, one.move.to_state) for one in found]
    assert len(told) == len(set(told)) == 3 * 4 * len(steps)
    for receipt in receipts:
        for row in range(4):
            assert [
                one.move.to_state for one in found if (one.receipt_id, one.row) == (receipt.receipt_id, row)
            ] == steps


def test_who_is_slow_falls_behind_and_is_told_all_the_same(
    serve: Serve, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than a few changes are kept for who is not asked by its caller; then it reads for itself."""
    monkeypatch.setattr(following, "CHANGES_WAITING", 50)
    monkeypatch.setattr(moves, "WINDOW", 40)
    receipt = land(engine, 1, 200)
    held: list[int] = []
    give = following.Watcher.give

    def noting(self: following.Watcher, page: following.Page) -> None:
        give(self, page)
        held.append(self.waiting)

    monkeypatch.setattr(following.Watcher, "give", noting)
    steps = [State.AWAITING_MATCH, State.AWAITING_UNIT, State.AWAITING_STEWARD]

    async def run() -> tuple[list[Change], list[Change]]:
        async with serve(**QUICK) as channel:
            client = StatusClient(channel)
            async with aclosing(client.watch(SOURCE)) as slow, aclosing(client.watch(SOURCE)) as quick:
                await anext(slow)
                await anext(quick)
                reading = asyncio.create_task(changes_of(quick, 600))
                for to in steps:
                    await asyncio.to_thread(move, engine, all_of(receipt), to)
                return await reading, await changes_of(slow, 600)

    quick, slow = asyncio.run(run())

    assert max(held) <= 50
    assert len(quick) == len(slow) == 600
    for found in (quick, slow):
        for row in range(200):
            assert [one.move.to_state for one in found if one.row == row] == steps


def test_a_watch_without_changes_is_told_that_there_are_none_and_its_token_moves_on(
    serve: Serve, engine: sa.Engine
) -> None:
    receipt = land(engine, 1, 1)
    theirs = land(engine, 1, 1, source_id=OTHER)

    async def run() -> list[Watched]:
        async with serve(**QUICK) as channel, aclosing(StatusClient(channel).watch(SOURCE)) as watched:
            first = await anext(watched)
            await asyncio.to_thread(move, engine, all_of(theirs), State.AWAITING_MATCH)
            while not (second := await anext(watched)).changes and second.resume_token == first.resume_token:
                pass  # told before what they moved was seen
            await asyncio.to_thread(move, engine, all_of(receipt), State.AWAITING_MATCH)
            found = [first, second]
            async with aclosing(StatusClient(channel).watch(SOURCE, resume_token=second.resume_token)) as again:
                while not (answer := await anext(again)).changes:
                    pass
                return [*found, answer]

    first, second, third = asyncio.run(run())

    assert (first.changes, second.changes) == ((), ())
    assert first.resume_token != second.resume_token
    assert [one.move.to_state for one in third.changes] == [State.AWAITING_MATCH]


def refusal(asking: Any) -> Any:
    async def told() -> str | None:
        with pytest.raises(RejectedByGatewayError) as refused:
            await asking
        return refused.value.fault.reason

    return told()


def test_a_token_that_was_forged_or_is_of_another_watch_is_refused(serve: Serve, engine: sa.Engine) -> None:
    receipt = land(engine, 1, 2)

    async def run() -> list[str | None]:
        async with serve(**QUICK) as channel:
            client = StatusClient(channel)
            async with aclosing(client.watch(SOURCE)) as watched:
                token = (await anext(watched)).resume_token
            async with aclosing(client.watch(receipt_id=receipt.receipt_id, row=0)) as watched:
                of_row = (await anext(watched)).resume_token
            flipped = ("A" if token[5] != "A" else "B").join((token[:5], token[6:]))
            return [
                await refusal(anext(client.watch(source_id, resume_token=one)))
                for source_id, one in (
                    (SOURCE, flipped),
                    (SOURCE, token[:-3]),
                    (SOURCE, "x"),
                    (OTHER, token),
                    (SOURCE, of_row),
                )
            ] + [await refusal(anext(client.watch(receipt_id=receipt.receipt_id, row=1, resume_token=of_row)))]

    assert asyncio.run(run()) == ["RESUME_TOKEN_INVALID"] * 6


def test_a_token_of_before_a_restore_is_told_so(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> str | None:
        async with serve(**QUICK) as channel:
            client = StatusClient(channel)
            async with aclosing(client.watch(SOURCE)) as watched:
                token = (await anext(watched)).resume_token
            with engine.begin() as connection:
                connection.execute(tables.feed_head.update().values(epoch=tables.feed_head.c.epoch + 1))
            reason: str | None = await refusal(anext(client.watch(SOURCE, resume_token=token)))
            return reason

    assert asyncio.run(run()) == "RESUME_TOKEN_EXPIRED"


def test_moves_that_came_from_another_server_do_not_hide_those_of_this_one(serve: Serve, engine: sa.Engine) -> None:
    """A restored database bears transaction ids that this server will not give for long."""
    receipt = land(engine, 1, 1)
    move(engine, all_of(receipt), State.AWAITING_MATCH)
    with engine.begin() as connection:
        connection.execute(tables.update_move.update().values(xid="4000000000"))

    assert moves.begin_anew(engine) == 1
    assert moves.begin_anew(engine) == 0
    one = moves.round_after(engine, 0)
    told, _ = moves.read(engine, one, after=0, followed=moves.Followed(source_ids=[SOURCE]))

    assert [moved.move.to_state for moved in told] == [State.AWAITING_MATCH]


# --- who may, and until when --------------------------------------------------------------------------------------


async def first_of(channel: grpc.aio.Channel, request: status_pb2.WatchUpdatesRequest) -> str:
    """How a watch begins: "told", or the reason of its refusal."""
    stub: status_pb2_grpc.StatusServiceAsyncStub = status_pb2_grpc.StatusServiceStub(channel)
    call = stub.WatchUpdates(request, timeout=20)
    try:
        async for _ in call:
            call.cancel()
            return "told"
    except grpc.aio.AioRpcError as error:
        return str(read_call_error(error).reason)
    return "nothing"


def by_source(source_id: str) -> status_pb2.WatchUpdatesRequest:
    return status_pb2.WatchUpdatesRequest(source_id=source_id)


def by_row(receipt: Receipt, row: int = 0) -> status_pb2.WatchUpdatesRequest:
    return status_pb2.WatchUpdatesRequest(
        receipt_row=status_pb2.ReceiptRow(receipt_id=str(receipt.receipt_id), row=row)
    )


def test_only_its_own_source_and_operators_may_watch(serve: Serve, engine: sa.Engine, certified: Certified) -> None:
    receipt = land(engine, 1, 1)
    callers = {
        "own": certified.source(SOURCE),
        "other": certified.source(OTHER),
        "registry": certified.consumer("population"),
        "operator": certified.operator,
    }

    async def run() -> dict[str, list[str]]:
        found = {}
        for name, credentials in callers.items():
            async with serve(tls=certified, credentials=credentials, **QUICK) as channel:
                asked = (by_source(SOURCE), by_source("atlantis.population"), by_row(receipt), by_row(receipt, 1))
                found[name] = [await first_of(channel, one) for one in asked]
        return found

    found = asyncio.run(run())

    assert found == {
        "own": ["told", "NOT_ENTITLED", "told", "UPDATE_UNKNOWN"],
        "other": ["NOT_ENTITLED", "NOT_ENTITLED", "UPDATE_UNKNOWN", "UPDATE_UNKNOWN"],
        "registry": ["NOT_ENTITLED", "NOT_ENTITLED", "UPDATE_UNKNOWN", "UPDATE_UNKNOWN"],
        "operator": ["told", "NOT_ENTITLED", "told", "UPDATE_UNKNOWN"],
    }


async def end_of(call: Any) -> str:
    """The reason with which an open watch ends."""
    try:
        async with asyncio.timeout(30):
            async for _ in call:
                pass
    except grpc.aio.AioRpcError as error:
        return str(read_call_error(error).reason)
    return "ended"


def test_a_revoked_certificate_ends_a_watch_that_is_open(serve: Serve, certified: Certified) -> None:
    async def run() -> str:
        credentials = certified.source(SOURCE)
        async with serve(tls=certified, credentials=credentials, moves_seconds=0.02) as channel:
            call = status_pb2_grpc.StatusServiceStub(channel).WatchUpdates(by_source(SOURCE), timeout=40)
            await anext(aiter(call))
            certified.revoke(credentials)
            return await end_of(call)

    assert asyncio.run(run()) == "CERTIFICATE_REVOKED"


def test_a_grant_that_is_taken_away_ends_a_watch_before_anything_more_is_told(
    serve: Serve, engine: sa.Engine, certified: Certified
) -> None:
    receipt, times = land(engine, 1, 1), [NOW]

    async def run() -> list[str]:
        credentials = certified.source(SOURCE)
        async with serve(
            tls=certified, credentials=credentials, clock=lambda: times[-1], moves_seconds=0.02
        ) as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            calls = [stub.WatchUpdates(one, timeout=40) for one in (by_source(SOURCE), by_row(receipt))]
            for call in calls:
                await anext(aiter(call))
            await asyncio.to_thread(registers.sources.revoke, engine, SOURCE, by="tester", now=NOW)
            times.append(NOW + timedelta(seconds=Settings().grants_seconds))
            await asyncio.to_thread(move, engine, all_of(receipt), State.AWAITING_MATCH)
            return [await end_of(call) for call in calls]

    assert asyncio.run(run()) == ["NOT_ENTITLED", "NOT_ENTITLED"]


def test_watches_beyond_a_callers_share_are_refused_with_a_time_to_come_back(serve: Serve) -> None:
    async def run() -> tuple[list[str], str]:
        async with serve(update_watches_per_caller=2, **QUICK) as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            calls = [stub.WatchUpdates(by_source(SOURCE), timeout=40) for _ in range(2)]
            for call in calls:
                await anext(aiter(call))
            refused = [await first_of(channel, by_source(one)) for one in (SOURCE, OTHER)]
            calls[0].cancel()
            async with asyncio.timeout(20):
                while (again := await first_of(channel, by_source(SOURCE))) != "told":
                    assert again == "STREAMS_EXHAUSTED"
            return refused, again

    refused, again = asyncio.run(run())

    assert refused == ["STREAMS_EXHAUSTED", "told"]
    assert again == "told"


def test_the_client_goes_on_by_itself_once_there_is_a_gateway_again(engine: sa.Engine) -> None:
    receipt, port = land(engine, 1, 2), free_port()

    def gateway() -> Any:
        settings = Settings(port=port, drain_seconds=5, moves_seconds=0.02)
        return server.running(engine, settings, catalogue=catalogue.load(), clock=lambda: NOW)

    async def again(_: float) -> None:
        await asyncio.sleep(0.1)

    async def run() -> list[Change]:
        async with connect(f"127.0.0.1:{port}") as channel:
            async with aclosing(StatusClient(channel).watch(SOURCE, pause=again)) as watched:
                async with gateway():
                    await anext(watched)
                await asyncio.to_thread(move, engine, all_of(receipt), State.AWAITING_MATCH)
                async with gateway():
                    return await changes_of(watched, 2)

    assert states(asyncio.run(run())) == [(0, State.AWAITING_MATCH), (1, State.AWAITING_MATCH)]


def test_a_gateway_that_shuts_down_ends_its_watches_at_once(engine: sa.Engine) -> None:
    async def run() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as later:
            async with server.running(
                engine, Settings(port=0, drain_seconds=30), catalogue=catalogue.load(), clock=lambda: NOW
            ) as gateway:
                channel = await later.enter_async_context(connect(gateway.address))
                call = status_pb2_grpc.StatusServiceStub(channel).WatchUpdates(by_source(SOURCE), timeout=40)
                await anext(aiter(call))
                begun = loop.time()
                ended = asyncio.create_task(end_of(call))
            return await ended, loop.time() - begun

    reason, seconds = asyncio.run(run())

    assert reason == "DRAINING"
    assert seconds < 15
