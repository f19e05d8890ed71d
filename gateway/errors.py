"""Every error that leaves the gateway: the one table from what went wrong to a gRPC status, a reason and its words.

The reasons are those of proto/gateway/v1/error_reason.proto. `python -m gateway.errors` prints docs/error-reasons.md.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from grpc import StatusCode

from adapters.errors import RejectedBatchError
from reconciliation.errors import FatalStoreError, RejectedRequestError, RetryableStoreError

DOMAIN = "lienthong"


class Reason(StrEnum):
    """The published reasons, as they stand in google.rpc.ErrorInfo.reason."""

    HELLO_REQUIRED = "HELLO_REQUIRED"
    HELLO_REPEATED = "HELLO_REPEATED"
    FIELD_INVALID = "FIELD_INVALID"
    DEADLINE_REQUIRED = "DEADLINE_REQUIRED"
    SOURCE_UNKNOWN = "SOURCE_UNKNOWN"
    CONSUMER_UNKNOWN = "CONSUMER_UNKNOWN"
    HASH_MISMATCH = "HASH_MISMATCH"
    TOO_LARGE = "TOO_LARGE"
    TOO_MANY_RECORDS = "TOO_MANY_RECORDS"
    RECORD_COUNT_MISMATCH = "RECORD_COUNT_MISMATCH"
    KIND_MISMATCH = "KIND_MISMATCH"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    UNREADABLE = "UNREADABLE"
    EMPTY_BATCH = "EMPTY_BATCH"
    TOO_MANY_COLUMNS = "TOO_MANY_COLUMNS"
    TOO_DEEP = "TOO_DEEP"
    ARCHIVE_BOMB = "ARCHIVE_BOMB"
    DTD_FORBIDDEN = "DTD_FORBIDDEN"
    ENCODING_INVALID = "ENCODING_INVALID"
    WRONG_SEPARATOR = "WRONG_SEPARATOR"
    UNKNOWN_COLUMN = "UNKNOWN_COLUMN"
    MISSING_COLUMN = "MISSING_COLUMN"
    DUPLICATE_COLUMN = "DUPLICATE_COLUMN"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"  # noqa: S105 - a reason, no secret
    CURSOR_INVALID = "CURSOR_INVALID"
    CURSOR_EPOCH = "CURSOR_EPOCH"
    OUTCOME_INVALID = "OUTCOME_INVALID"
    UPDATE_UNKNOWN = "UPDATE_UNKNOWN"
    UNIT_UNKNOWN = "UNIT_UNKNOWN"
    CASE_UNKNOWN = "CASE_UNKNOWN"
    CASE_DECIDED = "CASE_DECIDED"
    DECISION_INVALID = "DECISION_INVALID"
    JUDGEMENT_UNKNOWN = "JUDGEMENT_UNKNOWN"
    STREAMS_EXHAUSTED = "STREAMS_EXHAUSTED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    DRAINING = "DRAINING"
    STORE_UNFIT = "STORE_UNFIT"
    INTERNAL_FAULT = "INTERNAL_FAULT"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a reason means to the caller. `retry_seconds` is set when the same call may be sent again."""

    status: StatusCode
    vi: str
    en: str
    fix_vi: str
    fix_en: str
    retry_seconds: float | None = None


class GatewayError(Exception):
    """Base of all. The message holds no personal data."""


