"""What unit codes mean, asked through a real socket."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
import sqlalchemy as sa

from adapters.reference.hamlet_files import read_hamlets
from adapters.reference.resolve import Outcome, resolve
from adapters.reference.unit_events import read_folder
from adapters.reference.units import load_units, split_units
from gateway import caps
from gateway.client import RejectedByGatewayError, RetryableGatewayError, UnitCard, UnitQuery, UnitsClient
from gateway.v1 import units_pb2, units_pb2_grpc
from gateway.wire.faults import read_call_error
from reconciliation.store import hamlets, unit_events
from tests.adapters.reference.inventing import write_event
from tests.gateway.conftest import NOW, Serve
from tests.gateway.test_server import cut_off

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


def test_names_hamlets_and_what_was_known_on_a_day_count(serve: Serve, engine: sa.Engine, tmp_path: Path) -> None:
    folder = write_event(
        tmp_path / "2025-10-01-merger",
        on="2025-10-01",
        ends=["commune,02671"],
        crosswalk=["02671,02647,whole,all,1"],
    )
    unit_events.load(engine, read_folder(folder), by="o1", now=NOW)
    rows = b"former_unit_code,name,unit_code\n00007,TDP 2,00008\n"
    told = read_hamlets(rows, province_code="01", source="s", tables=load_units(), on=date(2025, 9, 1))
    hamlets.tell(engine, told, by="o1", now=NOW)
    later, ended = date(2025, 11, 1), UnitQuery(code="02671", vintage=TODAY)
    asked = [UnitQuery(code="00007", vintage=OLD_LIST, hamlet="tổ 2"), UnitQuery(code="00007", vintage=OLD_LIST)]
    named = UnitQuery(code="", name="Phường Cam Đường, tỉnh Lào Cai", vintage=TODAY)

    async def run() -> list[Any]:
        async with serve() as channel:
            client = UnitsClient(channel)
            return [
                *await client.resolve(asked, within_province_code="01"),
                *await client.resolve([ended, named], as_of=later),
                *await client.resolve([ended], as_of=later, known_on=date(2025, 7, 1)),
                await client.unit("02647", vintage=later),
            ]

    by_hamlet, open_, now, by_name, before, card = asyncio.run(run())

    assert (by_hamlet.unit_code, by_hamlet.decided_by, by_hamlet.would_decide) == ("00008", "hamlet", ())
    assert (open_.unit_code, open_.decided_by, "hamlet" in open_.would_decide) == (None, None, True)
    assert (now.unit_code, by_name.unit_code, before.unit_code) == ("02647", "02647", "02671")
    assert {one.code for one in card.relations} == {"02671"}


def test_while_the_database_is_away_what_was_known_last_is_told(
    serve: Serve, engine: sa.Engine, server_url: sa.URL
) -> None:
    async def run() -> tuple[list[Any], str]:
        async with serve() as channel:
            client = UnitsClient(channel)
            with cut_off(server_url, str(engine.url.database)):
                told = await client.resolve([UnitQuery(code="00004", vintage=TODAY)])
                with pytest.raises(RetryableGatewayError) as caught:
                    await client.resolve([UnitQuery(code="00004")], known_on=TODAY)
            return told, caught.value.fault.reason

    [answer], reason = asyncio.run(run())

    assert (answer.unit_code, reason) == ("00004", "STORE_UNAVAILABLE")


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
