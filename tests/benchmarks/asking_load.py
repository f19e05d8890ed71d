"""Callers that ask where updates are, and watchers that wait, in a process of their own: they cost each server alike.

`python -m tests.benchmarks.asking_load ask ADDRESS RECEIPTS` prints {"per_s", "p99_ms", …} of what was answered
while all were calling. `… watch ADDRESS` opens watches that nothing happens to, says how many, and ends with its input.
"""

import argparse
import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np

from adapters import catalogue
from gateway.client import connect
from gateway.v1 import status_pb2, status_pb2_grpc

CALLERS_OF_A_CHANNEL, WATCHES_OF_A_CHANNEL = 16, 100
WARM_SECONDS = 1.0


def main() -> int:
    """Call or watch, and print what came of it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=("ask", "watch"))
    options.add_argument("address")
    options.add_argument("receipts", nargs="?", type=Path, help="JSON: the ids of receipts of 1,000 rows")
    options.add_argument("--callers", type=int, default=256)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--watches", type=int, default=10_000)
    options.add_argument("--hot", type=int, default=0, help="ask about so many updates only; 0: about all")
    chosen = options.parse_args()
    if chosen.what == "watch":
        asyncio.run(_watch(chosen.address, chosen.watches))
        return 0
    receipts = json.loads(chosen.receipts.read_text(encoding="utf-8"))
    asked = requests(receipts, hot=chosen.hot)
    print(json.dumps(asyncio.run(_ask(chosen.address, asked, callers=chosen.callers, seconds=chosen.seconds))))
    return 0


def requests(receipts: list[str], *, hot: int) -> list[status_pb2.GetUpdateStatusRequest]:
    """A question about each row, every second one by its record, in an order that goes through all of them."""
    count = hot or 1_000 * len(receipts)
    return [_request(receipts, number * 7_919 % count) for number in range(count)]


def _request(receipts: list[str], number: int) -> status_pb2.GetUpdateStatusRequest:
    if number % 2:
        record = status_pb2.SourceRecord(source_id="yen-bai.population", source_record_id=f"P{number:07d}")
        return status_pb2.GetUpdateStatusRequest(source_record=record)
    row = status_pb2.ReceiptRow(receipt_id=receipts[number // 1_000], row=number % 1_000)
    return status_pb2.GetUpdateStatusRequest(receipt_row=row)


async def _ask(
    address: str, asked: list[status_pb2.GetUpdateStatusRequest], *, callers: int, seconds: float
) -> dict[str, float]:
    begin = time.perf_counter() + WARM_SECONDS
    end = begin + seconds
    waited: list[float] = []
    answers = 0

    async def caller(stub: "status_pb2_grpc.StatusServiceAsyncStub", number: int) -> None:
        nonlocal answers
        while (sent := time.perf_counter()) < end:
            await stub.GetUpdateStatus(asked[number % len(asked)], timeout=60)
            number += callers
            answers += 1
            if begin <= (answered := time.perf_counter()) < end:
                waited.append(answered - sent)

    async with AsyncExitStack() as stack:
        stubs: list[status_pb2_grpc.StatusServiceAsyncStub] = [
            status_pb2_grpc.StatusServiceStub(await stack.enter_async_context(connect(address)))
            for _ in range(-(-callers // CALLERS_OF_A_CHANNEL))
        ]
        await asyncio.gather(*(caller(stubs[number % len(stubs)], number) for number in range(callers)))
    if not waited:
        raise ValueError(f"Nothing was answered within {seconds:g} s. Next: give --seconds more.")
    p50, p99 = np.percentile(np.array(waited) * 1_000, [50, 99])
    return {"per_s": len(waited) / seconds, "p50_ms": float(p50), "p99_ms": float(p99), "answers": answers}


async def _watch(address: str, count: int) -> None:
    sources = sorted(catalogue.load().sources)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for first in range(0, count, WATCHES_OF_A_CHANNEL):
            channel = await stack.enter_async_context(connect(address))
            stub: status_pb2_grpc.StatusServiceAsyncStub = status_pb2_grpc.StatusServiceStub(channel)
            calls = [
                stub.WatchUpdates(status_pb2.WatchUpdatesRequest(source_id=sources[number % len(sources)]))
                for number in range(first, min(count, first + WATCHES_OF_A_CHANNEL))
            ]
            for call in calls:
                await call.read()  # its first answer, which comes at once
                stack.callback(call.cancel)
        print(count, flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    sys.exit(main())
