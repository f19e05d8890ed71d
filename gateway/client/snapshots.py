"""Downloading a snapshot: resumed where it was cut off, and held against its hashes before it is called whole."""

import hashlib
import os
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from adapters.canonical import RecordKind
from gateway.client.feed import FeedClient
from gateway.errors import GatewayError
from gateway.v1 import feed_pb2
from gateway.wire.values import read_kind


class SnapshotDamagedError(GatewayError):
    """A file that was downloaded is not the one that was written. It has been removed: download it again."""


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A snapshot on our disk. Once it is loaded, acknowledge `cursor` and follow the feed from there."""

    snapshot_id: str
    cursor: str
    feed_sequence: int
    files: dict[RecordKind, Path]


async def download(client: FeedClient, folder: Path) -> Downloaded:
    """The newest snapshot, in a folder of its name below `folder`. Files that are whole already are not sent again.

    Raises SnapshotDamagedError, RejectedByGatewayError (SNAPSHOT_UNKNOWN) or RetryableGatewayError: call it again then.
    """
    snapshot = await client.snapshot()
    place = folder / snapshot.snapshot_id
    place.mkdir(parents=True, exist_ok=True)
    files: dict[RecordKind, Path] = {}
    for one in snapshot.files:
        kind = read_kind(one.kind, field_path="files.kind")
        if kind is not None:
            files[kind] = await _file(client, snapshot.snapshot_id, one, place / f"{kind}.parquet")
    return Downloaded(
        snapshot_id=snapshot.snapshot_id,
        cursor=snapshot.cursor,
        feed_sequence=snapshot.feed_sequence,
        files=files,
    )


async def _file(client: FeedClient, snapshot_id: str, told: feed_pb2.SnapshotFile, path: Path) -> Path:
    if path.exists() and _digest(path) == told.sha256:
        return path
    part = path.with_suffix(".parquet.part")
    with part.open("ab") as written:
        pieces = client.snapshot_file(snapshot_id, told.name, offset=written.tell())
        async with aclosing(pieces) as received:
            async for piece in received:
                written.write(piece)
        written.flush()
        os.fsync(written.fileno())
    if _digest(part) != told.sha256:
        part.unlink()
        raise SnapshotDamagedError(f"{told.name} of snapshot {snapshot_id} came damaged. Next: download it again.")
    part.rename(path)
    return path


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
