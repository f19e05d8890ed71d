"""Portals ask within their grant, cannot try names, and learn nothing from refusals, nor from how long they take."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import grpc
import numpy as np
import pytest
import sqlalchemy as sa
from scipy import stats

from adapters import catalogue
from adapters.canonical import RecordKind
from gateway import access
from gateway.errors import Reason, RejectedCallError
from gateway.identity import Caller, Identity, Role
from gateway.quotas import Quotas
from gateway.settings import Settings
from gateway.v1 import status_pb2, status_pb2_grpc
from gateway.wire.faults import DETAILS_KEY, read_call_error
from reconciliation.model import Grants, PortalGrant, Receipt, Sight, UpdateAsked
from reconciliation.store import grants, status
from reconciliation.store.registers import portals
from tests.gateway.certificates import Certified, _issue
from tests.gateway.conftest import NOW, Serve
from tests.gateway.test_watching_updates import OTHER, SOURCE, by_row, by_source, first_of, land

HOUSEHOLDS = "yen-bai.household"
PORTAL = "spiffe://lienthong/portal/national"
REQUEST = ("x-request-id", "0190a6c2-0000-7000-8000-000000000001")  # else every answer would have its own


def granted(**changes: Any) -> PortalGrant:
    said: dict[str, Any] = {
        "portal_id": "national",
        "kinds": (RecordKind.PERSON,),
        "province_codes": ("15",),
        "identity_uris": (PORTAL,),
        "by_record": True,
        "purpose": "tra cứu tình trạng hồ sơ",
        "legal_reference": "Nghị định 1",
        "granted_from": date(2025, 7, 1),
    }
    return PortalGrant(**(said | changes))


def row_of(receipt_id: object, row: int = 0) -> status_pb2.GetUpdateStatusRequest:
    return status_pb2.GetUpdateStatusRequest(receipt_row=status_pb2.ReceiptRow(receipt_id=str(receipt_id), row=row))


def record_of(source_id: str, key: str) -> status_pb2.GetUpdateStatusRequest:
    record = status_pb2.SourceRecord(source_id=source_id, source_record_id=key)
    return status_pb2.GetUpdateStatusRequest(source_record=record)


async def told(channel: grpc.aio.Channel, request: status_pb2.GetUpdateStatusRequest) -> str:
    """The source of what was told, or the reason of the refusal."""
    stub: status_pb2_grpc.StatusServiceAsyncStub = status_pb2_grpc.StatusServiceStub(channel)
    try:
        answer = await stub.GetUpdateStatus(request, timeout=20)
    except grpc.aio.AioRpcError as error:
        return str(read_call_error(error).reason)
    return answer.status.source_id


def asked_by_a_portal(serve: Serve, certified: Certified, requests: list[Any], **settings: object) -> list[str]:
    credentials = _issue(certified.authority, Role.PORTAL, "national")

    async def run() -> list[str]:
        async with serve(tls=certified, credentials=credentials, **settings) as channel:
            return [await told(channel, one) for one in requests]

    return asyncio.run(run())


def test_a_portal_is_told_of_the_kinds_and_provinces_of_its_grant(
    serve: Serve, engine: sa.Engine, certified: Certified
) -> None:
    receipts = {one: land(engine, 1, 1, source_id=one) for one in (SOURCE, OTHER, HOUSEHOLDS)}
    of_other_province = catalogue.load().sources["ha-noi.population"].source_id
    receipts[of_other_province] = land(engine, 1, 1, source_id=of_other_province)
    portals.give(engine, granted(), by="tester", now=NOW)
    questions = [
        one
        for source_id, receipt in receipts.items()
        for one in (row_of(receipt.receipt_id), record_of(source_id, "1-0"))
    ]

    found = asked_by_a_portal(serve, certified, [*questions, row_of(uuid4()), record_of("atlantis", "1-0")])

    unknown = "UPDATE_UNKNOWN"
    assert found == [SOURCE, SOURCE, OTHER, OTHER, unknown, unknown, unknown, unknown, unknown, unknown]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [SOURCE, SOURCE]),
        ({"province_codes": ()}, [SOURCE, SOURCE]),
        ({"by_record": False}, [SOURCE, "NOT_ENTITLED"]),
        ({"granted_from": date(2025, 7, 16)}, ["UPDATE_UNKNOWN"] * 2),
        ({"granted_until": date(2025, 7, 14)}, ["UPDATE_UNKNOWN"] * 2),
        ({"identity_uris": ("spiffe://lienthong/portal/other",)}, ["UPDATE_UNKNOWN"] * 2),
        ({"kinds": (RecordKind.INSURANCE,)}, ["UPDATE_UNKNOWN"] * 2),
    ],
)
def test_a_grant_of_other_days_or_people_is_none(
    serve: Serve, engine: sa.Engine, certified: Certified, changes: dict[str, Any], expected: list[str]
) -> None:
    receipt = land(engine, 1, 1)
    portals.give(engine, granted(**changes), by="tester", now=NOW)

    found = asked_by_a_portal(serve, certified, [row_of(receipt.receipt_id), record_of(SOURCE, "1-0")])

    assert found == expected


def test_a_revoked_grant_is_none_and_its_history_stays(engine: sa.Engine) -> None:
    portals.give(engine, granted(), by="first", now=NOW)
    portals.give(engine, granted(province_codes=()), by="second", now=NOW)
    before = grants.standing(engine).portals

    assert before == {"national": granted(province_codes=())}
    assert portals.revoke(engine, "national", by="third", now=NOW)
    assert not portals.revoke(engine, "national", by="third", now=NOW)
    assert grants.standing(engine).portals == {}
    history = [(entry.recorded_by, entry.is_revoked) for entry in portals.history(engine, "national")]
    assert history == [("first", False), ("second", False), ("third", True)]
    with pytest.raises(sa.exc.ProgrammingError), engine.begin() as connection:
        connection.execute(sa.text("UPDATE portal_grant SET recorded_by = 'nobody'"))


def test_a_portal_follows_what_it_has_a_receipt_of_and_no_source(
    serve: Serve, engine: sa.Engine, certified: Certified
) -> None:
    receipt, of_household = land(engine, 1, 1), land(engine, 1, 1, source_id=HOUSEHOLDS)
    portals.give(engine, granted(), by="tester", now=NOW)

    async def run() -> list[str]:
        credentials = _issue(certified.authority, Role.PORTAL, "national")
        async with serve(tls=certified, credentials=credentials, moves_seconds=0.02) as channel:
            return [await first_of(channel, one) for one in (by_row(receipt), by_row(of_household), by_source(SOURCE))]

    assert asyncio.run(run()) == ["told", "UPDATE_UNKNOWN", "NOT_ENTITLED"]


def test_findings_are_not_for_portals_and_are_for_operators(
    serve: Serve, engine: sa.Engine, certified: Certified
) -> None:
    portals.give(engine, granted(), by="tester", now=NOW)
    standing = grants.standing(engine)

    of_portal = access.sources(standing, Caller(uri=PORTAL), on=NOW.date())
    of_operator = access.sources(standing, Caller(uri="spiffe://lienthong/operator/duty"), on=NOW.date())

    assert (of_portal, of_operator) == ((), None)


def test_an_operator_reads_every_status(serve: Serve, engine: sa.Engine, certified: Certified) -> None:
    receipts = [land(engine, 1, 1, source_id=one) for one in (SOURCE, HOUSEHOLDS)]

    async def run() -> list[str]:
        async with serve(tls=certified) as channel:
            asked = [*(row_of(one.receipt_id) for one in receipts), record_of(HOUSEHOLDS, "1-0"), row_of(uuid4())]
            return [await told(channel, one) for one in asked]

    assert asyncio.run(run()) == [SOURCE, HOUSEHOLDS, HOUSEHOLDS, "UPDATE_UNKNOWN"]


# --- trying names ---------------------------------------------------------------------------------------------------


def test_a_portal_that_tries_names_is_stopped_by_its_misses_and_goes_on_by_receipt(
    serve: Serve, engine: sa.Engine, certified: Certified
) -> None:
    """Whether a further name is known or not, the refusal is the same: what is used up are the misses before."""
    receipt = land(engine, 1, 1)
    portals.give(engine, granted(), by="tester", now=NOW)
    tried = [record_of(SOURCE, f"9-{number}") for number in range(30)]
    asked = [
        record_of(SOURCE, "1-0"),
        *tried,
        record_of(SOURCE, "1-0"),
        record_of(SOURCE, "9-99"),
        row_of(receipt.receipt_id),
    ]

    found = asked_by_a_portal(serve, certified, asked, portal_misses_per_second=1)

    assert found[0] == SOURCE
    assert 2 <= found.count("UPDATE_UNKNOWN") <= 10
    assert found[-3:] == ["RATE_EXCEEDED", "RATE_EXCEEDED", SOURCE]


def refused_by(call: Callable[[], None]) -> RejectedCallError:
    with pytest.raises(RejectedCallError) as refused:
        call()
    return refused.value


def test_shares_are_each_callers_own_fill_up_again_and_say_when() -> None:
    times = [0.0]
    quotas = Quotas(
        Settings(statuses_per_second=10, portal_records_per_second=4, portal_misses_per_second=1),
        clock=lambda: times[-1],
    )

    for _ in range(20):
        quotas.ask("a")
    refused = refused_by(lambda: quotas.ask("a"))
    quotas.ask("b")
    for _ in range(8):
        quotas.name("p")
    named = refused_by(lambda: quotas.name("p"))
    times.append(2.0)
    quotas.ask("a")
    quotas.name("p")
    for _ in range(5):
        quotas.miss("p")
    missed = refused_by(lambda: quotas.name("p"))
    times.append(2.0 + missed.retry_seconds)
    quotas.name("p")

    assert {one.reason for one in (refused, named, missed)} == {Reason.RATE_EXCEEDED}
    limits = [refused.facts, named.facts, missed.facts]
    assert limits == [{"limitStatusesPerSecond": "10"}, {"limitRecordsPerSecond": "4"}, {"limitMissesPerSecond": "1"}]
    assert all(one.retry_seconds >= 1 for one in (refused, named, missed))


def test_a_caller_over_its_share_is_told_when_to_come_back(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> Any:
        async with serve(statuses_per_second=1) as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                while True:
                    await _known_or_not(stub)
            return read_call_error(refused.value)

    async def _known_or_not(stub: Any) -> None:
        try:
            await stub.GetUpdateStatus(row_of(uuid4()), timeout=20)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise

    fault = asyncio.run(run())

    assert (fault.reason, fault.code) == ("RATE_EXCEEDED", grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert fault.retry_seconds >= 1


# --- no oracle --------------------------------------------------------------------------------------------------------


def test_unknown_and_not_the_callers_are_one_answer_byte_by_byte(
    serve: Serve, engine: sa.Engine, certified: Certified
) -> None:
    theirs = land(engine, 1, 1, source_id=HOUSEHOLDS)
    portals.give(engine, granted(), by="tester", now=NOW)
    asked = [
        row_of(theirs.receipt_id),
        row_of(uuid4()),
        record_of(HOUSEHOLDS, "1-0"),
        record_of(HOUSEHOLDS, "9-9"),
        record_of("atlantis", "1-0"),
        record_of(SOURCE, "9-9"),
    ]
    callers = {
        "portal": _issue(certified.authority, Role.PORTAL, "national"),
        "portal without a grant": _issue(certified.authority, Role.PORTAL, "another"),
        "source": certified.source(SOURCE),
    }

    async def answers(credentials: Any) -> set[Any]:
        found = set()
        async with serve(tls=certified, credentials=credentials) as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            for one in asked:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stub.GetUpdateStatus(one, timeout=20, metadata=(REQUEST,))
                trailers = dict(refused.value.trailing_metadata() or ())
                found.add((refused.value.code(), refused.value.details(), trailers[DETAILS_KEY]))
        return found

    async def run() -> dict[str, set[Any]]:
        return {name: await answers(credentials) for name, credentials in callers.items()}

    found = asyncio.run(run())

    assert {name: len(one) for name, one in found.items()} == dict.fromkeys(callers, 1)
    assert found["portal"] == found["source"] == found["portal without a grant"]


def test_what_is_not_in_sight_is_asked_for_under_no_name() -> None:
    """Of a record of another's source not even the key is looked up under its source."""
    known, sight = catalogue.load(), Sight(source_ids=(SOURCE,))
    area = Sight(areas=((RecordKind.PERSON, "15"),))

    assert [access.may_name(known, sight, one) for one in (SOURCE, OTHER, "atlantis", "")] == [
        True,
        False,
        False,
        False,
    ]
    assert [access.may_name(known, area, one) for one in (SOURCE, OTHER, HOUSEHOLDS, "ha-noi.population")] == [
        *(True, True, False, False)
    ]


