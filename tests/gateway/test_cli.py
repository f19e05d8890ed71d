"""The terminal as somebody types it, against a gateway in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from gateway.cli import COMMANDS, main
from reconciliation.conflicts import CATALOGUE
from reconciliation.lifecycle import IN_VIETNAMESE
from reconciliation.model import CaseKind, State
from reconciliation.store import feed
from tests.gateway.batches import JSONL_SOURCE, people
from tests.gateway.conftest import ROOT, Spawn, free_port
from tests.gateway.test_feed import unpublished

Type = Callable[..., tuple[int, str, str]]
PUSH = ("push", JSONL_SOURCE, "--epoch", "e1", "--json")


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """`type_("units", "resolve", "00004")`: exit code, stdout and stderr of a command."""

    def typing(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lienthong", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else int(code is not None)), said.out, said.err

    return typing


@pytest.fixture
def gateway(spawn: Spawn, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[int]:
    """A gateway that the environment of the terminal points to."""
    port = free_port()
    monkeypatch.setenv("LIENTHONG_PORT", str(port))
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database_url)
    with spawn(port):
        yield port


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_help_names_every_command_and_loads_none_of_them() -> None:
    script = "import sys; from gateway.cli import application; application(None)(['--help'], standalone_mode=False);"
    script += "print(sorted({'pyarrow', 'grpc', 'sqlalchemy', 'pydantic'} & set(sys.modules)))"

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True).stdout

    assert all(name in said for name in COMMANDS)
    assert said.endswith("[]\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(type_: Type, name: str) -> None:
    code, said, _ = type_(name, "--help")

    assert code == 0
    assert "Usage" in said


def test_a_command_that_is_none_is_said_so(type_: Type) -> None:
    code, _, said = type_("fly")

    assert code == 2
    assert "fly" in said


def test_files_are_pushed_in_order_skipped_when_durable_and_refused_with_a_reason(
    type_: Type, gateway: int, tmp_path: Path
) -> None:
    for number in (1, 2):
        (tmp_path / f"2025-07-0{number}.jsonl").write_bytes(people(number * 10, 3))
    (tmp_path / "2025-07-03.jsonl").write_bytes(b"")

    first = type_(*PUSH, tmp_path)
    (tmp_path / "2025-07-03.jsonl").write_bytes(people(30, 4))
    second = type_(*PUSH, tmp_path)

    assert first[0] == 1
    landed, again, refused = lines(first[1])
    assert (landed["file"], landed["landed"]["accepted"]) == ("2025-07-01.jsonl", 3)
    assert again["landed"]["sequence"] == 2
    assert refused["refused"] == {"sequence": 3, "reason": "EMPTY_BATCH"}
    assert second[0] == 0
    assert [(line["file"], line["landed"]["accepted"]) for line in lines(second[1])] == [("2025-07-03.jsonl", 4)]

    unknown = type_("push", "atlantis.population", tmp_path, "--epoch", "e1")
    assert unknown[0] == 1
    assert unknown[2].startswith("Lỗi: Không có nguồn này.")
    assert "SOURCE_UNKNOWN" in unknown[2]

    (tmp_path / "export.jsonl").write_bytes(people(0, 1))
    dated, no_day = tmp_path / "2025-07-01.jsonl", tmp_path / "2025-13-45.jsonl"
    no_day.write_bytes(people(0, 1))
    for file in (tmp_path / "export.jsonl", no_day):
        undated = type_("push", JSONL_SOURCE, dated, file, "--epoch", "e2", "--json")
        assert undated[:2] == (1, "")  # not even the first has been sent
        assert f"{file.name}: tên tệp không có ngày xuất" in undated[2]
        assert "--exported-on" in undated[2]


def test_what_landed_before_is_said_and_another_file_in_its_place_is_no_success(
    type_: Type, gateway: int, tmp_path: Path
) -> None:
    """A second day's file alone, pushed into the same epoch, is batch 1 again: nobody would ever send it."""
    exports, tomorrow, nothing = tmp_path / "exports", tmp_path / "2025-07-03.jsonl", tmp_path / "nothing"
    exports.mkdir()
    nothing.mkdir()
    for number in (1, 2):
        (exports / f"2025-07-0{number}.jsonl").write_bytes(people(number * 10, 3))
    tomorrow.write_bytes(people(30, 4))
    push = PUSH[:-1]
    type_(*push, exports)

    again = type_(*push, exports)
    alone = type_(*push, tomorrow)
    for_a_machine = type_(*PUSH, tomorrow)
    empty = type_(*push, nothing)

    assert (again[0], "2 files had landed before" in again[1]) == (0, True)
    assert (alone[0], "batch 1 of this epoch landed with other bytes" in alone[2]) == (1, True)
    assert "had landed before" not in alone[1]
    assert (for_a_machine[0], lines(for_a_machine[1])) == (1, [{"file": tomorrow.name, "differs": {"sequence": 1}}])
    assert (empty[0], "no file to push" in empty[2]) == (1, True)


