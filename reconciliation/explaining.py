"""A decision ──► a plain sentence, Vietnamese and English. Says levels and weights, never a person's data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciliation.linkage import Linkage
from reconciliation.numerals import ENGLISH, VIETNAMESE, Numerals
from reconciliation.persons import PERSONS
from reconciliation.weights import Model


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One decision in a plain sentence, Vietnamese and English. Holds levels and weights, never a person's data."""

    vi: str
    en: str


def explain(decision: Mapping[str, Any], *, model: Model, linkage: Linkage = PERSONS) -> Explanation:
    """Say a row of DECISIONS (as from `to_pylist`): what was decided, by what, and each comparison's part in it."""
    reached = [
        (decision["weights"][comparison.name], level)
        for comparison in linkage.comparisons
        for level in comparison.levels
        if level.name == decision["levels"][comparison.name]
    ]
    reached.sort(key=lambda part: -abs(part[0]))
    vi, en = _verdict(decision, linkage)
    said_vi = _said(decision["weight"], [(level.vi, weight) for weight, level in reached], model, VIETNAMESE)
    said_en = _said(decision["weight"], [(level.en, weight) for weight, level in reached], model, ENGLISH)
    return Explanation(
        vi="{}. Trọng số {} (ghép từ {}, xem xét từ {}): {}; trước khi so sánh {}.".format(vi, *said_vi),
        en="{}. Weight {} (linked from {}, a case from {}): {}; before anything is compared {}.".format(en, *said_en),
    )


def _said(
    weight: float, reached: Sequence[tuple[str, float]], model: Model, numerals: Numerals
) -> tuple[str, str, str, str, str]:
    """The weight, the upper and the lower threshold, the evidence and the beginning, in one language's numerals."""
    total, upper, lower = (numerals.tenth(one) for one in (weight, model.upper, model.lower))
    evidence = "; ".join(f"{words} {numerals.figure(part, '+.1f')}" for words, part in reached)
    return total, upper, lower, evidence, numerals.figure(model.base, "+.1f")


def _verdict(decision: Mapping[str, Any], linkage: Linkage) -> tuple[str, str]:
    match decision["decided_by"]:
        case "judgement":
            return "Cùng một người theo quyết định của cán bộ", "One person by a steward's judgement"
        case "veto":
            veto = next(veto for veto in linkage.vetoes if veto.name == decision["veto"])
            return f"Cần người xem xét: {veto.vi}", f"A person has to decide: {veto.en}"
        case "standing":
            return (
                "Vẫn là một người: mối nối đã có, chưa đủ yếu để tách",
                "Still one person: the link stands and is not weak enough to be parted",
            )
        case "number":
            return (
                "Cần người xem xét: trùng số định danh nhưng các thông tin khác không khớp",
                "A person has to decide: equal personal numbers, but the rest disagrees",
            )
        case _ if decision["decision"] == "link":
            return "Cùng một người", "One person"
        case _:
            return "Cần người xem xét: chưa đủ chắc chắn", "A person has to decide: not certain enough"
