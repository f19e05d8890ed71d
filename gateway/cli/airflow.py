"""A real Airflow of our own for the demo and the tests: started, spoken to by REST, and ended without a trace.

Scheduler, DAG processor, API server and triggerer run as one family (keeping.py) that ends with whoever started it.
Everything it writes lies in its home and its metadata database; it listens on one free port of loopback.
"""

import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from gateway.cli.family import Family, Member
from gateway.errors import GatewayError

ROOT = Path(__file__).parents[2]
USER = "lienthong"
# Each component, and how many seconds it gets to end by itself. Only the scheduler, with the tasks at work, has
# something worth waiting for; API server and triggerer linger for seconds after they have ended their work.
COMPONENTS = {"scheduler": 5.0, "dag-processor": 5.0, "api-server": 2.0, "triggerer": 1.0}
WORKER, WORKER_GRACE_SECONDS = "worker", 5.0  # beside them where tasks come by a broker
_POLL_SECONDS = 0.2
_LOG_TAIL = 2000

# Airflow's own words for what must be alive, in its health page.
_HEALTH = ("scheduler", "dag_processor", "triggerer")

# The reasons are in docs/operating-airflow.md.
SETTINGS = {
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__EXECUTOR": "LocalExecutor",
    "CORE__PARALLELISM": "4",
    "CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
    "CORE__MP_START_METHOD": "forkserver",
    "CORE__MP_FORKSERVER_PRELOAD": ",".join(
        (
            "airflow.executors.local_executor",
            "airflow.sdk.execution_time.supervisor",
            "airflow.sdk.execution_time.task_runner",
            "reconciliation.jobs",
        )
    ),
    "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
    "DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "WORKERS__MAX_FAILED_HEARTBEATS": "30",
    "WORKERS__EXECUTION_API_TIMEOUT": "30",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    "API__HOST": "127.0.0.1",
    "API__WORKERS": "1",
    "LOGGING__COLORED_CONSOLE_LOG": "False",
    "LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",
    "LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
}

# The pools that the schedules name (dags/running.py) and how many tasks each lets work at once: one place less than
# CORE__PARALLELISM, so that what has to be done every five minutes never waits for provinces.
POOLS = {"reconciliation": 3, "publication": 2}


class AirflowError(GatewayError):
    """Airflow did not do what it was asked. The message names the log to read."""


@dataclass(frozen=True, kw_only=True)
class DagRun:
    """One run of a DAG as Airflow tells it. `state` is queued, running, success or failed."""

    dag_id: str
    run_id: str
    run_type: str
    state: str
    is_over: bool
    run_after: datetime


