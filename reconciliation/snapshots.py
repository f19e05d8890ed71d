"""Snapshots on disk: for one registry at one place of the feed a Parquet file a kind, and a manifest of them.

A snapshot appears whole or not at all, and never changes: its folder is renamed into place once everything in it is
written. The feed read from its place on continues it. When it goes, its manifest goes first.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import parquet

from adapters.canonical import RecordKind
from reconciliation.model import Cursor

if TYPE_CHECKING:
    from reconciliation.store.feed import SnapshotReading  # readers of manifests, at a registry, have no store

MANIFEST = "manifest.json"
_PART = ".part"  # how the name of a folder ends that is being written


@dataclass(frozen=True, kw_only=True)
class SnapshotFile:
    """One file of a snapshot. `schema` is each column's name and Arrow type, `fields` those that a grant names."""

    file: str
    kind: RecordKind
    rows: int
    size_bytes: int
    sha256: str
    schema: Mapping[str, str]
    fields: tuple[str, ...]
    province_codes: tuple[str, ...]  # none: the whole country


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a manifest says, and where it lies."""

    consumer_id: str
    cursor: Cursor
    written_at: datetime
    files: tuple[SnapshotFile, ...]
    folder: Path

    @property
    def snapshot_id(self) -> str:
        """Its name among the snapshots of its registry."""
        return self.folder.name

    @property
    def size_bytes(self) -> int:
        """How large its files are together."""
        return sum(one.size_bytes for one in self.files)

    @property
    def stands(self) -> bool:
        """Whether it has not been withdrawn since it was read."""
        return (self.folder / MANIFEST).exists()


def write(reading: "SnapshotReading", *, consumer_id: str, folder: Path, now: datetime) -> Snapshot:
    """Write what `reading` gives below `folder`; the same place of the feed is the same snapshot, written once."""
    name = f"{reading.cursor.epoch}-{reading.cursor.sequence:012d}"
    whole = folder / consumer_id / name
    if (whole / MANIFEST).exists():
        return read(whole)
    part = folder / consumer_id / f".{name}.{os.getpid()}{_PART}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    files = [_write_kind(reading, kind, part) for kind in reading.granted]
    manifest = {
        "consumer_id": consumer_id,
        "epoch": reading.cursor.epoch,
        "feed_seq": reading.cursor.sequence,
        "written_at": now.isoformat(),
        "files": files,
    }
    _put(part / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    _sync(part)
    if whole.exists():  # left by a release that wrote the manifest last
        shutil.rmtree(whole)
    part.rename(whole)
    _sync(whole.parent)
    return read(whole)


def read(folder: Path) -> Snapshot:
    """The snapshot in `folder`. Raises OSError without a manifest."""
    said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return Snapshot(
        consumer_id=said["consumer_id"],
        cursor=Cursor(epoch=said["epoch"], sequence=said["feed_seq"]),
        written_at=datetime.fromisoformat(said["written_at"]),
        files=tuple(
            SnapshotFile(
                file=one["file"],
                kind=RecordKind(one["kind"]),
                rows=one["rows"],
                size_bytes=one["bytes"],
                sha256=one["sha256"],
                schema=one["schema"],
                fields=tuple(one["fields"]),
                province_codes=tuple(one["province_codes"]),
            )
            for one in said["files"]
        ),
        folder=folder,
    )


def standing(folder: Path, consumer_id: str) -> Iterator[Snapshot]:
    """The snapshots of a registry, the newest first."""
    try:
        names = [path.name for path in (folder / consumer_id).iterdir() if path.name[0] != "."]
    except FileNotFoundError:
        return
    for name in sorted(names, key=_order, reverse=True):
        if (folder / consumer_id / name / MANIFEST).exists():
            yield read(folder / consumer_id / name)


def registries(folder: Path) -> list[str]:
    """The ids of the registries that have a folder for snapshots, in order."""
    try:
        return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    except FileNotFoundError:
        return []


def withdraw(snapshot: Snapshot) -> None:
    """Take the manifest away: from now on nobody is told of the snapshot, and what is left of it is a leftover."""
    (snapshot.folder / MANIFEST).unlink(missing_ok=True)
    _sync(snapshot.folder)


def leftovers(folder: Path, consumer_id: str, *, before: datetime) -> list[Path]:
    """Folders of a registry that are no snapshot: withdrawn ones, and those that a writer began before and never ended.

    What was last written to at `before` or later may be a writer's at work and is none.
    """
    found = sorted((folder / consumer_id).iterdir())
    withdrawn = [path for path in found if path.name[0] != "." and not (path / MANIFEST).exists()]
    begun = [path for path in found if path.name.startswith(".") and path.name.endswith(_PART)]
    return [*withdrawn, *(path for path in begun if _last_written(path) < before.timestamp())]


def bytes_in(path: Path) -> int:
    """How much of a folder is on the disk; nothing once it is gone."""
    try:
        return sum(one.stat().st_size for one in path.iterdir())
    except FileNotFoundError:
        return 0


def remove(path: Path) -> bool:
    """Delete a folder; whether it is gone. Several may at once."""
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def _last_written(path: Path) -> float:
    """When, in seconds of the epoch; never, of what its writer has just renamed."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _order(name: str) -> tuple[int, str]:
    epoch, _, sequence = name.partition("-")
    return (int(epoch) if epoch.isdigit() else -1, sequence)


def _write_kind(reading: "SnapshotReading", kind: RecordKind, folder: Path) -> dict[str, object]:
    path, granted = folder / f"{kind}.parquet", reading.granted[kind]
    schema, parts = reading.parts(kind)
    rows = 0
    with parquet.ParquetWriter(path, _placed(schema, reading.cursor), compression="zstd") as writer:
        for table in parts:
            writer.write_table(table.replace_schema_metadata(writer.schema.metadata))
            rows += table.num_rows
    _sync(path)
    with path.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return {
        "file": path.name,
        "kind": str(kind),
        "rows": rows,
        "bytes": path.stat().st_size,
        "sha256": digest,
        "schema": {field.name: str(field.type) for field in schema},
        "fields": list(granted.fields),
        "province_codes": list(granted.province_codes),
    }


def _placed(schema: pa.Schema, cursor: Cursor) -> pa.Schema:
    """A file that lost its manifest still says from where the feed continues it."""
    place = {"feed_epoch": str(cursor.epoch), "feed_seq": str(cursor.sequence)}
    return schema.with_metadata(place)


def _put(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
