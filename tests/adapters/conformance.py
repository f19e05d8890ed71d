"""Finds every dialect, province and awkward file by itself, and writes what normalising yields as lines."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import adapters
from adapters.canonical import RecordKind
from adapters.catalogue import Cadence, Office, Source, VintageRule
from adapters.declaration import Dialect, read_dialect
from adapters.errors import RejectedBatchError
from adapters.normalise import Normalised, normalise_file

ROOT = Path(adapters.__file__).parent
DIALECTS = sorted(path.parent for path in (ROOT / "dialects").glob("*/dialect.toml"))
PAGES = sorted((ROOT / "provinces").glob("*.toml"))
AWKWARD = sorted(
    path
    for folder in DIALECTS
    for path in (folder / "awkward").glob("*")
    if path.is_file() and not path.name.endswith(".golden.jsonl")
)
_OFFICE = Office("sample.office", "Sample")


def sample_of(folder: Path) -> Path:
    """The one file sample.* of a dialect."""
    found = list(folder.glob("sample.*"))
    assert len(found) == 1, f"{folder.name} needs exactly one sample.*"
    return found[0]


def sample_source(dialect: Dialect) -> Source:
    """A source that speaks the dialect without overrides, at the time of its sample."""
    vintage = dialect.sample.unit_vintage
    return Source(
        source_id=f"sample.{dialect.name}",
        province_code="00",
        former_province_code="00",
        former_province_name="Sample",
        kind=dialect.kind,
        dialect=dialect,
        unit_codes=(VintageRule(date.min, vintage),) if vintage else (),
        cadence=Cadence.DAILY,
        steward_office=_OFFICE,
        residence_office=_OFFICE,
    )


def normalised(folder: Path, file: Path) -> Normalised:
    """A file of a dialect, normalised under the circumstances of the dialect's sample."""
    dialect = read_dialect(folder)
    return normalise_file(file.read_bytes(), source=sample_source(dialect), exported_on=dialect.sample.exported_on)


def golden_text(folder: Path, file: Path) -> str:
    """What a file yields, a line each: rows, findings, quarantine; or why it is refused."""
    try:
        result = normalised(folder, file)
    except RejectedBatchError as error:
        refusal = {"reason": error.reason, "place": error.place, "message": error.message}
        return _line({"rejected": refusal})
    return "".join(map(_line, _parts(result)))


def _parts(result: Normalised) -> Iterator[dict[str, Any]]:
    yield from ({"record": row} for row in result.table.to_pylist())
    yield from ({"finding": row} for row in result.findings.to_pylist())
    for row in result.quarantined.to_pylist():
        raw = row["raw"]
        yield {"quarantined": row | {"raw": None if raw is None else raw.decode("utf-8", "backslashreplace")}}


def _line(part: dict[str, dict[str, Any]]) -> str:
    filled = {name: {key: value for key, value in row.items() if value is not None} for name, row in part.items()}
    return json.dumps(filled, ensure_ascii=False, default=str) + "\n"


def kinds_of(dialects: list[Path]) -> set[RecordKind]:
    """The record kinds that some dialects cover between them."""
    return {read_dialect(folder).kind for folder in dialects}
