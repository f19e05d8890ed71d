"""Queries are named functions of one folder, and none is glued together from text."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, files, shown

STATEMENT = re.compile(
    r"\s*(with\s+\w+\s+as\s*\(|select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|copy\s+\S+\s"
    r"|(create|alter|drop|truncate)\s+(table|index|database|schema|sequence|view)\s|set\s+local\s)",
    re.IGNORECASE | re.DOTALL,
)
STORE = ROOT / "reconciliation" / "store"
# It asks the dialect to quote each name; there is nothing else in its texts.
QUOTES_EVERY_NAME = STORE / "copying.py"


def texts(path: Path) -> list[str]:
    """Every string of a module that is no docstring, f-strings with a gap for each value."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    found = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | parts
    ]
    return found + [
        "".join(part.value if isinstance(part, ast.Constant) else " gap " for part in node.values)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
    ]


def test_a_statement_is_known_when_seen():
    assert STATEMENT.match("SELECT full_name FROM person")
    assert STATEMENT.match("\n  with a as (select 1)")
    assert STATEMENT.match("drop table person")
    assert not STATEMENT.match("Select a province in the list")
    assert not STATEMENT.match("Update the units")
    assert not STATEMENT.match("Create the folder")


@pytest.mark.parametrize("package", ["adapters", "gateway", "observability", "dags"])
def test_no_room_but_the_registry_writes_a_query(package):
    queries = {
        shown(path): text for path in files(".py", under=package) for text in texts(path) if STATEMENT.match(text)
    }

    assert queries == {}


def glued(path: Path) -> list[str]:
    """The arguments of text(…) that are neither a constant nor one with names in capitals filled in."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"text", "exec_driver_sql"}):
            continue
        statement = node.args[0]
        filled = [
            value.value
            for value in (statement.values if isinstance(statement, ast.JoinedStr) else [])
            if isinstance(value, ast.FormattedValue)
        ]
        constant = isinstance(statement, ast.Constant | ast.JoinedStr)
        if not constant or any(not (isinstance(value, ast.Name) and value.id.isupper()) for value in filled):
            found.append(f"{shown(path)}:{node.lineno}")
    return found


def test_no_statement_of_the_store_is_glued_together():
    modules = [path for path in files(".py", under="reconciliation/store") if path != QUOTES_EVERY_NAME]

    assert len(modules) > 10
    assert [place for path in modules for place in glued(path)] == []


def test_glue_is_seen(tmp_path, monkeypatch):
    module = tmp_path / "module.py"
    module.write_text('sa.text("a" + b)\nsa.text(f"a {b}")\nsa.text(f"a {B}")\nsa.text("a")\ntext(query)\n')
    monkeypatch.setattr("tests.architecture.test_sql.shown", lambda path: path.name)

    assert glued(module) == ["module.py:1", "module.py:2", "module.py:5"]
