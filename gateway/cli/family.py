"""Processes that end with us, however we end: a handle on keeping.py."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Member:
    """One command, the file that takes what it says, and how many seconds it gets to end by itself."""

    arguments: Sequence[str]
    log: Path
    grace_seconds: float


class Family:
    """Running processes. `stop` ends them all and whatever they started; so does our own end, killed or not."""

    def __init__(self, members: Mapping[str, Member], *, environment: Mapping[str, str], folder: Path) -> None:
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("keeping.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,  # a Ctrl-C in the terminal is for our caller, who then stops us in order
        )
        assert self._keeper.stdin  # noqa: S101 - PIPE was asked for
        assert self._keeper.stdout  # noqa: S101
        commands = {
            name: {"arguments": list(one.arguments), "log": str(one.log), "grace_seconds": one.grace_seconds}
            for name, one in members.items()
        }
        self._keeper.stdin.write(json.dumps({"commands": commands}).encode() + b"\n")
        self._keeper.stdin.flush()
        self.pids: Mapping[str, int] = json.loads(self._keeper.stdout.readline())

    def stop(self) -> None:
        """End every process: politely, then without asking. Returns when none is left; again is nothing."""
        if self._keeper.returncode is None:
            self._keeper.communicate()  # closes its input, which is its sign, and waits

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
