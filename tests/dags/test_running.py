"""What a task leaves behind when a job fails: the place, never the words of a foreign error."""

import json
from pathlib import Path

import pytest

from dags import running
from reconciliation.errors import RejectedRequestError


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path) -> Path:
    """This test's registry in the environment; where the spans go."""
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database_url)
    monkeypatch.setenv("LIENTHONG_TRACE_FILE", str(tmp_path / "traces.jsonl"))
    return tmp_path / "traces.jsonl"


def test_a_foreign_error_leaves_its_kind_and_place_and_none_of_its_words(
    environment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "canary"
    file.touch()

    with pytest.raises(
        running.JobError, match=r"^publish_snapshot failed: NotADirectoryError at .*jobs\.py:"
    ) as raised:
        running.run("publish_snapshot", consumer_id="population", folder=file, now=None)

    assert "canary" not in str(raised.value)
    assert raised.value.__suppress_context__
    (span,) = [json.loads(line) for line in environment.read_text().splitlines()]
    assert (span["status"], span["service"]) == ("ERROR", "jobs")
    assert span["attributes"] == {"consumer_id": "population", "error_type": "JobError"}
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["outcome"], line["trace_id"]) == ("job_ended", "failed", span["trace_id"])


def test_an_error_of_the_registry_says_itself_what_to_do(environment: Path, tmp_path: Path) -> None:
    with pytest.raises(RejectedRequestError) as raised:
        running.run("publish_snapshot", consumer_id="nobody", folder=tmp_path, now=None)

    assert raised.value.reason == "CONSUMER_UNKNOWN"


def test_every_registry_gets_a_snapshot() -> None:
    assert running.consumers() == ["population", "social-insurance"]
