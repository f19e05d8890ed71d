"""Why a steward decides as they do: a closed list in both languages. Free words go with OTHER, and with it alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from reconciliation.model import CaseKind, Decision


class Action(StrEnum):
    """What a steward can do with a case in their hands; the order is that of the keys 1 to 7, the same in all kinds."""

    ACCEPT = "accept"  # what came goes on
    KEEP = "keep"  # all stays as it is
    MERGE = "merge"  # one person: field by field
    NOT_SAME = "not_same"
    ASK = "ask"  # the province has to say more
    SKIP = "skip"
    WITHDRAW = "withdraw"  # a record is not to be published


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
        "later_statement": _reason("Khai sau, mới hơn", "Stated later, newer", Decision.UNIT, Decision.KEEP),
        "law": _reason("Theo nghị quyết, điều khoản", "By the resolution and its clause", Decision.UNIT, Decision.KEEP),
        "residence_papers": _reason("Theo giấy tờ cư trú", "By papers of residence", Decision.UNIT, Decision.KEEP),
        "hamlet_known": _reason("Thôn, tổ thuộc đơn vị này", "The hamlet lies in this unit", Decision.UNIT),
        "province_confirmed": _reason(
            "Tỉnh đã xác nhận",
            "The province has confirmed it",
            Decision.UNIT, Decision.SAME, Decision.NOT_SAME, Decision.KEEP, Decision.WITHDRAW, Decision.SEND_AGAIN,
        ),
        "fields_agree": _reason("Các trường khớp nhau", "What the records say agrees", Decision.SAME),
        "same_papers": _reason("Cùng giấy tờ tùy thân", "The same identity papers", Decision.SAME),
        "same_family": _reason("Cùng cha mẹ, vợ chồng, hộ", "The same parents, spouse or household", Decision.SAME),
        "same_but_mistyped": _reason("Cùng một người, một bên gõ sai", "One person, mistyped once", Decision.SAME),
        "other_fields": _reason(
            "Họ tên, ngày sinh, giới tính khác nhau", "Names, births or sexes differ", Decision.NOT_SAME
        ),
        "other_generation": _reason(
            "Khác thế hệ: cha mẹ và con", "Other generation: parent and child", Decision.NOT_SAME
        ),
        "other_birth": _reason("Khác ngày sinh, có giấy khai sinh", "Other birth, by certificate", Decision.NOT_SAME),
        "other_family": _reason("Khác cha mẹ, vợ chồng, hộ", "Other parents, spouse or household", Decision.NOT_SAME),
        "twins": _reason("Sinh đôi", "Twins", Decision.NOT_SAME),
        "number_mistyped": _reason(
            "Số định danh ghi sai", "A number is mistyped", Decision.NOT_SAME, Decision.WITHDRAW
        ),
        "nothing_changed": _reason("Không có gì thay đổi", "Nothing has changed", Decision.KEEP),
        "newest_right": _reason("Bản mới hơn đúng theo giấy tờ", "The newer is right, by the papers", Decision.KEEP),
        "both_right": _reason("Hai bên đều đúng", "Both are right", Decision.KEEP),
        "rule_mended": _reason("Quy tắc đã được sửa", "The rule has been mended", Decision.KEEP),
        "refusal_right": _reason("Từ chối là đúng", "The refusal is right", Decision.KEEP),
        "impossible": _reason("Bản ghi tự mâu thuẫn", "The record contradicts itself", Decision.WITHDRAW),
        "sent_by_mistake": _reason("Gửi nhầm", "Sent by mistake", Decision.WITHDRAW),
        "outdated": _reason("Đã cũ, bản khác thay thế", "Outdated, another stands for it", Decision.WITHDRAW),
        "contradicts_papers": _reason("Trái với giấy tờ", "Contradicts the papers", Decision.WITHDRAW),
        "wrong_table": _reason("Bảng hoặc danh mục nguồn sai", "The source's table is wrong", Decision.WITHDRAW),
        "registry_mended": _reason("Bên nhận đã sửa", "The registry has mended it", Decision.SEND_AGAIN),
        "registry_mistaken": _reason("Bên nhận từ chối nhầm", "The registry refused by mistake", Decision.SEND_AGAIN),
        "papers_needed": _reason("Cần giấy tờ chứng minh", "Papers are needed", OtherReason.ASK),
        "no_commune": _reason("Thiếu xã, thôn", "The commune or hamlet is missing", OtherReason.ASK),
        "not_told": _reason("Thông tin trên trang chưa đủ", "What is shown here does not decide it", OtherReason.ASK),
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

_IN_UNITS = frozenset(
    {
        CaseKind.AMBIGUOUS_UNIT,
        CaseKind.UNKNOWN_UNIT,
        CaseKind.TWO_UNITS_ONE_PERSON,
        CaseKind.TWO_PROVINCES_ONE_PERSON,
        CaseKind.HOUSEHOLD_CLASH,
        CaseKind.DUPLICATE_HAMLET,
    }
)
_UNPLACED = frozenset({CaseKind.AMBIGUOUS_UNIT, CaseKind.UNKNOWN_UNIT})
_UNCHANGED = frozenset(
    {
        CaseKind.REFUSED_BY_REGISTRY,
        CaseKind.DUPLICATE_HAMLET,
        CaseKind.UNSIGNED_EVENT,
        CaseKind.TWO_UNITS_ONE_PERSON,
        CaseKind.MISSING_VERSION,
    }
)
# Where two records may be two people; elsewhere a reason about two people says nothing.
_OF_PEOPLE = frozenset(
    {CaseKind.DOUBTFUL_MATCH, CaseKind.ONE_NUMBER_TWO_PEOPLE, CaseKind.TWO_UNITS_ONE_PERSON, CaseKind.DEATH_THEN_UPDATE}
)
# Reasons that say nothing of other kinds than these; whoever has one of them all the same says it in words.
_ONLY_OF: Mapping[str, frozenset[CaseKind]] = MappingProxyType(
    {
        "law": _IN_UNITS,
        "residence_papers": _IN_UNITS,
        "no_commune": _IN_UNITS,
        "later_statement": frozenset(CaseKind)
        - _UNPLACED
        - {CaseKind.REFUSED_BY_REGISTRY, CaseKind.DUPLICATE_HAMLET, CaseKind.UNSIGNED_EVENT, CaseKind.POISONED},
        "refusal_right": frozenset({CaseKind.REFUSED_BY_REGISTRY}),
        "rule_mended": frozenset({CaseKind.POISONED}),
        "nothing_changed": _UNCHANGED,
        "twins": _OF_PEOPLE,
        "other_generation": _OF_PEOPLE,
        "newest_right": frozenset(CaseKind) - {CaseKind.REFUSED_BY_REGISTRY, CaseKind.DUPLICATE_HAMLET},
        "impossible": frozenset(CaseKind) - _UNPLACED - {CaseKind.MISSING_VERSION, CaseKind.UNSIGNED_EVENT},
        "wrong_table": frozenset(CaseKind) - {CaseKind.MISSING_VERSION, CaseKind.UNSIGNED_EVENT},
    }
)
# What fits a kind most often stands first; the others follow in the order of the list.
_FIRST: Mapping[tuple[CaseKind, Decision | OtherReason], tuple[str, ...]] = MappingProxyType(
    {
        (CaseKind.AMBIGUOUS_UNIT, Decision.UNIT): ("hamlet_known", "residence_papers"),
        (CaseKind.AMBIGUOUS_UNIT, OtherReason.ASK): ("no_commune",),
        (CaseKind.UNKNOWN_UNIT, Decision.UNIT): ("residence_papers", "hamlet_known"),
        (CaseKind.UNKNOWN_UNIT, Decision.WITHDRAW): ("wrong_table",),
        (CaseKind.UNKNOWN_UNIT, OtherReason.ASK): ("no_commune",),
        (CaseKind.DOUBTFUL_MATCH, Decision.SAME): ("same_but_mistyped", "fields_agree", "same_family"),
        (CaseKind.DOUBTFUL_MATCH, Decision.NOT_SAME): ("other_family", "twins", "other_generation", "other_fields"),
        (CaseKind.ONE_NUMBER_TWO_PEOPLE, Decision.NOT_SAME): ("number_mistyped", "other_fields"),
        (CaseKind.BOOK_AGAINST_REGISTER, Decision.KEEP): ("both_right",),
        (CaseKind.BOOK_AGAINST_REGISTER, Decision.WITHDRAW): ("outdated", "contradicts_papers"),
        (CaseKind.TWO_INSURANCE_BOOKS, Decision.KEEP): ("both_right",),
        (CaseKind.TWO_INSURANCE_BOOKS, Decision.WITHDRAW): ("outdated",),
        (CaseKind.OVERLAPPING_PERIODS, Decision.KEEP): ("both_right",),
        (CaseKind.OVERLAPPING_PERIODS, Decision.WITHDRAW): ("outdated",),
        (CaseKind.TWO_PROVINCES_ONE_PERSON, OtherReason.ASK): ("not_told",),
        (CaseKind.HOUSEHOLD_CLASH, Decision.WITHDRAW): ("outdated", "impossible"),
        (CaseKind.REFUSED_BY_REGISTRY, Decision.KEEP): ("refusal_right", "nothing_changed"),
        (CaseKind.REFUSED_BY_REGISTRY, OtherReason.ASK): ("not_told",),
        (CaseKind.DUPLICATE_HAMLET, Decision.KEEP): ("nothing_changed", "both_right"),
        (CaseKind.UNSIGNED_EVENT, Decision.KEEP): ("nothing_changed",),
        (CaseKind.CITIZEN_CORRECTION, Decision.WITHDRAW): ("contradicts_papers",),
        (CaseKind.POISONED, Decision.KEEP): ("rule_mended",),
    }
)
MOST_FITTING = 9  # each has a digit of its own
# Where to keep changes nothing: the update goes on waiting, or no record waits at all.
_AS_IT_IS = frozenset({CaseKind.UNSIGNED_EVENT, CaseKind.DUPLICATE_HAMLET})

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


def fitting(kind: CaseKind, of: Decision | OtherReason) -> tuple[str, ...]:
    """The reasons that say something of a kind of case, what fits it most often first, OTHER last: MOST_FITTING."""
    first = _FIRST.get((kind, of), ())
    said = [one for one in codes(of) if one not in {*first, OTHER} and kind in _ONLY_OF.get(one, frozenset({kind}))]
    return (*first, *said, OTHER)


def actions(kind: CaseKind, decisions: frozenset[Decision]) -> Mapping[Action, Decision | None]:
    """What each action means for a kind of case that takes `decisions`; ASK and SKIP decide nothing.

    KEEP lets go on what came, unless another decision does that or the kind is kept as it is.
    """
    keeps = bool(decisions & {Decision.UNIT, Decision.SEND_AGAIN}) or kind in _AS_IT_IS
    action_of = {
        Decision.UNIT: Action.ACCEPT,
        Decision.SEND_AGAIN: Action.ACCEPT,
        Decision.KEEP: Action.KEEP if keeps else Action.ACCEPT,
        Decision.SAME: Action.MERGE,
        Decision.NOT_SAME: Action.NOT_SAME,
        Decision.WITHDRAW: Action.WITHDRAW,
    }
    meant: dict[Action, Decision | None] = {action_of[one]: one for one in decisions}
    meant |= {Action.ASK: None, Action.SKIP: None}
    return MappingProxyType({action: meant[action] for action in Action if action in meant})
