"""What unit codes mean, asked through a real socket."""

import asyncio
from datetime import date
from typing import Any

import grpc
import pyarrow as pa
import pytest

from adapters.reference.resolve import Outcome, resolve
from adapters.reference.units import split_units
from gateway import caps
from gateway.client import RejectedByGatewayError, UnitCard, UnitQuery, UnitsClient
from gateway.v1 import units_pb2, units_pb2_grpc
from gateway.wire.faults import read_call_error
from tests.gateway.conftest import Serve

OLD_LIST, TODAY = date(2025, 6, 30), date(2025, 7, 1)


def test_every_answer_is_the_one_of_the_reference_tables(serve: Serve) -> None:
    ambiguous = split_units()["from_code"].to_pylist()[:20]
    queries = [
        UnitQuery(code="00004", vintage=OLD_LIST),
        UnitQuery(code="00004", vintage=TODAY),
        UnitQuery(code="00004"),
        UnitQuery(code="99999", event_date=date(2024, 1, 1)),
        UnitQuery(code=""),
        *(UnitQuery(code=code, vintage=OLD_LIST) for code in ambiguous),
    ]

    async def run() -> list[Any]:
        async with serve() as channel:
            return await UnitsClient(channel).resolve(queries, as_of=date(2025, 7, 15))

    answers = asyncio.run(run())

    expected = resolve(
        pa.array([query.code for query in queries], pa.string()),
        pa.array([query.vintage for query in queries], pa.date32()),
        pa.array([query.event_date for query in queries], pa.date32()),
        as_of=date(2025, 7, 15),
        within=None,
    ).to_pylist()
    assert [answer.outcome for answer in answers] == [Outcome(row["outcome"]) for row in expected]
    assert [answer.unit_code for answer in answers] == [row["unit_code"] for row in expected]
    assert [answer.vintage_used for answer in answers] == [row["vintage_used"] for row in expected]
    assert [answer.resolution for answer in answers] == [row["resolution"] for row in expected]
    split = answers[-20:]
    assert {answer.outcome for answer in split} == {Outcome.AMBIGUOUS}
    assert [list(answer.candidates) for answer in split] == [row["candidates"] for row in expected[-20:]]


def test_a_code_that_names_two_places_is_two_units(serve: Serve) -> None:
    async def run() -> tuple[UnitCard, UnitCard]:
        async with serve() as channel:
            client = UnitsClient(channel)
            return await client.unit("00004", vintage=OLD_LIST), await client.unit("00004")

    old, new = asyncio.run(run())

    assert (old.name, new.name) == ("Phường Trúc Bạch", "Phường Ba Đình")
    assert (old.vintage, new.vintage) == (OLD_LIST, TODAY)
    assert ("00004", "Phường Ba Đình", True) in {(one.code, one.name, one.is_whole) for one in old.relations}
    assert ("00004", "Phường Trúc Bạch", True) in {(one.code, one.name, one.is_whole) for one in new.relations}
    assert all(one.resolution for one in new.relations)


@pytest.mark.parametrize("code", ["99999", "", "01", "x" * 1_000, "\x00"])
def test_a_unit_that_never_was_is_unknown(serve: Serve, code: str) -> None:
    async def run() -> str:
        async with serve() as channel:
            with pytest.raises(RejectedByGatewayError) as caught:
                await UnitsClient(channel).unit(code)
            return caught.value.fault.reason

    assert asyncio.run(run()) == "UNIT_UNKNOWN"


def test_questions_beyond_the_cap_or_malformed_are_refused(serve: Serve) -> None:
    query = units_pb2.UnitQuery(code="00004")
    questions = {
        "one too many": units_pb2.ResolveRequest(queries=[query] * (caps.MAX_UNIT_QUERIES + 1)),
        "half a date": units_pb2.ResolveRequest(queries=[units_pb2.UnitQuery(code="1", vintage={"year": 2025})]),
        "no province": units_pb2.ResolveRequest(queries=[query], within_province_code="1"),
        "no day": units_pb2.ResolveRequest(queries=[query], as_of={"year": 2025, "month": 13, "day": 1}),
    }

    async def run() -> tuple[dict[str, str], int]:
        async with serve() as channel:
            stub, reasons = units_pb2_grpc.UnitsServiceStub(channel), {}
            for name, question in questions.items():
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.Resolve(question, timeout=30)
                reasons[name] = read_call_error(caught.value).reason
            most = await UnitsClient(channel).resolve([UnitQuery(code="00004")] * caps.MAX_UNIT_QUERIES)
            return reasons, len(most)

    reasons, answered = asyncio.run(run())

    assert reasons == dict.fromkeys(questions, "FIELD_INVALID")
    assert answered == caps.MAX_UNIT_QUERIES
