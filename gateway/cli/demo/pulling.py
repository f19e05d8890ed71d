"""The registries pull what changed, apply most of it, refuse some, and say so."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from gateway.cli.demo.house import House
from gateway.client import FeedClient, connect
from gateway.identity import Role
from reconciliation.entitlements import read_grants
from reconciliation.model import Outcome, OutcomeKind

REFUSED_ONE_IN = 97  # changes; which ones is a matter of the feed position, the same in every demo of one country
REASON = "FIELDS_INCONSISTENT"
REPORTED_AT_ONCE = 10_000
PAGE = 5_000


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """What one registry did with the feed."""

    consumer_id: str
    changes: int
    applied: int
    refused: int


def pull_everything(house: House) -> list[Pulled]:
    """Every registry follows the feed to its head."""
    return asyncio.run(_pull_all(house, sorted({grant.consumer_id for grant in read_grants()})))


async def _pull_all(house: House, consumers: list[str]) -> list[Pulled]:
    return await asyncio.gather(*(_pull(house, one) for one in consumers))


async def _pull(house: House, consumer_id: str) -> Pulled:
    """Over a connection of its own, under the certificate of that registry."""
    async with connect(house.gateway, credentials=house.credentials(Role.CONSUMER, consumer_id)) as channel:
        return await _follow(FeedClient(channel, consumer_id=consumer_id), consumer_id)


async def _follow(client: FeedClient, consumer_id: str) -> Pulled:
    changes = refused = 0
    async for page in client.pages(page_size=PAGE):
        await client.acknowledge(page.next_cursor)
        for outcomes in _outcomes(page.tables.values()):
            await client.report(outcomes, cursor=page.next_cursor)
            refused += sum(outcome.kind is OutcomeKind.REFUSED for outcome in outcomes)
        changes += page.changes
    return Pulled(consumer_id=consumer_id, changes=changes, applied=changes - refused, refused=refused)


def _outcomes(tables: Iterable[pa.Table]) -> Iterator[list[Outcome]]:
    """What a registry made up for the demo says of a page: it refuses by the number of the change."""
    numbers = [number for table in tables for number in table["feed_seq"].to_pylist()]
    told = [
        Outcome(feed_seq=number, kind=OutcomeKind.REFUSED, reason=REASON)
        if number % REFUSED_ONE_IN == 0
        else Outcome(feed_seq=number, kind=OutcomeKind.APPLIED)
        for number in sorted(numbers)
    ]
    for first in range(0, len(told), REPORTED_AT_ONCE):
        yield told[first : first + REPORTED_AT_ONCE]
