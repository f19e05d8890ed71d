"""Several processes on one port: a dead one is replaced, all are drained, and none outlives its parent."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from gateway.client import IntakeClient, Landed, connect
from tests.gateway.batches import JSONL_SOURCE, outgoing, people
from tests.gateway.conftest import Spawn, free_port

BATCHES = [outgoing(number, people(number * 100, 5)) for number in range(1, 31)]


def children(process_id: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]


def gone(process_id: int) -> bool:
    stat = Path(f"/proc/{process_id}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def push(port: int, *, on_answer: Callable[[int], None] = lambda _: None) -> list[Landed]:
    landed = []
    async with connect(f"127.0.0.1:{port}") as channel:
        client = IntakeClient(channel, give_up_seconds=60)
        async for answer in client.push(BATCHES, source_id=JSONL_SOURCE, epoch="e1"):
            assert isinstance(answer, Landed)
            on_answer(answer.sequence)
            landed.append(answer)
    return landed


def test_a_process_that_dies_is_replaced_and_nothing_is_lost_or_doubled(spawn: Spawn, engine: sa.Engine) -> None:
    port = free_port()
    with spawn(port, LIENTHONG_PROCESSES="2") as parent:
        first = children(parent.pid)

        def kill_both(sequence: int) -> None:
            if sequence == 5:
                for one in first:
                    os.kill(one, signal.SIGKILL)

        landed = asyncio.run(push(port, on_answer=kill_both))
        until(lambda: len(children(parent.pid)) == 2 and not set(children(parent.pid)) & set(first))
        second = children(parent.pid)
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(timeout=60) == 0

    assert [one.sequence for one in landed] == list(range(1, 31))
    assert all(gone(one) for one in first + second)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM person_record")) == 150
        assert connection.scalar(sa.text("SELECT count(*) FROM batch")) == 30


def test_processes_end_with_their_parent(spawn: Spawn) -> None:
    with spawn(free_port(), LIENTHONG_PROCESSES="2") as parent:
        both = children(parent.pid)
        parent.kill()
        parent.wait(timeout=60)
        until(lambda: all(gone(one) for one in both))

    assert len(both) == 2


def test_a_port_that_another_gateway_shares_is_said_plainly(spawn: Spawn, tmp_path: Path) -> None:
    port = free_port()
    with spawn(port, LIENTHONG_PROCESSES="2") as parent:
        url = Path(f"/proc/{parent.pid}/environ").read_text().split("LIENTHONG_DATABASE_URL=")[1].split("\0")[0]
        environment = os.environ | {
            "LIENTHONG_PROCESSES": "2",
            "LIENTHONG_PORT": str(port),
            "LIENTHONG_DATABASE_URL": url,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        other = subprocess.run(
            [sys.executable, "-m", "gateway"],
            check=False,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert other.returncode == 1
    assert "LIENTHONG_PORT" in other.stderr
