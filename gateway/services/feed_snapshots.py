"""Snapshots for registries: which one there is, and its files in pieces.

A snapshot holds what its registry was entitled to when it was written. One with a field, a province or a kind that is
no longer granted is as good as none.
"""

import math
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gateway.access import GrantedConsumer
from gateway.errors import VERDICTS, Reason, RejectedCallError
from gateway.v1 import feed_pb2
from gateway.workers import Workers
from observability.logs import get_logger
from reconciliation import snapshots
from reconciliation.errors import RetryableStoreError
from reconciliation.snapshots import Snapshot, SnapshotFile
from reconciliation.store import feed, feed_keeping, snapshot_holds

log = get_logger(__name__)

PIECE_BYTES = 1024 * 1024
_HOLD_SECONDS = 600.0  # after so long in one download the hold begins anew
_NEVER = -math.inf


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Keeps what a registry reads from being cleared away, for `hours` after it last asked."""

    workers: Workers
    clock: Callable[[], datetime]
    hours: int

    async def hold(self, snapshot: Snapshot) -> bool:
        """Whether the snapshot stands, and is kept for its reader from now on."""
        until = self.clock() + timedelta(hours=self.hours)
        try:
            await self.workers.store(snapshot_holds.hold, snapshot.consumer_id, snapshot.snapshot_id, until=until)
        except RetryableStoreError:  # a full disk keeps nobody from reading: at worst it is cleared away meanwhile
            log.warning("snapshot_not_held", consumer_id=snapshot.consumer_id)
        return await self.workers.columns(lambda: snapshot.stands)


async def newest(workers: Workers, folder: Path, granted: GrantedConsumer, holding: Holding) -> Snapshot:
    """The newest snapshot that the feed continues, held. Raises RejectedCallError SNAPSHOT_UNKNOWN without one."""
    head = await workers.store(feed.head)
    followed = await workers.store(feed_keeping.following, consumer_id=granted.consumer_id)
    earliest = followed[0].earliest
    for one in await workers.columns(lambda: list(snapshots.standing(folder, granted.consumer_id))):
        is_of_feed = one.cursor.epoch == head.epoch and earliest <= one.cursor.sequence <= head.sequence
        if is_of_feed and _is_granted(one, granted) and await holding.hold(one):
            return one
    raise _unknown()


async def pieces(
    workers: Workers,
    folder: Path,
    granted: GrantedConsumer,
    request: feed_pb2.DownloadSnapshotRequest,
    holding: Holding,
) -> AsyncGenerator[feed_pb2.DownloadSnapshotResponse]:
    """A file from an offset on; what is read is held. Raises RejectedCallError SNAPSHOT_UNKNOWN without it."""
    snapshot, found = await workers.columns(_find, folder, granted, request.snapshot_id, request.file)
    offset, held_at = request.offset, _NEVER
    while offset < found.size_bytes:
        if time.monotonic() - held_at >= _HOLD_SECONDS:
            if not await holding.hold(snapshot):
                raise _unknown()
            held_at = time.monotonic()
        data = await workers.columns(_piece, folder, granted.consumer_id, request.snapshot_id, found.file, offset)
        if not data:
            raise _unknown()  # it was cleared away meanwhile
        yield feed_pb2.DownloadSnapshotResponse(offset=offset, data=data)
        offset += len(data)


def _find(folder: Path, granted: GrantedConsumer, snapshot_id: str, name: str) -> tuple[Snapshot, SnapshotFile]:
    """No name that came from outside is made a path of: it has to be one of those that are there."""
    for one in snapshots.standing(folder, granted.consumer_id):
        if one.snapshot_id == snapshot_id and _is_granted(one, granted):
            for file in one.files:
                if file.file == name:
                    return one, file
    raise _unknown()


def _piece(folder: Path, consumer_id: str, snapshot_id: str, name: str, offset: int) -> bytes:
    try:
        with (folder / consumer_id / snapshot_id / name).open("rb") as file:
            file.seek(offset)
            return file.read(PIECE_BYTES)
    except FileNotFoundError:
        return b""


def _is_granted(snapshot: Snapshot, granted: GrantedConsumer) -> bool:
    for file in snapshot.files:
        grant = granted.grants.get(file.kind)
        if grant is None or not set(file.fields) <= set(grant.fields):
            return False
        if grant.province_codes and not (file.province_codes and set(file.province_codes) <= set(grant.province_codes)):
            return False
    return True


def _unknown() -> RejectedCallError:
    return RejectedCallError(Reason.SNAPSHOT_UNKNOWN, VERDICTS[Reason.SNAPSHOT_UNKNOWN].en)
