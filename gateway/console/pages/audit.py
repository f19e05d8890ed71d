"""The audit log: who judged, approved, reversed, looked, granted, loaded, replayed; ids and codes, nobody's values."""

from datetime import datetime

from starlette.responses import Response

from gateway.console import choosing, exports, sights
from gateway.console.doors import MissingPageError, Page, Visit
from gateway.console.fields import LABELS as FIELDS
from gateway.console.pages.decision import PURPOSES
from gateway.console.words import later
from reconciliation.model import CaseKind, Decision
from reconciliation.store import auditing
from reconciliation.store.auditing import Act, Entry
from reconciliation.users import UserRole

READERS = frozenset({UserRole.SUPERVISOR, UserRole.OPERATOR})
ACTS = {
    Act.JUDGED: later("Quyết định hồ sơ"),
    Act.APPROVED: later("Duyệt đề nghị"),
    Act.REVERSED: later("Đảo quyết định"),
    Act.REVEALED: later("Xem dữ liệu che"),
    Act.USER: later("Người dùng"),
    Act.SOURCE_GRANTED: later("Quyền của nguồn"),
    Act.PORTAL_GRANTED: later("Quyền của cổng tra cứu"),
    Act.STEWARD_GRANTED: later("Quyền của cán bộ"),
    Act.UNIT_EVENT: later("Thay đổi đơn vị"),
    Act.REPLAYED: later("Phát lại dòng thay đổi"),
    Act.PURGED: later("Dọn dòng thay đổi"),
    Act.SNAPSHOT_PURGED: later("Dọn bản chụp cũ"),
    Act.EPOCH_BEGUN: later("Kỷ nguyên mới của dòng thay đổi"),
    Act.REFUSED_WRITE: later("Ghi trái quyền bị chặn"),
}
_OF_USERS = {
    "signed_in": later("đăng nhập"),
    "signed_out": later("đăng xuất"),
    "sign_in_refused": later("đăng nhập bị từ chối"),
    "stepped_up": later("xác nhận lại mật khẩu"),
    "user_added": later("thêm người dùng"),
    "user_removed": later("bỏ người dùng"),
    "roles_changed": later("đổi quyền"),
    "password_set": later("đặt mật khẩu"),
    "export": later("tải tệp"),
}
_DONE = {
    "granted": later("cấp"),
    "revoked": later("thu hồi"),
    "loaded": later("nạp"),
    "unloaded": later("gỡ"),
}
_OF_CASES = frozenset({Act.JUDGED, Act.APPROVED, Act.REVERSED})
HEADINGS = ("luc_at", "viec_act", "ai_who", "ve_about", "chi_tiet_detail", "ho_so_case", "tinh_province")


def index(visit: Visit) -> Response:
    """The latest acts, with filters in the address."""
    found = _read(visit, limit=auditing.PAGE)
    asked = {name: visit.asked(name) for name in ("act", "who")}
    is_whole = len(found) == auditing.PAGE
    return visit.show(
        "audit/index.html",
        {
            "entries": [(one, visit.say(ACTS[one.act]), *_said(visit, one)) for one in found],
            "acts": [(act, visit.say(called)) for act, called in ACTS.items()],
            "asked": asked,
            "next": {**asked, "before": found[-1].at.isoformat()} if is_whole else None,
            "province_name": sights.province_name,
        },
    )


def _said(visit: Visit, one: Entry) -> tuple[str, str]:
    """What an act was about and what was done, in words; "" where an id or a number says it."""
    if one.act in _OF_CASES:
        decided = choosing.LABELS[Decision(one.detail)] if one.detail in set(Decision) else ""
        return sights.kind_name(visit, CaseKind(one.about)), decided and visit.say(decided)
    about = {Act.USER: _OF_USERS, Act.REVEALED: FIELDS}.get(one.act, {}).get(one.about)
    done = {Act.REVEALED: PURPOSES}.get(one.act, _DONE).get(one.detail)
    return visit.say(about) if about else "", visit.say(done) if done else ""


def table(visit: Visit) -> Response:
    """The same list as a file, in codes."""
    rows = (
        (visit.words.moment(one.at), one.act, one.who, one.about, one.detail, one.case_id, one.province_code)
        for one in _read(visit, limit=exports.MOST_ROWS)
    )
    return exports.export(visit, exports.Sheet(name="audit", headings=HEADINGS, rows=rows))


def _read(visit: Visit, *, limit: int) -> list[Entry]:
    """What was asked for of what the visitor may see: an operator all, a supervisor what is of their provinces."""
    codes = None if visit.user.may(UserRole.OPERATOR) else visit.user.provinces(UserRole.SUPERVISOR)
    act = visit.asked("act")
    if act and act not in set(Act):
        raise MissingPageError
    return auditing.entries(
        visit.engine,
        before=_before(visit),
        acts=[Act(act)] if act else tuple(Act),
        who=visit.asked("who")[:80] or None,
        province_codes=codes,
        limit=limit,
    )


def _before(visit: Visit) -> datetime:
    """Where the list goes on; an address that was written by hand begins it anew."""
    latest = datetime.max.replace(tzinfo=visit.now.tzinfo)
    try:
        given = datetime.fromisoformat(visit.asked("before"))
    except ValueError:
        return latest
    return given if given.tzinfo else latest


ROUTES = (
    Page(path="/audit", answer=index, roles=READERS, label=later("Nhật ký")),
    Page(path="/audit/table", answer=table, roles=READERS),
)
