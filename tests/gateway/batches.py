"""Batches of made-up people, as small as the test needs."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date, timedelta

import pyarrow as pa
from google.type.date_pb2 import Date

from gateway.client import Outgoing
from gateway.v1 import intake_pb2, records_pb2
from reconciliation.model import BatchFormat

EXPORTED_ON = date(2025, 7, 10)
JSONL_SOURCE = "ha-noi.population"  # UTF-8 JSON lines
TYPED_SOURCE = "lao-cai.population"


FAMILY = ("Nguyễn", "Trần", "Giàng", "Lò", "Đặng", "Hoàng", "Bùi", "Phạm", "Sùng", "Vũ", "Hà")
MIDDLE = ("Văn", "Thị", "A", "Đức", "Minh", "Ngọc", "Quang")
GIVEN = ("An", "Páo", "Hòa", "Thủy", "Khánh", "Dung", "Sơn", "Yến", "Lương", "Tuấn", "Mỵ", "Phúc", "Xuân")


def person(number: int, **fields: str) -> dict[str, object]:
    """One record of the dialect population-jsonl; no two numbers below a million are alike."""
    born = date(1940, 1, 1) + timedelta(days=number * 7_919 % 21_000)
    name = f"{FAMILY[number % 11]} {MIDDLE[number % 7]} {GIVEN[number % 13]}"
    place = {"ma_xa": fields.pop("ma_xa", "00004"), "thon_to": "Tổ 3", "dia_chi": f"Số {number}"}
    return {
        "id": f"P{number:07d}",
        "so_cccd": f"001{number % 2}{born:%y}{number * 104_729 % 1_000_003 % 1_000_000:06d}",
        "ho_ten": name,
        "ngay_sinh": born.isoformat(),
        "gioi_tinh": "Nữ" if number % 2 else "Nam",
        "ma_dan_toc": "01",
        "noi_cu_tru": place,
        "so_ho_so_cu_tru": f"11{number:07d}",
        "quan_he_chu_ho": "chủ hộ",
        "ma_so_bhxh": None,
        "cap_nhat_luc": "2025-07-10T08:00:00",
        "ton_giao": None,
        "so_dien_thoai": None,
        "trang_thai": None,
    } | fields


def json_lines(people: Sequence[dict[str, object]]) -> bytes:
    """An export of the dialect population-jsonl."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in people).encode()


def people(first: int, count: int, **fields: str) -> bytes:
    """An export of `count` people from number `first` on."""
    return json_lines([person(number, **fields) for number in range(first, first + count)])


def outgoing(sequence: int, payload: bytes, format_: BatchFormat = BatchFormat.SOURCE_FILE) -> Outgoing:
    """A batch for the client."""
    return Outgoing(sequence=sequence, payload=payload, format=format_, exported_on=EXPORTED_ON)


def typed(count: int, *, first: int = 0, unit_code: str = "02647") -> bytes:
    """Encoded typed records of `count` people."""
    return records_pb2.TypedRecords(
        persons=[
            records_pb2.PersonRecord(
                source_record_id=f"T{number:07d}",
                updated_at="2025-07-10T08:00:00",
                full_name=f"{FAMILY[number % 11]} A {GIVEN[number % 13]}",
                birth_date="1980",
                sex=records_pb2.SEX_MALE,
                unit_code=unit_code,
            )
            for number in range(first, first + count)
        ]
    ).SerializeToString()


def arrow(table: pa.Table, *, compression: str | None = None) -> bytes:
    """A table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def hello(source_id: str = JSONL_SOURCE, epoch: str = "e1") -> intake_pb2.PushRequest:
    """The opening of a push, as a message."""
    return intake_pb2.PushRequest(hello=intake_pb2.Hello(source_id=source_id, epoch=epoch))


def message(sequence: int, payload: bytes, **fields: object) -> intake_pb2.PushRequest:
    """A batch as a message, for what the client would not send."""
    whole = {
        "sequence": sequence,
        "format": intake_pb2.BATCH_FORMAT_SOURCE_FILE,
        "payload": payload,
        "sha256": hashlib.sha256(payload).digest(),
        "exported_on": Date(year=2025, month=7, day=10),
    } | fields
    return intake_pb2.PushRequest(batch=intake_pb2.Batch(**whole))
