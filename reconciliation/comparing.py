"""Pairs ──► the level each comparison reaches: declared as a table, compiled to one DuckDB expression each.

A comparison's levels are tried in order and the first that holds is reached; level 0 is "not comparable" and
weighs nothing. A level may carry a fixed weight; the others are taught (teaching.py). `l` and `r` are the two
candidates, beside whatever the linkage joins to them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Level:
    """One outcome of a comparison. `when` is SQL over l, r and kin; vi and en say it in a sentence."""

    name: str
    when: str
    vi: str
    en: str
    weight: float | None = None  # log2, fixed; None when it is taught
    floor: float = -12.0  # a taught weight is kept within these, whatever one pool's pairs say
    ceiling: float = 14.0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One piece of evidence. `missing` is SQL for "not comparable"; the last level's `when` is always "true"."""

    name: str
    vi: str
    en: str
    missing: str
    levels: tuple[Level, ...]
    is_falling: bool = False  # taught weights never rise along the levels


@dataclass(frozen=True, kw_only=True)
class Veto:
    """What forbids a link whatever the weight: the pair goes to a person with this as the reason."""

    name: str
    when: str
    vi: str
    en: str
    parts: bool = True  # the two may not share a subject by way of others either
    is_by_label: bool = False  # it rests on what labels pairs in teaching, and says nothing where that is not stated


def level_sql(comparison: Comparison) -> str:
    """The level reached, 0 for not comparable and else 1 + the position in `levels`."""
    tried = " ".join(f"when {level.when} then {position}" for position, level in enumerate(comparison.levels, start=1))
    return f"(case when {comparison.missing} then 0 {tried} end)::utinyint"


def veto_sql(vetoes: tuple[Veto, ...]) -> str:
    """The first veto that holds, 0 for none and else 1 + its position."""
    tried = " ".join(f"when {veto.when} then {position}" for position, veto in enumerate(vetoes, start=1))
    return f"(case {tried} else 0 end)::utinyint" if vetoes else "0::utinyint"
