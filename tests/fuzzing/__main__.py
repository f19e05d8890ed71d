"""`make fuzz`: mutated files through every reader and all steps, guided by coverage; new ways in are kept.

One process a dialect, since the fuzzer ends its own. A file that breaks a promise is left in `.lienthong/fuzz/` and
its name printed; put it into the dialect's awkward/ folder with the fix.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from adapters.declaration import read_dialect
from tests.adapters.conformance import sample_source
from tests.fuzzing.corpus import load_corpus, write_corpus
from tests.fuzzing.verdict import DIALECTS, judge, samples

_LARGEST = 16_384  # bytes; faults of readers show in small files, and small ones are tried more often
_KEPT = 30  # files a dialect and verdict; each was kept by the fuzzer because it took a way not taken before


def main() -> int:
    """Fuzz the chosen dialects one after the other; 1 when any of them broke a promise."""
    options = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    options.add_argument("dialects", nargs="*", metavar="DIALECT")
    options.add_argument("--seconds", type=int, default=60, help="for each dialect")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--found", type=Path, default=Path(".lienthong/fuzz"), help="where breaking files go")
    chosen = options.parse_args()
    broken = [
        folder.name
        for folder in DIALECTS
        if (not chosen.dialects or folder.name in chosen.dialects)
        and not fuzz(folder, seconds=chosen.seconds, seed=chosen.seed, found=chosen.found)
    ]
    print(f"broken: {', '.join(broken)}" if broken else "no promise was broken")
    return 1 if broken else 0


def fuzz(folder: Path, *, seconds: int, seed: int, found: Path) -> bool:
    """Fuzz one dialect and keep what it found; False when a promise was broken."""
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        begun = [*samples(folder), *load_corpus(folder.name)]
        for payload in begun:
            _put(Path(scratch), payload)
        print(f"{folder.name}: {seconds} s from {len(begun)} files", flush=True)
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzzing.target", folder.name, scratch),
                *(f"-max_len={_LARGEST}", f"-seed={seed}", f"-max_total_time={seconds}"),
                *("-timeout=20", "-rss_limit_mb=2048", "-verbosity=0", f"-artifact_prefix={found}/{folder.name}-"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            print(ended.stderr[-4000:])
            return False
        grown = {path.read_bytes() for path in Path(scratch).iterdir()} - set(samples(folder))
    kept = _chosen(grown, folder)
    write_corpus(folder.name, kept)
    print(f"{folder.name}: {len(kept)} files kept; {ended.stderr.strip().splitlines()[-1]}", flush=True)
    return True


def _chosen(grown: set[bytes], folder: Path) -> list[bytes]:
    """The smallest files of each verdict, since a refusal is reached by smaller ones than a reading is."""
    dialect = read_dialect(folder)
    source, exported_on = sample_source(dialect), dialect.sample.exported_on
    by_verdict: dict[str, list[bytes]] = {}
    for payload in sorted(grown, key=lambda payload: (len(payload), payload)):
        by_verdict.setdefault(judge(payload, source=source, exported_on=exported_on), []).append(payload)
    return [payload for payloads in by_verdict.values() for payload in payloads[:_KEPT]]


def _put(folder: Path, payload: bytes) -> None:
    (folder / hashlib.sha256(payload).hexdigest()[:16]).write_bytes(payload)


if __name__ == "__main__":
    sys.exit(main())
