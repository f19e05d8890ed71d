"""Fills a small disk with a spool and looks whether what was taken is whole. Started by test_spool.py on its own."""

import subprocess
import sys
from pathlib import Path

from gateway.agent.errors import RetryableSpoolFullError
from gateway.agent.holdings import Settings
from tests.gateway.agent.spools import opened, receipt, take

MOST_BYTES = 4 * 1024 * 1024


def main(folder: Path, *, mount: bool) -> None:
    settings = Settings(quota_bytes=2**40 if mount else MOST_BYTES, reserve_bytes=0, segment_bytes=300_000)
    if mount:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MOST_BYTES}", "tmpfs", str(folder)], check=True)
    taken, refused = [], 0
    with opened(folder, settings) as spool:
        while not refused:
            try:
                taken.append(take(spool, bytes([len(taken) % 251]) * 100_000))
            except RetryableSpoolFullError:
                refused += 1
        smaller = take_what_fits(spool)
        # Receipts still fit: what is durable elsewhere must be known even now.
        spool.receive(receipt(taken[0]))
    with opened(folder, settings) as spool:
        waiting = spool.pending()
        assert [entry.sequence for entry in waiting] == list(range(2, len(taken) + smaller + 1))
        for entry in waiting[: len(taken) - 1]:
            assert spool.read(entry) == bytes([(entry.sequence - 1) % 251]) * 100_000
        assert spool.damage.lost == ()
        assert len(spool.epochs) == 1
    sys.stdout.write(f"refused after {len(taken)} batches\n")


def take_what_fits(spool: object) -> int:
    """Smaller batches until even these are refused, leaving no more than a few pages of the disk."""
    fitted = 0
    for size in (20_000, 8_000):
        try:
            take(spool, bytes(size))
            fitted += 1
        except RetryableSpoolFullError:
            continue
    return fitted


if __name__ == "__main__":
    main(Path(sys.argv[1]), mount="mount" in sys.argv[2:])