class Airflow:
    """An Airflow whose files are in `home`. Use as a context, or call `migrate`, `start` and `stop`.

    `database_url` is its metadata (PostgreSQL), `lienthong_url` the registry the DAGs work on; `environment` holds
    further settings. With a `broker_url` (Celery's) tasks are done by a worker of their own, not by the scheduler's
    children. It listens on `port`, a free one if that is 0. What surrounds us of another Airflow (AIRFLOW…) is not
    passed on.
    """

    def __init__(
        self,
        home: Path,
        *,
        database_url: str,
        lienthong_url: str,
        dags_folder: Path = ROOT / "dags",
        environment: Mapping[str, str] | None = None,
        broker_url: str = "",
        port: int = 0,
    ) -> None:
        self.home = home.absolute()
        self.port = port or _free_port()
        self._logs = self.home / "logs"
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._secrets = _secrets_in(self.home)
        self.environment = _environment(
            self.home,
            port=self.port,
            database_url=database_url,
            dags_folder=dags_folder,
            keys=self._secrets,
        ) | {"LIENTHONG_DATABASE_URL": lienthong_url, **(environment or {})}
        self._graces = dict(COMPONENTS)
        if broker_url:
            self.environment |= _by_broker(broker_url, database_url)
            self._graces[WORKER] = WORKER_GRACE_SECONDS
        self._families: list[Family] = []
        self._started_at = datetime.now(UTC)
        self._token = ""

    @property
    def address(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pids(self) -> Mapping[str, int]:
        """The process of each component that was started last; none while nothing is started."""
        return {name: pid for family in self._families for name, pid in family.pids.items()}

    @property
    def user(self) -> str:
        """The name to log in with."""
        return USER

    @property
    def password(self) -> str:
        """The password to log in with; made up once a home."""
        return self._secrets["password"]

    def migrate(self) -> None:
        """Bring the metadata database to this Airflow's schema. Takes seconds; needs nothing else running."""
        log = self._logs / "migrate.log"
        with log.open("wb") as output:
            done = subprocess.run(
                [sys.executable, "-m", "airflow", "db", "migrate"],
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise AirflowError(f"Airflow could not migrate its database. Next: read {log}, which ends:\n{_tail(log)}")

    def start(self, components: Collection[str] = ()) -> None:
        """Start the processes, or some that have ended, and return at once; `wait_healthy` says when they are ready."""
        self._started_at = datetime.now(UTC)
        members = {
            name: Member(arguments=_command(name), log=self.log_of(name), grace_seconds=grace)
            for name, grace in self._graces.items()
            if not components or name in components
        }
        self._families.append(Family(members, environment=self.environment, folder=self.home))

    def log_of(self, component: str) -> Path:
        """The file with what a component has said."""
        return self._logs / f"{component}.log"

    def wait_healthy(self, deadline_seconds: float = 300.0) -> None:
        """Wait until every component has given a sign of life and tasks can start at once, in our pools.

        Raises AirflowError, with the end of its log, for a component that died, and when the deadline passes.
        """

        def is_healthy() -> bool:
            self._refuse_dead()
            try:
                # The interface of the tasks is only built when it is first asked, which takes seconds.
                self._request("GET", "/execution/health", authorised=False)
                health = self._request("GET", "/api/v2/monitor/health", authorised=False)
            except OSError:
                return False
            return all(self._is_alive(health[part], part) for part in _HEALTH)

        _wait(is_healthy, deadline_seconds, f"Airflow is not healthy. Next: read the logs in {self._logs}.")
        for name, slots in POOLS.items():
            self._set_pool(name, slots)

    def unpause(self, dag_id: str, *, deadline_seconds: float = 120.0) -> None:
        """Let the schedule of a DAG run; waits until Airflow has read the DAG's file, and has it read once more.

        For only then does it set up what the schedule listens to.
        """
        self._set_paused(dag_id, is_paused=False, deadline_seconds=deadline_seconds)

    def pause(self, dag_id: str) -> None:
        """Let the schedule of a DAG start no more runs."""
        self._set_paused(dag_id, is_paused=True, deadline_seconds=120.0)

    def trigger(self, dag_id: str) -> str:
        """Start a run now and return its id. The DAG must be unpaused for the run to proceed."""
        run = self._request("POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", {"logical_date": None})
        return str(run["dag_run_id"])

    def runs(self, dag_id: str) -> list[DagRun]:
        """The latest runs of a DAG, oldest first, at most 100."""
        found = self._request("GET", f"/api/v2/dags/{quote(dag_id)}/dagRuns?limit=100&order_by=-run_after")
        return [_dag_run(one) for one in reversed(found["dag_runs"])]

    def wait_run(self, dag_id: str, run_id: str, *, deadline_seconds: float = 600.0) -> DagRun:
        """Wait until a run is over and return it, whether it succeeded or failed."""

        def read() -> DagRun:
            self._refuse_dead()
            return _dag_run(self._request("GET", f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"))

        _wait(lambda: read().is_over, deadline_seconds, f"Run {run_id} of {dag_id} is not over.")
        return read()

    def import_errors(self) -> list[str]:
        """The files Airflow could not read, with the reason."""
        found = self._request("GET", "/api/v2/importErrors")
        return [f"{one['filename']}: {one['stack_trace']}" for one in found["import_errors"]]

    def stop(self) -> None:
        """End every process of this Airflow: politely, then without asking. Again is nothing."""
        while self._families:
            self._families.pop().stop()

    def __enter__(self) -> Self:
        self.migrate()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        self.stop()

    def _set_paused(self, dag_id: str, *, is_paused: bool, deadline_seconds: float) -> None:
        def is_done() -> bool:
            self._refuse_dead()
            try:
                found = self._request("PATCH", f"/api/v2/dags/{quote(dag_id)}", {"is_paused": is_paused})
                if not is_paused:
                    self._request("PUT", f"/api/v2/parseDagFile/{quote(found['file_token'])}")
            except HTTPError as error:
                if error.code == 404:
                    return False
                if error.code != 409:  # it is to be read already
                    raise
            return True

        _wait(is_done, deadline_seconds, f"Airflow does not know the DAG {dag_id}. Next: look at its import errors.")

    def _set_pool(self, name: str, slots: int) -> None:
        pool = {"slots": slots, "include_deferred": False}
        try:
            self._request("POST", "/api/v2/pools", {"name": name} | pool)
        except HTTPError as error:
            if error.code != 409:  # it is there, of this release or of another
                raise
            self._request("PATCH", f"/api/v2/pools/{quote(name)}", {"pool": name} | pool)

    def _refuse_dead(self) -> None:
        if not self._families:
            raise AirflowError("Airflow is not running. Next: start it.")
        for name, pid in self.pids.items():
            if not _is_running(pid):
                log = self.log_of(name)
                raise AirflowError(f"Airflow's {name} has ended. Next: read {log}, which ends:\n{_tail(log)}")

    def _is_alive(self, health: Mapping[str, Any], part: str) -> bool:
        beat = health[f"latest_{part}_heartbeat"] or "0001-01-01T00:00:00Z"
        # A killed predecessor on the same database looks alive for half a minute.
        return bool(health["status"] == "healthy" and datetime.fromisoformat(beat) >= self._started_at)

    def _request(self, method: str, path: str, body: object = None, *, authorised: bool = True) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if authorised:
            headers["Authorization"] = f"Bearer {self._token or self._log_in()}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.address + path, data=data, headers=headers, method=method)  # noqa: S310 - our own address
        # A proxy of the surroundings has no business on loopback.
        with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)

    def _log_in(self) -> str:
        login = {"username": self.user, "password": self.password}
        self._token = str(self._request("POST", "/auth/token", login, authorised=False)["access_token"])
        return self._token


def _by_broker(broker_url: str, database_url: str) -> dict[str, str]:
    """The settings of CeleryExecutor; what became of a task is told by way of the metadata database."""
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": broker_url,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database_url}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": SETTINGS["CORE__PARALLELISM"],
        # Workers that greet each other need a broker that calls to all; one worker has nobody to greet.
        "AIRFLOW__CELERY__WORKER_ENABLE_REMOTE_CONTROL": "False",
    }


def _command(component: str) -> list[str]:
    if component == WORKER:
        quiet = ["--skip-serve-logs", "--without-gossip", "--without-mingle"]
        return [sys.executable, "-m", "airflow", "celery", "worker", *quiet]
    # The API server reads the logs from the same disk: servers for logs would be two more processes.
    options = ["--skip-serve-logs"] if component in {"scheduler", "triggerer"} else []
    return [sys.executable, "-m", "airflow", component, *options]


def _dag_run(found: Mapping[str, Any]) -> DagRun:
    return DagRun(
        dag_id=found["dag_id"],
        run_id=found["dag_run_id"],
        run_type=found["run_type"],
        state=found["state"],
        is_over=found["state"] in {"success", "failed"},
        run_after=datetime.fromisoformat(found["run_after"]),
    )


def _environment(
    home: Path, *, port: int, database_url: str, dags_folder: Path, keys: Mapping[str, str]
) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    address = f"http://127.0.0.1:{port}"
    settings = SETTINGS | {
        "CORE__DAGS_FOLDER": str(dags_folder),
        "CORE__FERNET_KEY": keys["fernet_key"],
        "CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "DATABASE__SQL_ALCHEMY_CONN": database_url,
        "API__PORT": str(port),
        "API__BASE_URL": address,
        "API__SECRET_KEY": keys["session_key"],
        "API_AUTH__JWT_SECRET": keys["jwt_secret"],
    }
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    loopback = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    named = {f"AIRFLOW__{name}": value for name, value in settings.items()}
    return kept | named | loopback | {"AIRFLOW_HOME": str(home), "PYTHONPATH": path}


def _secrets_in(home: Path) -> dict[str, str]:
    """The keys of this home, made up at first and kept, for its owner only."""
    file = home / "secrets.json"
    if file.exists():
        found: dict[str, str] = json.loads(file.read_text())
        return found
    keys = {
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "jwt_secret": secrets.token_urlsafe(48),
        "session_key": secrets.token_urlsafe(32),
        "password": secrets.token_urlsafe(12),
    }
    _write_private(home / "passwords.json", {USER: keys["password"]})
    _write_private(file, keys)
    return keys


def _write_private(file: Path, content: Mapping[str, str]) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        json.dump(content, output)


def _free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait(is_done: Callable[[], bool], deadline_seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + deadline_seconds
    while not is_done():
        if time.monotonic() >= deadline:
            raise AirflowError(f"{complaint} Waited {deadline_seconds:.0f} s.")
        time.sleep(_POLL_SECONDS)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-_LOG_TAIL:] if log.exists() else "(empty)"
