"""A registry that follows the feed: what it holds and how far it is are written in one transaction of its own.

usage: registry.py HOST:PORT CONSUMER_ID FILE.sqlite [--once] [--with CERTIFICATE KEY AUTHORITIES]

A gateway that is not on this machine demands the certificate; the three are PEM files (docs/operating-certificates.md).
Delivery is at least once: a change whose feed_seq is not beyond the place we hold has been applied already.
"""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import aclosing, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from pyarrow import parquet

from gateway.client import Credentials, FeedClient, Page, RejectedByGatewayError, connect, download
from reconciliation.model import Outcome, OutcomeKind

TABLES = """
CREATE TABLE IF NOT EXISTS subject (kind TEXT, subject_id TEXT, said TEXT, PRIMARY KEY (kind, subject_id));
CREATE TABLE IF NOT EXISTS replaced (subject_id TEXT PRIMARY KEY, replaced_by TEXT);
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), cursor TEXT, feed_seq INTEGER);
INSERT OR IGNORE INTO place VALUES (1, '', 0);
"""
BEGIN_ANEW = {"CURSOR_EPOCH", "CURSOR_EXPIRED"}  # the feed does not go on from where we are
ABOUT = {"feed_seq", "subject_id", "cause", "replaced_by", "traceparent"}  # the other columns are our fields


async def follow(
    address: str, consumer_id: str, path: str, *, once: bool, credentials: Credentials | None = None
) -> None:
    """Take a snapshot where there is nothing to go on from, then apply what comes."""
    with closing(sqlite3.connect(path)) as ours:
        ours.executescript(TABLES)
        async with connect(address, credentials=credentials) as channel:
            client = FeedClient(channel, consumer_id=consumer_id)
            if not cursor(ours):
                await load_snapshot(client, ours)
            while True:
                try:
                    await apply_all(client, ours, once=once)
                except RejectedByGatewayError as error:
                    if error.fault.reason not in BEGIN_ANEW:
                        raise
                    await load_snapshot(client, ours)
                else:
                    return


async def apply_all(client: FeedClient, ours: sqlite3.Connection, *, once: bool) -> None:
    """Page after page: first into our own database, then acknowledged, then reported."""
    answers = client.stream(cursor(ours), until_current=True) if once else client.watch(cursor(ours))
    async with aclosing(answers):
        async for answer in answers:
            outcomes = list(apply(ours, answer)) if isinstance(answer, Page) else []
            ours.execute("UPDATE place SET cursor = ?", (answer.next_cursor,))
            ours.commit()  # what a page said and how far we are: both or neither
            await client.acknowledge(answer.next_cursor)
            if outcomes:
                await client.report(outcomes, cursor=answer.next_cursor)


def apply(ours: sqlite3.Connection, page: Page) -> Iterator[Outcome]:
    """Apply a page; what became of each change."""
    (held,) = ours.execute("SELECT feed_seq FROM place").fetchone()
    for kind, table in page.tables.items():
        for row in table.to_pylist():
            if row["feed_seq"] > held:
                change(ours, str(kind), row)
            yield Outcome(feed_seq=row["feed_seq"], kind=OutcomeKind.APPLIED)
    newest = max((table["feed_seq"][-1].as_py() for table in page.tables.values() if table.num_rows), default=held)
    ours.execute("UPDATE place SET feed_seq = max(feed_seq, ?)", (newest,))


def change(ours: sqlite3.Connection, kind: str, row: dict[str, object]) -> None:
    """One change: the subject as it is now, or that it is no more."""
    if row["cause"] in {"MERGED", "RETRACTED"}:
        ours.execute("DELETE FROM subject WHERE kind = ? AND subject_id = ?", (kind, row["subject_id"]))
        if row["replaced_by"]:  # what we keep under the old id belongs to this one now
            ours.execute("INSERT OR REPLACE INTO replaced VALUES (?, ?)", (row["subject_id"], row["replaced_by"]))
        return
    said = {name: value for name, value in row.items() if name not in ABOUT and not name.startswith("previous_")}
    keep(ours, kind, str(row["subject_id"]), said)
    ours.execute("DELETE FROM replaced WHERE subject_id = ?", (row["subject_id"],))  # it may be parted again


def keep(ours: sqlite3.Connection, kind: str, subject_id: str, said: dict[str, object]) -> None:
    """Hold what is said of a subject."""
    text = json.dumps(said, default=str, ensure_ascii=False, sort_keys=True)
    ours.execute("INSERT OR REPLACE INTO subject VALUES (?, ?, ?)", (kind, subject_id, text))


async def load_snapshot(client: FeedClient, ours: sqlite3.Connection) -> None:
    """Replace all that we hold by the newest snapshot; the feed goes on from its cursor."""
    with TemporaryDirectory() as folder:
        taken = await download(client, Path(folder))
        ours.execute("DELETE FROM subject")
        for kind, path in taken.files.items():
            for batch in parquet.ParquetFile(path).iter_batches():
                for row in batch.to_pylist():
                    said = {name: value for name, value in row.items() if name not in ABOUT}
                    keep(ours, str(kind), row["subject_id"], said)
        ours.execute("UPDATE place SET cursor = ?, feed_seq = ?", (taken.cursor, taken.feed_sequence))
        ours.commit()
    await client.acknowledge(taken.cursor)


def cursor(ours: sqlite3.Connection) -> str:
    """How far we are."""
    (place,) = ours.execute("SELECT cursor FROM place").fetchone()
    return str(place)


def shown(words: list[str]) -> Credentials | None:
    """What we are known by, as it was typed after --with."""
    if "--with" not in words:
        return None
    place = words.index("--with") + 1
    certificate, key, authorities = map(Path, words[place : place + 3])
    return Credentials(certificate_path=certificate, key_path=key, authorities_path=authorities)


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:4], once="--once" in sys.argv, credentials=shown(sys.argv)))
