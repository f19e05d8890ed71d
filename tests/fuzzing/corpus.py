"""The files that fuzzing found worth keeping: one archive a dialect, the same bytes for the same files."""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_CORPUS = Path(__file__).parent / "corpus"
_ANY_DAY = (2025, 7, 1, 0, 0, 0)


def corpus_path(dialect: str) -> Path:
    """Where the corpus of a dialect is kept."""
    return _CORPUS / f"{dialect}.zip"


def load_corpus(dialect: str) -> Iterator[bytes]:
    """The kept files of a dialect, smallest first; none before it was ever fuzzed."""
    path = corpus_path(dialect)
    if not path.exists():
        return
    with zipfile.ZipFile(path) as archive:
        yield from (archive.read(name) for name in archive.namelist())


def write_corpus(dialect: str, files: Iterable[bytes]) -> None:
    """Replace the kept files of a dialect."""
    _CORPUS.mkdir(exist_ok=True)
    with zipfile.ZipFile(corpus_path(dialect), "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for payload in files:
            name = zipfile.ZipInfo(hashlib.sha256(payload).hexdigest()[:16], _ANY_DAY)
            archive.writestr(name, payload, zipfile.ZIP_DEFLATED)
