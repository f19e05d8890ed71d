"""Every error that leaves the gateway: the one table from what went wrong to a gRPC status, a reason and its words.

The reasons are those of proto/gateway/v1/error_reason.proto. `python -m gateway.errors` prints docs/error-reasons.md.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from grpc import StatusCode

from adapters.errors import RejectedBatchError
from reconciliation.errors import (
    CaseTakenError,
    FatalStoreError,
    RejectedRequestError,
    RetryableStoreError,
    StoreFullError,
)

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
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    SNAPSHOT_UNKNOWN = "SNAPSHOT_UNKNOWN"
    UPDATE_UNKNOWN = "UPDATE_UNKNOWN"
    RESUME_TOKEN_INVALID = "RESUME_TOKEN_INVALID"  # noqa: S105 - a reason, no secret
    RESUME_TOKEN_EXPIRED = "RESUME_TOKEN_EXPIRED"  # noqa: S105 - a reason, no secret
    UNIT_UNKNOWN = "UNIT_UNKNOWN"
    CASE_UNKNOWN = "CASE_UNKNOWN"
    CASE_DECIDED = "CASE_DECIDED"
    DECISION_INVALID = "DECISION_INVALID"
    JUDGEMENT_UNKNOWN = "JUDGEMENT_UNKNOWN"
    CASE_HELD = "CASE_HELD"
    LEASE_LOST = "LEASE_LOST"
    CASE_CHANGED = "CASE_CHANGED"
    REASON_INVALID = "REASON_INVALID"
    UNDO_OVER = "UNDO_OVER"
    NOT_ASKED = "NOT_ASKED"
    COUNT_DIFFERS = "COUNT_DIFFERS"
    WORK_UNKNOWN = "WORK_UNKNOWN"
    STREAMS_EXHAUSTED = "STREAMS_EXHAUSTED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    DRAINING = "DRAINING"
    STORE_UNFIT = "STORE_UNFIT"
    INTERNAL_FAULT = "INTERNAL_FAULT"
    STORE_FULL = "STORE_FULL"
    RATE_EXCEEDED = "RATE_EXCEEDED"
    SILENCE_PREMATURE = "SILENCE_PREMATURE"
    IDENTITY_REQUIRED = "IDENTITY_REQUIRED"
    IDENTITY_INVALID = "IDENTITY_INVALID"
    CERTIFICATE_REVOKED = "CERTIFICATE_REVOKED"
    NOT_ENTITLED = "NOT_ENTITLED"
    SIGNATURE_REQUIRED = "SIGNATURE_REQUIRED"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a reason means to the caller. `retry_seconds` is set when the same call may be sent again."""

    status: StatusCode
    vi: str
    en: str
    fix_vi: str
    fix_en: str
    retry_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One field that does not keep its rule. `problem` holds nothing of the field's value."""

    field_path: str
    problem: str


class GatewayError(Exception):
    """Base of all. The message holds no personal data; `vi` is for a person where it is in English alone."""

    vi: str = ""


class RejectedCallError(GatewayError):
    """What was sent is wrong, or may not be sent: the same again will be refused again, unless the reason says retry.

    `field_path` leads to the message's field, `violations` to every one that breaks a rule, `facts` go out as the
    error's metadata. `retry_seconds` is when to come again, where that is not the reason's usual time.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        field_path: str | None = None,
        facts: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(f"{message} Next: {VERDICTS[reason].fix_en}")
        self.reason = reason
        self.message = message
        self.field_path = field_path
        self.facts = dict(facts or {})
        self.violations = tuple(violations)
        self.retry_seconds = retry_seconds


class FatalSettingError(GatewayError):
    """A setting cannot be used: an operator has to correct it before the gateway starts."""

    vi = "Một cài đặt hoặc tùy chọn không dùng được; sửa chỗ nêu dưới đây."

    def __init__(self, variable: str, problem: str, *, next_step: str) -> None:
        super().__init__(f"{variable}: {problem} Next: {next_step}")
        self.variable = variable


class FatalCertificateError(GatewayError):
    """A certificate, a key or a list of revocations cannot be used: who holds it has to act. Said in both languages."""

    def __init__(self, place: str, *, vi: str, en: str, next_vi: str, next_en: str) -> None:
        super().__init__(f"{place}: {vi} {next_vi} · {en} Next: {next_en}")
        self.place = place


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One error as a caller is told it, in both languages."""

    reason: Reason
    message: str  # for a developer, in English, with the place
    field_path: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()  # every field that breaks a rule, where the rules were asked
    stated_retry_seconds: float | None = None

    @property
    def verdict(self) -> Verdict:
        """The reason's row of the table."""
        return VERDICTS[self.reason]

    @property
    def retry_seconds(self) -> float | None:
        """After how long the same may be sent again; None when it would be refused again."""
        return self.verdict.retry_seconds if self.stated_retry_seconds is None else self.stated_retry_seconds


