"""Linkage models at the terminal."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import main
from reconciliation.weights import load_model

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """`type_("model", "export", "x.json")`: exit code, stdout and stderr of a command."""

    def typing(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lienthong", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else int(code is not None)), said.out, said.err

    return typing


def test_a_model_goes_to_splink_and_comes_back(type_: Type, tmp_path: Path) -> None:
    splink, back = tmp_path / "splink.json", tmp_path / "persons.json"

    assert type_("model", "export", splink)[0] == 0
    assert type_("model", "import", splink, back)[0] == 0

    assert load_model(back) == load_model()


def test_what_a_new_model_would_change_is_said_before_it_is_used(type_: Type, tmp_path: Path) -> None:
    splink, new = tmp_path / "splink.json", tmp_path / "new.json"
    type_("model", "export", splink)
    settings = json.loads(splink.read_text(encoding="utf-8"))
    sex = next(one for one in settings["comparisons"] if one["output_column_name"] == "sex")
    sex["comparison_levels"][1] |= {"m_probability": 0.8, "u_probability": 0.1}
    splink.write_text(json.dumps(settings), encoding="utf-8")
    type_("model", "import", splink, new)

    code, out, _ = type_("model", "compare", new, "--json")

    change = json.loads(out)
    assert code == 0
    assert [(one["comparison"], one["level"], one["after"]) for one in change["levels"]] == [("sex", "equal", 3.0)]
    assert "sex" in type_("model", "compare", new)[1]


@pytest.mark.parametrize("text", ["{}", '{"comparisons": []}'])
def test_a_file_that_is_no_model_is_refused_in_both_languages(type_: Type, tmp_path: Path, text: str) -> None:
    (tmp_path / "strange.json").write_text(text, encoding="utf-8")

    code, _, err = type_("model", "import", tmp_path / "strange.json", tmp_path / "out.json")

    assert code == 1
    assert err.startswith("Lỗi:")
    assert not (tmp_path / "out.json").exists()
