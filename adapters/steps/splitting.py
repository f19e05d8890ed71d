"""Family, middle and given name of a full name, by a stated rule or not at all. The name itself is never changed.

For matching and sorting only: a canonical row keeps the whole name. Which end of a name the family stands at depends
on the group: Kinh and most others put it first; Ê-đê, Gia-rai and M'nông last, after Y or H'; others have none, and
where neither the group nor the name says which, the function declines.
"""

from enum import StrEnum
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.bytewise import Mask, is_true, validity
from adapters.steps.lists import group_names, surnames

SPLIT = pa.schema(
    [
        pa.field("family", pa.string()),
        pa.field("middle", pa.string()),
        pa.field("given", pa.string()),
        pa.field("rule", pa.string()),  # a NameRule; null where the name is
    ]
)

# Groups of the 1979 list that put the family first: Kinh, Tày, Thái, Hoa, Khơ-me ("Thạch Sơn"), Mường, Nùng, HMông
# ("Giàng A Sử"), Dao, Ngái, Sán Chay, Chăm, Sán Dìu, Ra-glai, Thổ, Giáy, Hà Nhì, La Chí, Phù Lá, Lô Lô, Bố Y.
_FAMILY_FIRST = tuple(f"{code:02}" for code in (*range(1, 10), 11, 15, 17, 18, 21, 24, 25, 35, 38, 40, 43, 49))
_FAMILY_LAST = ("10", "12", "20")  # Gia-rai, Ê-đê, M'nông
_NO_FAMILY = ("16", "28", "36")  # Cơ-ho, Mạ, Chu-ru: K', Ka, Ya or Ma and a given name
_APOSTROPHE = "['’´ʼ`]"
_WORDS = r"^\p{L}[\p{L}\p{M}'’´ʼ`-]*(?: [\p{L}'’´ʼ`][\p{L}\p{M}'’´ʼ`-]*){0,7}$"
_MARKED = rf"^(?P<given>(?:Y |H ?{_APOSTROPHE} ?|H )\S+)(?: (?P<family>.+))?$"
_MARKED_GIVEN = rf"^(?:K ?{_APOSTROPHE} ?\S+|(?:Ka|KA|Ya|YA|Ma|MA) \S+)$"
_OWN_MARK = rf"^(?:H|K) ?{_APOSTROPHE}"  # written by no group but these


class NameRule(StrEnum):
    """How a name was split."""

    FAMILY_FIRST = "family-first"
    FAMILY_LAST = "family-last"
    GIVEN_ONLY = "given-only"  # a mark such as K' or H' and a given name, no family
    ONE_WORD = "one-word"  # taken as the given name
    DECLINED = "declined"  # no rule fits for certain: all parts are null


def split_name(names: pa.Array, ethnic_groups: pa.Array | None = None) -> pa.Table:
    """The parts of canonical full names as a `SPLIT` table; `ethnic_groups` are codes of the 1979 list, or null.

    A mark belongs to the given name ("H'Hen", "Y Thông"). Letters and case stay as they are.
    """
    groups = pa.nulls(len(names), pa.string()) if ethnic_groups is None else ethnic_groups
    readable = _fits(names, _WORDS)
    open_ = readable.copy()
    parts = {name: pa.nulls(len(names), pa.string()) for name in ("family", "middle", "given")}
    rules = np.full(len(names), NameRule.DECLINED.value, object)
    for rule, applies, pattern in _rules(names, groups):
        matched = pc.extract_regex(names, pattern)
        taken = open_ & applies & validity(matched)
        if taken.any():
            for field in matched.type:
                found = _or_null(matched.field(field.name))
                parts[field.name] = pc.if_else(pa.array(taken), found, parts[field.name])
            rules[taken] = rule.value
            open_ &= ~taken
    rule_column = pa.array(rules, pa.string(), mask=~validity(names))
    return pa.table([*parts.values(), rule_column], schema=SPLIT)


def _rules(names: pa.Array, groups: pa.Array) -> list[tuple[NameRule, Mask, str]]:
    """Rules in the order in which they are tried: where each may apply, and how it takes a name apart."""
    unknown = ~validity(groups)
    puts_last, has_none = _among(groups, _FAMILY_LAST), _among(groups, _NO_FAMILY)
    puts_first = _among(groups, _FAMILY_FIRST)
    own_mark = _fits(names, _OWN_MARK)
    with_family = rf"(?i)^(?P<given>.+?) (?P<family>{_alternatives(group_names())})$"
    starts_with_family = rf"(?i)^(?P<family>{_alternatives(group_names())})(?: (?P<middle>.+?))? (?P<given>\S+)$"
    # "Nguyễn Phước" is the family of some and, far more often, a family and a middle name.
    compound = _alternatives(tuple(name for name in surnames() if " " in name and not name.startswith("Nguyễn ")))
    kinh = rf"(?i)^(?P<family>{compound}|\S+)(?: (?P<middle>.+?))? (?P<given>\S+)$"
    is_surname = _fits(names, rf"(?i)^(?:{_alternatives(surnames())}) ")
    marked_given = _fits(names, _MARKED_GIVEN)
    return [
        (NameRule.GIVEN_ONLY, (has_none | own_mark & unknown) & marked_given, r"^(?P<given>.+)$"),
        (NameRule.FAMILY_LAST, puts_last | unknown & own_mark, _MARKED.replace(")?$", ")$")),
        (NameRule.GIVEN_ONLY, puts_last | unknown & own_mark, rf"^(?P<given>(?:Y |H ?{_APOSTROPHE} ?|H )\S+)$"),
        (NameRule.FAMILY_LAST, puts_last & ~_fits(names, starts_with_family), with_family),
        (NameRule.FAMILY_FIRST, puts_last & ~_fits(names, with_family), starts_with_family),
        (NameRule.FAMILY_LAST, unknown & _fits(names, "^Y "), with_family),
        (NameRule.ONE_WORD, np.ones(len(names), np.bool_), r"^(?P<given>\S+)$"),
        (NameRule.FAMILY_FIRST, puts_first & ~own_mark, kinh),
        (NameRule.FAMILY_FIRST, unknown & is_surname & ~own_mark, kinh),
    ]


@cache
def _alternatives(names: tuple[str, ...]) -> str:
    """A pattern of any of the names, the longest first; of none, one that nothing fits."""
    return "|".join(sorted(names, key=len, reverse=True)) or r"[^\s\S]"


def _fits(names: pa.Array, pattern: str) -> Mask:
    return is_true(pc.match_substring_regex(names, pattern))


def _among(groups: pa.Array, chosen: tuple[str, ...]) -> Mask:
    among: Mask = pc.is_in(groups, value_set=pa.array(chosen)).to_numpy(zero_copy_only=False)
    return among


def _or_null(part: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(part, ""), pa.scalar(None, pa.string()), part)
