"""F24, F25 and F26: names that change, bad lines, and lines that say nothing any more."""

import asyncio
import threading
import time
from itertools import pairwise
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from gateway.client import (
    Answer,
    IntakeClient,
    Landed,
    Progress,
    RetryableGatewayError,
    UnitsClient,
    connect,
)
from gateway.client.channel import DEADLINE_SECONDS, KEEPALIVE_SECONDS
from gateway.v1 import intake_pb2_grpc
from tests.faults.line import Line, Way, line_to
from tests.faults.naming import name_server
from tests.faults.pushing import batches, landed, push
from tests.gateway.batches import JSONL_SOURCE, hello, outgoing, people
from tests.gateway.certificates import Certified
from tests.gateway.conftest import Serve, free_port


def test_f24_a_gateway_that_moves_is_found_again(serve: Serve, engine: sa.Engine) -> None:
    """Its address changes, and in between its name is not known at all."""
    port, own_port = free_port(), free_port()

    async def run() -> tuple[list[Answer], int, int]:
        async with (
            serve(port=port),
            line_to(port, host="127.0.0.2", own_port=own_port) as old,
            line_to(port, host="127.0.0.3", own_port=own_port) as new,
            name_server("127.0.0.2") as names,
            connect(names.target(own_port)) as channel,
        ):
            pushing = IntakeClient(channel, give_up_seconds=60).push(
                batches(1, 6), source_id=JSONL_SOURCE, epoch="e1", window=1
            )
            answers = [await anext(pushing)]
            before = threading.active_count()
            old.refuses, names.addresses = True, ()
            old.reset()
            asked = names.asked
            coming = asyncio.create_task(anext(pushing))
            while names.asked == asked:  # it asks, and there is no such name
                await asyncio.sleep(0.02)
            names.addresses = ("127.0.0.3",)
            answers.append(await coming)
            answers += [answer async for answer in pushing]
            return answers, new.connections, threading.active_count() - before

    answers, connections, more_threads = asyncio.run(run())

    assert [answer.sequence for answer in answers] == [1, 2, 3, 4, 5, 6]
    assert all(isinstance(answer, Landed) for answer in answers)
    assert connections == 1
    assert more_threads <= 8  # those of the gateway's own pools, which is in this process
    assert landed(engine) == [1, 2, 3, 4, 5, 6]


def test_f24_a_version_6_that_swallows_everything_does_not_hold_up_version_4(serve: Serve) -> None:
    port, own_port = free_port(), free_port()

    async def run() -> tuple[list[Answer], float, int]:
        async with (
            serve(port=port),
            line_to(port, host="::1", own_port=own_port) as hole,
            line_to(port, host="127.0.0.1", own_port=own_port),
            name_server("::1", "127.0.0.1") as names,
        ):
            hole.requests.is_silent = hole.replies.is_silent = True
            begun = time.monotonic()
            return await push(names.target(own_port), batches(1, 2)), time.monotonic() - begun, hole.connections

    answers, took, tried = asyncio.run(run())

    assert all(isinstance(answer, Landed) for answer in answers)
    assert tried >= 1
    assert took < 20  # gRPC would give a silent address 20 s by itself


# F25 with time made twenty times shorter: 800 ms, 64 kbit/s and a dropout of 30 s every minute become these.
SHORTER = 20
LATENCY_SECONDS = 0.8 / SHORTER
BYTES_PER_SECOND = 64_000 / 8 * SHORTER
DROPOUT_SECONDS, UNTIL_DROPOUT_SECONDS = 30 / SHORTER, 30 / SHORTER
RESETS = 3


async def make_bad(line: Line, pushing: "asyncio.Task[Any]") -> int:
    """Dropouts until the push is over, and after the first of them resets; return how many dropouts there were."""
    ways: tuple[Way, ...] = (line.requests, line.replies)
    for way in ways:
        way.latency_seconds, way.jitter_seconds = LATENCY_SECONDS / 2, LATENCY_SECONDS / 4
        way.bytes_per_second, way.slice_bytes = BYTES_PER_SECOND, 1_400
    dropouts = 0
    while not (await asyncio.wait({pushing}, timeout=UNTIL_DROPOUT_SECONDS))[0]:
        dropouts += 1
        for way in ways:
            way.is_held = True
        await asyncio.sleep(DROPOUT_SECONDS)
        for way in ways:
            way.is_held = False
        if dropouts <= RESETS:
            line.reset()
    return dropouts


