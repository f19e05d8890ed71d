"""Callers of SubmitUpdate, each sending one made-up person after another: a process of its own, so that it costs alike.

`python -m tests.benchmarks.online_load ADDRESS …` prints {"per_s", "p50_ms", "p99_ms"} of what was answered while all
were calling, as JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import date, timedelta
from uuid import uuid4

import numpy as np
import pyarrow.compute as pc

from adapters import catalogue
from adapters.canonical import RecordKind
from adapters.reference.units import units_on
from gateway.client import connect
from gateway.v1 import intake_pb2, intake_pb2_grpc, records_pb2
from tests.gateway.batches import FAMILY, GIVEN, MIDDLE

CALLERS, CALLERS_OF_A_CHANNEL = 256, 16
WARM_SECONDS = 1.0
PREPARED_A_SECOND = 6_000  # more than any server here answers
UNITS = 10  # of each source's province, so that nobody writes about another's people


def main() -> int:
    """Call for so many seconds and print what came of it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("address")
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--sources", type=int, default=1)
    options.add_argument("--callers", type=int, default=CALLERS)
    options.add_argument("--first", type=int, default=0, help="number of the first person")
    chosen = options.parse_args()
    count = round((chosen.seconds + WARM_SECONDS) * PREPARED_A_SECOND)
    prepared = list(requests(chosen.first, count, source_ids(chosen.sources)))
    found = asyncio.run(_call(chosen.address, prepared, callers=chosen.callers, seconds=chosen.seconds))
    print(json.dumps(found), flush=True)
    return 0


def source_ids(count: int) -> list[str]:
    """Sources of persons, one a province."""
    sources = catalogue.load().sources.values()
    by_province = {one.province_code: one.source_id for one in sources if one.kind is RecordKind.PERSON}
    return [source_id for _, source_id in sorted(by_province.items())][:count]


def requests(first: int, count: int, sources: list[str]) -> Iterator[intake_pb2.SubmitUpdateRequest]:
    """A request for each of `count` people from number `first` on, the sources taking turns."""
    units = [units_of(source_id) for source_id in sources]
    for number in range(first, first + count):
        place = number % len(sources)
        yield intake_pb2.SubmitUpdateRequest(
            source_id=sources[place],
            request_id=str(uuid4()),
            record=person(number, unit_code=units[place][number // len(sources) % UNITS]).SerializeToString(),
        )


def units_of(source_id: str) -> list[str]:
    """Codes of some units of the source's province."""
    province_code = catalogue.load().sources[source_id].province_code
    units = units_on(date(2025, 7, 10))
    return units.filter(pc.equal(units["province_code"], province_code))["code"].to_pylist()[:UNITS]


def person(number: int, *, unit_code: str) -> records_pb2.PersonRecord:
    """A made-up person; no two numbers below a million are alike."""
    born = date(1940, 1, 1) + timedelta(days=number * 7_919 % 21_000)
    is_female = number % 2
    return records_pb2.PersonRecord(
        source_record_id=f"P{number:08d}",
        updated_at=f"2025-07-10T{number % 24:02d}:{number % 60:02d}:00",
        personal_number=f"001{is_female}{born:%y}{number * 104_729 % 1_000_003 % 1_000_000:06d}",
        full_name=f"{FAMILY[number % 11]} {MIDDLE[number % 7]} {GIVEN[number % 13]}",
        birth_date=born.isoformat(),
        sex=records_pb2.SEX_FEMALE if is_female else records_pb2.SEX_MALE,
        ethnic_group="01",
        unit_code=unit_code,
        hamlet=f"Tổ {number % 40}",
        address=f"Số {number % 900} ngõ {number % 70}",
        household_number=f"11{number // 4:08d}",
        relation_to_head="chủ hộ" if number % 4 == 0 else "con",
    )


async def _call(
    address: str, prepared: list[intake_pb2.SubmitUpdateRequest], *, callers: int, seconds: float
) -> dict[str, float]:
    coming = iter(prepared)
    begin = time.perf_counter() + WARM_SECONDS
    end = begin + seconds
    waited: list[float] = []

    async def caller(stub: "intake_pb2_grpc.IntakeServiceAsyncStub") -> None:
        while (sent := time.perf_counter()) < end and (request := next(coming, None)):
            await stub.SubmitUpdate(request, timeout=60)
            if begin <= (answered := time.perf_counter()) < end:
                waited.append(answered - sent)

    async with AsyncExitStack() as stack:
        channels = -(-callers // CALLERS_OF_A_CHANNEL)
        stubs: list[intake_pb2_grpc.IntakeServiceAsyncStub] = [
            intake_pb2_grpc.IntakeServiceStub(await stack.enter_async_context(connect(address)))
            for _ in range(channels)
        ]
        await asyncio.gather(*(caller(stubs[number % channels]) for number in range(callers)))
    if not waited:
        raise ValueError(f"Nothing was answered within {seconds:g} s. Next: give --seconds more.")
    p50, p99 = np.percentile(np.array(waited) * 1_000, [50, 99])
    return {"per_s": len(waited) / seconds, "p50_ms": float(p50), "p99_ms": float(p99)}


if __name__ == "__main__":
    sys.exit(main())
