"""Bad input through a real socket: each batch gets its verdict, and the valid one right after it is accepted."""

import asyncio
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pyarrow as pa
import pytest

from gateway import caps
from gateway.client import IntakeClient, Landed, Outgoing, Refused
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire.faults import read_call_error, read_status
from reconciliation.model import BatchFormat
from tests.gateway.batches import (
    JSONL_SOURCE,
    TYPED_SOURCE,
    arrow,
    hello,
    json_lines,
    message,
    outgoing,
    people,
    person,
    typed,
)
from tests.gateway.conftest import Serve, free_port

TCVN3_NAME = b"Nguy\xd4n V\xa8n An"  # Nguyễn Văn An as a TCVN3 system writes it
EMPTY_RECORD = b"\x0a\x00"


async def push(
    channel: grpc.aio.Channel, batches: Sequence[Outgoing], source_id: str = JSONL_SOURCE, *, epoch: str = "e1"
) -> list[Any]:
    answers = IntakeClient(channel).push(batches, source_id=source_id, epoch=epoch, skip_durable=False)
    return [answer async for answer in answers]


async def talk(channel: grpc.aio.Channel, messages: Sequence[intake_pb2.PushRequest]) -> list[intake_pb2.PushResponse]:
    """What the gateway answers to messages that the client would not send."""
    call = intake_pb2_grpc.IntakeServiceStub(channel).Push(iter(messages), timeout=60)
    return [answer async for answer in call]


@dataclass(frozen=True)
class Case:
    """One bad batch and the reason it is refused with."""

    reason: str
    payload: bytes
    format: BatchFormat = BatchFormat.SOURCE_FILE
    source_id: str = JSONL_SOURCE


def renamed(old: str, new: str) -> bytes:
    return people(0, 3).replace(f'"{old}"'.encode(), f'"{new}"'.encode())


TABLE = pa.table({"id": ["1"], "unheard_of": ["x"]})
REFUSED = {
    "empty file": Case("EMPTY_BATCH", b""),
    "file of empty lines": Case("EMPTY_BATCH", b"\n\n"),
    "unknown column": Case("UNKNOWN_COLUMN", renamed("ton_giao", "tin_nguong")),
    "missing column": Case("MISSING_COLUMN", people(0, 3).replace(b'"ho_ten"', b'"ton_giao"', 3)),
    "one record too many": Case("TOO_MANY_RECORDS", b'{"id": "1"}\n' * (caps.MAX_RECORDS + 1)),
    "one byte too many": Case("TOO_LARGE", b" " * (caps.MAX_PAYLOAD_BYTES + 1)),
    "a megabyte too many": Case("TOO_LARGE", b" " * (caps.MAX_PAYLOAD_BYTES + 1024 * 1024)),
    "Arrow: no stream": Case("UNREADABLE", b"\x00" * 100, BatchFormat.ARROW_IPC),
    "Arrow: cut off": Case("UNREADABLE", arrow(TABLE)[:-60], BatchFormat.ARROW_IPC),
    "Arrow: unknown column": Case("UNKNOWN_COLUMN", arrow(TABLE), BatchFormat.ARROW_IPC),
    "Arrow: column of lists": Case("UNREADABLE", arrow(pa.table({"id": pa.array([["1"]])})), BatchFormat.ARROW_IPC),
    "Arrow: unpacks to 100 MB": Case(
        "ARCHIVE_BOMB", arrow(pa.table({"id": ["x" * 20_000_000] * 5}), compression="zstd"), BatchFormat.ARROW_IPC
    ),
    "Arrow: no row": Case("EMPTY_BATCH", arrow(TABLE.slice(0, 0)), BatchFormat.ARROW_IPC),
    "typed: no record": Case("EMPTY_BATCH", b"", BatchFormat.TYPED_RECORDS, TYPED_SOURCE),
    "typed: no message": Case("UNREADABLE", b"\xff" * 50, BatchFormat.TYPED_RECORDS, TYPED_SOURCE),
    "typed: one too many": Case(
        "TOO_MANY_RECORDS", typed(caps.MAX_RECORDS + 1), BatchFormat.TYPED_RECORDS, TYPED_SOURCE
    ),
    "typed: a million empty ones": Case(
        "TOO_MANY_RECORDS", EMPTY_RECORD * 1_000_000, BatchFormat.TYPED_RECORDS, TYPED_SOURCE
    ),
}


