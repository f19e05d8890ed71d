"""What asking where updates are is measured against: the same call without a database, and the database alone.

`python -m tests.benchmarks.asking_peers echo` serves until it is ended, its address on the first line. `… sql DATABASE`
reads states by their keys over 32 connections and prints {"per_s", "p99_ms"} as JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from uuid import UUID

import grpc
import numpy as np
import psycopg

from gateway.calls import CallPolicy
from gateway.server import grpc_options
from gateway.settings import Settings
from gateway.shares import Shares
from gateway.v1 import status_pb2, status_pb2_grpc
from gateway.wire import status as wire
from observability import logs
from reconciliation.model import Move, State, UpdateStatus
from tests.gateway.conftest import NOW

POOL = 32
_STATE = "SELECT state, cause, since, owner, deadline FROM update_state WHERE record_id = %s"
_ANSWER = UpdateStatus(
    record_id=1,
    source_id="yen-bai.population",
    source_record_id="P0000001",
    source_version=1,
    receipt_id=UUID(int=1),
    state=State.AWAITING_PULL,
    cause="PUBLISHED",
    since=NOW,
    owner="population/registry",
    deadline=NOW,
    is_stuck=False,
    history=tuple(
        Move(moved_at=NOW, from_state=None, to_state=to, cause="TESTED")
        for to in (State.AWAITING_RECONCILIATION, State.AWAITING_MATCH, State.AWAITING_PULL)
    ),
)


def main() -> int:
    """Serve, or measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=("echo", "sql"))
    options.add_argument("database", nargs="?")
    options.add_argument("--callers", type=int, default=256)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--records", type=int, default=10_000)
    chosen = options.parse_args()
    if chosen.what == "echo":
        logs.configure(service_name="gateway")
        asyncio.run(echo())
    else:
        found = asyncio.run(ask(chosen.database, chosen.callers, chosen.seconds, records=chosen.records))
        print(json.dumps(found), flush=True)
    return 0


class Echo(status_pb2_grpc.StatusServiceServicer):
    """Answers without looking."""

    async def GetUpdateStatus(  # noqa: N802 - gRPC's name
        self, request: status_pb2.GetUpdateStatusRequest, context: object
    ) -> status_pb2.GetUpdateStatusResponse:
        return wire.write_status(_ANSWER)


async def echo() -> None:
    """A server with the gateway's own policy for calls."""
    settings = Settings(calls_per_second=1_000_000)
    server = grpc.aio.server(
        interceptors=[CallPolicy(help_url="", shares=Shares(settings))], options=grpc_options(settings)
    )
    status_pb2_grpc.add_StatusServiceServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


async def ask(database: str, callers: int, seconds: float, *, records: int) -> dict[str, float]:
    """Prepared statements by key, each a round trip of its own, as many at once as there are connections."""
    free: asyncio.Queue[psycopg.AsyncConnection[tuple[object, ...]]] = asyncio.Queue()
    for _ in range(POOL):
        free.put_nowait(await psycopg.AsyncConnection.connect(database, autocommit=True, prepare_threshold=0))
    end = time.perf_counter() + seconds
    waited: list[float] = []

    async def caller(first: int) -> None:
        number = first
        while (begun := time.perf_counter()) < end:
            connection = await free.get()
            cursor = await connection.execute(_STATE, (10_000 * (1 + number // 1_000) + number % 1_000,))
            if await cursor.fetchone() is None:
                raise ValueError(f"There is no record {number}.")
            free.put_nowait(connection)
            waited.append(time.perf_counter() - begun)
            number = (number + 7_919) % records

    await asyncio.gather(*(caller(one * 37 % records) for one in range(callers)))
    for _ in range(POOL):
        await (await free.get()).close()
    return {"per_s": len(waited) / seconds, "p99_ms": float(np.percentile(np.array(waited) * 1_000, 99))}


if __name__ == "__main__":
    sys.exit(main())
