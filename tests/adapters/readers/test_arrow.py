"""Arrow: nothing a stream says about itself is believed."""

import struct
from datetime import UTC, date, datetime

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


def test_natural_types_are_taken_as_their_text() -> None:
    moment = datetime(2025, 7, 3, 1, 15, tzinfo=UTC)
    columns = {
        "word": pa.array(["x", "Đ", None]).dictionary_encode(),
        "number": pa.array([7, None, 7]).dictionary_encode(),
        "day": pa.array([date(1985, 5, 12), None, None], pa.date32()),
        "there": pa.array([moment, None, None], pa.timestamp("us", tz="Asia/Ho_Chi_Minh")),
        "here": pa.array([moment.replace(tzinfo=None), None, None], pa.timestamp("s")),
    }

    rows = check_table(open_table(ipc(pa.table(columns)), source_id=SOURCE), source_id=SOURCE).table.to_pylist()

    assert rows[0] == {
        "word": "x",
        "number": "7",
        "day": "1985-05-12",
        "there": "2025-07-03 01:15:00.000000Z",
        "here": "2025-07-03 01:15:00",
    }
    assert rows[1:] == [dict.fromkeys(columns) | {"word": "Đ"}, dict.fromkeys(columns) | {"number": "7"}]


def test_dictionary_that_unpacks_to_too_much_is_refused() -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 9_000, pa.int32()), pa.array(["x" * 10_000]))

    with pytest.raises(RejectedBatchError) as caught:
        check_table(pa.table({"a": words}), source_id=SOURCE)
    assert caught.value.reason == RejectionReason.ARCHIVE_BOMB


def test_dictionary_with_codes_that_point_elsewhere_is_refused() -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0, 5], pa.int32()), pa.array(["x"]), safe=False)

    with pytest.raises(RejectedBatchError) as caught:
        check_table(pa.table({"a": words}), source_id=SOURCE)
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
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", RejectionReason.UNREADABLE),
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