def test_a_bad_batch_is_refused_and_the_next_one_lands(serve: Serve) -> None:
    async def run() -> dict[str, list[Any]]:
        async with serve() as channel:
            return {name: await try_case(channel, number, case) for number, (name, case) in enumerate(REFUSED.items())}

    async def try_case(channel: grpc.aio.Channel, number: int, case: Case) -> list[Any]:
        is_typed = case.format is BatchFormat.TYPED_RECORDS
        good = typed(2, first=2 * number) if is_typed else people(2 * number, 2)
        good_format = case.format if is_typed else BatchFormat.SOURCE_FILE
        batches = [outgoing(1, case.payload, case.format), outgoing(2, good, good_format)]
        return await push(channel, batches, case.source_id, epoch=f"e{number}")

    answers = asyncio.run(run())

    reasons = {name: answer[0].fault.reason for name, answer in answers.items() if isinstance(answer[0], Refused)}
    assert reasons == {name: case.reason for name, case in REFUSED.items()}
    for name, (bad, good) in answers.items():
        assert (bad.sequence, bool(bad.fault.vi), bool(bad.fault.en)) == (1, True, True), name
        assert isinstance(good, Landed), name
        assert good.receipt.accepted == 2, name


FINDINGS = {
    "a byte that is no UTF-8": (b"\xff\xfe An", "ENCODING_INVALID"),
    "TCVN3 in a UTF-8 source": (TCVN3_NAME, "ENCODING_INVALID"),
    "NUL": (b"V\\u0000n An", "NUL_IN_TEXT"),
    "a lone surrogate": (b"V\\ud800n An", "ENCODING_INVALID"),
}


def with_name(first: int, name: bytes) -> bytes:
    """Three people, the first one with a name of these bytes."""
    return people(first, 3, ho_ten="Văn").replace("Văn".encode(), name, 1)


def test_bad_text_costs_its_record_and_not_the_batch(serve: Serve) -> None:
    async def run() -> dict[str, list[Any]]:
        async with serve() as channel:
            return {
                name: await push(
                    channel,
                    [
                        outgoing(1, with_name(10 * number, bad)),
                        outgoing(2, people(10 * number + 5, 2)),
                    ],
                    epoch=f"e{number}",
                )
                for number, (name, (bad, _)) in enumerate(FINDINGS.items())
            }

    answers = asyncio.run(run())

    for name, (first, second) in answers.items():
        assert (first.receipt.received, first.receipt.accepted, first.receipt.quarantined) == (3, 2, 1), name
        found = {(finding.row, finding.code, finding.severity) for finding in first.findings}
        assert found == {(0, FINDINGS[name][1], "error")}, name
        assert second.receipt.accepted == 2, name


def test_each_cap_is_met_exactly(serve: Serve) -> None:
    lines = people(0, 10)
    padded = lines[:-1] + b" " * (caps.MAX_PAYLOAD_BYTES - len(lines)) + b"\n"
    full = json_lines([{"id": f"{number}"} | person(number, ho_ten="A") for number in range(caps.MAX_RECORDS)])
    assert len(padded) == caps.MAX_PAYLOAD_BYTES

    async def run() -> list[Any]:
        async with serve() as channel:
            small = full.replace(b'"thon_to": "T\xe1\xbb\x95 3", "dia_chi": "S\xe1\xbb\x91 5"', b'"dia_chi": ""')
            return await push(channel, [outgoing(1, padded), outgoing(2, small)])

    first, second = asyncio.run(run())

    assert first.receipt.accepted == 10
    assert second.receipt.received == caps.MAX_RECORDS


