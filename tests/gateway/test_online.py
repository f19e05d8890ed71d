"""Single updates over real sockets and a real database: each lands once, and its answer is the same for ever."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest
import sqlalchemy as sa

from gateway import caps, grouping
from gateway.client import OnlineClient, RejectedByGatewayError, RetryableGatewayError, StatusClient, connect
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire.faults import read_call_error
from reconciliation.model import State, SubmissionAnswer, SubmissionVerdict
from reconciliation.store import submissions
from tests.gateway.batches import TYPED_SOURCE
from tests.gateway.conftest import Serve, Spawn, free_port
from tests.gateway.updates import person, request, turn_taken

DAMAGED = b"\x0a\x7fcut off"


def message(name: object, record: bytes, **fields: object) -> intake_pb2.SubmitUpdateRequest:
    whole = {"source_id": TYPED_SOURCE, "request_id": str(request(name)), "record": record} | fields
    return intake_pb2.SubmitUpdateRequest(**whole)


async def submit(channel: grpc.aio.Channel, name: object, record: bytes, **options: object) -> SubmissionAnswer:
    sent = {"source_id": TYPED_SOURCE, "request_id": request(name)} | options
    return await OnlineClient(channel, give_up_seconds=0).submit(record, **sent)  # type: ignore[arg-type]


async def refusal(call: grpc.aio.UnaryUnaryCall[object, object]) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return read_call_error(caught.value).reason


def landed(engine: sa.Engine) -> list[tuple[str, str]]:
    """Every stored version: the source's key and its name."""
    query = "SELECT source_record_id, full_name FROM person_record ORDER BY record_id"
    with engine.connect() as connection:
        return [(key, name) for key, name in connection.execute(sa.text(query))]


def heads(engine: sa.Engine) -> dict[str, str]:
    """The name that stands, by the source's key."""
    query = "SELECT source_record_id, full_name FROM record_head JOIN person_record USING (source_record_id, record_id)"
    with engine.connect() as connection:
        return dict(iter(connection.execute(sa.text(query))))


def counts(engine: sa.Engine) -> tuple[int, int, int]:
    """Batches, versions and stored answers."""
    with engine.connect() as connection:
        return tuple(  # type: ignore[return-value]
            connection.scalar(sa.text(f"SELECT count(*) FROM {name}"))
            for name in ("batch", "person_record", "submission")
        )


async def until(reached: Callable[[], bool]) -> None:
    while not reached():
        await asyncio.sleep(0.01)


