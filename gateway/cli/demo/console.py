"""The demo's console: a process of its own, with a steward, a supervisor and an administrator who may sign in."""

import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli.family import Family, Member
from gateway.console import passwords
from gateway.errors import GatewayError
from reconciliation.store import users
from reconciliation.store.engine import Engine
from reconciliation.users import User, UserGrant, UserRole

SECONDS = 60.0
_PEOPLE = (
    ("canbo", "Nguyễn Thị Cán Bộ", UserRole.STEWARD),
    ("giamsat", "Trần Văn Giám Sát", UserRole.SUPERVISOR),
    ("quantri", "Lê Thị Quản Trị", UserRole.OPERATOR),
)


@dataclass(frozen=True, kw_only=True)
class DemoConsole:
    """Where the console is, and who may sign in there with which password."""

    address: str
    logins: tuple[tuple[str, str], ...]


def console_for_demo(folder: Path, url: str, engine: Engine, ending: ExitStack) -> DemoConsole:
    """Start the console on a free port and add the people who use it. It ends with `ending`."""
    log = folder / "logs" / "console.log"
    settings = {"LIENTHONG_DATABASE_URL": url, "LIENTHONG_CONSOLE_PORT": "0"}
    command = [sys.executable, "-c", "from gateway.cli import main; main()", "console", "--json"]
    member = Member(arguments=command, log=log, grace_seconds=10.0)
    family = ending.enter_context(Family({"console": member}, environment=os.environ | settings, folder=folder))
    now, logins = datetime.now(UTC), []
    for user_id, name, role in _PEOPLE:
        password = passwords.new()
        user = User(user_id=user_id, name=name, language="vi", grants=(UserGrant(role=role),))
        users.add(engine, user, password_hash=passwords.hash_of(password), by="demo", now=now)
        logins.append((user_id, password))
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and Path(f"/proc/{family.pids['console']}").exists():
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith('{"address"'):
                return DemoConsole(address=json.loads(line)["address"], logins=tuple(logins))
        time.sleep(0.05)
    raise GatewayError(f"The console did not start. Next: read {log}.")