def test_a_million_empty_records_take_no_memory(serve: Serve) -> None:
    async def run() -> int:
        async with serve() as channel:
            await push(channel, [outgoing(1, typed(2), BatchFormat.TYPED_RECORDS)], TYPED_SOURCE)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for sequence in range(2, 6):
                batch = outgoing(sequence, EMPTY_RECORD * 2_000_000, BatchFormat.TYPED_RECORDS)
                await push(channel, [batch], TYPED_SOURCE)
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    grown_kib = asyncio.run(run())

    assert grown_kib < 64 * 1024  # sender and gateway together; decoded they would be some 460 MiB


def test_the_same_batch_again_gets_the_same_receipt(serve: Serve) -> None:
    async def run() -> tuple[Any, Any]:
        async with serve() as channel:
            batch = outgoing(1, with_name(0, b"V\xff\xfe"))
            return (await push(channel, [batch]))[0], (await push(channel, [batch]))[0]

    first, second = asyncio.run(run())

    assert not first.receipt.replayed
    assert second.receipt.replayed
    assert second.receipt.receipt_id == first.receipt.receipt_id
    assert second.receipt.landed_at == first.receipt.landed_at
    assert second.findings == first.findings != ()


def test_the_same_key_with_other_bytes_is_refused(serve: Serve) -> None:
    async def run() -> list[Any]:
        async with serve() as channel:
            await push(channel, [outgoing(1, people(0, 3))])
            other = await push(channel, [outgoing(1, people(5, 3)), outgoing(2, people(5, 3))])
            return other + await push(channel, [outgoing(1, people(0, 3))])

    refused, landed, replayed = asyncio.run(run())

    assert refused.fault.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.fault.reason == "IDEMPOTENCY_KEY_REUSED"
    assert landed.receipt.accepted == 3
    assert replayed.receipt.replayed


def test_one_key_sent_by_sixteen_at_once_lands_once(serve: Serve) -> None:
    async def run() -> list[Any]:
        async with serve() as channel:
            pushes = [push(channel, [outgoing(1, people(0, 50))]) for _ in range(16)]
            return [answers[0] for answers in await asyncio.gather(*pushes)]

    answers = asyncio.run(run())

    assert len({answer.receipt.receipt_id for answer in answers}) == 1
    assert sum(not answer.receipt.replayed for answer in answers) == 1


def test_a_later_push_skips_what_is_durable(serve: Serve) -> None:
    batches = [outgoing(number, people(number * 10, 2)) for number in range(1, 5)]

    async def run() -> list[Any]:
        async with serve() as channel:
            await push(channel, batches[:2])
            client = IntakeClient(channel)
            return [answer async for answer in client.push(batches, source_id=JSONL_SOURCE, epoch="e1")]

    assert [answer.sequence for answer in asyncio.run(run())] == [3, 4]


MESSAGES = {
    "hash": ("HASH_MISMATCH", {"sha256": b"\x00" * 32}),
    "hash length": ("FIELD_INVALID", {"sha256": b"\x00"}),
    "sequence 0": ("FIELD_INVALID", {"sequence": 0}),
    "sequence beyond 63 bits": ("FIELD_INVALID", {"sequence": 2**64 - 1}),
    "no format": ("FIELD_INVALID", {"format": intake_pb2.BATCH_FORMAT_UNSPECIFIED}),
    "unheard-of format": ("FIELD_INVALID", {"format": 99}),
    "half a date": ("FIELD_INVALID", {"exported_on": {"year": 2025}}),
    "30 February": ("FIELD_INVALID", {"exported_on": {"year": 2025, "month": 2, "day": 30}}),
    "another kind": ("KIND_MISMATCH", {"kind": 2}),
    "unheard-of kind": ("FIELD_INVALID", {"kind": 99}),
    "record count": ("RECORD_COUNT_MISMATCH", {"record_count": 4}),
    "one byte over the cap": ("TOO_LARGE", {"payload": b" " * (caps.MAX_PAYLOAD_BYTES + 1)}),
}


