"""The files of the project, as they lie in the tree: without what is built, fetched or kept beside them."""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("adapters", "gateway", "observability", "reconciliation")
NOT_OURS = {"__pycache__", "build", "node_modules"}


def files(*suffixes: str, under: str = ".") -> Iterator[Path]:
    """Every file below `under` with one of `suffixes` (all files without any), in order; no hidden folders."""
    for folder, names, found in os.walk(ROOT / under):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in NOT_OURS)
        names[:] = [name for name in names if not name.endswith(".egg-info")]
        for name in sorted(found):
            if not suffixes or name.endswith(suffixes):
                yield Path(folder, name)


def shown(path: Path) -> str:
    """A path as it is told: from the root of the project."""
    return path.relative_to(ROOT).as_posix()


def is_generated(path: Path) -> bool:
    """Whether `path` lies where generated code lies."""
    return path.is_relative_to(ROOT / "gateway" / "v1")
