"""Why a steward decides as they do: a closed list in both languages. Free words go with OTHER, and with it alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from reconciliation.model import Decision


class Action(StrEnum):
    """What a steward can do with a case in their hands; the order is that of the keys 1 to 6."""

    ACCEPT = "accept"  # what came is right
    KEEP = "keep"  # what stands is right
    MERGE = "merge"  # one person: field by field
    NOT_SAME = "not_same"
    ASK = "ask"  # the province has to say more
    SKIP = "skip"


class OtherReason(StrEnum):
    """What else takes a reason, besides the decisions."""

    ASK = "ask"
    SKIP = "skip"
    REVERSE = "reverse"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason, in both languages, and what it can be given for."""

    of: frozenset[Decision | OtherReason]
    vi: str
    en: str


OTHER = "other"
UNDONE = "undone"  # of a reversal within the time for undoing
VOID = "void"  # the records changed before a judgement was in force

_ALL: frozenset[Decision | OtherReason] = frozenset({*Decision, *OtherReason})


def _reason(vi: str, en: str, *of: Decision | OtherReason) -> Reason:
    return Reason(of=frozenset(of), vi=vi, en=en)


REASONS: Mapping[str, Reason] = MappingProxyType(
    {
        "law": _reason("Theo nghị quyết, điều khoản", "By the resolution and its clause", Decision.UNIT, Decision.KEEP),
        "residence_papers": _reason("Theo giấy tờ cư trú", "By papers of residence", Decision.UNIT, Decision.KEEP),
        "hamlet_known": _reason("Thôn, tổ thuộc đơn vị này", "The hamlet lies in this unit", Decision.UNIT),
        "province_confirmed": _reason(
            "Tỉnh đã xác nhận",
            "The province has confirmed it",
            Decision.UNIT, Decision.SAME, Decision.NOT_SAME, Decision.KEEP, Decision.WITHDRAW, Decision.SEND_AGAIN,
        ),
        "same_papers": _reason("Cùng giấy tờ tùy thân", "The same identity papers", Decision.SAME),
        "same_family": _reason("Cùng cha mẹ, vợ chồng, hộ", "The same parents, spouse or household", Decision.SAME),
        "same_but_mistyped": _reason("Cùng một người, một bên gõ sai", "One person, mistyped once", Decision.SAME),
        "other_birth": _reason("Khác ngày sinh, có giấy khai sinh", "Other birth, by certificate", Decision.NOT_SAME),
        "other_family": _reason("Khác cha mẹ, vợ chồng, hộ", "Other parents, spouse or household", Decision.NOT_SAME),
        "twins": _reason("Sinh đôi", "Twins", Decision.NOT_SAME),
        "number_mistyped": _reason(
            "Số định danh ghi sai", "A number is mistyped", Decision.NOT_SAME, Decision.WITHDRAW
        ),
        "newest_right": _reason("Bản mới hơn đúng theo giấy tờ", "The newer is right, by the papers", Decision.KEEP),
        "both_right": _reason("Hai bên đều đúng", "Both are right", Decision.KEEP),
        "rule_mended": _reason("Quy tắc đã được sửa", "The rule has been mended", Decision.KEEP),
        "refusal_right": _reason("Từ chối là đúng", "The refusal is right", Decision.KEEP),
        "sent_by_mistake": _reason("Gửi nhầm", "Sent by mistake", Decision.WITHDRAW),
        "outdated": _reason("Đã cũ, bản khác thay thế", "Outdated, another stands for it", Decision.WITHDRAW),
        "contradicts_papers": _reason("Trái với giấy tờ", "Contradicts the papers", Decision.WITHDRAW),
        "wrong_table": _reason("Bảng hoặc danh mục nguồn sai", "The source's table is wrong", Decision.WITHDRAW),
        "registry_mended": _reason("Bên nhận đã sửa", "The registry has mended it", Decision.SEND_AGAIN),
        "registry_mistaken": _reason("Bên nhận từ chối nhầm", "The registry refused by mistake", Decision.SEND_AGAIN),
        "papers_needed": _reason("Cần giấy tờ chứng minh", "Papers are needed", OtherReason.ASK),
        "contradiction": _reason("Hai nguồn của tỉnh trái nhau", "The province contradicts itself", OtherReason.ASK),
        "unreadable": _reason("Không đọc được, thiếu chữ", "Unreadable or cut off", OtherReason.ASK),
        "not_my_field": _reason("Ngoài chuyên môn của tôi", "Not my field", OtherReason.SKIP),
        "knows_the_person": _reason("Tôi quen người này", "I know the person", OtherReason.SKIP),
        "needs_time": _reason("Cần thêm thời gian", "It needs more time", OtherReason.SKIP),
        "mistake": _reason("Quyết định nhầm", "Decided by mistake", OtherReason.REVERSE),
        "new_papers": _reason("Có giấy tờ mới", "New papers", OtherReason.REVERSE),
        "court": _reason("Theo bản án, quyết định của tòa", "By a court's judgment", OtherReason.REVERSE, *Decision),
        OTHER: Reason(of=_ALL, vi="Lý do khác (ghi rõ)", en="Another reason (say which)"),
    }
)  # fmt: skip

# What the gateway itself gives as a reason; nobody chooses these.
OF_THE_GATEWAY: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        UNDONE: ("Đã hoàn tác", "Undone"),
        VOID: ("Dữ liệu đã đổi trước khi có hiệu lực", "The records changed before it was in force"),
    }
)


def codes(of: Decision | OtherReason) -> tuple[str, ...]:
    """The reasons that can be given for it, OTHER last."""
    return tuple(code for code, reason in REASONS.items() if of in reason.of)


def actions(decisions: frozenset[Decision]) -> Mapping[Action, Decision | None]:
    """What each action means for a case that takes `decisions`; ASK and SKIP decide nothing. Others it cannot do."""
    accepting = [one for one in (Decision.UNIT, Decision.SEND_AGAIN, Decision.KEEP) if one in decisions]
    # What two records say of one person is joined or parted: there is no incoming one.
    accept = None if Decision.SAME in decisions else next(iter(accepting), None)
    keeping = [one for one in (Decision.KEEP, Decision.WITHDRAW) if one in decisions and one is not accept]
    meant = {
        Action.ACCEPT: accept,
        Action.KEEP: next(iter(keeping), None),
        Action.MERGE: Decision.SAME if Decision.SAME in decisions else None,
        Action.NOT_SAME: Decision.NOT_SAME if Decision.NOT_SAME in decisions else None,
    }
    possible: dict[Action, Decision | None] = {action: one for action, one in meant.items() if one is not None}
    return MappingProxyType(possible | {Action.ASK: None, Action.SKIP: None})
