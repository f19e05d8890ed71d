"""The main job as a user runs it: real processes from beginning to end, and nothing left when it ends."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pytest

from reconciliation.conflicts import OF_BROKEN_RULES
from reconciliation.model import CaseKind

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(600)]

KINDS = {"person", "household", "insurance"}


SAID = "said.txt"  # what the demo printed


def demo(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [Path(sys.executable).with_name("lienthong"), "demo", "--folder", str(folder), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG_")}
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def processes_in(folder: Path) -> set[int]:
    """Every process whose working folder lies in `folder`: all the demo starts works there."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.add(int(process.name))
    return found


def wait_until(condition, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@contextlib.contextmanager
def reachable_folder():
    """A folder that an unprivileged server may reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="lienthong-demo-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="module")
def folder():
    with reachable_folder() as made:
        yield made


@pytest.fixture(scope="module")
def ran(folder) -> tuple[Path, dict]:
    report = folder / "report.json"

    with demo(folder / "house", "--records", "8000", "--exit", "--json", str(report)) as process:
        said, _ = process.communicate(timeout=550)

    assert process.returncode == 0, said
    (folder / SAID).write_text(said)
    return folder, json.loads(report.read_text())


def test_the_balance_closes_for_every_province_and_kind(ran):
    _, report = ran

    assert report["balance"]["closed"] is True
    assert set(report["received"]) == {"01", "15", "68"}
    for province, kinds in report["received"].items():
        assert set(kinds) == KINDS
        for kind, received in kinds.items():
            parts = [report[name][province][kind] for name in ("accepted", "quarantined", "superseded", "pending")]
            assert received == sum(parts)
    assert sum(sum(kinds.values()) for kinds in report["received"].values()) > 7_000
    assert sum(sum(kinds.values()) for kinds in report["quarantined"].values()) > 0


def test_linkage_holds_against_the_truth(ran):
    _, report = ran

    assert report["linkage"]["true_pairs"] > 1_000
    assert report["linkage"]["precision"] >= 0.995
    assert report["linkage"]["recall"] >= 0.93


def test_airflow_itself_reports_its_runs_as_successful(ran):
    _, report = ran

    ran_dags = {run["id"].split()[0] for run in report["dag_runs"]}
    assert ran_dags == {"reconcile_records", "flag_stuck_updates", "publish_snapshot"}
    assert {run["state"] for run in report["dag_runs"]} == {"success"}


def test_what_was_published_was_pulled_and_what_was_refused_is_a_case(ran):
    _, report = ran

    assert report["feed"]["published"] > 0
    assert report["feed"]["refused"] > 0
    assert report["cases"]["refused_by_registry"] > 0
    assert report["states"].get("awaiting_pull", 0) == 0
    assert report["states"].get("awaiting_reconciliation", 0) == 0
    assert report["units"]["recoded"] > 0
    assert report["units"]["ambiguous"] == report["cases"]["ambiguous_unit"]
    for owners in report["waiting"].values():
        for owner, row in owners.items():
            assert owner
            assert row["deadline"]


def test_everything_that_waits_has_an_owner_every_conflict_is_told_and_each_balance_is_kept(ran):
    _, report = ran

    assert report["lifecycle"] == {"by_state": report["states"], "unowned": 0}
    assert report["catalogue"]["seen"].keys() >= report["cases"].keys() - {
        kind for kind, number in report["cases"].items() if not number
    }
    assert set(report["catalogue"]["seen"]) == set(CaseKind) - OF_BROKEN_RULES
    assert report["catalogue"]["unseen"] == []
    assert set(report["balance"]["kept"]) == {"01", "15", "68"}
    assert all(kept["closed"] and not kept["lost"] for kept in report["balance"]["kept"].values())


def test_one_trace_leads_from_a_push_to_the_change_a_registry_pulls(ran):
    folder, _ = ran

    names = defaultdict(set)
    for file in (folder / "house").glob("*traces.jsonl"):
        for line in file.read_text().splitlines():
            span = json.loads(line)
            names[span["trace_id"]].add(span["name"])

    whole = {"push", "intake.land", "reconcile", "feed.deliver"}
    assert any(whole <= found for found in names.values()), names


def test_the_last_screen_says_whole_who_may_sign_in_and_where_all_is(ran):
    folder, _ = ran
    said = (folder / SAID).read_text()

    assert re.search(r"^console +http://127\.0\.0\.1:\d+$", said, re.MULTILINE)
    for name in ("canbo", "giamsat", "quantri"):
        assert re.search(rf"^ +{name} / [a-z0-9]{{4}}(-[a-z0-9]{{4}})+$", said, re.MULTILINE)
    assert re.search(r"^PostgreSQL +postgresql\+psycopg://\S+port=\d+$", said, re.MULTILINE)
    assert "…" not in said.partition("cần quyết")[2], "something was cut off"


def test_nothing_is_left_running(ran):
    folder, _ = ran

    # What was killed may take a moment to be gone.
    wait_until(lambda: not processes_in(folder), 10, "processes outlive a demo that has ended")


def test_a_killed_demo_leaves_nothing_running():
    with reachable_folder() as folder:
        with demo(folder, "--records", "1000") as process:
            wait_until((folder / "airflow" / "logs" / "scheduler.log").exists, 300, "Airflow was not started")
            before = processes_in(folder)
            os.kill(process.pid, signal.SIGKILL)

        assert len(before) >= 3
        wait_until(lambda: not processes_in(folder), 60, "processes outlive a killed demo")
