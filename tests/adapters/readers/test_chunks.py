"""Chunks: the rows, the flags and the bytes of the whole file, whatever the size of a chunk and of the file."""

import io
import json
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.declaration import Dialect, FileFormat, read_dialect
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers import LIMITS, Raw, read, read_in_chunks
from adapters.readers.lines import BLOCK_BYTES
from adapters.readers.model import Extents
from tests.adapters.conformance import AWKWARD, DIALECTS, ROOT, sample_of
from tests.adapters.declaring import DIALECT
from tests.adapters.declaring import dialect as declared_dialect
from tests.adapters.readers.reading import SOURCE, archive, dbf, ipc, sheet, workbook

FILES = [*((folder, sample_of(folder)) for folder in DIALECTS), *((file.parent.parent, file) for file in AWKWARD)]
SIZES = (1, 3, LIMITS.records)

each_file = pytest.mark.parametrize(
    ("folder", "file"), FILES, ids=[f"{folder.name}-{file.name}" for folder, file in FILES]
)


def chunked(payload: bytes, dialect: Dialect, records: int) -> Raw:
    """All chunks as one raw table, its extents those of `payload`'s records where they are kept."""
    tables: list[pa.Table] = []
    flags, raws = [], []
    for chunk in read_in_chunks(io.BytesIO(payload), dialect, source_id=SOURCE, records=records):
        raw = chunk.raw
        assert 0 < raw.table.num_rows <= records
        assert chunk.first_row == sum(table.num_rows for table in tables)
        flags += [replace(flag, rows=flag.rows + chunk.first_row) for flag in raw.flags]
        raws += raw.bytes_of(np.arange(raw.table.num_rows)).to_pylist()
        tables.append(raw.table)
    table = pa.concat_tables(tables, promote_options="default")
    starts = np.cumsum([0, *(len(record or b"") for record in raws)])
    extents = None if None in raws else Extents(starts[:-1].astype(np.int64), starts[1:].astype(np.int64))
    return Raw(table=table, flags=tuple(flags), payload=b"".join(record or b"" for record in raws), extents=extents)


def said(raw: Raw) -> set[tuple[str, int, str | None]]:
    """What a reader says of which row; a deleted record is told of by number only."""
    return {
        (flag.code, int(row), seen)
        for flag in raw.flags
        if flag.code != "RECORDS_DELETED"
        for row, seen in zip(flag.rows, flag.seen.to_pylist(), strict=True)
    }


def outcome(raw: Callable[[], Raw], columns: tuple[str, ...]) -> Any:
    """Rows, flags and bytes; or why the file is refused."""
    try:
        found = raw()
    except RejectedBatchError as error:
        return error.reason
    names = sorted({*columns, *found.table.column_names})
    empty = pa.nulls(found.table.num_rows, pa.string()).to_pylist()
    rows = {name: found.table[name].to_pylist() if name in found.table.column_names else empty for name in names}
    held = {name: values for name, values in rows.items() if any(values)}
    return held, said(found), found.bytes_of(np.arange(found.table.num_rows)).to_pylist()


@each_file
@pytest.mark.parametrize("records", SIZES)
def test_chunks_are_the_whole_file(folder: Path, file: Path, records: int) -> None:
    dialect, payload = read_dialect(folder), file.read_bytes()

    whole = outcome(lambda: read(payload, dialect, source_id=SOURCE), dialect.source_columns)
    parts = outcome(lambda: chunked(payload, dialect, records), dialect.source_columns)

    assert parts == whole


def declared(tmp_path: Path, shape: str) -> Dialect:
    return declared_dialect(tmp_path, DIALECT.replace('format = "csv"', shape))


