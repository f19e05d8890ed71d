"""Where things lie: packages in this tree, no package where none may be, generated code in one place."""

import ast
import importlib.util
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT, files, is_generated, shown


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_a_package_is_the_one_of_this_tree(package):
    """An installed copy, or another project's package of the same name, would be tested instead."""
    found = importlib.util.find_spec(package)

    assert found is not None
    assert found.origin == str(ROOT / package / "__init__.py")


def test_the_schedules_are_those_of_this_tree():
    found = importlib.util.find_spec("dags")

    assert found is not None
    assert list(found.submodule_search_locations or []) == [str(ROOT / "dags")]


@pytest.mark.parametrize("folder", ["proto", "dags"])
def test_what_is_no_package_has_no_init(folder):
    assert [shown(path) for path in files("__init__.py", under=folder)] == []


def test_every_folder_of_tests_is_a_package():
    folders = {path.parent for path in files(".py", under="tests")}

    assert len(folders) > 10
    assert [shown(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_tests_lie_where_what_they_test_lies():
    """tests/<package>/… mirrors <package>/…; these folders are about more than one package."""
    about_all = {"architecture", "bad_input", "benchmarks", "end_to_end", "faults", "fuzzing", "nemesis"}
    folders = {path.parent.relative_to(ROOT / "tests") for path in files(".py", under="tests")}

    astray = [
        folder.as_posix()
        for folder in sorted(folders)
        if folder.parts and folder.parts[0] not in about_all and not (ROOT / folder).is_dir()
    ]

    assert astray == []


def schedules() -> list[Path]:
    """The files of dags/ that define a DAG."""
    return [path for path in files(".py", under="dags") if decorated_with(path, "dag")]


def decorated_with(path: Path, name: str) -> bool:
    decorators = [
        decorator.func if isinstance(decorator, ast.Call) else decorator
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
    ]
    return any(ast.unparse(decorator).split(".")[-1] == name for decorator in decorators)


def test_a_schedule_is_under_sixty_lines():
    found = schedules()

    assert len(found) >= 3
    assert [shown(path) for path in found if len(path.read_text(encoding="utf-8").splitlines()) >= 60] == []


def test_generated_code_lies_in_one_place_and_nothing_else_with_it():
    outside = [shown(path) for path in files("_pb2.py", "_pb2_grpc.py", ".pyi") if not is_generated(path)]
    beside = [
        shown(path)
        for path in files(under="gateway/v1")
        if not path.name.endswith(("_pb2.py", "_pb2_grpc.py", "_pb2.pyi", "_pb2_grpc.pyi"))
        and path.name != "__init__.py"
    ]

    assert outside == []
    assert beside == []


def test_nothing_is_imported_upwards_into_the_tests():
    """A package that needs its tests cannot be installed without them."""
    guilty = [
        shown(path)
        for package in (*PACKAGES, "dags")
        for path in files(".py", under=package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tests"
    ]

    assert guilty == []
