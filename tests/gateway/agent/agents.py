"""Agents for tests: a folder with an agent.toml, and the process that runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.agent import settings
from gateway.agent.settings import AgentSettings
from tests.gateway.agent.spools import SOURCE
from tests.gateway.conftest import ROOT

LIMITS = {"quota_mib": 64, "reserve_mib": 0, "segment_mib": 1, "keep_days": 30, "signed_receipts": False}


@dataclass
class Province:
    """Where an agent lives."""

    folder: Path
    exports: Path = field(init=False)

    def __post_init__(self) -> None:
        self.exports = self.folder / "exports"
        self.exports.mkdir(parents=True, exist_ok=True)

    @property
    def file(self) -> Path:
        return self.folder / "agent.toml"

    @property
    def spool(self) -> Path:
        return self.folder / "spool" / SOURCE

    def configure(self, gateway: str, *, origin: str = "", **changes: object) -> AgentSettings:
        """Write agent.toml."""
        limits = "\n".join(f"{name} = {json.dumps(value)}" for name, value in (LIMITS | changes).items())
        default = '[source.folder]\npath = "exports"\nsettle_seconds = 0.0\npoll_seconds = 0.2\n'
        self.file.write_text(
            f'gateway = "{gateway}"\nspool = "spool"\n[limits]\n{limits}\n[[source]]\nsource_id = "{SOURCE}"\n'
            + (origin or default),
            encoding="utf-8",
        )
        return settings.read(self.file)

    def export(self, name: str, payload: bytes) -> None:
        """Put a whole file into the folder, as a system that renames it in does."""
        fresh = self.exports / f"{name}.tmp"
        fresh.write_bytes(payload)
        fresh.rename(self.exports / name)

    def receipts(self) -> list[dict[str, Any]]:
        path = self.spool / "receipts.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@contextmanager
def running(province: Province, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[Any]:
    """`lienthong agent run --json` in a process of its own; killed at the end if it still runs."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.gateway.agent.lienthong",
            "agent",
            "run",
            "--json",
            "--settings",
            str(province.file),
            *options,
        ],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def events(process: "subprocess.Popen[str]", until: str) -> list[dict[str, Any]]:
    """What the agent tells until an event of that name, this one included."""
    told = []
    assert process.stdout is not None
    for line in process.stdout:
        told.append(json.loads(line))
        if told[-1]["event"] == until:
            return told
    raise AssertionError(f"the agent ended without {until}: {told}, {process.stderr and process.stderr.read()}")
