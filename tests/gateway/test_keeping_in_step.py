"""Over the wire: silence is noted or premature, and what two sides hold is compared."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime

import grpc
import numpy as np
import pytest
import sqlalchemy as sa

from gateway import comparing
from gateway.client import IntakeClient
from gateway.client.errors import RejectedByGatewayError, translated
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire import keeping_in_step as wire
from tests.gateway.batches import JSONL_SOURCE, outgoing, people
from tests.gateway.conftest import NOW, Serve
from tests.gateway.terminal import lienthong

PAYLOADS = [people(number * 10, 1) for number in range(1, 7)]


def leaves(payloads: dict[int, bytes]) -> comparing.Leaves:
    return comparing.leaves(list(payloads), b"".join(hashlib.sha256(one).digest() for one in payloads.values()))


HELD = dict(enumerate(PAYLOADS, start=1))


async def landed(channel: grpc.aio.Channel, payloads: dict[int, bytes]) -> None:
    batches = [outgoing(number, payload) for number, payload in payloads.items()]
    answers = IntakeClient(channel).push(batches, source_id=JSONL_SOURCE, epoch="e1")
    assert [answer.sequence async for answer in answers] == list(payloads)


async def attest(channel: grpc.aio.Channel, up_to: int, *, epoch: str = "e1") -> wire.Attested:
    stub = intake_pb2_grpc.IntakeServiceStub(channel)
    wrong_clock = datetime(2035, 1, 1, tzinfo=UTC)
    said = wire.Attestation(epoch=epoch, up_to_sequence=up_to, stated_at=wrong_clock)
    with translated():
        return wire.read_attested(await stub.AttestSilence(wire.write_attestation(JSONL_SOURCE, said), timeout=10))


async def compare(
    channel: grpc.aio.Channel, held: comparing.Leaves, *, cells: int | None = 48, first: int = 1, last: int = 9
) -> wire.Compared:
    asked = wire.Comparison(
        epoch="e1",
        first=first,
        last=last,
        merkle_root=comparing.merkle_root(held),
        sketch=comparing.sketch(held, cells=cells) if cells else None,
    )
    stub = intake_pb2_grpc.IntakeServiceStub(channel)
    with translated():
        return wire.read_compared(
            await stub.CompareBatches(wire.write_comparison_request(JSONL_SOURCE, asked), timeout=30)
        )


def test_silence_is_noted_by_the_gateways_clock_and_premature_until_all_is_durable(serve: Serve) -> None:
    async def run() -> tuple[wire.Attested, RejectedByGatewayError]:
        async with serve() as channel:
            await landed(channel, {1: PAYLOADS[0]})
            with pytest.raises(RejectedByGatewayError) as refused:
                await attest(channel, 2)
            return await attest(channel, 1), refused.value

    attested, refused = asyncio.run(run())

    assert refused.fault.reason == "SILENCE_PREMATURE"
    assert refused.fault.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.fault.vi.startswith("Còn lô chưa được nhận.")
    assert attested.noted_at == NOW
    assert attested.expected_by > NOW


def test_what_differs_is_named_on_both_sides(serve: Serve) -> None:
    """2 was changed, 3 is missing here, 5 and 6 are missing there, 7 was never sent."""
    theirs = {1: PAYLOADS[0], 2: b"other bytes", 3: b"not sent", 4: PAYLOADS[3], 7: b"not sent either"}

    async def run() -> list[wire.Compared]:
        async with serve() as channel:
            await landed(channel, {number: HELD[number] for number in (1, 2, 4, 5, 6)})
            return [
                await compare(channel, leaves(theirs)),
                await compare(channel, leaves({number: HELD[number] for number in (1, 2, 4, 5, 6)})),
                await compare(channel, leaves(theirs), cells=None),
                await compare(channel, leaves({4: PAYLOADS[3], 5: PAYLOADS[4]}), first=4, last=5),
                await compare(channel, leaves(theirs), cells=3),
            ]

    differing, same, roots_only, part, too_small = asyncio.run(run())

    assert (differing.is_equal, differing.decoded) == (False, True)
    assert (differing.missing, differing.differing, differing.unknown) == ((3, 7), (2,), (5, 6))
    assert same == wire.Compared(merkle_root=same.merkle_root, is_equal=True)
    assert roots_only.merkle_root == differing.merkle_root
    assert (roots_only.decoded, roots_only.advised_cells) == (False, 72)
    assert part.is_equal
    assert (too_small.decoded, too_small.advised_cells) == (False, 12)


def test_a_difference_larger_than_a_sketch_gets_a_size_that_tells_it(serve: Serve) -> None:
    random = np.random.default_rng(3)
    theirs = comparing.leaves(range(10, 1_010), random.bytes(32 * 1_000))

    async def run() -> list[wire.Compared]:
        cells, told = 48, []
        async with serve() as channel:
            await landed(channel, {1: PAYLOADS[0]})
            while not told or not told[-1].decoded:
                told.append(await compare(channel, theirs, cells=cells, last=1_000_000))
                cells = told[-1].advised_cells
        return told

    told = asyncio.run(run())

    assert 1 < len(told) <= 4
    assert told[-1].missing == tuple(range(10, 1_010))
    assert told[-1].unknown == (1,)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"first_sequence": 0}, "first_sequence"),
        ({"last_sequence": 1_000_001}, "last_sequence"),
        ({"merkle_root": b"short"}, "merkle_root"),
        ({"sketch": bytes(51)}, "sketch"),
        ({"sketch": bytes(52 * 60_003)}, "sketch"),
        ({"epoch": "a/b"}, "epoch"),
        ({"sketch": comparing.write_sketch(comparing.sketch(leaves({99: b"beyond"}), cells=48))}, "sketch"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused_by_its_field(serve: Serve, changes, field) -> None:
    fields = {
        "source_id": JSONL_SOURCE, "epoch": "e1", "first_sequence": 1, "last_sequence": 9, "merkle_root": bytes(32)
    }  # fmt: skip

    async def run() -> RejectedByGatewayError:
        async with serve() as channel:
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            with pytest.raises(RejectedByGatewayError) as refused, translated():
                await stub.CompareBatches(intake_pb2.CompareBatchesRequest(**fields | changes), timeout=10)
            return refused.value

    fault = asyncio.run(run()).fault

    assert (fault.reason, fault.field_path) == ("FIELD_INVALID", field)


def test_the_operator_sees_who_is_late(serve: Serve, engine: sa.Engine, database_url: str, monkeypatch) -> None:
    """A source that attested long ago and never again; all others were never connected."""

    async def run() -> None:
        async with serve() as channel:
            await attest(channel, 0)

    asyncio.run(run())  # at NOW, in 2025
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database_url)

    told = lienthong("status", "--late", "--json")
    read = lienthong("status", "--late")

    assert (told.code, read.code) == (1, 1)
    (late,) = map(json.loads, told.out.splitlines())
    assert (late["source_id"], late["state"], late["landed_at"]) == (JSONL_SOURCE, "late", None)
    assert "1 nguồn quá hạn" in read.out
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE source_attestation SET noted_at = now()"))
    assert lienthong("status", "--late").code == 0
