"""Every error as a page: what happened, in words, and the next step; of an unforeseen one only where to look."""

import secrets

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.responses import Response

from gateway.console.doors import ForbiddenError, MissingPageError, Visit
from gateway.console.words import later
from gateway.errors import Reason, explain
from observability.logs import get_logger
from reconciliation.errors import ReconciliationError, RejectedRequestError, RetryableStoreError

log = get_logger(__name__)

_TITLES = {
    400: later("Biểu mẫu không đọc được"),
    403: later("Trang này không dành cho bạn"),
    404: later("Không có trang này"),
    405: later("Trang này không nhận yêu cầu như vậy"),
    409: later("Chưa thực hiện được"),
    413: later("Biểu mẫu hoặc tệp quá lớn"),
    500: later("Hệ thống gặp lỗi"),
    503: later("Hệ thống đang bận"),
}
_NEXT = {
    400: later("Quay lại trang trước và gửi lại."),
    403: later("Quyền của bạn không bao gồm việc này. Hỏi người quản trị nếu bạn cần."),
    404: later("Kiểm tra lại đường dẫn, hoặc quay về hàng đợi."),
    405: later("Quay lại trang trước."),
    409: later("Quay lại hồ sơ và xem trạng thái mới."),
    413: later("Gửi một tệp nhỏ hơn."),
    500: later("Thử lại; nếu vẫn lỗi, báo mã dưới đây cho người vận hành."),
    503: later("Chờ một phút rồi thử lại; chưa có gì bị mất."),
}
_UNKNOWN = {Reason.CASE_UNKNOWN, Reason.JUDGEMENT_UNKNOWN, Reason.UNIT_UNKNOWN, Reason.UPDATE_UNKNOWN}


def answer(visit: Visit, error: Exception) -> Response:
    """The page for an error that a page raised."""
    status, told, trace = 500, "", ""
    match error:
        case HTTPException():
            status = error.status_code
        case MultiPartException():
            status = 400
        case ForbiddenError():
            status = 403
        case MissingPageError():
            status = 404
        case RetryableStoreError():
            status = 503
        case RejectedRequestError():
            explanation = explain(error)
            status = 404 if explanation.reason in _UNKNOWN else 409
            told = visit.words.pick((f"{explanation.verdict.vi} {explanation.verdict.fix_vi}", str(error)))
        case ReconciliationError():
            status = 503
        case _:
            trace = secrets.token_hex(8)
            log.error("page_failed", trace_id=trace, exc_info=True)
    shown = status if status in _TITLES else 500
    values = {"title": _TITLES[shown], "next_step": _NEXT[shown], "told": told, "trace": trace}
    return visit.show("failed.html", values, status=status)
