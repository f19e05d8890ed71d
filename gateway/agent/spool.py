"""The spool: what a province has to send, safe on its disk from the moment it is taken until it may be forgotten.

A batch is taken after its bytes, its checksums and its number are durable, and keeps that number for ever. Nothing is
deleted without a durable receipt; what is damaged is set aside and told.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path

from gateway.agent import durable, segments
from gateway.agent.errors import FatalSpoolError, RetryableSpoolFullError
from gateway.agent.holdings import Holdings, Key, Refusal, Settings, Stock, holdings, identity_json, segment_name
from gateway.agent.receipts import KeptReceipt, ReceiptFile
from gateway.agent.segments import Entry, Mark, Place

ALARM = 0.8  # of the quota


@dataclass
class Segment:
    """The segment that is being written."""

    path: Path
    handle: int
    end: int


class Spool:
    """The one writer of a spool. Open it with `opened`; not for use by two threads."""

    def __init__(self, folder: Path, settings: Settings, found: Holdings, ending: ExitStack) -> None:
        self.folder = folder
        self.settings = settings
        self.source_id = found.source_id
        self.epochs = list(found.epochs)
        self.damage = found.damage
        self.stock: Stock = found.stock
        self._sealed = list(found.sealed)
        self._next = found.next_sequence
        self._mark = found.mark
        self._open: Segment | None = None
        self._high = durable.HighWater(folder / "accepted")
        ending.callback(self._high.close)
        self._receipts = ReceiptFile(folder / "receipts.jsonl", damaged=folder / "damaged")
        ending.callback(self._receipts.close)
        if found.open_segment:
            handle = os.open(found.open_segment, os.O_RDWR)
            self._open = Segment(found.open_segment, handle, os.fstat(handle).st_size)
        ending.callback(self._close)

    @property
    def epoch(self) -> str:
        """The epoch in which batches are numbered now."""
        return self.epochs[-1]

    @property
    def mark(self) -> Mark | None:
        """Where the producer was when the last batch was taken."""
        return self._mark

    @property
    def last_sequence(self) -> int:
        """The last number taken in the current epoch; 0 when none is."""
        return self._next - 1

    @property
    def used_bytes(self) -> int:
        """What the segments take up."""
        return sum(size for _, size in self._sealed) + (self._open.end if self._open else 0)

    @property
    def is_alarming(self) -> bool:
        """True when 80 % of the quota are used up."""
        return self.used_bytes >= ALARM * self.settings.quota_bytes

    def append(
        self,
        payload: bytes,
        *,
        format: str,  # noqa: A002 - the wire's word
        exported_on: date,
        made_at: str,
        record_count: int = 0,
        origin: str = "",
        mark: Mark | None = None,
        corrects: int | None = None,
    ) -> Entry:
        """Take a batch: it is durable when this returns.

        `corrects` names a refused batch of the current epoch whose place it takes. Raises RetryableSpoolFullError
        before anything is taken, ValueError when there is no such refused batch.
        """
        if corrects is not None and (self.epoch, corrects) not in self.stock.refused:
            raise ValueError(f"batch {corrects} of epoch {self.epoch} was not refused")
        entry = Entry(
            epoch=self.epoch,
            sequence=self._next if corrects is None else corrects,
            format=format,
            exported_on=exported_on,
            record_count=record_count,
            sha256=hashlib.sha256(payload).digest(),
            size=len(payload),
            made_at=made_at,
            origin=origin,
            corrects=corrects is not None,
            mark=mark,
        )
        place = self._write(entry, payload)
        if corrects is None:
            self._remember(entry)
            self._next += 1
        self._mark = mark or self._mark
        self.stock.take(entry, place)
        if place.end >= self.settings.segment_bytes:
            self.seal()
        return entry

    def pending(self) -> list[Entry]:
        """The batches to be sent: neither receipted nor refused, in the order of their epochs and numbers."""
        return self.stock.pending(self.epochs)

    def read(self, entry: Entry) -> bytes | None:
        """The payload of a batch; None when it was damaged on disk meanwhile, which is then told as damage."""
        key = (entry.epoch, entry.sequence)
        payload = segments.read_payload(entry, self.stock.places[key])
        if payload is None:
            self.damage = replace(self.damage, lost=(*self.damage.lost, key))
            self.stock.drop(key)
        return payload

    def receive(self, receipt: KeptReceipt) -> None:
        """Keep a receipt, durably.

        Raises FatalSpoolError when it is for other bytes than those sent, RetryableSpoolFullError.
        """
        key = (receipt.epoch, receipt.sequence)
        entry = self.stock.entries.get(key)
        if entry is None or receipt.sha256 != entry.sha256.hex() or receipt.source_id != self.source_id:
            raise FatalSpoolError(
                f"{self.folder}: a receipt came for batch {receipt.sequence} of {receipt.epoch} with other bytes than "
                "those sent. Next: keep the spool as it is and call the gateway's operator."
            )
        with _room_in(self.folder):
            self._receipts.add(receipt)
        self.stock.receive(receipt)
        (self.folder / "resend" / segment_name(self.epochs.index(receipt.epoch), receipt.sequence)).unlink(
            missing_ok=True
        )

    def refuse(self, entry: Entry, *, reason: str, vi: str, en: str, suffix: str = "") -> Refusal:
        """Set a batch aside that the gateway will not take, with its bytes and the reason, and go on without it."""
        key = (entry.epoch, entry.sequence)
        refusal = Refusal(
            epoch=entry.epoch,
            sequence=entry.sequence,
            sha256=entry.sha256.hex(),
            reason=reason,
            vi=vi,
            en=en,
            origin=entry.origin,
        )
        name = segment_name(self.epochs.index(entry.epoch), entry.sequence)
        payload = segments.read_payload(entry, self.stock.places[key])
        with _room_in(self.folder):
            if payload is not None:
                durable.replace_file(self.folder / "refused" / f"{name}{suffix or '.payload'}", payload)
            durable.replace_file(self.folder / "refused" / f"{name}.json", refusal.to_json())
        self.stock.refused[key] = refusal
        return refusal

    def send_again(self, keys: Sequence[Key]) -> list[Key]:
        """Have batches sent again although they were receipted; returns those that are no longer kept here."""
        gone = [key for key in keys if key not in self.stock.entries]
        for epoch, sequence in keys:
            if (epoch, sequence) not in gone:
                name = segment_name(self.epochs.index(epoch), sequence)
                with _room_in(self.folder):
                    durable.replace_file(self.folder / "resend" / name, b"")
                self.stock.resend.add((epoch, sequence))
        return gone

    def asked_again(self) -> None:
        """Look for batches that another process, such as `lienthong agent compare`, wants to be sent again."""
        wished = {path.name for path in (self.folder / "resend").iterdir()}
        if wished:
            numbers = {epoch: number for number, epoch in enumerate(self.epochs)}
            self.stock.resend |= {key for key in self.stock.places if segment_name(numbers[key[0]], key[1]) in wished}

    def seal(self) -> None:
        """Close the open segment for good; the next batch opens another."""
        if self._open is None:
            return
        os.close(self._open.handle)
        sealed = self._open.path.with_suffix(".seg")
        self._open.path.rename(sealed)
        durable.sync_folder(sealed.parent)
        self.stock.moved(self._open.path, sealed)
        self._sealed.append((sealed, self._open.end))
        self._open = None

    def tidy(self, *, gateway_time: datetime) -> list[Path]:
        """Delete sealed segments whose every batch has a signed receipt that is old enough by the gateway's clock.

        The newest segment stays: it remembers the numbering and where the producer is.
        """
        landed_before = gateway_time - timedelta(seconds=self.settings.keep_seconds)
        candidates = self._sealed if self._open else self._sealed[:-1]
        deleted = []
        for path, size in list(candidates):
            keys = self.stock.keys_in(path)
            if path in self.damage.scarred or not all(self._may_go(key, landed_before) for key in keys):
                continue
            path.unlink()
            self.stock.forget(path)
            self._sealed.remove((path, size))
            deleted.append(path)
        if deleted:
            durable.sync_folder(deleted[0].parent)
        return deleted

    def _may_go(self, key: Key, landed_before: datetime) -> bool:
        receipt = self.stock.receipts.get(key)
        if receipt is None or key in self.stock.resend:
            return False
        return bool(receipt.signature or not self.settings.signed_receipts) and receipt.landed <= landed_before

    def _remember(self, entry: Entry) -> None:
        try:
            self._high.raise_to(entry.sequence, epoch=self.epoch)
        except OSError as error:  # the batch is durable and nobody knows: opened anew, the spool finds it
            raise FatalSpoolError(f"{self.folder}: {error}. Next: look at that disk, then start the agent.") from error

    def _write(self, entry: Entry, payload: bytes) -> Place:
        record = segments.write_record(entry, payload)
        self._require_room(len(record))
        segment = self._open or self._begin_segment()
        begin = segment.end
        try:
            os.posix_fallocate(segment.handle, begin, len(record))  # so that a full disk is known before it is written
            durable.write_all(segment.handle, record, at=begin)
            os.fsync(segment.handle)
        except OSError as error:
            os.ftruncate(segment.handle, begin)
            if error.errno in durable.NO_ROOM:
                raise RetryableSpoolFullError(self.folder, "The disk is full.") from error
            raise FatalSpoolError(f"{segment.path}: {error}. Next: look at that disk.") from error
        segment.end = begin + len(record)
        return Place(path=segment.path, offset=begin, body=segment.end - len(payload), end=segment.end)

    def _begin_segment(self) -> Segment:
        name = segment_name(len(self.epochs) - 1, self._next)
        path = self.folder / "segments" / f"{name}.open"
        head = segments.write_segment_head(epoch=self.epoch, first_sequence=self._next, mark=self._mark)
        with _room_in(self.folder):
            durable.replace_file(path, head)
        self._open = Segment(path, os.open(path, os.O_RDWR), len(head))
        return self._open

    def _require_room(self, size: int) -> None:
        if self.used_bytes + size > self.settings.quota_bytes:
            raise RetryableSpoolFullError(self.folder, "The quota of the spool is used up.")
        room = os.statvfs(self.folder)
        if room.f_bavail * room.f_frsize < size + self.settings.reserve_bytes:
            raise RetryableSpoolFullError(self.folder, "The disk is nearly full.")

    def _close(self) -> None:
        if self._open:
            os.close(self._open.handle)


@contextmanager
def _room_in(folder: Path) -> Iterator[None]:
    """Turn a disk without room into RetryableSpoolFullError."""
    try:
        yield
    except OSError as error:
        if error.errno in durable.NO_ROOM:
            raise RetryableSpoolFullError(folder, "The disk is full.") from error
        raise


@contextmanager
def opened(folder: Path, *, source_id: str, settings: Settings) -> Iterator[Spool]:
    """The spool in `folder`, made when it is not there; repaired, and closed at the end.

    Raises FatalSpoolError when another process writes to it or it is another source's, RetryableSpoolFullError when
    there is no room for what has to be set aside.
    """
    with ExitStack() as ending:
        try:
            for name in ("segments", "damaged", "refused", "resend"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            durable.sync_folder(folder)
            ending.enter_context(durable.only_writer(folder / "lock"))
            found = _repaired(folder, source_id)
            spool = Spool(folder, settings, found, ending)
        except OSError as error:
            if error.errno in durable.NO_ROOM:
                raise RetryableSpoolFullError(folder, "The disk is full.") from error
            raise FatalSpoolError(f"{folder}: {error}. Next: give the agent a folder of its own.") from error
        yield spool


def _repaired(folder: Path, source_id: str) -> Holdings:
    """What the spool holds, after its damaged tail was moved aside and, if batches are lost, a new epoch begun."""
    identity = folder / "spool.json"
    if not identity.exists():
        durable.replace_file(identity, identity_json(source_id, [_new_epoch()], {}, ()))
    found = holdings(folder, check_payloads=True)
    if found.source_id != source_id:
        raise FatalSpoolError(
            f"{folder}: this is the spool of {found.source_id}, not of {source_id}. Next: give each source its own."
        )
    if found.tail:
        found = _without_tail(folder, found, *found.tail)
    if not found.new_losses:
        return found
    epochs, ended = list(found.epochs), dict(found.last_sequences)
    if any(epoch == epochs[-1] for epoch, _ in found.new_losses):
        # A number that is lost here may have been sent: numbering starts afresh, and nothing is ever numbered anew.
        found = _sealed(found)
        ended[epochs[-1]] = found.next_sequence - 1
        epochs.append(_new_epoch())
        found = replace(found, epochs=tuple(epochs), next_sequence=1)
    durable.replace_file(identity, identity_json(source_id, epochs, ended, found.damage.lost))
    return found


def _without_tail(folder: Path, found: Holdings, path: Path, begin: int) -> Holdings:
    """Move what is not whole at the end of the open segment to damaged/."""
    with path.open("r+b") as file:
        file.seek(begin)
        aside = next(name for name in _names(folder / "damaged", f"{path.stem}-{begin}") if not name.exists())
        durable.replace_file(aside, file.read())
        file.truncate(begin)
        os.fsync(file.fileno())
    damage = replace(found.damage, aside=(*found.damage.aside, aside.name), scarred=found.damage.scarred - {path})
    if begin:
        return replace(found, damage=damage)
    path.unlink()  # not even its header was left
    return replace(found, damage=damage, open_segment=None)


def _names(folder: Path, stem: str) -> Iterator[Path]:
    return (folder / f"{stem}-{number}.tail" for number in count(1))


def _sealed(found: Holdings) -> Holdings:
    if found.open_segment is None:
        return found
    path = found.open_segment.rename(found.open_segment.with_suffix(".seg"))
    durable.sync_folder(path.parent)
    found.stock.moved(found.open_segment, path)
    return replace(found, open_segment=None, sealed=(*found.sealed, (path, path.stat().st_size)))


def _new_epoch() -> str:
    return f"agent-{secrets.token_hex(8)}"  # no clock: a province's may be wrong
