"""How long snapshots are kept: the newest of each registry, those that are young, and those that somebody reads.

Cut off anywhere and run again, it comes to the same end, and each snapshot is written down once as gone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from reconciliation import snapshots
from reconciliation.snapshots import Snapshot
from reconciliation.store import snapshot_holds
from reconciliation.store.engine import Engine
from reconciliation.store.snapshot_holds import Clearing

NEWEST = 3  # of each registry, however old
DAYS = 7  # for how long any is kept
_WRITING = timedelta(days=1)  # longer than any writer takes


@dataclass(frozen=True, kw_only=True)
class Cleared:
    """What became of the snapshots of all registries: how many stand, of them `held` by a reader, and what went."""

    kept: int
    held: int
    gone: int
    gone_bytes: int
    left: int  # folders that could not be deleted; the next run tries again


@dataclass(frozen=True, kw_only=True)
class _Sorted:
    """The snapshots of a registry, and the folders that are none."""

    kept: list[Snapshot]
    held: list[Snapshot]
    going: list[Snapshot]
    leftovers: list[Path]


def clear(
    engine: Engine,
    folder: Path,
    *,
    newest: int = NEWEST,
    keep: timedelta = timedelta(days=DAYS),
    now: datetime,
    by: str,
) -> Cleared:
    """Let go the snapshots below `folder` that are not among the `newest` of their registry, nor younger than `keep`,
    nor held by a reader; and what is left of those that went or were never finished.

    Raises ValueError unless `newest` is at least 1.
    """
    if newest < 1:
        raise ValueError("the newest snapshot of a registry is always kept")
    with snapshot_holds.clearing(engine, now=now) as clearing:
        known = snapshot_holds.known(clearing)  # another folder is none of ours
        found = [
            _sorted(folder, one, clearing, newest=newest, older_than=now - keep, now=now)
            for one in snapshots.registries(folder)
            if one in known
        ]
        going = [one for each in found for one in each.going]
        leftovers = [path for each in found for path in each.leftovers]
        withdrawn = [
            ((path.parent.name, path.name), snapshots.bytes_in(path)) for path in leftovers if path.name[0] != "."
        ]
        writing_down = [*(((one.consumer_id, one.snapshot_id), one.size_bytes) for one in going), *withdrawn]
        gone = snapshot_holds.note(clearing, writing_down, by=by, now=now)
        for one in going:  # once they are written down: where that fails, nothing has gone
            snapshots.withdraw(one)
    removed = [snapshots.remove(path) for path in (*(one.folder for one in going), *leftovers)]
    return Cleared(
        kept=sum(len(each.kept) for each in found),
        held=sum(len(each.held) for each in found),
        gone=len(gone),
        gone_bytes=sum(gone),
        left=removed.count(False),
    )


def _sorted(
    folder: Path, consumer_id: str, clearing: Clearing, *, newest: int, older_than: datetime, now: datetime
) -> _Sorted:
    standing = list(snapshots.standing(folder, consumer_id))
    held = [one for one in standing if (consumer_id, one.snapshot_id) in clearing.held]
    kept = [one for place, one in enumerate(standing) if place < newest or one.written_at >= older_than or one in held]
    return _Sorted(
        kept=kept,
        held=held,
        going=[one for one in standing if one not in kept],
        leftovers=snapshots.leftovers(folder, consumer_id, before=now - _WRITING),
    )