Kinds = dict[str, Callable[[int], UpdateAsked]]


def seconds_of(engine: sa.Engine, kinds: Kinds, calls: int) -> dict[str, np.ndarray[Any, Any]]:
    """Logarithms of how long each kind of question takes the store, asked in an order by chance."""
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    order = [kind for kind in kinds for _ in range(calls)]
    random.Random(7).shuffle(order)
    with closing(status.Reader()) as reader:
        for number, kind in enumerate(order):
            asked = [kinds[kind](number)]
            begun = time.perf_counter()
            reader.find(engine, asked, now=NOW)
            if kind == "looked at twice":
                reader.find(engine, asked, now=NOW)
            found[kind].append(time.perf_counter() - begun)
    return {kind: np.log(np.array(seconds)) for kind, seconds in found.items()}


def test_what_is_unknown_takes_as_long_as_what_is_not_the_callers(engine: sa.Engine) -> None:
    """Welch's t-test over calls in random order. It can tell: an answer that needed a second look is found out."""
    theirs: Receipt = land(engine, 1, 500, source_id=HOUSEHOLDS)
    land(engine, 1, 500)
    sight = Sight(areas=((RecordKind.PERSON, ""),))
    known = catalogue.load()

    def named(source_id: str, key: str) -> UpdateAsked:
        source_id = source_id if access.may_name(known, sight, source_id) else ""
        return UpdateAsked(sight=sight, source_id=source_id, source_record_id=key)

    kinds: Kinds = {
        "unknown record": lambda number: named(SOURCE, f"9-{number}"),
        "another's record": lambda number: named(HOUSEHOLDS, f"1-{number % 500}"),
        "looked at twice": lambda number: named(SOURCE, f"9-{number}"),
        "unknown receipt": lambda _: UpdateAsked(sight=sight, receipt_id=uuid4()),
        "another's receipt": lambda number: UpdateAsked(sight=sight, receipt_id=theirs.receipt_id, row=number % 500),
    }
    seconds_of(engine, kinds, 20)  # plans and pages are there

    rounds = [seconds_of(engine, kinds, 250) for _ in range(3)]

    def tells(one: str, other: str) -> bool:
        """Whether the two are told apart in every round: what a busy machine does to one of them it does once."""
        return all(abs(stats.ttest_ind(found[one], found[other], equal_var=False).statistic) > 5 for found in rounds)

    assert not tells("unknown record", "another's record")
    assert not tells("unknown receipt", "another's receipt")
    assert tells("looked at twice", "unknown record")


def test_whatever_role_asks_its_sight_is_its_own() -> None:
    standing = Grants(sources={}, consumers={}, portals={"national": granted()})
    uris = [Identity(trust_domain="lienthong", role=role, name=name).uri for role, name in (
        (Role.SOURCE, SOURCE), (Role.CONSUMER, "population"), (Role.PROVINCE, "15"), (Role.GATEWAY, "north"),
        (Role.PORTAL, "other"), (Role.OFFICER, "15/lan"),
    )]  # fmt: skip

    assert {access.asker(standing, Caller(uri=uri), on=NOW.date()).sight for uri in uris} == {Sight()}
    assert access.asker(standing, Caller(uri=PORTAL), on=NOW.date()).portal == granted()
    late = NOW.date() - timedelta(days=90)
    assert access.asker(standing, Caller(uri=PORTAL), on=late).sight == Sight()
