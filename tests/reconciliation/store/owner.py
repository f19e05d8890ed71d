"""`python -m tests.reconciliation.store.owner FOLDER`: a process that owns an embedded server till its input closes."""

import json
import sys
from pathlib import Path

from reconciliation.store import embedded


def main() -> None:
    """Start a server on the folder of the first argument, with the binaries of the second if there is one."""
    binaries = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with embedded.running(Path(sys.argv[1]), binaries=binaries) as server:
        sys.stdout.write(json.dumps({"url": server.url("postgres"), "folder": str(server.folder)}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