@settings(max_examples=60)
@given(rows=st.lists(st.text(',"\r\n a', max_size=8), max_size=12), records=st.integers(1, 4))
def test_any_csv_is_the_same_in_chunks(rows: list[str], records: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    dialect = declared(tmp_path_factory.mktemp("csv"), 'format = "csv"\ncharset = "viscii"')
    payload = b"ID,BORN\r\n" + "\n".join(rows).encode()

    whole = outcome(lambda: read(payload, dialect, source_id=SOURCE), ())
    parts = outcome(lambda: chunked(payload, dialect, records), ())

    assert parts == whole


_VALUES = st.none() | st.booleans() | st.integers(0, 99) | st.text("ễ\x00\ud800", max_size=2) | st.just(["x"])
_OBJECTS = st.dictionaries(st.sampled_from(["ID", "BORN", "SEX"]), _VALUES | st.just({"in": 1}), max_size=3)


@settings(max_examples=60)
@given(objects=st.lists(_OBJECTS | st.just("no object"), min_size=1, max_size=10), records=st.integers(1, 4))
def test_any_lines_of_json_are_the_same_in_chunks(
    objects: list[Any], records: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dialect = declared(tmp_path_factory.mktemp("jsonl"), 'format = "jsonl"')
    payload = b'{"ID": "1"}\n' + b"\n".join(json.dumps(one).encode() for one in objects)

    whole = outcome(lambda: read(payload, dialect, source_id=SOURCE), dialect.source_columns)
    parts = outcome(lambda: chunked(payload, dialect, records), dialect.source_columns)

    assert parts == whole


_XML_PARTS = st.sampled_from(
    [
        "<R><ID>1</ID></R>",
        "<R/>",
        "<R><ID>1</ID><ID>2</ID></R>",
        "<R><SEX><![CDATA[</R><R>]]></SEX></R>",
        "<R><SEX>&#0;</SEX></R>",
        "<!-- <R><ID>9</ID></R> -->",
        "<?x <R> ?>",
        " \n",
        "<RR/>",
        "<R><BORN>ễ</BORN><!--</R>--></R>",
        "<R><RR>3</RR></R>",
        "<R><R>4</R></R>",
        "stray",
        "<R",
        "</L>",
    ]
)


@settings(max_examples=100)
@given(parts=st.lists(_XML_PARTS, min_size=1, max_size=8), records=st.integers(1, 3), mark=st.booleans())
def test_any_xml_is_the_same_in_chunks(
    parts: list[str], records: int, mark: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dialect = declared(tmp_path_factory.mktemp("xml"), 'format = "xml"\nroot = "L"\nrecord = "R"')
    text = '<?xml version="1.0"?>\n<!-- <R/> -->\n<L><R><ID>0</ID></R>' + "".join(parts) + "</L>"
    payload = text.encode("utf-8-sig" if mark else "utf-8")

    whole = outcome(lambda: read(payload, dialect, source_id=SOURCE), dialect.source_columns)
    found = outcome(lambda: chunked(payload, dialect, records), dialect.source_columns)

    assert found == whole


@pytest.mark.parametrize("end", [b"\r\n", b"\r\r\n", b"\n\r", b"\r"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "fixed-width"])
def test_lines_end_in_chunks_as_in_the_whole(kind: str, end: bytes, tmp_path: Path) -> None:
    fields = ", ".join(f'{{ name = "{name}", width = 3 }}' for name in ("ID", "BORN", "SEX", "STT"))
    shape = f'format = "{kind}"\nfields = [{fields}]' if kind == "fixed-width" else f'format = "{kind}"'
    dialect = declared(tmp_path, shape)
    payload = b"ID,BORN\n" + end.join([b"1,2", b"{}", b" " * 12, b'"3","4"', b""])

    whole = outcome(lambda: read(payload, dialect, source_id=SOURCE), ())
    parts = outcome(lambda: chunked(payload, dialect, 1), ())

    assert parts in (whole, RejectionReason.MISSING_COLUMN)


class Endless(io.RawIOBase):
    """A file made while it is read: a head, a body so many times, a tail."""

    def __init__(self, head: bytes, body: bytes, times: int, tail: bytes = b"") -> None:
        self._parts = chain([head], repeat(body, times), [tail])
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes, fewer only at the end."""
        while len(self._held) < size:
            part = next(self._parts, None)
            if part is None:
                break
            self._held += part
        found, self._held = self._held[:size], self._held[size:]
        return found


def repeated(folder: Path, megabytes: int) -> tuple[Endless, int]:
    """The records of a dialect's sample over and over, and how many those are."""
    shape, payload = read_dialect(folder).file, sample_of(folder).read_bytes()
    head, body, tail = b"", payload, b""
    if shape.format is FileFormat.CSV:
        lines = payload.split(b"\r\n")
        head, body = (b"\r\n".join(part) for part in (lines[: shape.header_row], lines[shape.header_row :]))
        head += b"\r\n"
    elif shape.format is FileFormat.XML:
        closing = f"</{shape.record}>".encode()
        start, end = payload.index(f"<{shape.record}>".encode()), payload.rindex(closing) + len(closing)
        head, body, tail = payload[:start], payload[start:end], payload[end:]
    body *= max(1, 60_000 // len(body))
    times = megabytes * 1024 * 1024 // len(body)
    if shape.format is FileFormat.DBF:
        header_bytes, record_bytes = struct.unpack_from("<HH", payload, 8)
        body = payload[header_bytes:-1] * 50
        times = megabytes * 1024 * 1024 // len(body)
        count = struct.pack("<I", times * len(body) // record_bytes)
        head, tail = payload[:4] + count + payload[8:header_bytes], b"\x1a"
    whole = head + body + tail
    if shape.format is FileFormat.DBF:
        whole = head[:4] + struct.pack("<I", len(body) // record_bytes) + head[8:] + body
    return Endless(head, body, times, tail), read(whole, read_dialect(folder), source_id=SOURCE).table.num_rows * times


def peak(stream: Any, dialect: Dialect) -> tuple[int, int]:
    """The rows of a file and the most bytes that were held at once while it was read, by Python and by Arrow."""
    rows = most = 0
    tracemalloc.start()
    try:
        for chunk in read_in_chunks(stream, dialect, source_id=SOURCE, records=2_000):
            rows += chunk.raw.table.num_rows
            most = max(most, pa.total_allocated_bytes())
        return rows, tracemalloc.get_traced_memory()[1] + most
    finally:
        tracemalloc.stop()


STREAMED = ("population-csv-vni", "household-jsonl", "population-qcvn109", "insurance-dbf", "household-fixed-viscii")


@pytest.mark.parametrize("name", STREAMED)
def test_memory_does_not_grow_with_the_file(name: str) -> None:
    folder = ROOT / "dialects" / name
    dialect = read_dialect(folder)
    peak(repeated(folder, 1)[0], dialect)  # what is kept for good, such as tables of letters, is kept by now

    small, large = (peak(repeated(folder, megabytes)[0], dialect) for megabytes in (2, 4))

    assert large[0] == repeated(folder, 4)[1] > 1.9 * small[0] > 2_500
    assert large[1] < 1.3 * small[1]


def test_forty_megabytes_of_csv_are_read_in_a_fraction_of_that() -> None:
    folder = ROOT / "dialects" / "household-csv-two-headers"
    stream, due = repeated(folder, 40)
    before = pa.total_allocated_bytes()  # what other tests keep

    rows, bytes_held = peak(stream, read_dialect(folder))

    assert rows == due > 300_000
    assert bytes_held - before < 30 * 1024 * 1024


def test_sheet_of_any_size_is_read_in_memory_that_does_not_grow(tmp_path: Path) -> None:
    dialect = declared(tmp_path, 'format = "xlsx"')
    header = '<row r="1"><c t="inlineStr"><is><t>ID</t></is></c><c t="inlineStr"><is><t>SEX</t></is></c></row>'

    def book(count: int) -> io.BytesIO:
        cells = (f"<row><c><v>{n}</v></c><c t='str'><v>{n * 7919 % 99991:x} y</v></c></row>" for n in range(count))
        return io.BytesIO(workbook(sheet(header + "".join(cells))))

    small, large = (peak(stream, dialect) for stream in (book(6_000), book(24_000)))

    assert (small[0], large[0]) == (6_000, 24_000)
    assert large[1] < 1.3 * small[1]


def test_batches_of_a_stream_are_cut_and_joined(tmp_path: Path) -> None:
    dialect = declared(tmp_path, 'format = "arrow"')
    table = pa.table({"ID": [f"{n}" for n in range(25)], "SEX": pa.array(["Nam"] * 25).dictionary_encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        for start, length in ((0, 1), (1, 0), (1, 3), (4, 21)):
            writer.write_table(table.slice(start, length))

    chunks = list(read_in_chunks(io.BytesIO(sink.getvalue()), dialect, source_id=SOURCE, records=10))

    assert [(chunk.first_row, chunk.raw.table.num_rows) for chunk in chunks] == [(0, 10), (10, 10), (20, 5)]
    rows = [row for chunk in chunks for row in chunk.raw.table.to_pylist()]
    assert rows == [{"ID": f"{n}", "SEX": "Nam"} for n in range(25)]


def refusal(payload: bytes, dialect: Dialect) -> RejectedBatchError:
    with pytest.raises(RejectedBatchError) as caught:
        for _ in read_in_chunks(io.BytesIO(payload), dialect, source_id=SOURCE, records=1):
            pass
    assert caught.value.source_id == SOURCE
    return caught.value


ROW = LIMITS.payload_bytes  # the longest row
_SHAPES = {
    "csv": 'format = "csv"',
    "jsonl": 'format = "jsonl"',
    "xml": 'format = "xml"\nroot = "L"\nrecord = "R"',
    "xlsx": 'format = "xlsx"',
    "arrow": 'format = "arrow"',
    "dbf": 'format = "dbf"',
}
_SCHEMA = ipc(pa.table({"ID": ["x"]}).slice(0, 0))[:-8]


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        *((kind, b"", RejectionReason.EMPTY_BATCH) for kind in ("csv", "jsonl")),
        ("csv", b"ID\n", RejectionReason.EMPTY_BATCH),
        ("csv", b"ID\n" + b"x" * (ROW + 1), RejectionReason.TOO_LARGE),
        ("csv", b'ID\n1\n"' + b"x\n" * ROW, RejectionReason.TOO_LARGE),
        ("csv", b'ID\n1\n"2\n3', RejectionReason.UNREADABLE),
        ("csv", b"ID\rBORN\n1", RejectionReason.UNREADABLE),
        ("csv", "ID\n1".encode("utf-16"), RejectionReason.ENCODING_INVALID),
        ("jsonl", b'{"ID": "' + b"x" * ROW + b'"}', RejectionReason.TOO_LARGE),
        ("jsonl", b'{"SEX": "Nam"}\n' * 3, RejectionReason.MISSING_COLUMN),
        ("jsonl", b'{"a":' * 1000 + b"1" + b"}" * 1000, RejectionReason.TOO_DEEP),
        ("xml", b"<L/>", RejectionReason.EMPTY_BATCH),
        ("xml", b"<L><R><SEX>x</SEX></R><R/></L>", RejectionReason.MISSING_COLUMN),
        ("xml", b"<L><R><ID>" + b"x" * (ROW + 1) + b"</ID></R></L>", RejectionReason.TOO_LARGE),
        ("xml", b"<L>" + b" " * 70_000 + b"<R><ID>1</ID></R></L>", RejectionReason.TOO_LARGE),
        ("xml", b"<L><R><ID>1</ID></R>" + b"<!--" * ROW, RejectionReason.TOO_LARGE),
        ("xml", b"<L><R><ID>1</ID></R><R a='" + b"x" * 9, RejectionReason.UNREADABLE),
        ("xml", b"<L><R><ID>1</ID></R><R><ID>&x;</ID></R></L>", RejectionReason.UNREADABLE),
        ("xml", b'<!DOCTYPE L [<!ENTITY x "y">]><L><R><ID>&x;</ID></R></L>', RejectionReason.DTD_FORBIDDEN),
        ("xml", b"<L><R>" + b"<a>" * 9 + b"</a>" * 9 + b"</R></L>", RejectionReason.TOO_DEEP),
        ("xlsx", workbook(sheet(" " * 50_000_000)), RejectionReason.ARCHIVE_BOMB),
        ("xlsx", archive({"x": "y"}), RejectionReason.UNREADABLE),
        ("xlsx", workbook("<!DOCTYPE x []>" + sheet("")), RejectionReason.DTD_FORBIDDEN),
        ("arrow", b"", RejectionReason.UNREADABLE),
        ("arrow", b"no stream at all", RejectionReason.UNREADABLE),
        ("arrow", _SCHEMA, RejectionReason.EMPTY_BATCH),
        ("arrow", b"\xff\xff\xff\xff\xff\xff\xff\x7f", RejectionReason.UNREADABLE),
        ("arrow", ipc(pa.table({"ID": ["\0" * 1_000_000] * 200}), "zstd"), RejectionReason.ARCHIVE_BOMB),
        ("arrow", ipc(pa.table({"ID": ["x" * 1_000_000] * 70})), RejectionReason.ARCHIVE_BOMB),
        ("dbf", b"", RejectionReason.UNREADABLE),
        ("dbf", dbf([("ID", "C", 2)], [b" ab", b" cd"], count=3), RejectionReason.UNREADABLE),
        ("dbf", dbf([("ID", "C", 2)], [b" ab", b" cd"], count=1), RejectionReason.UNREADABLE),
        ("dbf", dbf([("ID", "C", 2)], [b" ab", b"\0\0\0", b" cd"], count=1), RejectionReason.UNREADABLE),
        ("dbf", dbf([("ID", "C", 2)], [b"*ab", b"*cd"]), RejectionReason.EMPTY_BATCH),
    ],
    ids=range(34),
)
def test_what_a_batch_may_not_be_a_file_may_not_be(
    kind: str, payload: bytes, reason: RejectionReason, tmp_path: Path
) -> None:
    assert refusal(payload, declared(tmp_path, _SHAPES[kind])).reason == reason


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_longest_row_is_exact(more: int, tmp_path: Path) -> None:
    dialect = declared(tmp_path, _SHAPES["csv"])
    payload = b"ID\n1\n" + b"x" * (ROW + more) + b"\n2\n"

    if more > 0:
        assert refusal(payload, dialect).reason == RejectionReason.TOO_LARGE
    else:
        assert chunked(payload, dialect, 1).table.num_rows == 3


def test_a_chunk_has_no_more_bytes_than_a_batch(tmp_path: Path) -> None:
    row = b"x" * 3_999 + b"\n"
    chunks = read_in_chunks(io.BytesIO(b"ID\n" + row * 3_000), declared(tmp_path, _SHAPES["csv"]), source_id=SOURCE)

    sizes = [(len(chunk.raw.payload), chunk.raw.table.num_rows) for chunk in chunks]

    assert sum(rows for _, rows in sizes) == 3_000
    assert max(size for size, _ in sizes) <= LIMITS.payload_bytes + 1  # and the end of the last line


@pytest.mark.parametrize("place", range(BLOCK_BYTES - 4, BLOCK_BYTES + 4))
def test_blocks_may_end_anywhere(place: int, tmp_path: Path) -> None:
    dialect = declared(tmp_path, _SHAPES["csv"])
    filling = b"ID,SEX\r\n" + b"0,x\r\n" * 1_000
    payload = filling + b"1," + b"y" * (place - len(filling) - 2) + b'\r\n2,"a""b\r\nc"\r\n3,"\xe1\xbb\x85"\r\n4,z\r\n'

    found = chunked(payload, dialect, 3)

    assert found.table["SEX"].to_pylist()[-3:] == ['a"b\r\nc', "ễ", "z"]
    assert pc.all(pc.is_valid(found.table["SEX"])).as_py()


@pytest.mark.parametrize("records", [0, LIMITS.records + 1])
def test_chunk_of_another_size_than_a_batch_may_have_is_a_mistake(records: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="records, not"):
        next(read_in_chunks(io.BytesIO(b"ID\n1"), declared(tmp_path, _SHAPES["csv"]), source_id="x", records=records))


def test_offset_of_damage_is_that_in_the_file(tmp_path: Path) -> None:
    dialect = declared(tmp_path, 'format = "csv"\ncharset = "vni"')
    payload = b"ID,SEX\n" + b"1,a\xf9\n" * 5 + b"2,\xf9\n"

    chunks = list(read_in_chunks(io.BytesIO(payload), dialect, source_id=SOURCE, records=2))

    assert [flag.seen.to_pylist() for chunk in chunks for flag in chunk.raw.flags] == [
        [f"byte offset {payload.rindex(bytes([0xF9]))}"]
    ]


def test_rows_before_what_is_refused_are_given(tmp_path: Path) -> None:
    payload = io.BytesIO(b"<L><R><ID>1</ID></R><R><ID>2</ID></R><R>")
    chunks = read_in_chunks(payload, declared(tmp_path, _SHAPES["xml"]), source_id=SOURCE, records=1)

    given = [next(chunks).raw.table["ID"][0].as_py() for _ in range(2)]

    assert given == ["1", "2"]
    with pytest.raises(RejectedBatchError, match="UNREADABLE"):
        next(chunks)
