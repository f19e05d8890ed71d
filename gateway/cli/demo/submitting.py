"""Online systems submit, one by one: what contradicts itself now, and what has waited in vain since a month ago."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from adapters import catalogue, simulator
from gateway import server
from gateway.cli.demo.house import House
from gateway.client import OnlineClient, connect
from gateway.identity import Role
from gateway.settings import Settings
from gateway.wire.online import encode_record

DAYS_AGO = 30  # longer than any first deadline, whatever holidays lie between


def submit_long_ago(country: simulator.Country, house: House) -> None:
    """What came a month ago and lacks an earlier version, or the signature that officers there owe it."""
    asyncio.run(_submit_long_ago(house, simulator.unfinished(country)))


def submit_disputes(country: simulator.Country, house: House) -> None:
    """What no rule may decide, a few of every kind."""
    asyncio.run(_submit_disputes(house, simulator.disputes(country)))


async def _submit_long_ago(house: House, submissions: Sequence[simulator.Submission]) -> None:
    """To a gateway in this process, whose clock stood there and on which officers sign; nobody else can reach it."""
    then, known = house.started_at - timedelta(days=DAYS_AGO), catalogue.load()
    signing = {one.source_id: replace(known.sources[one.source_id], officers_sign=True) for one in submissions}
    then_known = replace(known, sources=known.sources | signing)
    async with (
        server.running(house.engine, Settings(port=0), catalogue=then_known, clock=lambda: then) as gateway,
        connect(gateway.address) as channel,
    ):
        await _submit(OnlineClient(channel), submissions)


async def _submit_disputes(house: House, submissions: Sequence[simulator.Submission]) -> None:
    """Each source over a connection and under a certificate of its own, in its own order."""
    of_source: dict[str, list[simulator.Submission]] = defaultdict(list)
    for one in submissions:
        of_source[one.source_id].append(one)
    for source_id, own in of_source.items():
        async with connect(house.gateway, credentials=house.credentials(Role.SOURCE, source_id)) as channel:
            await _submit(OnlineClient(channel), own)


async def _submit(client: OnlineClient, submissions: Sequence[simulator.Submission]) -> None:
    for one in submissions:
        record = encode_record(one.fields, kind=one.kind)
        await client.submit(record, source_id=one.source_id, exported_on=one.spoken_on)
