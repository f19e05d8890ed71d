"""F4 and F5: a line cut at every single byte of a small reply and of a small request."""

import asyncio
from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from gateway.client import Answer, Landed, Outgoing
from gateway.v1.intake_pb2 import PushResponse
from tests.faults.line import Line, line_to
from tests.faults.pushing import attempt, batches, landed, push, stored_records
from tests.gateway.conftest import Serve, free_port

LANES = 4  # cuts under way at once, each on a line and of a source of its own
SOURCES = ("ha-noi.population", "lao-cai.population", "yen-bai.population", "lam-dong.population")
MARGIN = 8  # bytes by which two connections may differ: lengths of ports and of times


async def measure(port: int, way: str) -> int:
    """How many bytes pass one way when nothing is cut."""
    async with line_to(port) as line:
        await attempt(f"127.0.0.1:{line.port}", batches(1, 1)[0], epoch="whole")
        return int(getattr(line, way).carried)


async def cut_each(line: Line, way: str, lengths: Sequence[int], *, source_id: str) -> list[int]:
    """Push batch k over a line that is cut after k bytes; return the numbers of those that were answered all the same:
    what comes after the answer may be cut without harm."""
    answered = []
    for length in lengths:
        line.allow(**{"request_bytes" if way == "requests" else "reply_bytes": length})
        answer = await attempt(
            f"127.0.0.1:{line.port}", batches(length, 1, source_id=source_id)[0], source_id=source_id
        )
        if isinstance(answer, PushResponse):
            answered.append(length)
        else:
            assert line.is_cut.is_set(), f"byte {length}: {answer}"
    return answered


@pytest.mark.parametrize("way", ["replies", "requests"], ids=["F4 reply", "F5 request"])
def test_a_line_cut_at_every_byte_leaves_whole_batches(serve: Serve, engine: sa.Engine, way: str) -> None:
    port = free_port()

    async def run() -> tuple[int, list[int], list[int], int, list[list[Answer]]]:
        async with serve(port=port, pushes_per_second=10_000):  # a cut a byte is faster than any source
            total = await measure(port, way)
            lanes = [range(1 + lane, total + 1 - MARGIN, LANES) for lane in range(LANES)]
            async with line_to(port) as one, line_to(port) as two, line_to(port) as three, line_to(port) as four:
                lines = (one, two, three, four)
                cutting = [
                    cut_each(line, way, lengths, source_id=source)
                    for line, lengths, source in zip(lines, lanes, SOURCES, strict=True)
                ]
                answered = [length for lengths in await asyncio.gather(*cutting) for length in lengths]
        # The gateway has ended: what had come whole before its line was cut has landed by now.
        there, records = landed(engine), stored_records(engine)
        async with serve(port=port, pushes_per_second=10_000):
            again: list[list[Outgoing]] = [
                [batches(k, 1, source_id=source)[0] for k in lengths]
                for source, lengths in zip(SOURCES, lanes, strict=True)
            ]
            asking = [
                push(f"127.0.0.1:{port}", parcels, source_id=source)
                for parcels, source in zip(again, SOURCES, strict=True)
            ]
            return total, answered, there, records, await asyncio.gather(*asking)

    total, answered, there, records, rounds = asyncio.run(run())

    answers = [answer for answers in rounds for answer in answers]
    assert total > 200
    assert len(answers) == total - MARGIN
    assert len(answered) < total / 3  # what follows an answer is no more than its trailers
    assert set(answered) <= set(there)
    assert records == 2 * (len(there) + 1)  # whole batches, and the one that was measured with
    assert all(isinstance(answer, Landed) for answer in answers)
    replayed = sorted(a.sequence for a in answers if isinstance(a, Landed) and a.receipt.replayed)
    assert replayed == sorted(there)
    assert sorted(landed(engine)) == list(range(1, total + 1 - MARGIN))
