"""Bad input at the doors of the gateway: awkward names of files, fields of a newer release, nests without an end."""

import hashlib
import importlib
import pkgutil
from datetime import date
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor

from adapters import catalogue
from gateway import receiving, v1
from gateway.errors import Reason, RejectedCallError
from gateway.reports.plain import plain
from gateway.v1 import records_pb2
from reconciliation.model import Batch, BatchFormat
from tests.gateway.batches import JSONL_SOURCE, TYPED_SOURCE, people
from tests.gateway.conftest import Spawn, free_port
from tests.gateway.terminal import Said, lienthong

_NAMES = [
    "2025-07-01 two words.jsonl",
    "2025-07-02\nb.jsonl",
    "2025-07-03\x1b[31mred.jsonl",
    "2025-07-04\u202egpj.jsonl",
    "2025-07-05" + "n" * 230 + ".jsonl",
    "2025-07-06..\\..\\x.jsonl",
    "2025-07-07 'x'; DROP TABLE record.jsonl",
    "CON\n\x1b[2J",
]


_BOUNDED = {"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"}


def _push(*words: object) -> Said:
    return lienthong("push", JSONL_SOURCE, *words, "--epoch", "e1", "--exported-on", "2025-07-10")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file under every awkward name; the second one is empty, so that it is refused."""
    made = tmp_path / "sent"
    made.mkdir()
    for number, name in enumerate(sorted(_NAMES)):
        (made / name).write_bytes(people(number * 10, 2) if number != 1 else b"")
    return made


def test_awkward_names_of_files_are_shown_escaped_and_nothing_is_written_under_them(
    folder: Path, tmp_path: Path, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("LIENTHONG_PORT", str(port))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    with spawn(port):
        said = _push(folder)
        undated = lienthong("push", JSONL_SOURCE, folder / "CON\n\x1b[2J", "--epoch", "e2")

    assert said.code == undated.code == 1
    assert "EMPTY_BATCH" in said.err
    assert "CON\\n\\x1b[2J" in undated.err
    assert "\x1b" not in undated.err
    shown = said.out + said.err
    assert all(plain(name) in shown for name in _NAMES)
    assert {one for one in shown if not one.isprintable()} == {"\n"}
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["n" * 300, "none\n\x1b[2J", "\x1b]0;x\x07"])
def test_a_file_that_cannot_be_is_an_answer_and_no_traceback(name: str, tmp_path: Path) -> None:
    said = _push(tmp_path / name)

    assert said.code == 2
    assert "Traceback" not in said.out + said.err
    assert "\x1b" not in said.out + said.err


def _batch(payload: bytes) -> Batch:
    return Batch(
        source_id=TYPED_SOURCE,
        epoch="e1",
        sequence=1,
        format=BatchFormat.TYPED_RECORDS,
        sha256=hashlib.sha256(payload).digest(),
        exported_on=date(2025, 7, 10),
        payload=payload,
    )


def test_a_field_of_a_newer_release_is_left_out_and_told_and_a_removed_value_is_null_and_told() -> None:
    source = catalogue.load().sources[TYPED_SOURCE]
    known = records_pb2.PersonRecord(source_record_id="P1", full_name="Lò Thị Mẩy", unit_code="02647", sex=9)
    newer = known.SerializeToString() + b"\xfa\x7f\x03abc"  # field 2,047, three bytes
    payload = b"\x0a" + bytes([len(newer)]) + newer

    result = receiving.normalise(_batch(payload), source=source, stated=1, province_codes=[source.province_code])

    told = [(one["row"], one["column"], one["code"]) for one in result.findings.to_pylist()]
    assert told[0] == (-1, None, "SCHEMA_NEWER")
    assert (0, "sex", "CODE_UNKNOWN") in told
    (row,) = result.table.to_pylist()
    assert (row["full_name"], row["sex"]) == ("Lò Thị Mẩy", None)


def test_a_nest_without_an_end_is_refused_and_no_crash() -> None:
    """2,000 groups within each other, in a field that nobody knows."""
    nest = b"\xfb\x7f" * 2_000 + b"\xfc\x7f" * 2_000
    source = catalogue.load().sources[TYPED_SOURCE]

    for payload in (nest, b"\x0a" + encoded_length(len(nest)) + nest):
        with pytest.raises(RejectedCallError) as caught:
            receiving.normalise(_batch(payload), source=source, stated=0, province_codes=[source.province_code])
        assert caught.value.reason is Reason.UNREADABLE


def encoded_length(length: int) -> bytes:
    """A number below 16,384 as protobuf writes it."""
    return bytes([length & 0x7F | 0x80, length >> 7])


def test_nothing_that_is_sent_to_the_gateway_holds_another_message_of_any_kind() -> None:
    """Any, Struct and Value nest without a bound of ours (CVE-2026-0994)."""
    names = [one.name for one in pkgutil.iter_modules(v1.__path__) if one.name.endswith("_pb2")]
    files = [importlib.import_module(f"gateway.v1.{name}").DESCRIPTOR for name in names]
    asked = [
        method.input_type for file in files for service in file.services_by_name.values() for method in service.methods
    ]

    assert len(asked) > 8
    for message in [*asked, records_pb2.TypedRecords.DESCRIPTOR]:
        assert not {name for name in _reached(message) if name.startswith("google.protobuf.")} - _BOUNDED


def _reached(message: Descriptor) -> set[str]:
    """The names of all messages that one may hold."""
    found, left = set(), [message]
    while left:
        one = left.pop()
        if one.full_name not in found:
            found.add(one.full_name)
            left += [field.message_type for field in one.fields if field.message_type is not None]
    return found
