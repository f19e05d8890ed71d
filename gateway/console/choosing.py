"""What can be chosen on a case, in the order of the keys: each choice with its decision and its reasons."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.console.words import Words, later
from reconciliation import reasons, review
from reconciliation.model import Case, CaseKind, Decision
from reconciliation.reasons import Action, OtherReason

WITHDRAW = "withdraw"  # a choice of its own where no action means it
_LABELS: Mapping[Decision, str] = {
    Decision.UNIT: later("Nhận: bản ghi thuộc đơn vị…"),
    Decision.SAME: later("Ghép: là một người"),
    Decision.NOT_SAME: later("Không phải một người"),
    Decision.KEEP: later("Giữ như hiện tại"),
    Decision.WITHDRAW: later("Rút một bản ghi, không công bố"),
    Decision.SEND_AGAIN: later("Gửi lại cho bên nhận"),
}
_ACCEPTED = later("Nhận: cập nhật mới đúng")
_OTHERS: Mapping[Action, str] = {
    Action.ASK: later("Hỏi lại tỉnh"),
    Action.SKIP: later("Bỏ qua lần này"),
}
_KEYS: Mapping[str, str] = {
    Action.ACCEPT: "1",
    Action.KEEP: "2",
    Action.MERGE: "3",
    Action.NOT_SAME: "4",
    Action.ASK: "5",
    Action.SKIP: "6",
    WITHDRAW: "7",
}
# Reasons that say nothing of other kinds than these; whoever has one of them all the same says it in words.
_OF_UNITS = frozenset(
    {
        CaseKind.AMBIGUOUS_UNIT,
        CaseKind.UNKNOWN_UNIT,
        CaseKind.TWO_UNITS_ONE_PERSON,
        CaseKind.TWO_PROVINCES_ONE_PERSON,
        CaseKind.HOUSEHOLD_CLASH,
        CaseKind.DUPLICATE_HAMLET,
    }
)
_ONLY_OF: Mapping[str, frozenset[CaseKind]] = {
    "law": _OF_UNITS,
    "residence_papers": _OF_UNITS,
    "refusal_right": frozenset({CaseKind.REFUSED_BY_REGISTRY}),
    "rule_mended": frozenset({CaseKind.POISONED}),
}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One thing to choose. `decision` is None for asking and skipping; `reasons` are codes with their words."""

    name: str
    key: str
    label: str
    decision: Decision | None
    reasons: tuple[tuple[str, str], ...]

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
    possible: dict[str, Decision | None] = {str(name): one for name, one in reasons.actions(decisions).items()}
    if Decision.WITHDRAW in decisions and Decision.WITHDRAW not in possible.values():
        possible[WITHDRAW] = Decision.WITHDRAW
    return tuple(_choice(case.kind, name, possible[name], words) for name in sorted(possible, key=_KEYS.__getitem__))


def choice(case: Case, name: str, words: Words) -> Choice | None:
    """The choice of that name; None when the case has none such."""
    return next((one for one in choices(case, words) if one.name == name), None)


def reason_words(words: Words, code: str) -> str:
    """A reason code in words."""
    if code in reasons.REASONS:
        return words.pick((reasons.REASONS[code].vi, reasons.REASONS[code].en))
    return words.pick(reasons.OF_THE_GATEWAY.get(code, (code, code)))


def _choice(kind: CaseKind, name: str, decision: Decision | None, words: Words) -> Choice:
    of: Decision | OtherReason = decision or OtherReason(name)
    if decision is None:
        label = _OTHERS[Action(name)]
    elif decision is Decision.KEEP and name == Action.ACCEPT:
        label = _ACCEPTED
    else:
        label = _LABELS[decision]
    fitting = (code for code in reasons.codes(of) if code not in _ONLY_OF or kind in _ONLY_OF[code])
    told = tuple((code, reason_words(words, code)) for code in fitting)
    return Choice(name=name, key=_KEYS[name], label=words.say(label), decision=decision, reasons=told)


def decision_words(words: Words, decision: Decision) -> str:
    """A decision as history tells it."""
    return words.say(_LABELS[decision])
