"""Whatever breaks between a batch and its receipt: nothing is lost and nothing lands twice."""

import asyncio
import signal
from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from gateway.client import Answer, IntakeClient, Landed, Outgoing, Progress, RetryableGatewayError, connect
from tests.faults.line import line_to
from tests.gateway.batches import JSONL_SOURCE, outgoing, people
from tests.gateway.conftest import Serve, Spawn, free_port

BATCHES = [outgoing(number, people(number * 100, 5)) for number in range(1, 9)]


def landed_records(engine: sa.Engine) -> list[str]:
    """The source's own keys of every record version that is stored."""
    with engine.connect() as connection:
        return list(connection.scalars(sa.text("SELECT source_record_id FROM person_record ORDER BY 1")))


def expected_records(batches: Sequence[Outgoing]) -> list[str]:
    return [f"P{batch.sequence * 100 + row:07d}" for batch in batches for row in range(5)]


async def push(address: str, batches: Sequence[Outgoing], **options: object) -> tuple[list[Answer], Progress]:
    told: list[Progress] = []
    async with connect(address) as channel:
        client = IntakeClient(channel, give_up_seconds=60)
        pushing = client.push(batches, source_id=JSONL_SOURCE, epoch="e1", on_progress=told.append, **options)
        answers = [answer async for answer in pushing]
    return answers, told[-1]


@pytest.mark.parametrize(
    ("failpoint", "is_durable"), [("after_commit_before_receipt:3", True), ("before_commit:3", False)]
)
def test_a_gateway_killed_around_its_commit_loses_and_doubles_nothing(
    spawn: Spawn, engine: sa.Engine, failpoint: str, is_durable: bool
) -> None:
    port = free_port()

    async def run() -> tuple[list[Answer], Progress]:
        pushing = asyncio.create_task(push(f"127.0.0.1:{port}", BATCHES))
        killed = await asyncio.to_thread(first.wait, 60)
        assert killed == -signal.SIGKILL
        with spawn(port):
            return await pushing

    with spawn(port, LIENTHONG_FAILPOINT=failpoint) as first:
        answers, progress = asyncio.run(run())

    assert [answer.sequence for answer in answers] == [batch.sequence for batch in BATCHES]
    assert all(isinstance(answer, Landed) for answer in answers)
    replayed = {answer.sequence for answer in answers if isinstance(answer, Landed) and answer.receipt.replayed}
    assert (3 in replayed) == is_durable
    assert replayed <= {1, 2, 3, 4}  # those of its group were committed with it; none beyond the window was
    assert progress.connections == 2
    assert landed_records(engine) == expected_records(BATCHES)


def test_a_sender_killed_before_its_receipt_goes_on_where_it_was(spawn: Spawn, engine: sa.Engine) -> None:
    port = free_port()

    async def broken_off() -> None:
        async with connect(f"127.0.0.1:{port}") as channel:
            async for answer in IntakeClient(channel).push(BATCHES, source_id=JSONL_SOURCE, epoch="e1"):
                if answer.sequence == 2:
                    return

    with spawn(port):
        asyncio.run(broken_off())
        answers, progress = asyncio.run(push(f"127.0.0.1:{port}", BATCHES))

    assert [answer.sequence for answer in answers] == list(range(progress.skipped + 1, 9))
    assert progress.skipped >= 2
    assert landed_records(engine) == expected_records(BATCHES)


REPLY_CUTS = [1, 9, 18, 30, 45, 60, 75, 90, 105, 120, 140, 160, 180, 200, 220, 240]
REQUEST_CUTS = [1, 9, 24, 60, 100, 150, 200, 250, 300, 400, 600, 900, 1_300, 1_800, 2_400, 3_000]


@pytest.mark.parametrize(("way", "lengths"), [("reply_bytes", REPLY_CUTS), ("request_bytes", REQUEST_CUTS)])
def test_a_line_cut_after_any_number_of_bytes_loses_and_doubles_nothing(
    serve: Serve, engine: sa.Engine, way: str, lengths: list[int]
) -> None:
    port = free_port()

    async def run() -> tuple[list[list[Answer]], int]:
        rounds, cuts = [], 0
        async with serve(port=port), line_to(port) as line:
            for number, length in enumerate(lengths):
                line.allow(**{way: length})
                batches = [
                    outgoing(2 * number + 1, people(2 * number * 100, 5)),
                    outgoing(2 * number + 2, people(0, 5)),
                ]
                before = line.cuts
                pushing = asyncio.create_task(push(f"127.0.0.1:{line.port}", batches))
                while line.cuts == before and not pushing.done():
                    await asyncio.sleep(0.01)
                line.allow()
                answers, _ = await pushing
                rounds.append(answers)
                cuts += line.cuts - before
        return rounds, cuts

    rounds, cuts = asyncio.run(run())

    assert cuts >= len(lengths)
    assert [answer.sequence for answers in rounds for answer in answers] == list(range(1, 2 * len(lengths) + 1))
    assert all(isinstance(answer, Landed) for answers in rounds for answer in answers)
    with engine.connect() as connection:
        ledger = list(connection.scalars(sa.text("SELECT sequence FROM batch ORDER BY 1")))
    assert ledger == list(range(1, 2 * len(lengths) + 1))


def test_a_gateway_that_stays_away_is_given_up_and_nothing_is_lost(spawn: Spawn) -> None:
    port = free_port()

    async def hopeless() -> None:
        async with connect(f"127.0.0.1:{port}") as channel:
            client = IntakeClient(channel, give_up_seconds=0.5)
            await anext(client.push(BATCHES, source_id=JSONL_SOURCE, epoch="e1"))

    with pytest.raises(RetryableGatewayError):
        asyncio.run(hopeless())
    with spawn(port):
        answers, _ = asyncio.run(push(f"127.0.0.1:{port}", BATCHES))

    assert len(answers) == len(BATCHES)
