"""`lienthong submit` as somebody types it."""

import io
import json
from pathlib import Path

import pytest

from tests.gateway.batches import TYPED_SOURCE
from tests.gateway.test_cli import Type, gateway, lines, type_
from tests.gateway.updates import request

__all__ = ["gateway", "type_"]  # fixtures

PERSON = {
    "source_record_id": "T1",
    "updated_at": "2025-07-10T08:00:00",
    "full_name": "Giàng A Páo",
    "birth_date": "1980",
    "sex": "SEX_MALE",
    "unit_code": "02647",
}


@pytest.mark.usefixtures("gateway")
def test_a_record_is_submitted_once_from_a_file_and_from_the_standard_input(
    type_: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "record.json"
    file.write_text(json.dumps(PERSON), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(PERSON).encode())))
    words = (TYPED_SOURCE, "--request-id", request("a"), "--exported-on", "2025-07-10", "--json")

    first = type_("submit", *words, file)
    again = type_("submit", *words, "-")
    person_reads = type_("submit", TYPED_SOURCE, file, "--validate-only")

    assert [code for code, _, _ in (first, again, person_reads)] == [0, 0, 0]
    answers = [lines(said)[0]["answer"] for _, said, _ in (first, again)]
    assert answers[0]["verdict"] == "accepted"
    assert answers[1] == answers[0] | {"replayed": True}
    assert "đã nhận" in person_reads[1]


def test_what_is_no_record_is_refused_without_being_quoted(type_: Type, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    said = {}
    for name, text in {"field": json.dumps(PERSON | {"ten": "x"}), "json": "{Páo", "list": '["Páo"]'}.items():
        file.write_text(text, encoding="utf-8")
        code, _, said[name] = type_("submit", TYPED_SOURCE, file)
        assert code == 1

    assert "records.proto" in said["field"]
    assert all("Páo" not in text for text in said.values())
    assert type_("submit", "nowhere", file)[0] == 1
