"""The contract as a whole: linted, and held against the last released one (`make check`).

A tool of the developers, like gateway.generating. The released contract is proto/released/v1.binpb, a descriptor set
with its imports; `make release` renews it, in the commit that a release is made from and in no other.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from gateway.generating import ROOT, compile_contract

RELEASED = ROOT / "proto/released/v1.binpb"
RULES = ROOT / "proto/buf.yaml"


def image(into: Path, *, with_comments: bool) -> None:
    """Write the contract and what it imports as one descriptor set. Raises CalledProcessError on bad proto."""
    comments = ["--include_source_info"] if with_comments else []
    compile_contract("--include_imports", *comments, f"--descriptor_set_out={into}")


def complaints(present: Path, *, released: Path = RELEASED) -> list[str]:
    """What `buf lint` says of a descriptor set, and `buf breaking` of its changes since the released one."""
    against = ["--against", str(released), "--exclude-imports"]
    return [*_buf("lint", str(present)), *_buf("breaking", str(present), *against)]


def _buf(*arguments: str) -> list[str]:
    command = [str(Path(sys.executable).parent / "buf"), *arguments, "--config", str(RULES)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode and not ended.stdout:
        raise subprocess.CalledProcessError(ended.returncode, command, stderr=ended.stderr)
    return ended.stdout.splitlines()


def main(arguments: list[str]) -> int:
    """Say what is wrong with the contract, with exit code 1; with `--release` make it the released one instead."""
    if arguments == ["--release"]:
        RELEASED.parent.mkdir(exist_ok=True)
        image(RELEASED, with_comments=False)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        present = Path(folder) / "present.binpb"
        image(present, with_comments=True)
        said = complaints(present)
    for line in said:
        sys.stderr.write(f"{line}\n")
    if said:
        sys.stderr.write("Next: only add to the contract (docs/wire.md, Changing it).\n")
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
