"""What others wrote is byte by byte what their package holds, and its licence lies beside it."""

import hashlib
import re
from pathlib import Path

import pytest

from gateway import console

FOLDERS = (Path(console.__file__).parent / "static", Path(__file__).parent / "vendored")
ROW = re.compile(r"^\| `([^`]+)` \|.*`([^`]+\.LICENSE)`.*\| `([0-9a-f]{64})` \|$", re.MULTILINE)
LISTED = [(folder, *found) for folder in FOLDERS for found in ROW.findall((folder / "README.md").read_text())]


@pytest.mark.parametrize(("folder", "name", "licence", "digest"), LISTED, ids=[one[1] for one in LISTED])
def test_a_vendored_file_is_the_published_one(folder, name, licence, digest):
    assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (folder / licence).read_text(encoding="utf-8").strip()


def test_everything_minified_is_listed():
    minified = {path.name for folder in FOLDERS for path in folder.glob("*.min.*")}

    assert minified == {name for _, name, _, _ in LISTED} == {"htmx.min.js", "axe.min.js"}
