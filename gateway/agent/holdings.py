"""What a spool holds, as it is read from its files: by the agent when it starts, and by whoever only looks."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from gateway.agent import durable, segments
from gateway.agent.errors import FatalSpoolError
from gateway.agent.receipts import KeptReceipt, read_receipts
from gateway.agent.segments import Entry, Mark, Place, Scanned

Key = tuple[str, int]  # epoch and sequence
MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How much a spool may take, and what has to be true before it forgets."""

    quota_bytes: int = 2048 * MIB
    reserve_bytes: int = 64 * MIB  # of the disk, left for receipts and for everybody else
    segment_bytes: int = 16 * MIB
    keep_seconds: float = 30 * 86_400
    signed_receipts: bool = True


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A batch that the gateway would not take, and why."""

    epoch: str
    sequence: int
    sha256: str
    reason: str
    vi: str
    en: str
    origin: str

    def to_json(self) -> bytes:
        """As it stands in refused/."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1).encode()


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What was found damaged: `lost` batches were taken and are gone without a receipt, `aside` are files in damaged/.

    `scarred` segments hold damaged stretches and are kept for whoever looks into it.
    """

    lost: tuple[Key, ...] = ()
    aside: tuple[str, ...] = ()
    scarred: frozenset[Path] = frozenset()


@dataclass
class Stock:
    """The batches of a spool by epoch and number."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    places: dict[Key, Place] = field(default_factory=dict)
    receipts: dict[Key, KeptReceipt] = field(default_factory=dict)
    refused: dict[Key, Refusal] = field(default_factory=dict)
    resend: set[Key] = field(default_factory=set)

    def take(self, entry: Entry, place: Place) -> None:
        """Add a batch; a correction takes the place of what was refused."""
        key = (entry.epoch, entry.sequence)
        self.entries[key], self.places[key] = entry, place
        if entry.corrects:
            self.refused.pop(key, None)

    def receive(self, receipt: KeptReceipt) -> None:
        """Note that a batch is durable at the gateway."""
        key = (receipt.epoch, receipt.sequence)
        self.receipts[key] = receipt
        self.resend.discard(key)

    def pending(self, epochs: Sequence[str]) -> list[Entry]:
        """What is to be sent, in order."""
        order = {epoch: number for number, epoch in enumerate(epochs)}
        wished = self.resend & self.entries.keys()
        # Whole sets, since this is asked every second and most of what is kept has its receipt.
        waiting = ((self.entries.keys() - self.receipts.keys()) | wished) - self.refused.keys()
        return [self.entries[key] for key in sorted(waiting, key=lambda key: (order[key[0]], key[1]))]

    def keys_in(self, path: Path) -> list[Key]:
        """The batches whose bytes lie in a segment."""
        return [key for key, place in self.places.items() if place.path == path]

    def moved(self, before: Path, after: Path) -> None:
        """Note that a segment has another name."""
        for key in self.keys_in(before):
            place = self.places[key]
            self.places[key] = Place(path=after, offset=place.offset, body=place.body, end=place.end)

    def forget(self, path: Path) -> None:
        """Drop the batches of a deleted segment; their receipts stay."""
        for key in self.keys_in(path):
            self.drop(key)

    def drop(self, key: Key) -> None:
        """Drop a batch that is no longer there."""
        del self.entries[key], self.places[key]


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """Everything that is in the files of a spool."""

    source_id: str
    epochs: tuple[str, ...]
    last_sequences: Mapping[str, int]  # of the epochs that have ended
    stock: Stock
    damage: Damage
    new_losses: tuple[Key, ...]  # not known before
    sealed: tuple[tuple[Path, int], ...]  # in the order of their batches, with their sizes
    open_segment: Path | None
    tail: tuple[Path, int] | None  # where the open segment is no longer whole
    next_sequence: int
    mark: Mark | None


def segment_name(epoch_number: int, sequence: int) -> str:
    """The stem under which files of a batch, or of a segment that begins with it, lie; epochs count from 0."""
    return f"{epoch_number + 1:04d}-{sequence:016d}"


def identity_json(source_id: str, epochs: Sequence[str], ended: Mapping[str, int], lost: Sequence[Key]) -> bytes:
    """The content of spool.json: whose it is, its epochs, and of those that have ended the last number."""
    said = {"version": 1, "source_id": source_id, "epochs": list(epochs), "last_sequences": dict(ended)}
    return json.dumps(said | {"lost": [list(key) for key in lost]}, indent=1).encode()


