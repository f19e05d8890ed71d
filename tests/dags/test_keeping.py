"""The family of processes ends as a whole, whatever its members do and however its user ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.dags.waiting import until

KEEPING = Path(__file__).parents[2] / "gateway" / "cli" / "keeping.py"
# Says that it is up, then does not end for SIGINT, and leaves a child in a session of its own.
STUBBORN = (
    "import signal, subprocess, sys;"
    "signal.signal(signal.SIGINT, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], start_new_session=True);"
    "print('up', flush=True);"
    "signal.pause()"
)
POLITE = (
    "import signal\nprint('up', flush=True)\ntry: signal.pause()\nexcept KeyboardInterrupt: print('ended', flush=True)"
)


def order(folder: Path) -> bytes:
    commands = {
        name: {"arguments": [sys.executable, "-c", code], "log": str(folder / f"{name}.log"), "grace_seconds": grace}
        for name, code, grace in (("stubborn", STUBBORN, 0.2), ("polite", POLITE, 30.0))
    }
    return json.dumps({"commands": commands}).encode() + b"\n"


def is_up(folder: Path) -> bool:
    return all(
        (folder / f"{name}.log").exists() and "up" in (folder / f"{name}.log").read_text()
        for name in ("stubborn", "polite")
    )


@pytest.mark.parametrize(
    "end",
    [lambda keeper: keeper.stdin.close(), lambda keeper: keeper.terminate()],
    ids=["its input closes", "it is told to"],
)
def test_nothing_is_left_when(end: Callable[["subprocess.Popen[bytes]"], None], tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-I", KEEPING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdin
        assert keeper.stdout
        keeper.stdin.write(order(tmp_path))
        keeper.stdin.flush()
        pids = json.loads(keeper.stdout.readline())
        until(lambda: is_up(tmp_path))
        family = psutil.Process(keeper.pid).children(recursive=True)
        assert len(family) == 3
        assert set(pids.values()) < {one.pid for one in family}

        end(keeper)

        assert keeper.wait(60) == 0
    assert not [one for one in family if one.is_running()]
    assert "ended" in (tmp_path / "polite.log").read_text()


def test_nothing_is_left_when_its_user_is_killed(tmp_path: Path) -> None:
    user = (
        "import subprocess, sys, signal;"
        f"keeper = subprocess.Popen([sys.executable, '-I', {str(KEEPING)!r}], stdin=subprocess.PIPE);"
        f"keeper.stdin.write({order(tmp_path)!r}); keeper.stdin.flush();"
        "signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", user], stdout=subprocess.DEVNULL) as running:
        until(lambda: is_up(tmp_path))
        family = psutil.Process(running.pid).children(recursive=True)
        assert len(family) == 4

        os.kill(running.pid, signal.SIGKILL)

    until(lambda: not [one for one in family if one.is_running()])


def test_a_command_that_ends_by_itself_ends_nobody_else_and_the_last_one_ends_the_keeper(tmp_path: Path) -> None:
    commands = {
        name: {"arguments": [sys.executable, "-c", code], "log": str(tmp_path / f"{name}.log"), "grace_seconds": 30.0}
        for name, code in (
            ("short", "print('up')"),
            ("reader", f"open({str(tmp_path / 'fifo')!r}).read(); print('up')"),
        )
    }
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen([sys.executable, "-I", KEEPING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdin
        keeper.stdin.write(json.dumps({"commands": commands}).encode() + b"\n")
        keeper.stdin.flush()
        until(lambda: (tmp_path / "short.log").exists() and "up" in (tmp_path / "short.log").read_text())

        assert keeper.poll() is None
        (tmp_path / "fifo").write_text("end")

        assert keeper.wait(60) == 0
    assert "up" in (tmp_path / "reader.log").read_text()
