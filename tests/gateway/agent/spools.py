"""Spools for tests: small ones, and what is needed to damage them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from gateway.agent import spool
from gateway.agent.holdings import Settings
from gateway.agent.receipts import KeptReceipt
from gateway.agent.segments import Entry, Mark

SOURCE = "ha-noi.population"
SMALL = Settings(quota_bytes=10_000_000, reserve_bytes=0, segment_bytes=4_000, keep_seconds=0)


@contextmanager
def opened(folder: Path, settings: Settings = SMALL) -> Iterator[spool.Spool]:
    """The spool of a test."""
    with spool.opened(folder, source_id=SOURCE, settings=settings) as it:
        yield it


def take(into: spool.Spool, payload: bytes, *, mark: Mark | None = None, corrects: int | None = None) -> Entry:
    """Append a batch, with whatever else a batch has."""
    return into.append(
        payload,
        format="source_file",
        exported_on=date(2025, 7, 10),
        made_at="2025-07-10T08:00:00+07:00",
        origin="tệp.jsonl",
        mark=mark,
        corrects=corrects,
    )


def receipt(entry: Entry, *, landed_at: str = "2025-07-15T03:00:00+00:00", signature: str = "e.y.s") -> KeptReceipt:
    """The gateway's receipt for a batch."""
    return KeptReceipt(
        source_id=SOURCE,
        epoch=entry.epoch,
        sequence=entry.sequence,
        sha256=entry.sha256.hex(),
        receipt_id="0198a3de-0000-7000-8000-000000000000",
        received=1,
        accepted=1,
        superseded=0,
        quarantined=0,
        findings=0,
        landed_at=landed_at,
        replayed=False,
        signature=signature,
    )


def segment_files(folder: Path) -> list[Path]:
    """The segments of a spool, oldest first."""
    return sorted((folder / "segments").iterdir())
