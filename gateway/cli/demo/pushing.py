"""The provinces push: every system its exports of before and of after the merger, side by side, by gRPC."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from adapters import simulator
from gateway.cli.demo.house import House
from gateway.cli.demo.stages import Stages
from gateway.client import IntakeClient, Landed, Outgoing, Refused, connect
from gateway.errors import GatewayError
from gateway.identity import Role
from observability import telemetry
from reconciliation.model import BatchFormat

EPOCH = "2025"  # the life of the made-up spools


def push_exports(country: simulator.Country, house: House, stages: Stages) -> None:
    """Write, push and wait for the receipts of both phases. Raises GatewayError when a batch is refused."""
    sources = sorted(country.systems)
    bar = Progress(
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("bản ghi · records"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    with telemetry.configure(service_name="demo", trace_file=house.folder / "demo-traces.jsonl"), bar:
        for phase, says in ((simulator.Phase.BEFORE, "trước · before 1/7"), (simulator.Phase.AFTER, "sau · after 1/7")):
            total = sum(country.systems[source].phases[phase].num_rows for source in sources)
            task = bar.add_task(f"gửi · push {says}", total=total)
            with stages.timed(f"push_{phase}", says):
                asyncio.run(_push(house, country, phase, sources, partial(bar.advance, task)))


def push_corrections(country: simulator.Country, house: House, stages: Stages) -> None:
    """Citizens ask for corrections of what the registers say of them. Raises GatewayError when a batch is refused."""
    files = simulator.corrections(country)
    with stages.timed("corrections", "công dân đề nghị sửa · citizens ask for corrections"):
        asyncio.run(_push_each(house, files))


async def _push_each(house: House, files: Iterator[simulator.ExportFile]) -> None:
    for file in files:
        await _push_source(house, file.source_id, iter([file]), lambda _records: None)


async def _push(
    house: House,
    country: simulator.Country,
    phase: simulator.Phase,
    sources: Iterable[str],
    landed: Callable[[int], None],
) -> None:
    async with asyncio.TaskGroup() as group:
        for source_id in sources:
            files = simulator.exports(country, phase=phase, source_id=source_id)
            group.create_task(_push_source(house, source_id, files, landed))


async def _push_source(
    house: House, source_id: str, files: Iterator[simulator.ExportFile], landed: Callable[[int], None]
) -> None:
    """Over a connection of its own, under the certificate of that source."""
    async with connect(house.gateway, credentials=house.credentials(Role.SOURCE, source_id)) as channel:
        await _push_files(IntakeClient(channel), source_id, files, landed)


async def _push_files(
    client: IntakeClient, source_id: str, files: Iterator[simulator.ExportFile], landed: Callable[[int], None]
) -> None:
    with telemetry.span("push", attributes={"source_id": source_id}) as span:
        outgoing = _written(files, span.traceparent)
        async for answer in client.push(outgoing, source_id=source_id, epoch=EPOCH):
            match answer:
                case Landed(receipt=receipt):
                    landed(receipt.received)
                case Refused(sequence=sequence, fault=fault):
                    raise GatewayError(f"Batch {sequence} of {source_id} was refused: {fault}")


async def _written(files: Iterator[simulator.ExportFile], traceparent: str | None) -> AsyncIterator[Outgoing]:
    """Each file as a batch, written on a thread so that the other sources go on pushing."""
    while (file := await asyncio.to_thread(next, files, None)) is not None:
        yield Outgoing(
            sequence=file.sequence,
            payload=file.payload,
            format=BatchFormat.SOURCE_FILE,
            exported_on=file.exported_on,
            record_count=file.record_count,
            traceparent=traceparent,
        )