class RejectedCallError(GatewayError):
    """What was sent is wrong, or may not be sent: the same again will be refused again, unless the reason says retry.

    `field_path` leads to the message's field, `facts` go out as the error's metadata.
    """

    def __init__(
        self, reason: Reason, message: str, *, field_path: str | None = None, facts: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{message} Next: {VERDICTS[reason].fix_en}")
        self.reason = reason
        self.message = message
        self.field_path = field_path
        self.facts = dict(facts or {})


class FatalSettingError(GatewayError):
    """A setting cannot be used: an operator has to correct it before the gateway starts."""

    def __init__(self, variable: str, problem: str, *, next_step: str) -> None:
        super().__init__(f"{variable}: {problem} Next: {next_step}")
        self.variable = variable


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One error as a caller is told it, in both languages."""

    reason: Reason
    message: str  # for a developer, in English, with the place
    field_path: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The reason's row of the table."""
        return VERDICTS[self.reason]


def explain(error: BaseException, *, trace_id: str | None = None) -> Explanation:
    """What a caller is told of `error`. Anything unforeseen is our fault and says nothing but where to look."""
    match error:
        case RejectedCallError():
            return Explanation(
                reason=error.reason, message=error.message, field_path=error.field_path, facts=error.facts
            )
        case RejectedBatchError():
            facts = {"source_id": error.source_id} | ({"place": error.place} if error.place else {})
            reason, message = Reason(error.reason.value), f"{error.message} Next: {error.next_step}"
            return Explanation(reason=reason, message=message, field_path="batch.payload", facts=facts)
        case RejectedRequestError() if error.reason in Reason.__members__:
            reason = Reason(error.reason)
            return Explanation(reason=reason, message=str(error), field_path=_FIELDS.get(reason))
        case RetryableStoreError():
            return Explanation(reason=Reason.STORE_UNAVAILABLE, message=str(error))
        case FatalStoreError():
            return Explanation(reason=Reason.STORE_UNFIT, message=str(error))
        case _:
            traced = {"trace_id": trace_id} if trace_id else {}
            return Explanation(reason=Reason.INTERNAL_FAULT, message="The gateway failed.", facts=traced)


_FIELDS = {
    Reason.CURSOR_INVALID: "cursor",
    Reason.CURSOR_EPOCH: "cursor",
    Reason.CONSUMER_UNKNOWN: "consumer_id",
    Reason.IDEMPOTENCY_KEY_REUSED: "batch.sequence",
    Reason.OUTCOME_INVALID: "outcomes",
}


def _invalid(vi: str, en: str, fix_vi: str, fix_en: str) -> Verdict:
    return Verdict(status=StatusCode.INVALID_ARGUMENT, vi=vi, en=en, fix_vi=fix_vi, fix_en=fix_en)


def _absent(vi: str, en: str, fix_vi: str, fix_en: str) -> Verdict:
    return Verdict(status=StatusCode.NOT_FOUND, vi=vi, en=en, fix_vi=fix_vi, fix_en=fix_en)


def _exceeded(vi: str, en: str, fix_vi: str, fix_en: str, *, retry_seconds: float | None = None) -> Verdict:
    status = StatusCode.RESOURCE_EXHAUSTED
    return Verdict(status=status, vi=vi, en=en, fix_vi=fix_vi, fix_en=fix_en, retry_seconds=retry_seconds)


def _unmet(vi: str, en: str, fix_vi: str, fix_en: str) -> Verdict:
    return Verdict(status=StatusCode.FAILED_PRECONDITION, vi=vi, en=en, fix_vi=fix_vi, fix_en=fix_en)


def _away(vi: str, en: str, fix_vi: str, fix_en: str, *, retry_seconds: float) -> Verdict:
    status = StatusCode.UNAVAILABLE
    return Verdict(status=status, vi=vi, en=en, fix_vi=fix_vi, fix_en=fix_en, retry_seconds=retry_seconds)


VERDICTS: dict[Reason, Verdict] = {
    Reason.HELLO_REQUIRED: _invalid(
        "Thông điệp đầu tiên phải là Hello.", "The first message has to be a Hello.",
        "Mở luồng mới và gửi Hello trước.", "Open a new stream and send Hello first.",
    ),
    Reason.HELLO_REPEATED: _invalid(
        "Hello chỉ được gửi một lần.", "Hello is sent once only.",
        "Mở luồng mới cho nguồn hoặc kỳ khác.", "Open a new stream for another source or epoch.",
    ),
    Reason.FIELD_INVALID: _invalid(
        "Một trường thiếu hoặc sai dạng.", "A field is absent or malformed.",
        "Sửa trường được nêu theo chú giải trong tệp proto.",
        "Correct the named field as its comment in the proto says.",
    ),
    Reason.DEADLINE_REQUIRED: _invalid(
        "Lời gọi không có thời hạn.", "The call has no deadline.",
        "Đặt thời hạn cho mỗi lời gọi, ví dụ 30 giây.", "Set a deadline on every call, such as 30 seconds.",
    ),
    Reason.SOURCE_UNKNOWN: _absent(
        "Không có nguồn này.", "There is no such source.",
        "Kiểm tra mã nguồn, hoặc khai báo trên trang của tỉnh.",
        "Check the source id, or declare it on the province's page.",
    ),
    Reason.CONSUMER_UNKNOWN: _absent(
        "Không có cơ sở dữ liệu quốc gia này.", "There is no such registry.",
        "Kiểm tra mã, hoặc đề nghị người vận hành đăng ký.", "Check the id, or ask the operator to register it.",
    ),
    Reason.HASH_MISMATCH: _invalid(
        "Nội dung không khớp mã băm SHA-256.", "The payload does not match its SHA-256.",
        "Tính lại mã băm trên đúng các byte đã gửi rồi gửi lại.", "Hash the very bytes that are sent, then send again.",
    ),
    Reason.TOO_LARGE: _exceeded(
        "Lô quá lớn.", "The batch is too large.",
        "Chia thành các lô không quá giới hạn nêu trong Welcome.", "Cut it into batches within the limits of Welcome.",
    ),
    Reason.TOO_MANY_RECORDS: _exceeded(
        "Lô có quá nhiều bản ghi.", "The batch holds too many records.",
        "Chia thành các lô không quá giới hạn nêu trong Welcome.", "Cut it into batches within the limits of Welcome.",
    ),
    Reason.RECORD_COUNT_MISMATCH: _invalid(
        "Số bản ghi khác số đã nêu.", "The batch holds another number of records than it states.",
        "Kiểm tra tệp có bị cắt không, rồi xuất lại.", "See whether the export was cut short, and export again.",
    ),
    Reason.KIND_MISMATCH: _invalid(
        "Loại bản ghi không phải loại của nguồn.", "The records are not of the source's kind.",
        "Gửi qua nguồn của loại đó.", "Send them under the source of that kind.",
    ),
    Reason.IDEMPOTENCY_KEY_REUSED: _unmet(
        "Số thứ tự này đã nhận với nội dung khác.", "This sequence landed before with other bytes.",
        "Không đánh số lại: gửi nội dung mới dưới số kế tiếp.",
        "Never renumber: send the new bytes under the next sequence.",
    ),
    Reason.UNREADABLE: _invalid(
        "Không đọc được lô theo định dạng đã nêu.", "The batch cannot be read as the format it states.",
        "Kiểm tra tệp có đầy đủ và đúng định dạng.", "Check that the file is complete and of that format.",
    ),
    Reason.EMPTY_BATCH: _invalid(
        "Lô không có bản ghi nào.", "The batch holds no record.",
        "Chỉ gửi lô khi có ít nhất một bản ghi.", "Send a batch only when there is at least one record.",
    ),
    Reason.TOO_MANY_COLUMNS: _exceeded(
        "Lô có quá nhiều cột.", "The batch has too many columns.",
        "Chỉ xuất các cột đã khai báo.", "Export only the declared columns.",
    ),
    Reason.TOO_DEEP: _invalid(
        "Dữ liệu lồng quá nhiều cấp.", "The values are nested too deeply.",
        "Xuất bản ghi phẳng.", "Export flat records.",
    ),
    Reason.ARCHIVE_BOMB: _invalid(
        "Lô giải nén ra quá lớn so với kích thước.", "The batch unpacks to far more than its size.",
        "Lưu lại tệp chỉ gồm dữ liệu.", "Save the file again with its data only.",
    ),
    Reason.DTD_FORBIDDEN: _invalid(
        "XML có DOCTYPE hoặc khai báo thực thể.", "The XML declares a document type or entities.",
        "Bỏ DOCTYPE và mọi khai báo thực thể.", "Remove the DOCTYPE and every entity declaration.",
    ),
    Reason.ENCODING_INVALID: _invalid(
        "Lô không đúng bảng mã đã khai báo.", "The batch is not in the declared charset.",
        "Xuất đúng bảng mã đã khai báo của nguồn.", "Export in the charset that the source declares.",
    ),
    Reason.WRONG_SEPARATOR: _invalid(
        "Dấu phân cách không đúng khai báo.", "The separator is not the declared one.",
        "Xuất với dấu phân cách đã khai báo.", "Export with the declared separator.",
    ),
    Reason.UNKNOWN_COLUMN: _invalid(
        "Có cột chưa được khai báo.", "A column is not declared.",
        "Khai báo cột, hoặc ghi vào danh sách bỏ qua.", "Declare the column, or list it as ignored.",
    ),
    Reason.MISSING_COLUMN: _invalid(
        "Thiếu cột đã khai báo.", "A declared column is missing.",
        "Xuất lại cột này, hoặc khai báo là tùy chọn.", "Export the column again, or declare it optional.",
    ),
    Reason.DUPLICATE_COLUMN: _invalid(
        "Hai cột cùng tên.", "Two columns have one name.",
        "Đặt cho mỗi cột một tên riêng.", "Give every column a name of its own.",
    ),
    Reason.PAGE_TOKEN_INVALID: _invalid(
        "Mã trang không hợp lệ.", "The page token is not valid.",
        "Bắt đầu lại từ trang đầu.", "Begin again with the first page.",
    ),
    Reason.CURSOR_INVALID: _invalid(
        "Con trỏ không hợp lệ.", "The cursor is not valid.",
        "Dùng con trỏ lấy từ Fetch hoặc GetCursor.", "Use a cursor that came from Fetch or GetCursor.",
    ),
    Reason.CURSOR_EPOCH: _unmet(
        "Dòng thay đổi đã được bắt đầu lại.", "The feed was begun anew.",
        "Tải bản chụp mới rồi đọc tiếp từ con trỏ của nó.", "Take a new snapshot and go on from its cursor.",
    ),
    Reason.OUTCOME_INVALID: _invalid(
        "Báo cáo kết quả không hợp lệ.", "The report of outcomes is not valid.",
        "Xác nhận đã nhận trước khi báo cáo, và nêu lý do cho mỗi từ chối.",
        "Acknowledge before reporting, and give each refusal a reason.",
    ),
    Reason.UPDATE_UNKNOWN: _absent(
        "Không có cập nhật này.", "There is no such update.",
        "Kiểm tra biên nhận và số dòng, hoặc mã bản ghi.", "Check the receipt and row, or the record's id.",
    ),
    Reason.UNIT_UNKNOWN: _absent(
        "Danh mục đó không có đơn vị này.", "That code list has no such unit.",
        "Kiểm tra mã và ngày của danh mục.", "Check the code and the date of the list.",
    ),
    Reason.CASE_UNKNOWN: _absent(
        "Không có hồ sơ này.", "There is no such case.",
        "Xem danh sách hồ sơ đang mở.", "List the open cases.",
    ),
    Reason.CASE_DECIDED: _unmet(
        "Hồ sơ đã có quyết định.", "The case has been decided.",
        "Đảo quyết định đó nếu sai.", "Reverse that judgement if it is wrong.",
    ),
    Reason.DECISION_INVALID: _invalid(
        "Quyết định không phù hợp với hồ sơ.", "The decision does not fit the case.",
        "Chọn một trong các quyết định mà loại hồ sơ này nhận.", "Choose one that this kind of case takes.",
    ),
    Reason.JUDGEMENT_UNKNOWN: _absent(
        "Không có quyết định này.", "There is no such judgement.",
        "Xem lịch sử của hồ sơ.", "Look at the case's history.",
    ),
    Reason.STREAMS_EXHAUSTED: _exceeded(
        "Cổng đang nhận nhiều luồng nhất có thể.", "As many pushes are open as the gateway takes.",
        "Chờ rồi kết nối lại.", "Wait and connect again.", retry_seconds=5,
    ),
    Reason.STORE_UNAVAILABLE: _away(
        "Cơ sở dữ liệu chưa trả lời.", "The database did not answer.",
        "Gửi lại đúng nội dung đó; không mất gì.", "Send the same again; nothing is lost.", retry_seconds=2,
    ),
    Reason.DRAINING: _away(
        "Cổng đang dừng.", "The gateway is shutting down.",
        "Kết nối lại sau.", "Connect again later.", retry_seconds=5,
    ),
    Reason.STORE_UNFIT: _unmet(
        "Cơ sở dữ liệu không đúng phiên bản.", "The database is not of this release.",
        "Báo người vận hành chạy `lienthong migrate`.", "Tell the operator to run `lienthong migrate`.",
    ),
    Reason.INTERNAL_FAULT: Verdict(
        status=StatusCode.INTERNAL,
        vi="Lỗi của cổng.", en="The gateway is at fault.",
        fix_vi="Báo người vận hành mã vết.", fix_en="Tell the operator the trace id.",
    ),
}  # fmt: skip


def as_markdown() -> str:
    """docs/error-reasons.md, from the table above."""
    lines = [
        "# Error reasons",
        "",
        "Written by `python -m gateway.errors > docs/error-reasons.md`; a test compares. Every error carries",
        f"`google.rpc.ErrorInfo` with domain `{DOMAIN}` and one of these reasons; examples stand in",
        "`proto/gateway/v1/error_reason.proto`. Where *retry* is empty, the same again will be refused again.",
    ]
    for reason, verdict in VERDICTS.items():
        retry = f" · retry after {verdict.retry_seconds:g} s" if verdict.retry_seconds else ""
        lines += [
            "",
            f"## {reason}",
            "",
            f"`{verdict.status.name}`{retry}",
            "",
            f"- {verdict.vi} {verdict.fix_vi}",
            f"- {verdict.en} {verdict.fix_en}",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
