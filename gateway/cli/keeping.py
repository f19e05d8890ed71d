"""Runs commands as one family that ends as a whole: when its standard input closes, or when it is told by a signal.

Started as a process of its own by the path of this file. The first line of its input is JSON: {"commands": {name:
{"arguments": [...], "log": path, "grace_seconds": n}}}; it answers with one line of JSON {name: pid}. Its input closes
when whoever started it ends, killed or not, so no command outlives its user. Only the standard library, so that it
is up at once and stays small.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.05

_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def main() -> int:
    """Start the commands of the first line, wait for the end of input, end the family."""
    order = json.loads(sys.stdin.buffer.readline())
    told = _tell_when_signalled()
    if _prctl:
        # Whatever a command leaves behind becomes our child, so that it can be found and ended.
        _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    commands = [_start(command["arguments"], Path(command["log"])) for command in order["commands"].values()]
    sys.stdout.write(json.dumps(dict(zip(order["commands"], (one.pid for one in commands), strict=True))) + "\n")
    sys.stdout.flush()
    graces = {
        command.pid: float(wanted["grace_seconds"])
        for command, wanted in zip(commands, order["commands"].values(), strict=True)
    }
    while graces:
        readable, _, _ = select.select([sys.stdin.fileno(), told], [], [], 1.0)
        if readable:
            break
        _forget_ended(graces)
    _end(graces)
    return 0


def _tell_when_signalled() -> int:
    """The read end of a pipe that becomes readable on SIGTERM or SIGINT."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return told


def _start(arguments: list[str], log: Path) -> "subprocess.Popen[bytes]":
    def before() -> None:
        if _prctl:
            _prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        # An ignored SIGINT is inherited, and the polite end would not be heard.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with log.open("ab") as output:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=before,  # noqa: PLW1509 - this process has one thread
        )


def _end(graces: dict[int, float]) -> None:
    """SIGINT to each leader, again in the middle of its grace, SIGKILL after it, and to whatever the leaders left.

    A second SIGINT is how Airflow is told not to wait for what it is doing.
    """
    began = time.monotonic()
    _send(graces, signal.SIGINT)
    asked_again: set[int] = set()
    while graces:
        waited = time.monotonic() - began
        impatient = {leader for leader, grace in graces.items() if waited >= grace / 2} - asked_again
        _send(impatient, signal.SIGINT)
        asked_again |= impatient
        for leader in [leader for leader, grace in graces.items() if waited >= grace]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
        _forget_ended(graces)
    while remaining := _descendants():
        _send(remaining, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
        _forget_ended(graces)


def _send(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def _forget_ended(graces: dict[int, float]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (process := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            graces.pop(process, None)


def _descendants() -> set[int]:
    """All processes below this one, also dead ones nobody has asked about. Empty where there is no /proc."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in brackets may hold anything; the state and the parent come after the last one.
            parents[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
    family = {os.getpid()}
    while grown := {process for process, parent in parents.items() if parent in family} - family:
        family |= grown
    return family - {os.getpid()}


if __name__ == "__main__":
    sys.exit(main())