def test_f25_a_bad_line_finishes_sends_little_twice_and_never_goes_back(serve: Serve, engine: sa.Engine) -> None:
    port = free_port()
    parcels = [outgoing(number, people(number * 100, 40)) for number in range(1, 61)]
    payload = sum(len(parcel.payload) for parcel in parcels)
    told: list[Progress] = []

    async def run() -> tuple[list[Answer], int, int, int]:
        async with serve(port=port), line_to(port, seed=25) as line:
            pushing = asyncio.create_task(push(f"127.0.0.1:{line.port}", parcels, window=2, on_progress=told.append))
            dropouts = await make_bad(line, pushing)
            return await pushing, dropouts, line.requests.taken, line.connections

    answers, dropouts, sent, connections = asyncio.run(run())

    assert [answer.sequence for answer in answers] == list(range(1, 61))
    assert landed(engine) == list(range(1, 61))
    assert dropouts >= RESETS
    assert connections > RESETS
    assert sent <= 1.3 * payload
    assert [progress.answered for progress in told] == list(range(1, 61))
    assert all(a.sent <= b.sent and a.connections <= b.connections for a, b in pairwise(told))


def test_f25_a_far_line_is_given_the_time_to_connect(serve: Serve, certified: Certified) -> None:
    """TCP, TLS and HTTP/2 take four round trips of 800 ms; cut short, each attempt would end where the last one did."""
    port = free_port()

    async def run() -> int:
        async with (
            serve(port=port, tls=certified),
            line_to(port) as line,
            connect(f"127.0.0.1:{line.port}", credentials=certified.operator) as channel,
        ):
            line.requests.latency_seconds = line.replies.latency_seconds = 0.4
            await UnitsClient(channel).unit("00004")
            return line.connections

    assert asyncio.run(run()) == 1


def test_f26_a_sender_whose_line_has_gone_silent_is_told_by_its_keepalive(serve: Serve, engine: sa.Engine) -> None:
    """At a thirtieth of the settings: what takes 50 s takes two."""
    port = free_port()
    keepalive_seconds = KEEPALIVE_SECONDS / 30

    async def run() -> tuple[float, list[Answer], grpc.StatusCode]:
        async with serve(port=port), line_to(port) as line:
            async with connect(f"127.0.0.1:{line.port}", keepalive_seconds=keepalive_seconds) as channel:
                call = intake_pb2_grpc.IntakeServiceStub(channel).Push()
                await call.write(hello())
                await call.read()
                line.requests.is_silent = line.replies.is_silent = True
                begun = time.monotonic()
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call.read()
                took = time.monotonic() - begun
            line.reset()
            line.heal()
            return took, await push(f"127.0.0.1:{line.port}", batches(1, 2)), caught.value.code()

    took, answers, code = asyncio.run(run())

    assert 30 <= KEEPALIVE_SECONDS * 5 / 3 <= 60  # a question and no answer, at the settings that are in force
    assert keepalive_seconds < took < keepalive_seconds * 5 / 3 + 8
    assert code is grpc.StatusCode.UNAVAILABLE
    assert all(isinstance(answer, Landed) for answer in answers)


def test_f26_a_gateway_lets_go_of_a_sender_that_has_gone_silent(serve: Serve) -> None:
    """The one place for a push is free again, though nobody closed anything."""
    port = free_port()

    async def run() -> tuple[list[Answer], float]:
        async with serve(port=port, push_streams=1, keepalive_seconds=1.0), line_to(port) as line:
            async with connect(f"127.0.0.1:{line.port}") as channel:
                call = intake_pb2_grpc.IntakeServiceStub(channel).Push()
                await call.write(hello())
                await call.read()
                line.requests.is_silent = line.replies.is_silent = True
                begun = time.monotonic()
                answers = await push(f"127.0.0.1:{port}", batches(1, 1))
                took = time.monotonic() - begun
                call.cancel()
            return answers, took

    answers, took = asyncio.run(run())

    assert isinstance(answers[0], Landed)
    assert 0.5 < took < 25


def test_f26_a_unary_call_into_silence_ends_at_its_deadline(serve: Serve) -> None:
    port = free_port()

    async def run() -> float:
        async with serve(port=port), line_to(port) as line, connect(f"127.0.0.1:{line.port}") as channel:
            await UnitsClient(channel).unit("00004")
            line.requests.is_silent = line.replies.is_silent = True
            begun = time.monotonic()
            with pytest.raises(RetryableGatewayError) as caught:
                await UnitsClient(channel, deadline_seconds=0.5).unit("00004")
            assert caught.value.fault.code is grpc.StatusCode.DEADLINE_EXCEEDED
            return time.monotonic() - begun

    took = asyncio.run(run())

    assert took < 10
    assert DEADLINE_SECONDS <= 60
