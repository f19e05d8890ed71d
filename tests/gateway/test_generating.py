from pathlib import Path

from gateway.generating import PACKAGE, ROOT, differing, generate


def test_the_generated_code_is_what_the_contract_generates(tmp_path: Path) -> None:
    generate(tmp_path)

    assert differing(tmp_path / PACKAGE, ROOT / PACKAGE) == []


def test_a_changed_a_missing_and_an_extra_file_are_named(tmp_path: Path) -> None:
    generated, committed = tmp_path / "generated", tmp_path / "committed"
    for folder, names in ((generated, ("same", "changed", "missing")), (committed, ("same", "changed", "extra"))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.py").write_text(f"{folder.name if name == 'changed' else name}\n")

    assert differing(generated, committed) == ["changed.py", "extra.py", "missing.py"]


def test_no_python_is_kept_beside_the_contract() -> None:
    assert list((ROOT / "proto").rglob("*.py")) == []