def holdings(folder: Path, *, check_payloads: bool) -> Holdings:
    """Read a spool without changing it. Without `check_payloads` only the headers of its batches are held to theirs.

    Raises FatalSpoolError when the folder holds no spool that this release can read.
    """
    identity = durable.read_json(folder / "spool.json")
    if identity is None or identity.get("version") != 1:
        raise FatalSpoolError(f"{folder}: there is no spool here. Next: run `lienthong agent run` once.")
    epochs = tuple(identity["epochs"])
    scanned = _scan(folder / "segments", epochs, check_payloads=check_payloads)
    stock = Stock()
    for segment in scanned:
        for entry, place in segment.entries:
            stock.take(entry, place)
    for receipt in read_receipts(folder / "receipts.jsonl"):
        stock.receive(receipt)
    _read_refusals(folder / "refused", stock)
    _read_wishes(folder / "resend", stock, epochs)
    ended: dict[str, int] = identity["last_sequences"]
    last = max(
        durable.read_high_water(folder / "accepted", epoch=epochs[-1]),
        *(sequence for epoch, sequence in (*stock.entries, *stock.receipts) if epoch == epochs[-1]),
        0,
    )
    taken = [(epoch, number) for epoch in epochs for number in range(1, ended.get(epoch, last) + 1)]
    gone = [key for key in taken if key not in stock.entries and key not in stock.receipts]
    told = {(epoch, sequence) for epoch, sequence in identity["lost"]}
    tail = next(((one.path, one.good_end) for one in scanned[-1:] if _is_torn(one)), None)
    return Holdings(
        source_id=identity["source_id"],
        epochs=epochs,
        last_sequences=ended,
        stock=stock,
        damage=Damage(
            lost=tuple(gone),
            aside=tuple(sorted(path.name for path in (folder / "damaged").glob("*"))),
            scarred=frozenset(one.path for one in scanned if one.holes or one.good_end < one.size),
        ),
        new_losses=tuple(key for key in gone if key not in told),
        sealed=tuple((one.path, one.size) for one in scanned if one.path.suffix == ".seg"),
        open_segment=next((one.path for one in scanned if one.path.suffix == ".open"), None),
        tail=tail,
        next_sequence=last + 1,
        mark=_last_mark(scanned),
    )


def summary(stock: Stock, epochs: Sequence[str]) -> Mapping[str, Any]:
    """What is owed, in numbers: batches, bytes, and the oldest that waits."""
    waiting = stock.pending(epochs)
    return {
        "batches_owed": len(waiting),
        "bytes_owed": sum(entry.size for entry in waiting),
        "oldest_waiting": min((entry.made_at for entry in waiting), default=None),
        "refused": len(stock.refused),
        "receipts": len(stock.receipts),
    }


def _scan(folder: Path, epochs: Sequence[str], *, check_payloads: bool) -> list[Scanned]:
    """Every segment, oldest first. Of two names of one segment the sealed one counts; a crash cannot leave both."""
    paths = sorted(path for path in folder.glob("*-*") if path.suffix in {".seg", ".open"})
    if any(one.suffix == ".open" for one, _ in pairwise(paths)):
        raise FatalSpoolError(f"{folder}: a segment before the last is open. Next: let somebody look into this folder.")
    numbers = {path: int(path.name[:4]) - 1 for path in paths}
    return [
        segments.scan(path, epoch=epochs[number], check_payloads=check_payloads)
        for path, number in numbers.items()
        if number < len(epochs)
    ]


def _is_torn(segment: Scanned) -> bool:
    is_bare = not segment.has_head and not segment.entries
    return segment.path.suffix == ".open" and (segment.good_end < segment.size or is_bare)


def _last_mark(scanned: Iterable[Scanned]) -> Mark | None:
    mark = None
    for segment in scanned:
        for said in (segment.mark, *(entry.mark for entry, _ in segment.entries)):
            mark = said or mark
    return mark


def _read_refusals(folder: Path, stock: Stock) -> None:
    for path in sorted(folder.glob("*.json")):
        said = durable.read_json(path)
        if said is None:
            continue
        refusal = Refusal(**said)
        key = (refusal.epoch, refusal.sequence)
        entry = stock.entries.get(key)
        if entry and key not in stock.receipts and entry.sha256.hex() == refusal.sha256:
            stock.refused[key] = refusal


def _read_wishes(folder: Path, stock: Stock, epochs: Sequence[str]) -> None:
    wished = {path.name for path in folder.glob("*")}
    if wished:
        stock.resend |= {key for key in stock.entries if segment_name(epochs.index(key[0]), key[1]) in wished}
