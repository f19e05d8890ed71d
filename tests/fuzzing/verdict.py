"""What must hold of any bytes: a file is refused as a whole with a reason, or every record is accounted for."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

import adapters
from adapters.canonical import SCHEMAS
from adapters.catalogue import Source
from adapters.errors import RejectedBatchError
from adapters.findings import BATCH_ROW, CATALOGUE, FINDINGS, Severity
from adapters.normalise import QUARANTINED, Normalised, normalise_file

HERE = Path(__file__).parent
DIALECTS = sorted(path.parent for path in (Path(adapters.__file__).parent / "dialects").glob("*/dialect.toml"))


def samples(dialect: Path) -> Iterator[bytes]:
    """The dialect's own sample and its awkward files: what fuzzing starts from."""
    files = [*dialect.glob("sample.*"), *(dialect / "awkward").glob("*")]
    yield from (path.read_bytes() for path in sorted(files) if not path.name.endswith(".golden.jsonl"))


def judge(payload: bytes, *, source: Source, exported_on: date) -> str:
    """ "refused" or "read". Any other exception than a refusal, a lost record or an unexplained one is a fault."""
    try:
        result = normalise_file(payload, source=source, exported_on=exported_on)
    except RejectedBatchError as error:
        assert error.message
        assert error.next_step
        return "refused"
    _check_rows(result, source)
    _check_explained(result)
    return "read"


def _check_rows(result: Normalised, source: Source) -> None:
    rows = pa.concat_arrays([*result.table["row"].chunks, *result.quarantined["row"].chunks])
    assert sorted(rows.to_pylist()) == list(range(result.received)), "a record is lost or doubled"
    for table, schema in (
        (result.table, SCHEMAS[source.kind]),
        (result.findings, FINDINGS),
        (result.quarantined, QUARANTINED),
    ):
        assert table.schema.equals(schema)
        table.validate(full=True)
        for field in schema:
            assert field.nullable or table[field.name].null_count == 0, field.name


def _check_explained(result: Normalised) -> None:
    """A record in quarantine says why, with codes of the catalogue, and a usable one has no error."""
    errors = result.findings.filter(pc.equal(result.findings["severity"], Severity.ERROR.value))
    assert set(result.findings["code"].to_pylist()) <= set(CATALOGUE)
    assert set(errors["row"].to_pylist()) - {BATCH_ROW} == set(result.quarantined["row"].to_pylist())
    assert all(result.quarantined["codes"].to_pylist())
