"""JSON lines: one bad line costs itself, a bad file says why."""

import json

import numpy as np
import pytest

from adapters.declaration import FileFormat
from adapters.errors import RejectionReason
from tests.adapters.readers.reading import flags, read, refusal

JSONL = FileFormat.JSONL


def test_numbers_keep_the_digits_they_were_written_with() -> None:
    raw = read(b'{"a": 00, "b": 1}\n{"a": 12345678901234567890, "b": 1.50}\n{"a": true, "b": null}\n', JSONL)

    assert raw.table.to_pylist() == [
        {"a": None, "b": None},
        {"a": "12345678901234567890", "b": "1.50"},
        {"a": "true", "b": None},
    ]
    assert flags(raw) == {"RECORD_UNREADABLE": [0]}


def test_objects_become_paths() -> None:
    raw = read(b'{"a": {"b": {"c": "1"}}}\n{"a": {"d": "2"}}\n{"a": null}\n', JSONL)

    assert raw.table.to_pylist() == [
        {"a/b/c": "1", "a/d": None},
        {"a/b/c": None, "a/d": "2"},
        {"a/b/c": None, "a/d": None},
    ]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"a": "1"', "RECORD_UNREADABLE"),
        (b"[1]", "RECORD_UNREADABLE"),
        (b'"a"', "RECORD_UNREADABLE"),
        (b'{"a": "1"},{"a": "2"}', "RECORD_UNREADABLE"),
        (b'{"a": ["1"]}', "RECORD_UNREADABLE"),
        (b'{"a": "1", "a": "2"}', "FIELD_REPEATED"),
        (b'{"a": "\\ud800"}', "ENCODING_INVALID"),
        (b'{"a": "\xff"}', "ENCODING_INVALID"),
        (b'{"a": "x\0"}', "NUL_IN_TEXT"),
        (b'{"a": "Nguy\xd4n V\xa8n"}', "LEGACY_ENCODING"),
    ],
)
def test_bad_line_costs_its_own_row(line: bytes, code: str) -> None:
    raw = read(b'{"a": "before"}\n' + line + b'\n{"a": "after"}\n', JSONL)

    assert raw.table["a"].to_pylist() == ["before", None, "after"]
    assert flags(raw) == {code: [1]}
    assert raw.bytes_of(np.array([1])).to_pylist() == [line]


@pytest.mark.parametrize("name", [b"\\ud800", b"\\u007f", b"\xff"])
def test_broken_key_costs_its_own_row(name: bytes) -> None:
    raw = read(b'{"a": "1"}\n{"a": "2", "' + name + b'": "3"}\n', JSONL)

    assert raw.table.column_names == ["a"]
    assert flags(raw)["RECORD_UNREADABLE"] == [1]


def test_escaped_pair_of_surrogates_is_a_character() -> None:
    assert read(b'{"a": "\\ud83d\\ude00"}\n', JSONL).table["a"].to_pylist() == ["\U0001f600"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\n\n", RejectionReason.EMPTY_BATCH),
        (b"{}\n" * 1_000_000, RejectionReason.TOO_MANY_RECORDS),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, RejectionReason.TOO_DEEP),
        (b'{"a":' * 20 + b"1" + b"}" * 20, RejectionReason.TOO_DEEP),
        (b"[" * 100_000, RejectionReason.TOO_DEEP),
        (json.dumps({f"c{i}": 1 for i in range(201)}).encode(), RejectionReason.TOO_MANY_COLUMNS),
        ('{"a": 1}'.encode("utf-16"), RejectionReason.ENCODING_INVALID),
    ],
)
def test_file_is_refused(payload: bytes, reason: RejectionReason) -> None:
    assert refusal(payload, JSONL) == reason
