"""Snapshots for registries: which one there is, and its files in pieces.

A snapshot holds what its registry was entitled to when it was written. One with a field, a province or a kind that is
no longer granted is as good as none.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

from gateway.access import GrantedConsumer
from gateway.errors import VERDICTS, Reason, RejectedCallError
from gateway.v1 import feed_pb2
from gateway.workers import Workers
from reconciliation import snapshots
from reconciliation.snapshots import Snapshot, SnapshotFile
from reconciliation.store import feed, feed_keeping

PIECE_BYTES = 1024 * 1024


async def newest(workers: Workers, folder: Path, granted: GrantedConsumer) -> Snapshot:
    """The newest snapshot that the feed continues. Raises RejectedCallError SNAPSHOT_UNKNOWN without one."""
    head = await workers.store(feed.head)
    followed = await workers.store(feed_keeping.following, consumer_id=granted.consumer_id)
    earliest = followed[0].earliest
    for one in await workers.columns(lambda: list(snapshots.standing(folder, granted.consumer_id))):
        is_of_feed = one.cursor.epoch == head.epoch and earliest <= one.cursor.sequence <= head.sequence
        if is_of_feed and _is_granted(one, granted):
            return one
    raise _unknown()


async def pieces(
    workers: Workers, folder: Path, granted: GrantedConsumer, request: feed_pb2.DownloadSnapshotRequest
) -> AsyncGenerator[feed_pb2.DownloadSnapshotResponse]:
    """A file from an offset on. Raises RejectedCallError SNAPSHOT_UNKNOWN for what is not there to be had."""
    found = await workers.columns(_find, folder, granted, request.snapshot_id, request.file)
    offset = request.offset
    while offset < found.size_bytes:
        data = await workers.columns(_piece, folder, granted.consumer_id, request.snapshot_id, found.file, offset)
        if not data:
            raise _unknown()  # it was cleared away meanwhile
        yield feed_pb2.DownloadSnapshotResponse(offset=offset, data=data)
        offset += len(data)


def _find(folder: Path, granted: GrantedConsumer, snapshot_id: str, name: str) -> SnapshotFile:
    """No name that came from outside is made a path of: it has to be one of those that are there."""
    for one in snapshots.standing(folder, granted.consumer_id):
        if one.snapshot_id == snapshot_id and _is_granted(one, granted):
            for file in one.files:
                if file.file == name:
                    return file
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
