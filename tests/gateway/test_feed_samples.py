"""What docs/ tells registries: the worked client runs, the other samples name what the proto has, the promises hold."""

import asyncio
import importlib.util
import re
import sqlite3
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa

from gateway.v1 import feed_pb2
from reconciliation import jobs
from reconciliation.store import feed, feed_keeping
from tests.gateway.conftest import NOW, ROOT, Serve
from tests.reconciliation.store.changes import write

SAMPLES = ROOT / "docs" / "samples"
FILE = feed_pb2.DESCRIPTOR
SERVICE = FILE.services_by_name["FeedService"]
FIELDS = {field.name for message in FILE.message_types_by_name.values() for field in message.fields}
VALUES = {value.name for enum in FILE.enum_types_by_name.values() for value in enum.values}
JAVA_ITSELF = {"status", "code", "next"}


@pytest.fixture
def registry() -> ModuleType:
    """docs/samples/registry.py."""
    spec = importlib.util.spec_from_file_location("registry_sample", SAMPLES / "registry.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_worked_registry_shows_the_certificate_it_is_given(registry: ModuleType) -> None:
    words = ["registry.py", "gateway:1", "population", "ours", "--with", "own.pem", "own.key", "both.pem"]

    shown = registry.shown(words)

    assert (shown.certificate_path.name, shown.key_path.name, shown.authorities_path.name) == tuple(words[-3:])
    assert registry.shown(words[:4]) is None


def test_the_worked_registry_holds_what_the_feed_says_also_after_a_purge(
    serve: Serve, engine: sa.Engine, tmp_path: Path, registry: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = tmp_path / "ours.sqlite"

    def held() -> tuple[dict[str, str], dict[str, str], int]:
        with sqlite3.connect(ours) as connection:
            rows = connection.execute("SELECT subject_id, said ->> 'full_name' FROM subject ORDER BY 1").fetchall()
            replaced = connection.execute("SELECT * FROM replaced").fetchall()
            (place,) = connection.execute("SELECT feed_seq FROM place").fetchone()
        connection.close()
        return dict(rows), dict(replaced), place

    def lives(*changes: dict[str, object]) -> list[int]:
        with engine.begin() as connection:
            made = [write(connection, **one) for one in changes]  # type: ignore[arg-type]
        while unpublished(engine):
            feed.sequence(engine)
        return made

    async def run() -> list[tuple[dict[str, str], dict[str, str], int]]:
        a, b = lives({"subject_id": "A", "full_name": "a"}, {"subject_id": "B", "full_name": "b"})
        jobs.publish_snapshot(engine, consumer_id="population", folder=tmp_path / "snapshots", now=NOW)
        async with serve(snapshot_folder=tmp_path / "snapshots") as channel:
            monkeypatch.setattr(registry, "connect", lambda _, credentials: _open(channel))
            seen = []
            await registry.follow("", "population", str(ours), once=True)
            seen.append(held())
            gone = {"cause": "MERGED", "replaced_by": "A", "previous": b}
            await asyncio.to_thread(lives, {"subject_id": "B"} | gone, {"subject_id": "C", "full_name": "c"})
            await registry.follow("", "population", str(ours), once=True)
            await registry.follow("", "population", str(ours), once=True)
            seen.append(held())
            await asyncio.to_thread(lives, {"subject_id": "A", "cause": "CORRECTED", "previous": a, "full_name": "A!"})
            head = feed.head(engine)
            await asyncio.to_thread(
                feed_keeping.purge, engine, keep=timedelta(0), now=NOW + timedelta(days=36_500),
                leaving_behind=["population", "social-insurance"], by="test", why="test",
            )  # fmt: skip
            jobs.publish_snapshot(engine, consumer_id="population", folder=tmp_path / "snapshots", now=NOW)
            await registry.follow("", "population", str(ours), once=True)
            seen.append(held())
            assert feed.cursor_of(engine, consumer_id="population") == head
            return seen

    first, second, third = asyncio.run(run())

    assert first == ({"A": "a", "B": "b"}, {}, 2)
    assert second == ({"A": "a", "C": "c"}, {"B": "A"}, 4)
    assert third == ({"A": "A!", "C": "c"}, {"B": "A"}, 5)


class _open:  # noqa: N801 - stands for a function
    """A channel that is open already."""

    def __init__(self, channel: object) -> None:
        self.channel = channel

    async def __aenter__(self) -> object:
        return self.channel

    async def __aexit__(self, *_: object) -> None:
        pass


def unpublished(engine: sa.Engine) -> int:
    """How many changes have no place in the feed yet."""
    with engine.connect() as connection:
        query = "SELECT count(*) FROM change WHERE change_id NOT IN (SELECT change_id FROM feed_entry)"
        return int(connection.scalar(sa.text(query)) or 0)


def test_grpcurl_calls_methods_that_are_there_with_fields_they_have() -> None:
    text = (SAMPLES / "grpcurl-feed.sh").read_text(encoding="utf-8")
    names = set(re.findall(r'\\"([a-z][a-z0-9_]*)\\":', text))
    values = set(re.findall(r"OUTCOME_KIND_\w+", text))

    calls = re.findall(r"gateway\.v1\.FeedService/(\w+)", text)
    assert calls == ["GetCursor", "Fetch", "Acknowledge", "Report", "Watch", "GetSnapshot", "DownloadSnapshot"]
    assert set(calls) <= set(SERVICE.methods_by_name)
    assert len(names) >= 9
    assert names - FIELDS == set()
    assert values == {"OUTCOME_KIND_APPLIED", "OUTCOME_KIND_REFUSED"} <= VALUES
    assert "nextCursor" in text  # next_cursor, as JSON has it


def test_java_names_messages_and_fields_that_are_there() -> None:
    text = (SAMPLES / "Registry.java").read_text(encoding="utf-8")
    imported = re.findall(r"import gateway\.v1\.Feed\.(\w+);", text)
    used = re.findall(r"\.(?:set|has|get|addAll)([A-Z]\w*)\(", text)
    snakes = {re.sub(r"(?<!^)(?=[A-Z])", "_", re.sub(r"List$", "", one)).lower() for one in used} - JAVA_ITSELF

    assert len(imported) >= 8
    for one in imported:
        assert one in FILE.message_types_by_name or one in FILE.enum_types_by_name
    assert len(snakes) >= 8
    assert snakes - FIELDS == set()
    assert set(re.findall(r"OUTCOME_KIND_\w+", text)) <= VALUES
    calls = re.findall(r"\b(?:calls|newBlockingStub\(channel\))\.(\w+)\(", text)
    assert {one[0].upper() + one[1:] for one in calls} - {"WithDeadlineAfter"} <= set(SERVICE.methods_by_name)


def test_every_promise_of_the_contract_names_tests_that_are_there() -> None:
    text = (ROOT / "docs" / "feed-contract.md").read_text(encoding="utf-8")
    promises = re.findall(r"^\| \*\*(\w+)\*\* \|(.*)\|$", text, re.MULTILINE)

    assert [name for name, _ in promises] == [
        "Ordered", "Unique", "Atomic", "Reliable", "Resumable", "Bookmarkable",
    ]  # fmt: skip
    for _, row in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named
        for path, test in named:
            assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), test
