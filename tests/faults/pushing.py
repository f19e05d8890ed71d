"""Ways to push that the tests of faults share: by the client that sources use, and raw, one attempt and no more."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import grpc
import sqlalchemy as sa

from gateway.client import Answer, IntakeClient, Outgoing, connect
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire.faults import Fault, read_call_error
from reconciliation.model import BatchFormat
from tests.gateway.batches import JSONL_SOURCE, hello, message, outgoing, typed

TYPED = intake_pb2.BATCH_FORMAT_TYPED_RECORDS


# A unit of the province of each source that pushes here: nobody may write about another's people.
UNITS = {
    "ha-noi.population": "00004",
    "lao-cai.population": "02647",
    "yen-bai.population": "02647",
    "lam-dong.population": "22918",
}


def batches(first: int, count: int, *, people: int = 2, source_id: str = JSONL_SOURCE) -> list[Outgoing]:
    """Batches `first` and the next ones of typed records, each of people of its own."""
    return [
        outgoing(number, typed(people, first=number * people, unit_code=UNITS[source_id]), BatchFormat.TYPED_RECORDS)
        for number in range(first, first + count)
    ]


async def push(
    address: str, parcels: Sequence[Outgoing], *, source_id: str = JSONL_SOURCE, epoch: str = "e1", **options: Any
) -> list[Answer]:
    """The answers to all batches, however often the client has to come back for them."""
    async with connect(address) as channel:
        pushing = IntakeClient(channel, give_up_seconds=60).push(
            parcels, source_id=source_id, epoch=epoch, skip_durable=False, **options
        )
        return [answer async for answer in pushing]


async def attempt(
    address: str, parcel: Outgoing, *, source_id: str = JSONL_SOURCE, epoch: str = "e1", seconds: float = 30.0
) -> intake_pb2.PushResponse | Fault:
    """One batch over one connection, once: its answer, or how the call failed."""
    async with connect(address) as channel:
        call = intake_pb2_grpc.IntakeServiceStub(channel).Push(timeout=seconds)
        answers = []
        try:
            await call.write(hello(source_id, epoch))
            answers.append(await call.read())
            # Not before the welcome: a write that the end of its call overtakes puts gRPC's own INTERNAL in the place
            # of what the gateway said (grpc/grpc#36066).
            with suppress(asyncio.InvalidStateError, grpc.aio.InternalError):
                await call.write(message(parcel.sequence, parcel.payload, format=TYPED))
                await call.done_writing()
            while (answer := await call.read()) is not grpc.aio.EOF:
                answers.append(answer)
        except grpc.aio.AioRpcError as error:
            return read_call_error(error)
        return answers[-1]


def landed(engine: sa.Engine, *, epoch: str = "e1") -> list[int]:
    """The sequences in the ledger, by source and number; a batch that is there twice is there twice."""
    with engine.connect() as connection:
        query = sa.text("SELECT sequence FROM batch WHERE epoch = :epoch ORDER BY source_id, sequence")
        return list(connection.scalars(query, {"epoch": epoch}))


def stored_records(engine: sa.Engine) -> int:
    """How many record versions there are."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM person_record")) or 0)
