"""B25 and the fields of each registry, for every method of the feed that takes a cursor or gives data."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from pyarrow import parquet

from adapters.canonical import RecordKind
from gateway import client as registry_client
from gateway.client import FeedClient, Page, RejectedByGatewayError
from gateway.cursors import Cursors
from gateway.v1 import feed_pb2
from reconciliation import jobs
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.model import Cursor
from reconciliation.store import feed, tables
from tests.gateway.certificates import Certified
from tests.gateway.conftest import NOW, Serve
from tests.reconciliation.store.changes import published, write

FEED = feed_pb2.DESCRIPTOR.services_by_name["FeedService"]
WITH_A_CURSOR = {"Fetch", "Watch", "Acknowledge", "Report", "Replay"}
WITH_DATA = {"Fetch", "Watch", "DownloadSnapshot"}
GRANTED: dict[str, dict[str, list[str]]] = json.loads(
    (Path(__file__).parents[1] / "reconciliation" / "store" / "granted_fields.json").read_text(encoding="utf-8")
)
FIXED = ["feed_seq", "subject_id", "cause", "replaced_by", "traceparent"]


def calls(client: FeedClient, cursor: str) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Every method that takes a cursor, called with this one."""
    return {
        "Fetch": lambda: client.fetch(cursor),
        "Watch": lambda: anext(client.stream(cursor, until_current=True)),
        "Acknowledge": lambda: client.acknowledge(cursor),
        "Report": lambda: client.report([], cursor=cursor),
        "Replay": lambda: client.replay(cursor, reason="tested"),
    }


async def reasons(client: FeedClient, cursor: str) -> dict[str, str]:
    found = {}
    for name, call in calls(client, cursor).items():
        with pytest.raises(RejectedByGatewayError) as refused:
            await call()
        found[name] = refused.value.fault.reason
    return found


def test_every_method_with_a_cursor_and_every_one_with_data_is_known_here() -> None:
    requests = {name: method.input_type for name, method in FEED.methods_by_name.items()}
    gives = {"FetchResponse", "WatchResponse", "DownloadSnapshotResponse"}

    assert {name for name, request in requests.items() if "cursor" in request.fields_by_name} == WITH_A_CURSOR
    assert {name for name, method in FEED.methods_by_name.items() if method.output_type.name in gives} == WITH_DATA


def test_a_cursor_that_was_not_given_to_its_bearer_is_refused_by_every_method(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> dict[str, dict[str, str]]:
        published(engine, *"abc")
        with engine.connect() as connection:
            secret = connection.execute(sa.select(tables.installation.c.cursor_secret)).scalar_one()
        ours, guessed = Cursors(bytes(secret)), Cursors(b"a guess of this secret")

        def sealed(epoch: int, sequence: int, by: Cursors = ours, whose: str = "population") -> str:
            return by.seal(Cursor(epoch=epoch, sequence=sequence), whose)

        whole = sealed(1, 1)
        async with serve() as channel:
            client = FeedClient(channel, consumer_id="population")
            await client.acknowledge((await client.fetch()).next_cursor)
            return {
                "forged": await reasons(client, sealed(1, 1, by=guessed)),
                "changed": await reasons(client, whole[:10] + ("A" if whole[10] != "A" else "B") + whole[11:]),
                "cut off": await reasons(client, whole[:-1]),
                "no token": await reasons(client, "1"),
                "another's": await reasons(client, sealed(1, 1, whose="social-insurance")),
                "negative": await reasons(client, sealed(1, -1)),
                "beyond the head": await reasons(client, sealed(1, 4)),
                "an epoch that is over": await reasons(client, sealed(0, 1)),
                "an epoch to come": await reasons(client, sealed(2, 1)),
            }

    found = asyncio.run(run())

    over = {"an epoch that is over", "an epoch to come"}
    assert found == {
        name: dict.fromkeys(WITH_A_CURSOR, "CURSOR_EPOCH" if name in over else "CURSOR_INVALID") for name in found
    }
    assert len(found) == 9
    assert feed.cursor_of(engine, consumer_id="population").sequence == 3


def test_no_method_says_anything_to_whom_it_is_not_for(serve: Serve, engine: sa.Engine, certified: Certified) -> None:
    async def run() -> list[tuple[str, str, grpc.StatusCode]]:
        published(engine, "a")
        seen = []
        async with serve(tls=certified, credentials=certified.consumer("social-insurance")) as channel:
            for whose in ("population", "atlantis"):
                client = FeedClient(channel, consumer_id=whose)
                told = {
                    **calls(client, "x"),
                    "Report": lambda client=client: client.report([]),
                    "GetCursor": client.position,
                    "GetSnapshot": client.snapshot,
                    "DownloadSnapshot": lambda client=client: anext(client.snapshot_file("1-1", "person.parquet")),
                }
                assert set(told) == set(FEED.methods_by_name)
                for name, call in told.items():
                    with pytest.raises(RejectedByGatewayError) as refused:
                        await call()
                    seen.append((name, refused.value.fault.reason, refused.value.fault.code))
        return seen

    seen = asyncio.run(run())

    assert {(reason, code) for _, reason, code in seen} == {("NOT_ENTITLED", grpc.StatusCode.PERMISSION_DENIED)}
    assert len(seen) == 2 * len(FEED.methods_by_name)


@pytest.mark.parametrize("consumer_id", GRANTED)
def test_each_registry_gets_its_golden_fields_by_every_method_and_nothing_else(
    serve: Serve, engine: sa.Engine, tmp_path: Path, consumer_id: str
) -> None:
    def fill() -> None:
        with engine.begin() as connection:
            for kind, types in GOLDEN_FIELDS.items():
                values = {name: f"{kind} {name}" for name, of in types.items() if str(of) == "string"}
                first = write(connection, f"{kind} 1", kind=kind, **values)
                write(connection, f"{kind} 1", kind=kind, cause="CORRECTED", previous=first, **values)
        feed.sequence(engine)

    async def run() -> dict[str, dict[RecordKind, Any]]:
        fill()
        jobs.publish_snapshot(engine, consumer_id=consumer_id, folder=tmp_path, now=NOW)
        async with serve(snapshot_folder=tmp_path) as channel:
            client = FeedClient(channel, consumer_id=consumer_id)
            streamed = [one async for one in client.stream(until_current=True) if isinstance(one, Page)]
            taken = await registry_client.download(client, tmp_path / "ours")
            return {
                "Fetch": (await client.fetch()).tables,
                "Watch": streamed[0].tables,
                "DownloadSnapshot": {kind: parquet.read_table(path) for kind, path in taken.files.items()},
            }

    got = asyncio.run(run())

    granted = GRANTED[consumer_id]
    assert set(got) == WITH_DATA
    for method, by_kind in got.items():
        own = ["subject_id", "feed_seq"] if method == "DownloadSnapshot" else FIXED
        assert {str(kind): table.column_names for kind, table in by_kind.items()} == {
            kind: [*own, *fields, *([] if method == "DownloadSnapshot" else [f"previous_{one}" for one in fields])]
            for kind, fields in granted.items()
        }, method
        received = repr([table.to_pylist() for table in by_kind.values()])
        for kind, types in GOLDEN_FIELDS.items():
            for name in types:
                if name not in granted.get(str(kind), []):
                    assert f"'{kind} {name}'" not in received, method
        assert "'person full_name'" in received
