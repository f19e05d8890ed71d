"""What this package raises, grouped by what the caller should do.

Row problems are never exceptions: they are findings (`adapters.findings`). An exception means that a whole
batch cannot be read (`RejectedBatchError`) or that the installation is wrong (`Fatal…`).
"""

from collections.abc import Sequence
from enum import StrEnum

from adapters.reference.unit_findings import UnitFinding


class AdapterError(Exception):
    """The root of every error of this package."""


class FatalDeclarationError(AdapterError):
    """A dialect or province page says something impossible; the installation must be corrected before use."""

    def __init__(self, file: str, key: str, problem: str, *, fix: str) -> None:
        super().__init__(f"{file}: {key}: {problem}. Fix: {fix}.")
        self.file = file
        self.key = key
        self.problem = problem
        self.fix = fix


class RejectionReason(StrEnum):
    """Why a batch is refused as a whole. Closed: the wire publishes these names."""

    EMPTY_BATCH = "EMPTY_BATCH"
    TOO_LARGE = "TOO_LARGE"
    TOO_MANY_RECORDS = "TOO_MANY_RECORDS"
    TOO_MANY_COLUMNS = "TOO_MANY_COLUMNS"
    TOO_DEEP = "TOO_DEEP"
    ARCHIVE_BOMB = "ARCHIVE_BOMB"
    DTD_FORBIDDEN = "DTD_FORBIDDEN"
    UNREADABLE = "UNREADABLE"
    ENCODING_INVALID = "ENCODING_INVALID"
    WRONG_SEPARATOR = "WRONG_SEPARATOR"
    UNKNOWN_COLUMN = "UNKNOWN_COLUMN"
    MISSING_COLUMN = "MISSING_COLUMN"
    DUPLICATE_COLUMN = "DUPLICATE_COLUMN"


class RejectedBatchError(AdapterError):
    """The batch as a whole cannot be read; the same bytes will be refused again.

    `place` says where (a column, a row, a byte offset), `next_step` what the sender should do. Neither holds
    a value of a record.
    """

    def __init__(
        self, reason: RejectionReason, message: str, *, source_id: str, place: str = "", next_step: str | None = None
    ) -> None:
        self.reason = reason
        self.message = message
        self.source_id = source_id
        self.place = place
        self.next_step = next_step or NEXT_STEPS[reason][0]
        where = f" at {place}" if place else ""
        super().__init__(f"{reason}: {source_id}{where}: {message}. {self.next_step}")


# What the sender of a refused batch should do, in English and in Vietnamese.
NEXT_STEPS: dict[RejectionReason, tuple[str, str]] = {
    RejectionReason.EMPTY_BATCH: (
        "Send a batch only when there is at least one record.",
        "Chỉ gửi lô khi có ít nhất một bản ghi.",
    ),
    RejectionReason.TOO_LARGE: (
        "Cut the export into batches of at most 4 MiB.",
        "Chia tệp xuất thành các lô không quá 4 MiB.",
    ),
    RejectionReason.TOO_MANY_RECORDS: (
        "Cut the export into batches of at most 10,000 records.",
        "Chia tệp xuất thành các lô không quá 10.000 bản ghi.",
    ),
    RejectionReason.TOO_MANY_COLUMNS: (
        "Export only the columns that the dialect declares.",
        "Chỉ xuất các cột đã khai báo.",
    ),
    RejectionReason.TOO_DEEP: (
        "Export flat records; the declared columns need at most two levels.",
        "Xuất bản ghi phẳng; các cột khai báo chỉ cần nhiều nhất hai cấp.",
    ),
    RejectionReason.ARCHIVE_BOMB: (
        "Save the workbook again with its data only: one sheet, no pictures, no attachments.",
        "Lưu lại bảng tính chỉ gồm dữ liệu: một trang, không ảnh, không tệp đính kèm.",
    ),
    RejectionReason.DTD_FORBIDDEN: (
        "Remove the DOCTYPE and every entity declaration.",
        "Bỏ DOCTYPE và mọi khai báo thực thể.",
    ),
    RejectionReason.UNREADABLE: (
        "Check that the file is complete and of the declared format; run the conformance test on it.",
        "Kiểm tra tệp có đầy đủ và đúng định dạng đã khai báo; chạy kiểm tra phù hợp trên tệp.",
    ),
    RejectionReason.ENCODING_INVALID: (
        "Export in the declared charset, or correct `charset` on the province's page.",
        "Xuất đúng bảng mã đã khai báo, hoặc sửa `charset` trên trang của tỉnh.",
    ),
    RejectionReason.WRONG_SEPARATOR: (
        "Export with the declared separator, or correct `separator` in the dialect.",
        "Xuất với dấu phân cách đã khai báo, hoặc sửa `separator` trong khai báo.",
    ),
    RejectionReason.UNKNOWN_COLUMN: (
        "Map the column in the dialect or list it under `ignored`.",
        "Ánh xạ cột trong khai báo hoặc ghi vào `ignored`.",
    ),
    RejectionReason.MISSING_COLUMN: (
        "Export the column again, or declare it `optional` in the dialect.",
        "Xuất lại cột này, hoặc khai báo `optional` cho cột.",
    ),
    RejectionReason.DUPLICATE_COLUMN: (
        "Give every column a name of its own.",
        "Đặt cho mỗi cột một tên riêng.",
    ),
}


class RejectedUnitsError(AdapterError):
    """Rows of units or hamlets cannot be taken as they are written. `findings` are all that is wrong with them."""

    def __init__(self, name: str, findings: Sequence[UnitFinding]) -> None:
        super().__init__("\n".join([f"{name}: {len(findings)} findings.", *map(str, findings)]))
        self.name = name
        self.findings = tuple(findings)
