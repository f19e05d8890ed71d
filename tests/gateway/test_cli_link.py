"""What is known of a subject, at the terminal: masked unless it is asked for otherwise."""

import json
import sys
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from gateway.cli import main
from tests.reconciliation.province import YEN_BAI, Province, person

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str) -> Type:
    """`type_("link", "values", "…")`: exit code, stdout and stderr of a command."""
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database_url)

    def typing(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lienthong", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else int(code is not None)), said.out, said.err

    return typing


def test_values_are_masked_until_they_are_asked_for(engine: sa.Engine, type_: Type) -> None:
    province = Province(engine)
    province.push(YEN_BAI, person("A", hamlet="Thôn 1"))
    province.run()
    subject = province.one()["subject_id"]

    code, masked, _ = type_("link", "values", subject)
    history = json.loads(type_("link", "values", subject, "--reveal", "--valid", "2025-08-20", "--json")[1])

    assert code == 0
    assert "999999999999" in masked
    assert "02647" in masked
    assert "Mẩy" not in masked
    shown = {one["field"]: one["value"] for one in history["values"]}
    assert (shown["full_name"], shown["hamlet"]) == ("Lò Thị Mẩy", "Thôn 1")
    assert history["kind"] == "person"


def test_a_subject_that_nobody_knows_is_refused_in_both_languages(engine: sa.Engine, type_: Type) -> None:
    code, _, said = type_("link", "values", "nobody")

    assert code == 1
    assert "Lỗi" in said
    assert "Nothing is published" in said