def test_a_gateway_that_is_not_there_is_told_in_both_languages(type_: Type) -> None:
    code, _, said = type_("status", "--source", JSONL_SOURCE, "--record", "P1", "--address", f"127.0.0.1:{free_port()}")

    assert code == 1
    assert said.startswith("Lỗi: không gọi được cổng.")
    assert "UNAVAILABLE" in said
    assert ". Next: see that a gateway runs there" in said


def test_from_push_to_pull_to_report(type_: Type, gateway: int, tmp_path: Path, engine: sa.Engine) -> None:
    exports, pulled = tmp_path / "exports", tmp_path / "pulled"
    exports.mkdir()
    (exports / "2025-07-01.jsonl").write_bytes(people(0, 5))

    receipt = lines(type_(*PUSH, exports)[1])[0]["landed"]
    job = lines(type_("job", "reconcile_records", "--json")[1])
    while unpublished(engine):
        feed.sequence(engine)
    for form in ("jsonl", "arrow"):
        assert type_("pull", "population", pulled, "--as", form, "--no-acknowledge")[0] == 0
    pages = lines(type_("pull", "population", pulled, "--json", "--page-size", 1_000)[1])
    status = lines(type_("status", "--receipt", receipt["receipt_id"], "--row", 0, "--json")[1])[0]
    for_a_person = type_("status", "--receipt", receipt["receipt_id"], "--row", 0)[1]
    files = sorted(pulled.glob("person-*.parquet"))
    sequences = [number for file in files for number in pq.read_table(file)["feed_seq"].to_pylist()]
    outcomes = tmp_path / "outcomes.jsonl"
    told = [{"feed_seq": number, "outcome": "applied"} for number in sequences]
    outcomes.write_text("".join(json.dumps(one) + "\n" for one in told))
    forged = type_("outcomes", "population", outcomes, "--cursor", "forged")
    reported = lines(type_("outcomes", "population", outcomes, "--cursor", pages[-1]["cursor"], "--json")[1])[0]
    applied = lines(type_("status", "--source", JSONL_SOURCE, "--record", "P0000000", "--json")[1])[0]

    assert [counts["province"] for counts in job] == ["01"]
    (as_lines,), (as_arrow,) = pulled.glob("person-*.jsonl"), pulled.glob("person-*.arrow")
    assert [one["feed_seq"] for one in lines(as_lines.read_text())] == sequences
    assert pa.ipc.open_stream(as_arrow.read_bytes()).read_all()["feed_seq"].to_pylist() == sequences
    assert sum(page["changes"] for page in pages) == len(sequences) >= 5
    assert sorted(file for page in pages for file in page["files"]) == [file.name for file in files]
    assert status["state"] == "awaiting_outcome"
    assert "Trạng thái: chờ kết quả áp dụng từ" in for_a_person
    assert set(IN_VIETNAMESE) == set(State)
    assert forged[0] == 1
    assert "CURSOR_INVALID" in forged[2]
    assert reported == {"reported": len(sequences), "recorded": len(sequences)}
    assert applied["state"] == "applied"


