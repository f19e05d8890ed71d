"""Where an update is and what was found in a batch, asked through a real socket."""

import asyncio
from typing import Any
from uuid import UUID

import grpc
import pytest

from gateway.client import IntakeClient, Landed, RejectedByGatewayError, StatusClient
from gateway.v1 import status_pb2, status_pb2_grpc
from gateway.wire.faults import read_call_error
from reconciliation.model import State
from tests.gateway.batches import JSONL_SOURCE, outgoing, people
from tests.gateway.conftest import Serve

NOBODY = UUID("018f6f1c-0000-7000-8000-000000000000")


async def land(channel: grpc.aio.Channel, sequence: int, payload: bytes) -> Landed:
    answers = IntakeClient(channel).push([outgoing(sequence, payload)], source_id=JSONL_SOURCE, epoch="e1")
    (answer,) = [answer async for answer in answers]
    assert isinstance(answer, Landed)
    return answer


def test_an_update_is_found_by_receipt_and_by_record_and_waits_for_somebody(serve: Serve) -> None:
    async def run() -> list[Any]:
        async with serve() as channel:
            landed = await land(channel, 1, people(0, 3))
            status = StatusClient(channel)
            by_receipt = await status.by_receipt(landed.receipt.receipt_id, row=2)
            return [by_receipt, await status.by_record(source_id=JSONL_SOURCE, source_record_id="P0000002")]

    by_receipt, by_record = asyncio.run(run())

    assert by_receipt == by_record
    assert by_receipt.state is State.AWAITING_RECONCILIATION
    assert by_receipt.owner
    assert by_receipt.deadline > by_receipt.since
    assert not by_receipt.is_stuck
    assert [move.to_state for move in by_receipt.history] == [State.AWAITING_RECONCILIATION]


def test_what_was_never_accepted_is_unknown(serve: Serve) -> None:
    async def reason(asking: Any) -> str:
        with pytest.raises(RejectedByGatewayError) as caught:
            await asking
        return caught.value.fault.reason

    async def run() -> list[str]:
        async with serve() as channel:
            landed = await land(channel, 1, people(0, 3, id=""))
            status = StatusClient(channel)
            return [
                await reason(status.by_receipt(landed.receipt.receipt_id, row=0)),
                await reason(status.by_receipt(landed.receipt.receipt_id, row=3)),
                await reason(status.by_receipt(landed.receipt.receipt_id, row=-1)),
                await reason(status.by_receipt(NOBODY, row=0)),
                await reason(status.by_record(source_id=JSONL_SOURCE, source_record_id="P9999999")),
                await reason(status.by_record(source_id="atlantis", source_record_id="P0000001")),
            ]

    assert asyncio.run(run()) == ["UPDATE_UNKNOWN"] * 6


def test_a_question_that_names_nothing_is_refused(serve: Serve) -> None:
    questions = [
        status_pb2.GetUpdateStatusRequest(),
        status_pb2.GetUpdateStatusRequest(receipt_row=status_pb2.ReceiptRow(receipt_id="x")),
        status_pb2.GetUpdateStatusRequest(
            source_record=status_pb2.SourceRecord(source_id="a", source_record_id="b\x00")
        ),
        status_pb2.GetUpdateStatusRequest(source_record=status_pb2.SourceRecord(source_id="a")),
    ]

    async def run() -> list[str]:
        async with serve() as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            reasons = []
            for question in questions:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.GetUpdateStatus(question, timeout=10)
                reasons.append(read_call_error(caught.value).reason)
            return reasons

    assert asyncio.run(run()) == ["FIELD_INVALID"] * len(questions)


def test_findings_beyond_those_of_the_receipt_are_listed_page_by_page(serve: Serve) -> None:
    async def run() -> tuple[Landed, list[Any], list[Any]]:
        async with serve() as channel:
            landed = await land(channel, 1, people(0, 250, ma_xa="4"))
            status = StatusClient(channel)
            by_seven = [finding async for finding in status.findings(landed.receipt.receipt_id, page_size=7)]
            return landed, by_seven, [finding async for finding in status.findings(landed.receipt.receipt_id)]

    landed, by_seven, by_default = asyncio.run(run())

    assert landed.receipt.findings == len(by_seven) == len(by_default) == 250
    assert landed.findings == tuple(by_seven[:100])
    assert by_seven == by_default
    assert [finding.row for finding in by_seven] == list(range(250))


def test_a_page_token_is_good_for_its_receipt_only(serve: Serve) -> None:
    async def run() -> list[str]:
        async with serve() as channel:
            first = await land(channel, 1, people(0, 20, ma_xa="4"))
            second = await land(channel, 2, people(50, 20, ma_xa="4"))
            stub = status_pb2_grpc.StatusServiceStub(channel)
            asked = status_pb2.ListFindingsRequest(receipt_id=str(first.receipt.receipt_id), page_size=5)
            token = (await stub.ListFindings(asked, timeout=10)).next_page_token
            reasons = []
            for receipt, page_token in ((second, token), (first, token[:-1]), (first, "x")):
                asked = status_pb2.ListFindingsRequest(
                    receipt_id=str(receipt.receipt.receipt_id), page_token=page_token
                )
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.ListFindings(asked, timeout=10)
                reasons.append(read_call_error(caught.value).reason)
            return reasons

    assert asyncio.run(run()) == ["PAGE_TOKEN_INVALID"] * 3


def test_each_code_that_occurs_is_explained_once_in_both_languages(serve: Serve) -> None:
    async def run() -> status_pb2.ListFindingsResponse:
        async with serve() as channel:
            landed = await land(channel, 1, people(0, 5, ma_xa="4"))
            asked = status_pb2.ListFindingsRequest(receipt_id=str(landed.receipt.receipt_id))
            return await status_pb2_grpc.StatusServiceStub(channel).ListFindings(asked, timeout=10)

    response = asyncio.run(run())

    assert [code.code for code in response.codes] == ["LEADING_ZERO_MISSING"]
    assert all((code.message_vi, code.message_en, code.fix_vi, code.fix_en) for code in response.codes)
    assert {finding.severity for finding in response.findings} == {response.codes[0].severity}
