"""What the processes of a plan do: push their batches, and note what they asked and what they were told."""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import grpc

from gateway.client import IntakeClient, Landed, Outgoing, Refused, RetryableGatewayError, connect
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire.faults import Fault, read_call_error, read_status
from reconciliation.model import BatchFormat
from tests.gateway.batches import EXPORTED_ON, message
from tests.nemesis.history import History, Kind
from tests.nemesis.plan import Parcel, Sending, payload, version_seconds
from tests.nemesis.validators import PUSH, WELCOME

GIVE_UP_SECONDS = 20.0


def describe(parcel: Parcel, **more: Any) -> dict[str, Any]:
    """What an `invoke` says of a batch: its hash, and each record's row, key, version and content."""
    good = [
        [row, entry.source_record_id, version_seconds(entry.version), entry.content]
        for row, entry in enumerate(parcel.entries)
        if not entry.is_bad
    ]
    held = [row for row, entry in enumerate(parcel.entries) if entry.is_bad]
    return {"sha256": _hash(parcel), "records": good, "held": held, **more}


def _hash(parcel: Parcel) -> str:
    return hashlib.sha256(payload(parcel)).hexdigest()


async def send(history: History, sending: Sending, *, port: int, patience_seconds: float) -> tuple[Parcel, ...]:
    """Push once over one stream; return the batches that were not answered."""
    left = {parcel.sequence: parcel for parcel in sending.parcels}
    async with connect(f"127.0.0.1:{port}") as channel:
        stub: intake_pb2_grpc.IntakeServiceAsyncStub = intake_pb2_grpc.IntakeServiceStub(channel)
        call = stub.Push(timeout=patience_seconds)
        try:
            await _talk(history, sending, call, left)
        except grpc.aio.AioRpcError as error:
            fault = read_call_error(error)
        except (asyncio.InvalidStateError, grpc.aio.InternalError):  # the stream ended while we wrote
            fault = Fault(code=grpc.StatusCode.UNAVAILABLE, message="")
        else:
            fault = Fault(code=grpc.StatusCode.OK, message="")
        finally:
            call.cancel()
    for parcel in left.values():
        told = {"code": fault.code.name, "reason": fault.reason, "message": fault.message}
        await history.note(sending.process, Kind.INFO, PUSH, parcel.key, sha256=_hash(parcel), **told)
    return tuple(left.values())


async def _talk(history: History, sending: Sending, call: Any, left: dict[int, Parcel]) -> None:
    hello = intake_pb2.Hello(source_id=sending.source_id, epoch=sending.parcels[0].epoch)
    hello.client_time.FromNanoseconds(time.time_ns() + int(sending.skew_seconds * 1e9))
    for parcel in sending.parcels:
        await history.note(
            sending.process, Kind.INVOKE, PUSH, parcel.key, **describe(parcel, skew_seconds=sending.skew_seconds)
        )
    await call.write(intake_pb2.PushRequest(hello=hello))
    welcome = await call.read()
    if welcome is grpc.aio.EOF:
        return
    where = f"{sending.source_id}/{sending.parcels[0].epoch}"
    durable = welcome.welcome.last_durable_sequence
    await history.note(sending.process, Kind.INFO, "hello", where)
    await history.note(sending.process, Kind.OK, WELCOME, where, last_durable=durable)
    for parcel in sending.parcels:
        typed = intake_pb2.BATCH_FORMAT_TYPED_RECORDS
        await call.write(message(parcel.sequence, payload(parcel), format=typed))
    await call.done_writing()
    while (answer := await call.read()) is not grpc.aio.EOF:
        if answer.HasField("receipt"):
            parcel = left.pop(answer.receipt.sequence)
            await _note_receipt(history, sending.process, parcel, _receipt(answer.receipt))
        else:
            fault = read_status(answer.refusal.status)
            if fault.retry_seconds is None:
                left_parcel = left.pop(answer.refusal.sequence)
                await _note_refusal(history, sending.process, left_parcel, fault)


async def ask_again(history: History, parcels: Sequence[Parcel], *, process: str, port: int) -> None:
    """Push batches of one source, of rising sequence, with the client that sources use, until all are answered."""
    by_sequence = {parcel.sequence: parcel for parcel in parcels}
    outgoing = [
        Outgoing(sequence=p.sequence, payload=payload(p), format=BatchFormat.TYPED_RECORDS, exported_on=EXPORTED_ON)
        for p in parcels
    ]
    for parcel in parcels:
        await history.note(process, Kind.INVOKE, PUSH, parcel.key, **describe(parcel))
    async with connect(f"127.0.0.1:{port}") as channel:
        client = IntakeClient(channel, give_up_seconds=GIVE_UP_SECONDS)
        pushing = client.push(
            outgoing, source_id=parcels[0].source_id, epoch=parcels[0].epoch, window=8, skip_durable=False
        )
        try:
            async for answer in pushing:
                parcel = by_sequence.pop(answer.sequence)
                match answer:
                    case Landed(receipt=receipt):
                        told = {name: getattr(receipt, name) for name in _COUNTED}
                        told |= {"receipt_id": str(receipt.receipt_id), "landed_at": receipt.landed_at.timestamp()}
                        await _note_receipt(history, process, parcel, told)
                    case Refused(fault=fault):
                        await _note_refusal(history, process, parcel, fault)
        except RetryableGatewayError as error:
            for parcel in by_sequence.values():
                gone = {"sha256": _hash(parcel), "code": error.fault.code.name, "reason": error.fault.reason}
                await history.note(process, Kind.INFO, PUSH, parcel.key, **gone)


_COUNTED = ("received", "accepted", "superseded", "quarantined", "replayed")


def _receipt(receipt: intake_pb2.Receipt) -> dict[str, Any]:
    landed_at = receipt.landed_at.ToNanoseconds() // 1000 / 1e6
    counted = {name: getattr(receipt, name) for name in _COUNTED}
    return {**counted, "receipt_id": receipt.receipt_id, "landed_at": landed_at}


async def _note_receipt(history: History, process: str, parcel: Parcel, told: Mapping[str, Any]) -> None:
    await history.note(process, Kind.OK, PUSH, parcel.key, sha256=_hash(parcel), **told)


async def _note_refusal(history: History, process: str, parcel: Parcel, fault: Fault) -> None:
    told = {"code": fault.code.name, "reason": fault.reason}
    await history.note(process, Kind.FAIL, PUSH, parcel.key, sha256=_hash(parcel), **told)