def test_a_case_is_listed_shown_judged_and_reversed(type_: Type, gateway: int, tmp_path: Path) -> None:
    (tmp_path / "2025-07-01.jsonl").write_bytes(people(0, 3, ma_xa="99998"))
    type_(*PUSH, tmp_path)
    type_("job", "reconcile_records", "--province", "01")

    listed = lines(type_("queue", "list", "--kind", "unknown_unit", "--json")[1])
    case_id = listed[0]["case_id"]
    shown = type_("queue", "show", case_id)
    words = ("--reason", "NOT_OURS", "--steward", "an", "--json")
    wrong = type_("queue", "judge", case_id, "same", *words)
    judged = lines(type_("queue", "judge", case_id, "withdraw", *words)[1])[0]
    twice = type_("queue", "judge", case_id, "withdraw", *words)
    reversed_ = lines(type_("queue", "reverse", judged["judgement_id"], *words)[1])[0]
    asked_again = type_("queue", "show", case_id)[1]

    assert listed
    assert "seen before" not in shown[1]
    assert "an đã đảo · reversed" in asked_again
    assert shown[0] == 0
    assert "withdraw" in shown[1]
    asked = CATALOGUE[CaseKind.UNKNOWN_UNIT]
    assert all(words in shown[1] for words in (asked.question_vi, asked.question_en))
    assert (wrong[0], "Quyết định không phù hợp" in wrong[2]) == (1, True)
    assert (twice[0], "Hồ sơ đã có quyết định" in twice[2]) == (1, True)
    assert reversed_["reverses"] == judged["judgement_id"]
    assert type_("queue", "show", 10**9)[0] == 1


def test_units_are_told_without_a_gateway(type_: Type) -> None:
    code, said, _ = type_("units", "resolve", "00004", "99999", "--vintage", "2025-06-30", "--json")

    assert code == 0
    assert [(line["code"], line["outcome"], line["unit_code"]) for line in lines(said)] == [
        ("00004", "current", "00004"),
        ("99999", "unknown", None),
    ]
    assert "Phường Ba Đình" in type_("units", "lineage", "00004")[1]
    assert type_("units", "lineage", "99999")[0] == 1
    assert type_("units", "resolve", "00004", "--vintage", "30/06/2025")[0] == 2


def test_jobs_are_named_and_an_unheard_of_one_is_refused(type_: Type) -> None:
    code, said, _ = type_("job", "list")

    assert code == 0
    assert all(name in said for name in ("reconcile_records", "flag_stuck_updates", "publish_snapshot"))
    assert type_("job", "fly")[0] == 1


def test_the_doctor_says_what_is_well_and_findings_are_told_by_receipt(
    type_: Type, gateway: int, tmp_path: Path
) -> None:
    well = type_("doctor", "--json")
    ill = type_("doctor", "--json", "--address", f"127.0.0.1:{free_port()}")
    migrated = type_("migrate")

    assert well[0] == 0
    assert {check["name"]: check["is_well"] for check in lines(well[1])} == dict.fromkeys(
        ("settings", "sources", "certificates", "database", "gateway", "clock"), True
    )
    assert ill[0] == 1
    assert {check["name"] for check in lines(ill[1]) if not check["is_well"]} == {"gateway", "clock"}
    assert migrated[0] == 0

    (tmp_path / "2025-07-15.jsonl").write_bytes(people(0, 2, ma_xa="4"))
    receipt = lines(type_(*PUSH, tmp_path)[1])[0]["landed"]["receipt_id"]
    findings = lines(type_("status", "--receipt", receipt, "--json")[1])
    assert [(finding["row"], finding["code"]) for finding in findings] == [
        (0, "LEADING_ZERO_MISSING"),
        (1, "LEADING_ZERO_MISSING"),
    ]
    assert "LEADING_ZERO_MISSING" in type_("status", "--receipt", receipt)[1]
