"""Files that are made to do harm: packed ones, archives with awkward names, nests, under every dialect."""

import gzip
import io
import stat
import zipfile
from pathlib import Path

import pytest

from adapters.declaration import FileFormat
from adapters.errors import RejectedBatchError
from adapters.simulator.writers import write
from tests.bad_input.spoiling import (
    NAMES,
    dialect_of,
    each_dialect,
    good,
    normalised_file,
    refusal,
)

_BOMB = gzip.compress(b"\0" * 50_000_000)
each_workbook = pytest.mark.parametrize(
    "name", [name for name in NAMES if dialect_of(name).file.format is FileFormat.XLSX]
)


def _zipped(*, within: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("export", within)
    return sink.getvalue()


@each_dialect
@pytest.mark.parametrize("packed", ["gzip", "zip", "zip in zip", "gzip bomb"])
def test_a_packed_file_is_never_unpacked_and_gives_no_row(name: str, packed: str) -> None:
    plain = write(good(name), dialect_of(name))
    payloads = {
        "gzip": gzip.compress(plain, mtime=0),
        "zip": _zipped(within=plain),
        "zip in zip": _zipped(within=_zipped(within=plain)),
        "gzip bomb": _BOMB,
    }

    try:
        result = normalised_file(payloads[packed], name)
    except RejectedBatchError:
        return

    assert dialect_of(name).file.format is FileFormat.FIXED_WIDTH  # any bytes are lines of some length
    assert result.table.num_rows == 0
    assert result.quarantined.num_rows == result.received


@each_workbook
def test_names_within_an_archive_lead_nowhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain = write(good(name), dialect_of(name))
    sink = io.BytesIO(plain)
    with zipfile.ZipFile(sink, "a") as archive:
        for path in ("../up.txt", "/absolute.txt", "C:\\x.txt", "a/../../b.txt", "CON", "n" * 300):
            archive.writestr(path, b"x")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/hostname")

    result = normalised_file(sink.getvalue(), name)

    assert result.table.equals(normalised_file(plain, name).table)
    assert list(tmp_path.rglob("*")) == []
    assert not (tmp_path.parent / "up.txt").exists()


@each_workbook
@pytest.mark.parametrize("target", ["../../../etc/hostname", "/etc/hostname", "file:///etc/hostname", "http://x/y"])
def test_a_sheet_that_lies_elsewhere_is_refused(name: str, target: str) -> None:
    plain = write(good(name), dialect_of(name))
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain)) as parts, zipfile.ZipFile(sink, "w") as changed:
        for part in parts.namelist():
            body = parts.read(part)
            if part == "xl/_rels/workbook.xml.rels":
                body = body.replace(b"/xl/worksheets/sheet1.xml", target.encode())
                assert target.encode() in body
            changed.writestr(part, body)

    assert refusal(sink.getvalue(), name).reason == "UNREADABLE"


@pytest.mark.parametrize("name", [name for name in NAMES if dialect_of(name).file.format is FileFormat.XML])
def test_a_document_type_is_refused_before_anything_is_read(name: str) -> None:
    payload = write(good(name), dialect_of(name))
    lead, rest = payload.split(b"\n", 1)
    entities = b"".join(b'<!ENTITY e%d "&e%d;&e%d;">' % (level + 1, level, level) for level in range(60))
    kind = b'<!DOCTYPE x [<!ENTITY e0 "x">' + entities + b"]>\n"

    assert refusal(lead + b"\n" + kind + rest, name).reason == "DTD_FORBIDDEN"
