"""Arrow: nothing a stream says about itself is believed."""

import struct

import pyarrow as pa
import pytest

from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers import check_table, open_table
from tests.adapters.readers.reading import SOURCE, flags, ipc


def _strings(body: bytes, *offsets: int) -> pa.Array:
    buffers = [None, pa.py_buffer(struct.pack(f"<{len(offsets)}i", *offsets)), pa.py_buffer(body)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)


def _refusal(payload: bytes) -> RejectionReason:
    with pytest.raises(RejectedBatchError) as caught:
        check_table(open_table(payload, source_id=SOURCE), source_id=SOURCE)
    return caught.value.reason


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_stream_is_read(compression: str | None) -> None:
    table = pa.table({"a": ["Đặng", None], "b": pa.array(["x", "y"], pa.large_string()), "c": [4, None]})

    raw = check_table(open_table(ipc(table, compression), source_id=SOURCE), source_id=SOURCE)

    assert raw.table.to_pylist() == [{"a": "Đặng", "b": "x", "c": "4"}, {"a": None, "b": "y", "c": None}]
    assert set(raw.table.schema.types) == {pa.string()}


def test_chunks_and_slices_are_one_table() -> None:
    table = pa.concat_tables([pa.table({"a": ["1", "2", "3"]}).slice(1), pa.table({"a": ["4"]})])

    assert check_table(table, source_id=SOURCE).table["a"].to_pylist() == ["2", "3", "4"]


def test_invalid_utf8_costs_its_own_row() -> None:
    raw = check_table(pa.table({"a": _strings(b"x\xffy", 0, 1, 2, 3)}), source_id=SOURCE)

    assert raw.table["a"].to_pylist() == ["x", None, "y"]
    assert flags(raw) == {"ENCODING_INVALID": [1]}


def test_offsets_that_point_elsewhere_are_refused() -> None:
    table = pa.table({"a": _strings(b"xyz", 0, 3, 1, 3)})

    with pytest.raises(RejectedBatchError) as caught:
        check_table(table, source_id=SOURCE)
    assert caught.value.reason == RejectionReason.UNREADABLE


def test_compressed_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = ipc(pa.table({"a": ["\0" * 1_000_000] * 200}), "zstd")

    assert len(bomb) < 100_000
    assert _refusal(bomb) == RejectionReason.ARCHIVE_BOMB


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", RejectionReason.UNREADABLE),
        (b"no stream", RejectionReason.UNREADABLE),
        (ipc(pa.table({"a": ["x" * 100] * 10}))[:-200], RejectionReason.UNREADABLE),
        (ipc(pa.table({"a": pa.array(["x"]).dictionary_encode()})), RejectionReason.UNREADABLE),
        (ipc(pa.table({"a": [["x"]]})), RejectionReason.UNREADABLE),
        (ipc(pa.table({"a": pa.array([], pa.string())})), RejectionReason.EMPTY_BATCH),
        (ipc(pa.table({"a": ["x"] * 10_001})), RejectionReason.TOO_MANY_RECORDS),
        (ipc(pa.table({f"c{i}": ["x"] for i in range(201)})), RejectionReason.TOO_MANY_COLUMNS),
        (ipc(pa.table([["x"], ["y"]], names=["a", "a"])), RejectionReason.DUPLICATE_COLUMN),
    ],
    ids=range(9),
)
def test_stream_is_refused(payload: bytes, reason: RejectionReason) -> None:
    assert _refusal(payload) == reason


def test_every_cut_of_a_stream_is_refused_or_read_whole() -> None:
    whole = ipc(pa.table({"a": ["x", "y"]}), "zstd")

    for length in range(len(whole)):
        try:
            table = open_table(whole[:length], source_id=SOURCE)
        except RejectedBatchError as error:
            assert error.reason == RejectionReason.UNREADABLE
        else:
            assert table.num_rows in (0, 2)