def explain(error: BaseException, *, trace_id: str | None = None) -> Explanation:
    """What a caller is told of `error`. Anything unforeseen is our fault and says nothing but where to look."""
    match error:
        case RejectedCallError():
            return Explanation(
                reason=error.reason,
                message=error.message,
                field_path=error.field_path,
                facts=error.facts,
                violations=error.violations,
                stated_retry_seconds=error.retry_seconds,
            )
        case RejectedBatchError():
            facts = {"source_id": error.source_id} | ({"place": error.place} if error.place else {})
            where = f" ({error.place})" if error.place else ""
            reason, message = Reason(error.reason.value), f"{error.message}{where}. Next: {error.next_step}"
            return Explanation(reason=reason, message=message, field_path="batch.payload", facts=facts)
        case RejectedRequestError() if error.reason in Reason.__members__:
            reason = Reason(error.reason)
            return Explanation(
                reason=reason, message=str(error), field_path=_FIELDS.get(reason), facts=_who_was_first(error)
            )
        case RetryableStoreError():
            is_full = isinstance(error, StoreFullError)
            return Explanation(reason=Reason.STORE_FULL if is_full else Reason.STORE_UNAVAILABLE, message=str(error))
        case FatalStoreError():
            return Explanation(reason=Reason.STORE_UNFIT, message=str(error))
        case _:
            traced = {"trace_id": trace_id} if trace_id else {}
            return Explanation(reason=Reason.INTERNAL_FAULT, message="The gateway failed.", facts=traced)


def _who_was_first(error: RejectedRequestError) -> dict[str, str]:
    if not isinstance(error, CaseTakenError):
        return {}
    told = {"steward": error.steward, "at": error.at.isoformat(), "stage": error.stage}
    decided = {"decision": error.decision or "", "judgement_id": str(error.judgement_id or "")}
    return {name: value for name, value in (told | decided).items() if value}


_FIELDS = {
    Reason.CURSOR_INVALID: "cursor",
    Reason.CURSOR_EPOCH: "cursor",
    Reason.CURSOR_EXPIRED: "cursor",
    Reason.CONSUMER_UNKNOWN: "consumer_id",
    Reason.IDEMPOTENCY_KEY_REUSED: "batch.sequence",
    Reason.OUTCOME_INVALID: "outcomes",
}


def _invalid(vi: str, en: str, fix_vi: str, fix_en: str) -> Verdict:
    return Verdict(status=StatusCode.INVALID_ARGUMENT, vi=vi, en=en, fix_vi=fix_vi, fix_en=fix_en)


def _unknown(vi: str, en: str, fix_vi: str, fix_en: str) -> Verdict:
    return Verdict(status=StatusCode.UNAUTHENTICATED, vi=vi, en=en, fix_vi=fix_vi, fix_en=fix_en)


