"""Registries that follow the feed through faults: what one holds, and what it has to hold."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from adapters import catalogue
from gateway import server
from gateway.client import FeedClient, Page, RejectedByGatewayError, connect
from gateway.settings import Settings
from gateway.tokens import Purpose, seal
from reconciliation import jobs
from reconciliation.store import feed
from tests.gateway.conftest import NOW
from tests.reconciliation.store.changes import Holding, apply, holding_of, write

BEYOND = 2**62


@asynccontextmanager
async def serving(engine: sa.Engine, **settings: object) -> AsyncIterator[str]:
    """A gateway in this process, by its address."""
    chosen = Settings(**{"port": 0, "sequence_seconds": 0.05, "drain_seconds": 5, **settings})
    async with server.running(engine, chosen, catalogue=catalogue.load(), clock=lambda: NOW) as gateway:
        yield gateway.address


@dataclass
class Registry:
    """A registry's own store: what it holds, the cursor it keeps, and every number it applied, by epoch."""

    address: str
    consumer_id: str = "population"
    cursor: str = ""
    holding: Holding = field(default_factory=dict)
    applied: list[int] = field(default_factory=list)  # since the last snapshot
    snapshots: int = 0

    def take(self, page: Page) -> None:
        """Apply a page and keep its cursor."""
        apply(self.holding, page.tables, upto=BEYOND)
        self.applied += sorted(number for table in page.tables.values() for number in table["feed_seq"].to_pylist())
        self.cursor = page.next_cursor

    async def catch_up(self, *, page_size: int = 7, acknowledges: bool = True) -> None:
        """Pull until nothing is left."""
        async with connect(self.address) as channel:
            client = FeedClient(channel, consumer_id=self.consumer_id)
            while True:
                page = await client.fetch(self.cursor, page_size=page_size)
                self.take(page)
                if acknowledges:
                    await client.acknowledge(page.next_cursor)
                if not page.lag:
                    return

    def take_snapshot(self, engine: sa.Engine) -> None:
        """Hold what a snapshot holds, and nothing else."""
        place, tables = feed.snapshot(engine, consumer_id=self.consumer_id)
        self.holding, self.applied, self.snapshots = holding_of(tables), [], self.snapshots + 1
        self.cursor = seal(
            (place.epoch, place.sequence),
            secret=feed.cursor_secret(engine),
            purpose=Purpose.FEED_CURSOR,
            bound_to=self.consumer_id,
        )

    async def refusal(self) -> str:
        """Why its cursor is refused; empty when it is not."""
        async with connect(self.address) as channel:
            try:
                await FeedClient(channel, consumer_id=self.consumer_id).fetch(self.cursor)
            except RejectedByGatewayError as error:
                return error.fault.reason
        return ""


def state(engine: sa.Engine, consumer_id: str = "population") -> Holding:
    """What a registry has to hold that has read everything."""
    return holding_of(feed.snapshot(engine, consumer_id=consumer_id)[1])


def reconciled(engine: sa.Engine, province_code: str = "01") -> None:
    """Reconcile a province and give every change its place."""
    jobs.reconcile_records(engine, province_code=province_code, now=NOW)
    sequenced(engine)


def written(engine: sa.Engine, *subjects: str) -> None:
    """One change for each of `subjects`, in the feed, whoever gives it its place."""
    with engine.begin() as connection:
        for subject in subjects:
            write(connection, subject, full_name=f"name of {subject}")
    sequenced(engine)


def sequenced(engine: sa.Engine) -> None:
    """Give every change its place."""
    while unsequenced(engine):
        feed.sequence(engine)


def unsequenced(engine: sa.Engine) -> int:
    """How many changes have no place yet."""
    with engine.connect() as connection:
        query = sa.text("SELECT count(*) FROM change WHERE change_id NOT IN (SELECT change_id FROM feed_entry)")
        return int(connection.scalar(query) or 0)
