"""Beside the batches: writers that commit in any order, and registries that follow, lag, die and lie.

Writers write changes as reconciliation does, straight into the database, so that transactions can be held open. All
that registries do goes through the lines and the gateways, whatever is done to them.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import sqlalchemy as sa

from adapters.canonical import RecordKind
from gateway.client import FeedClient, Page, RejectedByGatewayError, RetryableGatewayError, connect
from gateway.tokens import Purpose, open_token, seal
from reconciliation.entitlements import read_grants
from reconciliation.errors import RetryableStoreError
from reconciliation.model import Outcome, OutcomeKind
from reconciliation.store import engine as engines
from reconciliation.store import epochs, feed
from tests.nemesis.feed_validators import (
    ACKNOWLEDGE,
    FETCH,
    LIE,
    POSITION,
    REPORT,
    SNAPSHOT,
    WRITE,
    holding_hash,
)
from tests.nemesis.history import History, Kind

CALL_SECONDS = 1.5
SETTLE_SECONDS = 3.0  # for every change to have its place
WRITERS = 3
MOST_HELD_SECONDS = 0.25  # a transaction stays open
GONE = "RETRACTED"
FIXED = ("feed_seq", "subject_id", "cause", "replaced_by", "traceparent")
LOST = (psycopg.Error, OSError)

_CHANGE = """
    INSERT INTO change (change_id, kind, province_code, subject_id, cause, previous_change_id)
    VALUES (nextval('change_id_seq'), 'person', '15', %s, %s, %s) RETURNING change_id"""
_GOLDEN = "INSERT INTO golden_person (change_id, subject_id, full_name, provenance) VALUES (%s, %s, %s, '{}')"


@dataclass
class Writer:
    """Writes of subjects of its own; of one whose fate it does not know it writes no more."""

    history: History
    url: str
    name: str
    dice: random.Random
    transactions: int = 0
    subjects: int = 0
    standing: dict[str, int] = field(default_factory=dict)  # subject: its newest change

    async def write(self, over: asyncio.Event) -> None:
        """Transaction after transaction until `over`, over a new connection whenever one is lost."""
        while not over.is_set():
            try:
                async with await psycopg.AsyncConnection.connect(self.url, connect_timeout=2) as connection:
                    while not over.is_set():
                        await self._transaction(connection)
                        await asyncio.sleep(self.dice.uniform(0.02, 0.15))
            except LOST:
                await asyncio.sleep(0.1)

    async def _transaction(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.transactions += 1
        key = f"{self.name}/{self.transactions}"
        chosen = [self._choose() for _ in range(self.dice.randint(1, 3))]
        plan = dict(chosen)
        contents = {subject: f"{key} {subject}" for subject, cause in plan.items() if cause != GONE}
        takes_back = self.dice.random() < 0.1
        await self.history.note(self.name, Kind.INVOKE, WRITE, key, contents=list(contents.values()))
        previous = {subject: self.standing.pop(subject, None) for subject in plan}
        try:
            written = await self._insert(connection, plan, previous, contents)
            await asyncio.sleep(self.dice.choice((0.0, 0.0, 0.02, MOST_HELD_SECONDS)))
            if takes_back:
                await connection.rollback()
            else:
                await connection.commit()
        except LOST as error:
            await self.history.note(self.name, Kind.INFO, WRITE, key, error=type(error).__name__)
            raise
        if takes_back:
            self.standing |= {subject: change for subject, change in previous.items() if change is not None}
            await self.history.note(self.name, Kind.FAIL, WRITE, key)
            return
        self.standing |= {subject: change for subject, change in written.items() if plan[subject] != GONE}
        await self.history.note(self.name, Kind.OK, WRITE, key, change_ids=list(written.values()))

    def _choose(self) -> tuple[str, str]:
        if self.standing and self.dice.random() < 0.6:
            subject = self.dice.choice(sorted(self.standing))
            return subject, self.dice.choice(("UPDATED", "UPDATED", GONE))
        self.subjects += 1
        return f"{self.name}.{self.subjects}", "CREATED"

    async def _insert(
        self,
        connection: psycopg.AsyncConnection[Any],
        plan: Mapping[str, str],
        previous: Mapping[str, int | None],
        contents: Mapping[str, str],
    ) -> dict[str, int]:
        written: dict[str, int] = {}
        for subject, cause in plan.items():
            cursor = await connection.execute(_CHANGE, [subject, cause, previous[subject]])
            row = await cursor.fetchone()
            assert row is not None
            written[subject] = row[0]
            if subject in contents:
                await connection.execute(_GOLDEN, [row[0], subject, contents[subject]])
        return written


@dataclass
class Follower:
    """A registry. `ports` are the ends of the lines it may use; `dies_after` so many acknowledgements."""

    history: History
    engine: sa.Engine
    consumer_id: str
    ports: Sequence[int]
    dice: random.Random
    pause_seconds: float
    dies_after: int | None = None
    lies: bool = False
    secret: bytes = b""
    cursor: str = ""
    holding: dict[str, str | None] = field(default_factory=dict)
    unreported: list[int] = field(default_factory=list)
    acknowledged: int = 0

    def __post_init__(self) -> None:
        self.secret = feed.cursor_secret(self.engine)
        grants = [one for one in read_grants() if one.consumer_id == self.consumer_id]
        fields = next(one.fields for one in grants if one.kind is RecordKind.PERSON)
        self._granted = [*FIXED, *fields, *(f"previous_{name}" for name in fields)]
        self.cursor = self._seal((1, 0))

    async def follow(self, over: asyncio.Event) -> None:
        """Do this and that until `over`, or until it dies."""
        while not over.is_set() and (self.dies_after is None or self.acknowledged < self.dies_after):
            async with connect(f"127.0.0.1:{self.dice.choice(self.ports)}") as channel:
                client = FeedClient(channel, consumer_id=self.consumer_id, deadline_seconds=CALL_SECONDS)
                for _ in range(8):
                    if over.is_set():
                        return
                    await self._do_something(client)
                    await asyncio.sleep(self.dice.uniform(0, self.pause_seconds))

    async def catch_up(self) -> None:
        """Read to the end, when everything is whole."""
        async with connect(f"127.0.0.1:{self.ports[0]}") as channel:
            client = FeedClient(channel, consumer_id=self.consumer_id)
            while (page := await self._fetch(client, page_size=50)) is None or page.lag:
                continue
            await self._acknowledge(client)
            await self._position(client)

    async def _do_something(self, client: FeedClient) -> None:
        await self._fetch(client, page_size=self.dice.randint(1, 9))
        if self.dice.random() < 0.6:
            await self._acknowledge(client)
        if self.dice.random() < 0.3:
            await self._report(client)
        if self.dice.random() < 0.3:
            await self._position(client)
        if self.lies:
            await self._lie(client)

    async def _fetch(self, client: FeedClient, *, page_size: int) -> Page | None:
        after = self._place(self.cursor)
        process = f"registry {self.consumer_id}"
        await self.history.note(process, Kind.INVOKE, FETCH, self.consumer_id, after=after)
        try:
            page = await client.fetch(self.cursor, page_size=page_size)
        except RejectedByGatewayError as error:
            await self.history.note(process, Kind.FAIL, FETCH, self.consumer_id, reason=error.fault.reason)
            if error.fault.reason == "CURSOR_EPOCH":
                await self._take_snapshot()
            return None
        except RetryableGatewayError as error:
            await self.history.note(process, Kind.INFO, FETCH, self.consumer_id, reason=error.fault.reason)
            return None
        table = page.tables.get(RecordKind.PERSON)
        rows = [] if table is None else table.select(["feed_seq", "subject_id", "cause", "full_name"]).to_pylist()
        changes = [list(row.values()) for row in rows]
        if self.dice.random() < 0.85:  # else it forgets the page, and asks again
            for _, subject, cause, content in changes:
                self.holding.pop(subject, None)
                if cause != GONE:
                    self.holding[subject] = content
            self.cursor = page.next_cursor
            self.unreported += [change[0] for change in changes]
            held = holding_hash(self.holding)
        else:
            held = None
        upto = self._place(page.next_cursor)
        columns = [] if table is None else table.column_names
        said = {"after": after, "upto": upto, "head": page.head, "changes": changes, "columns": columns}
        op_holding = {} if held is None else {"holding": held}
        await self.history.note(process, Kind.OK, FETCH, self.consumer_id, **said, granted=self._granted, **op_holding)
        return page

    async def _acknowledge(self, client: FeedClient) -> None:
        upto = self._place(self.cursor)
        if await self._call(client.acknowledge(self.cursor), ACKNOWLEDGE, upto=upto):
            self.acknowledged += 1

    async def _report(self, client: FeedClient) -> None:
        outcomes = [Outcome(feed_seq=number, kind=OutcomeKind.APPLIED) for number in self.unreported[:5]]
        if outcomes and await self._call(client.report(outcomes), REPORT, of=self.unreported[:5]):
            del self.unreported[:5]

    async def _position(self, client: FeedClient) -> None:
        process = f"registry {self.consumer_id}"
        await self.history.note(process, Kind.INVOKE, POSITION, self.consumer_id)
        try:
            position = await client.position()
        except (RejectedByGatewayError, RetryableGatewayError) as error:
            await self.history.note(process, Kind.INFO, POSITION, self.consumer_id, reason=error.fault.reason)
            return
        acknowledged = self._place(position.acknowledged_cursor)
        await self.history.note(process, Kind.OK, POSITION, self.consumer_id, acknowledged=acknowledged)

    async def _lie(self, client: FeedClient) -> None:
        """Say what is not so, in one of the ways there are."""
        epoch, place = self._place(self.cursor)
        forged = self.cursor[:6] + ("A" if self.cursor[6] != "A" else "B") + self.cursor[7:]
        another = seal((epoch, place), secret=self.secret, purpose=Purpose.FEED_CURSOR, bound_to="another")
        beyond = self._seal((epoch, place + 1_000_000))
        unread = [Outcome(feed_seq=place + 1_000_000, kind=OutcomeKind.APPLIED)]
        lies = {
            "a cursor of its own making": lambda: client.acknowledge(forged),
            "a cursor of another registry": lambda: client.acknowledge(another),
            "a cursor beyond the feed": lambda: client.acknowledge(beyond),
            "an outcome of what it was never sent": lambda: client.report(unread),
        }
        lie = self.dice.choice(sorted(lies))
        await self._call(lies[lie](), LIE, lie=lie)

    async def _take_snapshot(self) -> None:
        """Begin anew with everything that is there, as a registry has to when an epoch has begun."""
        process = f"registry {self.consumer_id}"
        try:
            place, tables = await asyncio.to_thread(feed.snapshot, self.engine, consumer_id=self.consumer_id)
        except RetryableStoreError:
            return
        people = tables[RecordKind.PERSON]
        self.holding = dict(zip(people["subject_id"].to_pylist(), people["full_name"].to_pylist(), strict=True))
        self.cursor, self.unreported = self._seal((place.epoch, place.sequence)), []
        held = holding_hash(self.holding)
        upto = [place.epoch, place.sequence]
        await self.history.note(process, Kind.OK, SNAPSHOT, self.consumer_id, upto=upto, holding=held)

    async def _call(self, call: Any, op: str, **said: Any) -> bool:
        process = f"registry {self.consumer_id}"
        await self.history.note(process, Kind.INVOKE, op, self.consumer_id, **said)
        try:
            await call
        except RejectedByGatewayError as error:
            await self.history.note(process, Kind.FAIL, op, self.consumer_id, reason=error.fault.reason, **said)
        except RetryableGatewayError as error:
            await self.history.note(process, Kind.INFO, op, self.consumer_id, reason=error.fault.reason, **said)
        else:
            await self.history.note(process, Kind.OK, op, self.consumer_id, **said)
            return True
        return False

    def _seal(self, place: tuple[int, int]) -> str:
        return seal(place, secret=self.secret, purpose=Purpose.FEED_CURSOR, bound_to=self.consumer_id)

    def _place(self, cursor: str) -> list[int]:
        numbers = open_token(cursor, secret=self.secret, purpose=Purpose.FEED_CURSOR, bound_to=self.consumer_id)
        assert numbers is not None
        return list(numbers)


@dataclass
class Beside:
    """Everybody who is at work beside the batches of a run."""

    history: History
    engine: sa.Engine
    followers: Sequence[Follower]
    over: asyncio.Event
    tasks: Sequence["asyncio.Task[None]"]

    async def begin_epoch(self) -> None:
        """What an operator does after a restore. What was lost by one is not played here, see tests/faults."""
        with suppress(RetryableStoreError):
            begun = await asyncio.to_thread(epochs.begin, self.engine, by="nemesis", reason="drawn")
            await self.history.note("nemesis", Kind.INFO, "begin epoch", epoch=begun.epoch, feed_seq=begun.feed_seq)

    async def end(self) -> None:
        """Let everybody come to an end, and the living registries read what is left."""
        self.over.set()
        await asyncio.gather(*self.tasks)
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                while await asyncio.to_thread(_unsequenced, self.engine):
                    await asyncio.sleep(0.03)
        living = [one for one in self.followers if one.dies_after is None]
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * SETTLE_SECONDS):
                await asyncio.gather(*(one.catch_up() for one in living))


@asynccontextmanager
async def beside(history: History, url: str, ports: Sequence[int], *, seed: int) -> AsyncIterator[Beside]:
    """Writers and registries at work while the context lasts; call `end` before it does."""
    dice = random.Random(f"feed {seed}")
    engine = await asyncio.to_thread(engines.connect, url, pool_size=3)
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    writers = [Writer(history, plain, f"w{number}", random.Random(dice.random())) for number in range(WRITERS)]
    dies_after = dice.choice((None, 2))
    followers = [
        Follower(history, engine, "population", ports, random.Random(dice.random()), 0.12, lies=dice.random() < 0.5),
        Follower(history, engine, "social-insurance", ports, random.Random(dice.random()), 0.8, dies_after=dies_after),
    ]
    over = asyncio.Event()
    tasks = [asyncio.create_task(one.write(over)) for one in writers]
    tasks += [asyncio.create_task(one.follow(over)) for one in followers]
    try:
        yield Beside(history, engine, followers, over, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        engine.dispose()


def _unsequenced(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        query = sa.text("SELECT count(*) FROM change WHERE change_id NOT IN (SELECT change_id FROM feed_entry)")
        return int(connection.scalar(query) or 0)