def _forbidden(vi: str, en: str, fix_vi: str, fix_en: str) -> Verdict:
    return Verdict(status=StatusCode.PERMISSION_DENIED, vi=vi, en=en, fix_vi=fix_vi, fix_en=fix_en)


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
        "Số thứ tự hoặc request_id này đã nhận với nội dung khác.",
        "This sequence or request_id landed before with other bytes.",
        "Không dùng lại: gửi nội dung mới dưới số kế tiếp hoặc request_id mới.",
        "Never use one again: send the new bytes under the next sequence or a new request_id.",
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
    Reason.CURSOR_EXPIRED: _unmet(
        "Các thay đổi sau con trỏ này đã được dọn.", "The changes after the cursor are no longer kept.",
        "Tải bản chụp mới rồi đọc tiếp từ con trỏ của nó.", "Take a new snapshot and go on from its cursor.",
    ),
    Reason.SNAPSHOT_UNKNOWN: _absent(
        "Không có bản chụp đó.", "There is no such snapshot.",
        "Hỏi lại bản chụp mới nhất; bản mới được ghi mỗi đêm.",
        "Ask for the newest one again; one is written every night.",
    ),
    Reason.UPDATE_UNKNOWN: _absent(
        "Không có cập nhật này.", "There is no such update.",
        "Kiểm tra biên nhận và số dòng, hoặc mã bản ghi.", "Check the receipt and row, or the record's id.",
    ),
    Reason.RESUME_TOKEN_INVALID: _invalid(
        "Mã tiếp tục không hợp lệ.", "The resume token is not valid.",
        "Dùng mã của chính lượt theo dõi này, hoặc theo dõi lại từ đầu.",
        "Use a token of this very watch, or watch anew without one.",
    ),
    Reason.RESUME_TOKEN_EXPIRED: _unmet(
        "Cơ sở dữ liệu đã được khôi phục sau mã này.", "The database was restored after this token was given.",
        "Theo dõi lại không kèm mã, rồi tra trạng thái các cập nhật đang chờ.",
        "Watch anew without a token, then ask for the states of what you wait for.",
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
    Reason.CASE_HELD: _unmet(
        "Người khác đang giữ hồ sơ.", "Somebody else holds the case.",
        "Lấy hồ sơ tiếp theo, hoặc hỏi người đó.", "Take the next case, or ask them.",
    ),
    Reason.LEASE_LOST: _unmet(
        "Bạn không còn giữ hồ sơ: đã hết giờ.", "The case is no longer yours: its time is over.",
        "Nhận lại hồ sơ; nội dung đã nhập còn nguyên.", "Take the case again; what was typed is kept.",
    ),
    Reason.CASE_CHANGED: _unmet(
        "Dữ liệu của hồ sơ đã đổi từ lúc bạn xem.", "The records changed since they were looked at.",
        "Mở lại hồ sơ và xem.", "Open the case again and look.",
    ),
    Reason.REASON_INVALID: _invalid(
        "Lý do không hợp, hoặc thiếu hay thừa lời ghi.", "The reason does not fit, or its words do not.",
        "Chọn một lý do trong danh sách; ghi lời chỉ với lý do khác.", "Choose one; words go with OTHER alone.",
    ),
    Reason.UNDO_OVER: _unmet(
        "Không còn hoàn tác được.", "It can no longer be undone.",
        "Đảo quyết định đó.", "Reverse the judgement.",
    ),
    Reason.NOT_ASKED: _unmet(
        "Hồ sơ không chờ tỉnh trả lời.", "Nobody waits for an answer on the case.",
        "Xem lịch sử của hồ sơ.", "Look at the case's history.",
    ),
    Reason.COUNT_DIFFERS: _unmet(
        "Số hồ sơ xác nhận khác số sẽ quyết định.", "Another number of cases was confirmed than would be decided.",
        "Xem lại bảng và nhập đúng số.", "Look at the preview again and type its number.",
    ),
    Reason.WORK_UNKNOWN: _absent(
        "Không có việc hàng loạt này.", "There is no such work.",
        "Xem danh sách việc hàng loạt.", "List the works.",
    ),
    Reason.STREAMS_EXHAUSTED: _exceeded(
        "Cổng đang nhận nhiều luồng nhất có thể.", "As many streams are open as the gateway takes.",
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
        "Cơ sở dữ liệu không dùng được với bản phát hành này.", "The database cannot be used by this release.",
        "Báo người vận hành kiểm tra địa chỉ, thư mục dữ liệu và chạy `lienthong migrate`.",
        "Tell the operator to look at its address and data folder, and to run `lienthong migrate`.",
    ),
    Reason.INTERNAL_FAULT: Verdict(
        status=StatusCode.INTERNAL,
        vi="Lỗi của cổng.", en="The gateway is at fault.",
        fix_vi="Báo người vận hành mã vết.", fix_en="Tell the operator the trace id.",
    ),
    Reason.STORE_FULL: _exceeded(
        "Cơ sở dữ liệu đã hết chỗ.", "The database has no room left.",
        "Giữ dữ liệu tại chỗ và gửi lại sau; không mất gì.", "Keep what you have and send it later; nothing is lost.",
        retry_seconds=30,
    ),
    Reason.RATE_EXCEEDED: _exceeded(
        "Nguồn gửi nhanh hơn phần của mình.", "The source sends faster than its share.",
        "Chờ rồi gửi tiếp.", "Wait, then go on.", retry_seconds=1,
    ),
    Reason.SILENCE_PREMATURE: _unmet(
        "Còn lô chưa được nhận.", "Not every batch is durable yet.",
        "Gửi hết các lô trước, rồi xác nhận không còn gì.", "Send every batch first, then attest silence.",
    ),
    Reason.IDENTITY_REQUIRED: _unknown(
        "Kết nối không có chứng thư.", "The connection shows no certificate.",
        "Kết nối bằng chứng thư đã được cấp.", "Connect with the certificate that was issued to you.",
    ),
    Reason.IDENTITY_INVALID: _unknown(
        "Chứng thư không nêu đúng một danh tính.", "The certificate does not name exactly one identity.",
        "Xin cấp lại chứng thư.", "Have the certificate issued anew.",
    ),
    Reason.CERTIFICATE_REVOKED: _unknown(
        "Chứng thư đã bị thu hồi.", "The certificate was revoked.",
        "Xin cấp chứng thư mới.", "Have a new certificate issued.",
    ),
    Reason.NOT_ENTITLED: _forbidden(
        "Không có quyền, hoặc không tồn tại.", "There is no grant for it, or it does not exist.",
        "Kiểm tra tên, rồi hỏi người vận hành về quyền.", "Check the name, then ask the operator for the grant.",
    ),
    Reason.SIGNATURE_REQUIRED: _unknown(
        "Lô chưa được ký.", "The batch is not signed.",
        "Ký lô bằng khóa của nguồn.", "Sign the batch with the source's key.",
    ),
    Reason.SIGNATURE_INVALID: _unknown(
        "Chữ ký không đúng với nội dung này.", "The signature does not hold for this content.",
        "Kiểm tra khóa, chứng thư, và ký lại đúng nội dung gửi.", "Check key and certificate, and sign what is sent.",
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
