"""The receipts a province keeps: one JSON line each, durable before anything is let go of for it."""

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from gateway.agent import durable

_CRC_BYTES = len('{"crc":"00000000",')


@dataclass(frozen=True, kw_only=True)
class KeptReceipt:
    """The gateway's word that a batch is durable there. `signature` is its own, empty where it has no key."""

    source_id: str
    epoch: str
    sequence: int
    sha256: str
    receipt_id: str
    received: int
    accepted: int
    superseded: int
    quarantined: int
    findings: int
    landed_at: str  # the gateway's clock, RFC 3339
    replayed: bool
    signature: str

    @property
    def landed(self) -> datetime:
        """When it landed, by the gateway's clock."""
        return datetime.fromisoformat(self.landed_at)


class ReceiptFile:
    """Appends receipts; what a crash left half-written is moved aside when the file is opened."""

    def __init__(self, path: Path, *, damaged: Path) -> None:
        if path.exists() and (torn := path.read_bytes().rpartition(b"\n")[2]):
            end = path.stat().st_size - len(torn)
            durable.replace_file(damaged / f"receipts-{end}.tail", torn)
            os.truncate(path, end)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        self._end = os.fstat(self._handle).st_size
        durable.sync_folder(path.parent)

    def add(self, receipt: KeptReceipt) -> None:
        """Write a receipt and return once it is durable. OSError leaves the file as it was."""
        said = json.dumps(asdict(receipt), separators=(",", ":")).encode()
        line = b'{"crc":"%08x",%b\n' % (zlib.crc32(said), said[1:])
        try:
            durable.write_all(self._handle, line, at=self._end)
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, self._end)
            raise
        self._end += len(line)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def read_receipts(path: Path) -> Iterator[KeptReceipt]:
    """The receipts that can be read; a damaged line is passed over, and its batch is asked about again."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            said = b"{" + line[_CRC_BYTES:].rstrip(b"\n")
            if line.endswith(b"\n") and line[:_CRC_BYTES] == b'{"crc":"%08x",' % zlib.crc32(said):
                yield KeptReceipt(**json.loads(said))
