"""What an operator types wrong, or finds taken: said in both languages with the place and the next step."""

import socket
from pathlib import Path

import pytest
import sqlalchemy as sa
from grpc import StatusCode

from gateway.cli.demo import house
from gateway.cli.demo.stages import Stages
from gateway.client.errors import CallFailedError
from gateway.wire.faults import Fault
from reconciliation.errors import FatalStoreError
from reconciliation.store import embedded
from tests.database import open_folder
from tests.gateway.test_cli import Type, type_
from tests.gateway.test_cli_units import registry
from tests.reconciliation.store.changes import published

__all__ = ["registry", "type_"]  # fixtures


@pytest.mark.parametrize(
    "words",
    [
        ("balance", "show", "--province", "99"),
        ("queue", "list", "--province", "99"),
        ("job", "reconcile_records", "--province", "99"),
    ],
)
def test_a_province_there_is_not_is_no_province_without_anything(
    type_: Type, registry: str, words: tuple[str, ...]
) -> None:
    code, said, why = type_(*words)

    assert (code, said) == (2, "")
    assert "99: không có tỉnh này · is no province." in " ".join(why.replace("│", " ").split())


def test_a_snapshot_is_written_where_the_gateway_looks_for_it(
    type_: Type, registry: str, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIENTHONG_SNAPSHOT_FOLDER", str(tmp_path / "as-set"))
    published(engine, "a")

    ends = [
        type_("job", "publish_snapshot", "--consumer", "population", *words)[0]
        for words in ((), ("--folder", tmp_path / "as-said"))
    ]
    unnamed = type_("job", "publish_snapshot")

    assert ends == [0, 0]
    assert [len([*(tmp_path / folder).glob("population/*/manifest.json")]) for folder in ("as-set", "as-said")] == [
        1,
        1,
    ]
    assert unnamed[0] == 1
    assert "--consumer: population, social-insurance." in unnamed[2]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            ({"LIENTHONG_DATABASE_URL": "mysql://db/x"}, ("migrate",)),
            "LIENTHONG_DATABASE_URL begins with mysql. Next: ",
        ),
        (({"LIENTHONG_PORT": "abc"}, ("serve",)), "LIENTHONG_PORT: must be a whole number. Next: "),
        (
            ({"LIENTHONG_WATCH_SECONDS": "soon"}, ("migrate",)),
            "LIENTHONG_WATCH_SECONDS: must be a number of seconds. Next: ",
        ),
        (({}, ("pull", "population", "taken/below")), "taken/below: Not a directory. Next: "),
    ],
)
def test_what_cannot_be_used_is_named_with_the_next_step_in_both_languages(
    type_: Type,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: tuple[dict[str, str], tuple[str, ...]],
    said: str,
) -> None:
    variables, words = wrong
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    for name, text in variables.items():
        monkeypatch.setenv(name, text)

    code, _, why = type_(*words)

    assert code == 1
    vietnamese, english = why.splitlines()
    assert vietnamese.startswith("Lỗi: ")
    assert len(vietnamese) > len("Lỗi: ")
    assert english.startswith(said)


def test_a_port_that_is_taken_is_told_with_its_setting(
    type_: Type, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("LIENTHONG_CONSOLE_PORT", str(taken.getsockname()[1]))
        code, _, why = type_("console")

    assert code == 1
    assert "Lỗi: LIENTHONG_CONSOLE_PORT" in why
    assert "(Address already in use). Next: choose another port, or 0." in why


def test_a_second_demo_leaves_the_files_of_one_that_runs() -> None:
    with open_folder() as place, embedded.running(place / "postgres"):
        for folder in ("pki", "snapshots", "logs"):
            (place / folder).mkdir()
        before = sorted(place.iterdir())

        with pytest.raises(FatalStoreError, match="in use by process"), house.standing(place, Stages()):
            pytest.fail("two demos in one folder")

        assert sorted(place.iterdir()) == before


def test_the_demo_says_at_once_that_its_report_cannot_be_written(type_: Type, tmp_path: Path) -> None:
    code, said, why = type_("demo", "--json", tmp_path / "nowhere" / "report.json", "--folder", tmp_path / "demo")

    assert (code, said) == (1, "")
    assert "No such file or directory. Next: " in why
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("reason", "message", "told", "said"),
    [
        ("SNAPSHOT_UNKNOWN", "None.", "Ask later.", "SNAPSHOT_UNKNOWN: None. Next: ask later."),
        ("CURSOR_EPOCH", "Anew. Next: take one.", "Take one.", "CURSOR_EPOCH: Anew. Next: take one."),
        ("NOT_ENTITLED", "No grant.", "", "NOT_ENTITLED: No grant."),
        ("", "call ended", "", "UNAVAILABLE: call ended"),
        ("", "Socket closed", "", "UNAVAILABLE: Socket closed. Next: if the gateway demands certificates, "),
        (
            "",
            "Failed to connect: refused",
            "",
            "UNAVAILABLE: Failed to connect: refused. Next: see that a gateway runs",
        ),
    ],
)
def test_a_call_that_failed_says_what_to_do_where_its_message_does_not(
    reason: str, message: str, told: str, said: str
) -> None:
    fault = Fault(code=StatusCode.UNAVAILABLE, message=message, reason=reason, next_step=told)

    words = str(CallFailedError(fault))

    assert words == said if reason else words.startswith(said)
