"""What can be chosen on a case, in the order of the keys: each choice with its decision and its reasons."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.console.words import Words, later
from reconciliation import reasons, review
from reconciliation.answers import answer
from reconciliation.model import Case, CaseKind, Decision
from reconciliation.reasons import Action, OtherReason

# A decision in a few words, as history tells it; what it is called on a case of some kind is in answers.py.
LABELS: Mapping[Decision, str] = {
    Decision.UNIT: later("Bản ghi thuộc đơn vị"),
    Decision.SAME: later("Ghép: là một người"),
    Decision.NOT_SAME: later("Không phải một người"),
    Decision.KEEP: later("Nhận, hoặc giữ như hiện tại"),
    Decision.WITHDRAW: later("Rút một bản ghi, không công bố"),
    Decision.SEND_AGAIN: later("Gửi lại cho bên nhận"),
}
_OTHERS: Mapping[Action, tuple[str, str]] = {
    Action.ASK: (
        later("Hỏi lại tỉnh"),
        later(
            "Hồ sơ chờ tỉnh trả lời và đồng hồ dừng; có trả lời hoặc hết hạn thì hồ sơ trở lại hàng đợi, chưa quyết."
        ),
    ),
    Action.SKIP: (
        later("Bỏ qua lần này"),
        later("Hồ sơ về lại hàng đợi cho người khác; đến ngày mai mới đưa lại cho bạn."),
    ),
}
APPROVE, REFUSE = "approve", "refuse"  # what a second person chooses
_KEYS: Mapping[Action, str] = {action: str(place) for place, action in enumerate(Action, start=1)}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One thing to choose. `decision` is None where none is made; `reasons` are codes with their words.

    `then` is what will happen; `records` are the places, from 1, of the case's records that can be named with it.
    """

    name: str
    key: str
    label: str
    then: str = ""
    decision: Decision | None
    reasons: tuple[tuple[str, str], ...]
    records: tuple[int, ...] = ()

    @property
    def needs_unit(self) -> bool:
        """Whether a unit goes with it."""
        return self.decision is Decision.UNIT

    @property
    def needs_record(self) -> bool:
        """Whether one of the case's records goes with it."""
        return self.decision is Decision.WITHDRAW


def choices(case: Case, words: Words) -> tuple[Choice, ...]:
    """What can be chosen on a case, by key."""
    decisions = review.DECISIONS[case.kind]
    if case.evidence.get("sides") == [0]:
        decisions -= {Decision.NOT_SAME}  # there is nobody to part the one record from
    possible = reasons.actions(case.kind, decisions)
    return tuple(_choice(case, action, decision, words) for action, decision in possible.items())


def choice(case: Case, name: str, words: Words) -> Choice | None:
    """The choice of that name; None when the case has none such."""
    return next((one for one in choices(case, words) if one.name == name), None)


def of_second_person(words: Words) -> tuple[Choice, ...]:
    """What can be chosen on a proposal by another person than who made it. To approve takes no reason."""
    told = tuple((code, reason_words(words, code)) for code in reasons.codes(OtherReason.REVERSE))
    yes, no = words.say(later("Duyệt: quyết định có hiệu lực")), words.say(later("Từ chối: hồ sơ mở lại"))
    return (
        Choice(name=APPROVE, key="1", label=yes, decision=None, reasons=()),
        Choice(name=REFUSE, key="2", label=no, decision=None, reasons=told),
    )


def reason_words(words: Words, code: str) -> str:
    """A reason code in words."""
    if code in reasons.REASONS:
        return words.pick((reasons.REASONS[code].vi, reasons.REASONS[code].en))
    return words.pick(reasons.OF_THE_GATEWAY.get(code, (code, code)))


def _choice(case: Case, action: Action, decision: Decision | None, words: Words) -> Choice:
    if decision is None:
        label, then = (words.say(text) for text in _OTHERS[action])
    else:
        said = answer(case, decision)
        label, then = words.pick((said.vi, said.en)), words.pick((said.then_vi, said.then_en))
    codes = reasons.fitting(case.kind, decision or OtherReason(action))
    return Choice(
        name=action,
        key=_KEYS[action],
        label=label,
        then=then,
        decision=decision,
        reasons=tuple((code, reason_words(words, code)) for code in codes),
        records=_withdrawable(case) if decision is Decision.WITHDRAW else (),
    )


def _withdrawable(case: Case) -> tuple[int, ...]:
    """The places, from 1, of the records that can be withdrawn: to refuse a correction is to withdraw it alone."""
    correction = case.evidence.get("correction")
    if case.kind is CaseKind.CITIZEN_CORRECTION and isinstance(correction, int):
        return (correction + 1,)
    return tuple(range(1, len(case.record_keys) + 1))


def decision_words(words: Words, decision: Decision) -> str:
    """A decision as history tells it."""
    return words.say(LABELS[decision])
