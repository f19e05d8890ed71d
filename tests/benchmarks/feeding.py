"""The feed: one registry pulls every change, beside what COPY TO alone can do."""

import io
import time

import psycopg
import sqlalchemy as sa

from adapters.canonical import RecordKind
from gateway.client import FeedClient, connect
from reconciliation.store import tables
from reconciliation.store.engine import Engine


def copy_out_limit(engine: Engine) -> float:
    """Rows a second of COPY TO of every golden person, as text, thrown away."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        began, size = time.perf_counter(), io.BytesIO()
        with driver.cursor() as cursor, cursor.copy("COPY golden_person TO STDOUT") as copy:
            for block in copy:
                size.write(block)
        seconds = time.perf_counter() - began
        rows = connection.execute(sa.select(sa.func.count()).select_from(tables.golden_tables[RecordKind.PERSON]))
        return rows.scalar_one() / seconds


async def pull(address: str) -> int:
    """The population registry fetches everything; how many changes it got."""
    async with connect(address) as channel:
        client = FeedClient(channel, consumer_id="population")
        return sum([page.changes async for page in client.pages((await client.position()).beginning_cursor)])
