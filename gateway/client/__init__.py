"""The Python client of the gateway, for sources, registries, the terminal and the tests. Asynchronous throughout.

async with connect("127.0.0.1:50551") as channel:
    async for answer in IntakeClient(channel).push(batches, source_id="yen-bai.population", epoch="2025-07"):
        ...
"""

from gateway.client.channel import connect
from gateway.client.credentials import Credentials
from gateway.client.errors import RejectedByGatewayError, RetryableGatewayError
from gateway.client.feed import Bookmark, FeedClient, Page, Position
from gateway.client.intake import (
    CLIENT_SOFTWARE,
    Answer,
    IntakeClient,
    Landed,
    Outgoing,
    Progress,
    Refused,
    Validated,
)
from gateway.client.online import OnlineClient
from gateway.client.snapshots import Downloaded, SnapshotDamagedError, download
from gateway.client.status import Change, StatusClient, Watched
from gateway.client.units import UnitsClient
from gateway.wire.faults import Fault
from gateway.wire.units import Relation, Resolution, UnitCard, UnitQuery

__all__ = [
    "CLIENT_SOFTWARE",
    "Answer",
    "Bookmark",
    "Change",
    "Credentials",
    "Downloaded",
    "Fault",
    "FeedClient",
    "IntakeClient",
    "Landed",
    "OnlineClient",
    "Outgoing",
    "Page",
    "Position",
    "Progress",
    "Refused",
    "RejectedByGatewayError",
    "Relation",
    "Resolution",
    "RetryableGatewayError",
    "SnapshotDamagedError",
    "StatusClient",
    "UnitCard",
    "UnitQuery",
    "UnitsClient",
    "Validated",
    "Watched",
    "connect",
    "download",
]