def test_a_bad_message_is_refused_and_the_next_one_lands(serve: Serve) -> None:
    async def run() -> dict[str, list[intake_pb2.PushResponse]]:
        async with serve() as channel:
            return {
                name: await talk(
                    channel,
                    [
                        hello(epoch=f"e{number}"),
                        message(**{"sequence": 1, "payload": people(10 * number, 3), **fields}),
                        message(2, people(10 * number, 3), record_count=3, kind=1),
                    ],
                )
                for number, (name, (_, fields)) in enumerate(MESSAGES.items())
            }

    answers = asyncio.run(run())

    for name, (welcome, refusal, receipt) in answers.items():
        assert welcome.welcome.limits.max_payload_bytes == caps.MAX_PAYLOAD_BYTES
        fault = read_status(refusal.refusal.status)
        assert (name, fault.reason, fault.facts["source_id"]) == (name, MESSAGES[name][0], JSONL_SOURCE)
        assert receipt.receipt.accepted == 3, name


def test_a_second_hello_is_refused_and_the_stream_goes_on(serve: Serve) -> None:
    async def run() -> list[intake_pb2.PushResponse]:
        async with serve() as channel:
            return await talk(channel, [hello(), hello(), message(1, people(0, 3))])

    _, refusal, receipt = asyncio.run(run())

    assert read_status(refusal.refusal.status).reason == "HELLO_REPEATED"
    assert receipt.receipt.accepted == 3


OPENINGS = {
    "unknown source": ("SOURCE_UNKNOWN", grpc.StatusCode.NOT_FOUND, [hello("atlantis.population")]),
    "no source": ("SOURCE_UNKNOWN", grpc.StatusCode.NOT_FOUND, [hello("")]),
    "a source with a line break": ("SOURCE_UNKNOWN", grpc.StatusCode.NOT_FOUND, [hello("a\n\x1b[31m")]),
    "no epoch": ("FIELD_INVALID", grpc.StatusCode.INVALID_ARGUMENT, [hello(epoch="")]),
    "an epoch with a NUL": ("FIELD_INVALID", grpc.StatusCode.INVALID_ARGUMENT, [hello(epoch="a\x00")]),
    "no hello": ("HELLO_REQUIRED", grpc.StatusCode.INVALID_ARGUMENT, [message(1, people(0, 1))]),
    "nothing": ("HELLO_REQUIRED", grpc.StatusCode.INVALID_ARGUMENT, []),
}


def test_a_push_that_opens_badly_ends_with_its_reason_and_the_next_is_served(serve: Serve) -> None:
    async def fail(channel: grpc.aio.Channel, messages: list[intake_pb2.PushRequest]) -> tuple[str, grpc.StatusCode]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await talk(channel, messages)
        return read_call_error(caught.value).reason, caught.value.code()

    async def run() -> tuple[dict[str, tuple[str, grpc.StatusCode]], list[Any]]:
        async with serve() as channel:
            failures = {name: await fail(channel, messages) for name, (_, _, messages) in OPENINGS.items()}
            return failures, await push(channel, [outgoing(1, people(0, 2))])

    failures, answers = asyncio.run(run())

    assert failures == {name: (reason, code) for name, (reason, code, _) in OPENINGS.items()}
    assert answers[0].receipt.accepted == 2


def test_a_message_beyond_payload_and_envelope_is_cut_off_at_the_door(serve: Serve) -> None:
    port = free_port()

    async def run() -> tuple[grpc.aio.AioRpcError, list[Any]]:
        async with serve(port=port) as channel:
            giant = message(1, b" " * (caps.MAX_PAYLOAD_BYTES + caps.ENVELOPE_BYTES + 1))
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as unbounded:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await talk(unbounded, [hello(), giant])
            return caught.value, await push(channel, [outgoing(1, people(0, 2))])

    error, answers = asyncio.run(run())

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert answers[0].receipt.accepted == 2