def waiting_for_a_turn(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        return bool(
            connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        )


def test_a_record_is_answered_once_it_is_durable_and_its_receipt_leads_to_it(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> tuple[SubmissionAnswer, State]:
        async with serve() as channel:
            answer = await submit(channel, "a", person("T1"))
            assert counts(engine) == (1, 1, 1)
            assert answer.receipt_id is not None
            status = await StatusClient(channel).by_receipt(answer.receipt_id, row=answer.row)
            return answer, status.state

    answer, state = asyncio.run(run())

    assert (answer.verdict, answer.row, answer.findings) == (SubmissionVerdict.ACCEPTED, 0, ())
    assert answer.landed_at is not None
    assert not answer.replayed
    assert state is State.AWAITING_RECONCILIATION


def test_many_callers_share_commits_and_each_gets_its_own_row(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[SubmissionAnswer]:
        async with serve() as channel:
            return await asyncio.gather(*(submit(channel, n, person(f"T{n}", full_name=f"Lò {n}")) for n in range(60)))

    answers = asyncio.run(run())

    batches, versions, stored = counts(engine)
    assert batches < versions == stored == 60
    with engine.connect() as connection:
        query = sa.text(
            "SELECT full_name FROM person_record JOIN batch ON record_id = batch_id * 10000 + :row"
            " WHERE receipt_id = :receipt"
        )
        named = [connection.scalar(query, {"receipt": answer.receipt_id, "row": answer.row}) for answer in answers]
    assert named == [f"Lò {n}" for n in range(60)]


def test_the_same_request_sixteen_times_at_once_has_one_effect_and_one_answer(serve: Serve, engine: sa.Engine) -> None:
    """F6, over four connections to two gateways on one database."""

    async def run() -> list[SubmissionAnswer]:
        async with serve() as first, serve() as second:
            channels = [first, second] * 8
            together = await asyncio.gather(*(submit(channel, "a", person("T1")) for channel in channels))
            return [*together, await submit(second, "a", person("T1"))]

    answers = asyncio.run(run())

    assert counts(engine) == (1, 1, 1)
    assert sum(not answer.replayed for answer in answers) == 1
    assert len({replace(answer, replayed=False) for answer in answers}) == 1


def test_a_request_used_for_another_record_is_refused_at_once_and_later(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[str]:
        async with serve() as channel:
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            calls = [stub.SubmitUpdate(message("a", person(key)), timeout=20) for key in ("T1", "T2")]
            both = await asyncio.gather(*calls, return_exceptions=True)
            reasons = [read_call_error(one).reason for one in both if isinstance(one, grpc.aio.AioRpcError)]
            return [*reasons, await refusal(stub.SubmitUpdate(message("a", person("T3")), timeout=20))]

    assert asyncio.run(run()) == ["IDEMPOTENCY_KEY_REUSED"] * 2
    assert counts(engine) == (1, 1, 1)


@pytest.mark.parametrize(
    ("failpoint", "replayed"), [("before_commit:2", False), ("after_commit_before_receipt:2", True)]
)
def test_a_gateway_killed_around_its_commit_loses_and_doubles_nothing(
    spawn: Spawn, engine: sa.Engine, failpoint: str, replayed: bool
) -> None:
    port = free_port()

    async def send(name: str) -> SubmissionAnswer:
        async with connect(f"127.0.0.1:{port}") as channel:
            client = OnlineClient(channel, deadline_seconds=10, give_up_seconds=60)
            return await client.submit(person(name), source_id=TYPED_SOURCE, request_id=request(name))

    async def run() -> list[SubmissionAnswer]:
        answers = [await send("T1")]
        sending = asyncio.create_task(send("T2"))
        assert await asyncio.to_thread(first.wait, 60) == -signal.SIGKILL
        with spawn(port):
            return [*answers, await sending]

    with spawn(port, LIENTHONG_FAILPOINT=failpoint) as first:
        answers = asyncio.run(run())

    assert [answer.replayed for answer in answers] == [False, replayed]
    assert counts(engine) == (2, 2, 2)


def test_a_record_that_cannot_be_used_is_kept_and_its_answer_says_why_in_both_languages(
    serve: Serve, engine: sa.Engine
) -> None:
    async def run() -> list[intake_pb2.SubmitUpdateResponse]:
        async with serve() as channel:
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            sent = message("a", person("", birth_date="1980-02-31"))
            return [await stub.SubmitUpdate(sent, timeout=20) for _ in range(2)]

    first, again = asyncio.run(run())

    assert first.verdict == intake_pb2.UPDATE_VERDICT_QUARANTINED
    assert {finding.code for finding in first.findings} == {"KEY_MISSING", "DATE_INVALID"}
    assert {code.code for code in first.codes} == {"KEY_MISSING", "DATE_INVALID"}
    assert all(code.message_vi and code.message_en and code.fix_vi and code.fix_en for code in first.codes)
    assert again.replayed
    assert list(again.findings) == list(first.findings)
    with engine.connect() as connection:
        payload = connection.scalar(sa.text("SELECT payload FROM batch"))
        held = connection.scalar(sa.text("SELECT codes FROM quarantine"))
    assert person("", birth_date="1980-02-31") in payload
    assert set(held.split()) == {"KEY_MISSING"}


def test_a_version_that_is_not_newer_is_said_to_be_superseded(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[SubmissionAnswer]:
        async with serve() as channel:
            return [
                await submit(channel, number, person("T1", version=version, full_name=f"Lò {number}"))
                for number, version in enumerate((5, 3, 5, 6))
            ]

    answers = asyncio.run(run())

    assert [answer.verdict.value for answer in answers] == ["accepted", "superseded", "accepted", "accepted"]
    assert [finding.code for finding in answers[2].findings] == ["VERSION_REUSED"]
    assert heads(engine) == {"T1": "Lò 3"}


def test_a_rehearsal_answers_and_keeps_nothing(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[SubmissionAnswer]:
        async with serve() as channel:
            rehearsed = (
                submit(channel, name, record, validate_only=True)
                for name, record in (("a", person("T1")), ("b", person("T1")), ("c", person("")))
            )
            return [*await asyncio.gather(*rehearsed), await submit(channel, "a", person("T1"))]

    *rehearsed, landed_one = asyncio.run(run())

    assert [answer.verdict.value for answer in rehearsed] == ["accepted", "accepted", "quarantined"]
    assert [finding.code for finding in rehearsed[2].findings] == ["KEY_MISSING"]
    assert all(answer.receipt_id is None and answer.landed_at is None for answer in rehearsed)
    assert not landed_one.replayed
    assert counts(engine) == (1, 1, 1)


def test_a_record_that_breaks_the_rules_code_costs_itself_and_nobody_else(
    serve: Serve, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F14: such a record is not known, so the rules are made to break on one."""
    whole = grouping.read_joined

    def breaking(payload: bytes, **options: object) -> object:
        if b"T13" in payload:
            raise ZeroDivisionError
        return whole(payload, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(grouping, "read_joined", breaking)

    async def run() -> list[SubmissionAnswer | BaseException]:
        async with serve() as channel:
            with turn_taken(engine):
                blocked = asyncio.create_task(submit(channel, "first", person("T0")))
                await until(lambda: waiting_for_a_turn(engine))
                others = [asyncio.create_task(submit(channel, n, person(f"T{n}"))) for n in range(10, 20)]
            return await asyncio.gather(blocked, *others, return_exceptions=True)

    answers = asyncio.run(run())

    broken = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(broken) == 1
    assert isinstance(broken[0], RejectedByGatewayError)
    assert broken[0].fault.reason == "INTERNAL_FAULT"
    assert sorted(key for key, _ in landed(engine)) == sorted(f"T{n}" for n in (0, *range(10, 20)) if n != 13)


@pytest.mark.parametrize("how", ["deadline", "cancel"])
def test_who_stops_waiting_gets_nothing_and_finds_it_with_the_same_request(
    serve: Serve, engine: sa.Engine, how: str
) -> None:
    async def run() -> SubmissionAnswer:
        async with serve() as channel:
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            with turn_taken(engine):
                call = stub.SubmitUpdate(message("a", person("T1")), timeout=0.5 if how == "deadline" else 30)
                await until(lambda: waiting_for_a_turn(engine))
                if how == "cancel":
                    call.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await call
                else:
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await call
                    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await until(lambda: counts(engine) == (1, 1, 1))
            return await submit(channel, "a", person("T1"))

    answer = asyncio.run(run())

    assert answer.replayed
    assert answer.verdict is SubmissionVerdict.ACCEPTED
    assert counts(engine) == (1, 1, 1)


def test_more_than_may_wait_are_told_when_to_come_again(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> tuple[grpc.aio.AioRpcError, list[SubmissionAnswer]]:
        async with serve(updates_waiting_of_source=2) as channel:
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            with turn_taken(engine):
                taken = [asyncio.create_task(submit(channel, "a", person("T1")))]
                await until(lambda: waiting_for_a_turn(engine))
                calls = [stub.SubmitUpdate(message(n, person(f"T{n}")), timeout=20) for n in range(3)]
                await until(lambda: any(call.done() for call in calls))
            answers = await asyncio.gather(*calls, return_exceptions=True)
            refused = [one for one in answers if isinstance(one, grpc.aio.AioRpcError)]
            assert len(refused) == 1
            return refused[0], [await taken[0]]

    refused, answers = asyncio.run(run())

    fault = read_call_error(refused)
    assert (refused.code(), fault.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_EXCEEDED")
    assert fault.retry_seconds
    assert fault.facts["limitUpdatesWaitingOfSource"] == "2"
    assert answers[0].verdict is SubmissionVerdict.ACCEPTED
    assert counts(engine)[1] == 3


def test_a_source_whose_turn_is_taken_holds_up_no_other(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> SubmissionAnswer:
        async with serve() as channel:
            with turn_taken(engine):
                held = asyncio.create_task(submit(channel, "a", person("T1")))
                await until(lambda: waiting_for_a_turn(engine))
                other = await submit(channel, "b", person("T2"), source_id="yen-bai.population")
                assert not held.done()
            await held
            return other

    assert asyncio.run(run()).verdict is SubmissionVerdict.ACCEPTED


REFUSED = {
    "no uuid": ("FIELD_INVALID", {"request_id": "1"}),
    "no record": ("FIELD_INVALID", {"record": b""}),
    "no source": ("SOURCE_UNKNOWN", {"source_id": "nowhere"}),
    "no date": ("FIELD_INVALID", {"exported_on": {"year": 2025}}),
    "damaged": ("UNREADABLE", {"record": DAMAGED}),
    "one byte too many": ("TOO_LARGE", {"record": b"\x0a" + b"x" * caps.MAX_RECORD_BYTES}),
}


def test_what_is_no_update_is_refused_at_the_door(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> dict[str, str]:
        async with serve() as channel:
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            return {
                name: await refusal(stub.SubmitUpdate(intake_pb2.SubmitUpdateRequest(**sent(fields)), timeout=20))
                for name, (_, fields) in REFUSED.items()
            }

    def sent(fields: dict[str, object]) -> dict[str, object]:
        return {"source_id": TYPED_SOURCE, "request_id": str(request("a")), "record": person("T1")} | fields

    assert asyncio.run(run()) == {name: reason for name, (reason, _) in REFUSED.items()}
    assert counts(engine) == (0, 0, 0)


def test_the_largest_record_is_taken(serve: Serve, engine: sa.Engine) -> None:
    """Its address is too long for a value, which is said; the record itself is no larger than may be."""
    room = caps.MAX_RECORD_BYTES - len(person("T1", address="x" * 40_000)) + 40_000
    record = person("T1", address="x" * room)

    async def run() -> SubmissionAnswer:
        async with serve() as channel:
            return await submit(channel, "a", record)

    assert len(record) == caps.MAX_RECORD_BYTES
    assert asyncio.run(run()).verdict is SubmissionVerdict.QUARANTINED


def test_a_gateway_that_stays_away_is_given_up(spawn: Spawn) -> None:
    async def hopeless() -> None:
        async with connect(f"127.0.0.1:{free_port()}") as channel:
            client = OnlineClient(channel, deadline_seconds=1, give_up_seconds=0.5)
            await client.submit(person("T1"), source_id=TYPED_SOURCE)

    with pytest.raises(RetryableGatewayError):
        asyncio.run(hopeless())


def test_the_batches_of_single_records_stand_apart_from_those_of_spools(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> None:
        async with serve() as channel:
            for number in range(3):
                await submit(channel, number, person(f"T{number}"))

    asyncio.run(run())

    with engine.connect() as connection:
        ledger = list(
            connection.execute(sa.text("SELECT epoch, sequence, format, received FROM batch ORDER BY sequence"))
        )
    assert ledger == [(submissions.EPOCH, number, "typed_records", 1) for number in (1, 2, 3)]
