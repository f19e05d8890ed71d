"""Which list a column of unit codes is in, judged from the codes themselves and set against what is declared.

Nearly every code of today is also a code of before the merger, and half of them named another place. So a column
shows that it is of the old list by codes that only the old list has, and that it is of the new one by their absence:
the longer none occurs among different communes, the less likely is the old list.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property, lru_cache
from math import comb, sqrt

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.readings import CodeLists
from adapters.reference.units import UnitTables, load_units, units_on, vintages

__all__ = ["Verdict", "VintageJudgement", "judge_vintage"]

# Up to this share of records may still carry an old code in a column that has been recoded: forgotten rows, rows
# copied from paper. One in fifty is more than recoded systems show, and far less than any old column has.
STRAY_SHARE = 0.02
# A later event may close few codes, so that even an old column has few old codes: strays are then fewer still.
STRAY_OF_EXPECTED = 0.1
# A column is of the old list if it has at least this part of the old-only codes to be expected in its province. Seats
# of the new communes kept their codes and are the larger places, so that old columns fall short of the plain share; a
# column half recoded shows about half of it …
OLD_OF_EXPECTED = 0.75
# … less so many standard errors: which communes are in a small column is chance.
SPREAD = 2.0
# So few records prove nothing: a typing error makes one.
FEWEST_RECORDS = 3
# A column with fewer different communes may lack old codes by chance of which communes they are.
FEWEST_CODES = 10
# The likelihood of so few old-only codes under the old list, below which the old list is ruled out …
UNLIKELY = 1e-3
# … and below which it is ruled out even though the source declared it.
OVERWHELMING = 1e-6


class Verdict(StrEnum):
    """What the codes say of the declaration."""

    DECLARED = "declared"  # nothing speaks against it, too little to confirm it
    CONFIRMED = "confirmed"
    INFERRED = "inferred"  # nothing was declared; the codes tell
    CONTRADICTED = "contradicted"  # the column is of the other list
    MIXED = "mixed"  # codes of both lists in one column
    UNKNOWN = "unknown"  # nothing was declared, and too little is seen


@dataclass(frozen=True)
class VintageJudgement:
    """The list a column is in (its vintage; None: do not rely on any), and the records that say so."""

    vintage: date | None
    verdict: Verdict
    only_old: int  # records whose code only the old list has
    only_new: int
    both: int  # the code is in both lists, of the same place or of another
    neither: int
    old_likelihood: float = 1.0  # of so few old-only codes among so many communes, if the old list were used


@dataclass(frozen=True)
class _Lists:
    """What two neighbouring lists have of codes, and of those in one province."""

    old: frozenset[str]
    new: frozenset[str]
    old_here: frozenset[str]
    new_here: frozenset[str]

    @cached_property
    def old_only_here(self) -> int:
        return len(self.old_here - self.new)


def judge_vintage(
    codes: pa.Array,
    *,
    declared: date | None,
    exported_on: date,
    province_code: str,
    tables: UnitTables | None = None,
) -> VintageJudgement:
    """Judges one column of codes as sent, null where none was. `province_code` is the source's province of today.

    The list in force on the day of export is weighed against the declared earlier one, or against whichever earlier one
    is hardest to rule out. With verdict "contradicted" or "mixed" the vintage is None: the records are then read by
    their own evidence or wait, rather than being moved to another commune.
    """
    tables = tables or load_units()
    known = vintages(tables)
    declared_index = None if declared is None else _index_of(declared, known)
    new = max(_index_of(exported_on, known), declared_index or 0)
    if new == 0:
        return _only_list(codes, declared, tables)
    earlier = [declared_index] if declared_index is not None and declared_index < new else list(range(new))
    old, lists, found = _against(codes, earlier, new, province_code, tables)
    if declared is None:
        vintage, verdict = _undeclared(found, lists, known[old], known[new])
    elif declared_index == new:
        vintage, verdict = _declared_new(found, lists, declared)
    else:
        vintage, verdict = _declared_old(found, lists, declared)
    return VintageJudgement(
        vintage, verdict, found.only_old, found.only_new, found.both, found.neither, found.old_likelihood
    )


def _against(
    codes: pa.Array, earlier: list[int], new: int, province_code: str, tables: UnitTables
) -> tuple[int, _Lists, "_Counted"]:
    """The earlier list to weigh against the new one: the one with most codes of its own, then the least unlikely.

    A list that has no code of its own in the province reads as the new one does, and is weighed only if all do.
    """
    weighed = []
    for old in earlier:
        lists = _lists(tables, old, new, province_code)
        found = _counted(codes, lists)
        weighed.append(((found.only_old, bool(lists.old_only_here), found.old_likelihood, old), old, lists, found))
    _, old, lists, found = max(weighed, key=lambda one: one[0])
    return old, lists, found


@dataclass(frozen=True)
class _Counted:
    only_old: int
    only_new: int
    both: int
    neither: int
    codes: int  # different communes of the province, as the old list would have them
    old_likelihood: float

    @property
    def known(self) -> int:
        return self.only_old + self.only_new + self.both


def _index_of(on: date, known: tuple[date, ...]) -> int:
    return sum(vintage <= on for vintage in known[1:])


def _only_list(codes: pa.Array, declared: date | None, tables: UnitTables) -> VintageJudgement:
    """The export lies before the first change: there is one list, and nothing to tell apart."""
    inside = pc.sum(pc.is_in(codes, value_set=_first_codes(tables))).as_py() or 0
    neither = len(codes) - codes.null_count - inside
    verdict = Verdict.INFERRED if declared is None else Verdict.CONFIRMED
    return VintageJudgement(declared or vintages(tables)[0], verdict, inside, 0, 0, neither)


@lru_cache(maxsize=8)
def _code_lists(tables: UnitTables, as_of: date) -> CodeLists:
    return CodeLists(tables, as_of)


@lru_cache(maxsize=8)
def _first_codes(tables: UnitTables) -> pa.Array:
    return pa.array(sorted(_code_lists(tables, tables.change_dates[0]).members[0]), pa.string())


@lru_cache(maxsize=256)
def _lists(tables: UnitTables, old: int, new: int, province_code: str) -> _Lists:
    latest = vintages(tables)[-1]
    lists = _code_lists(tables, latest)
    today = units_on(latest, tables=tables)
    inside = frozenset(today.filter(pc.equal(today["province_code"], province_code))["code"].to_pylist())

    def here(index: int) -> frozenset[str]:
        read = {code: lists.read(code, index) for code in lists.members[index]}
        return frozenset(code for code, reading in read.items() if reading and inside.intersection(reading.units))

    closed = frozenset(code for code in lists.codes if code not in lists.members[old] and lists.read(code, old))
    return _Lists(lists.members[old] | closed, lists.members[new], here(old), here(new))


def _counted(codes: pa.Array, lists: _Lists) -> _Counted:
    """Counts the records of each sort. A code that lies in the province under one list only counts for that list."""
    rows = codes.drop_null().value_counts()
    sent = dict(zip(rows.field("values").to_pylist(), rows.field("counts").to_pylist(), strict=True))
    counts = {"only_old": 0, "only_new": 0, "both": 0, "neither": 0}
    different, old_only = 0, 0
    for code, records in sent.items():
        sort = _sort(code, lists)
        counts[sort] += records
        if code in lists.old_here:
            different += 1
            old_only += sort == "only_old"
    likelihood = _likelihood(old_only, different, lists.old_only_here, len(lists.old_here))
    return _Counted(**counts, codes=different, old_likelihood=likelihood)


def _sort(code: str, lists: _Lists) -> str:
    is_old, is_new = code in lists.old, code in lists.new
    if is_old and is_new and (code in lists.old_here) != (code in lists.new_here):
        is_old, is_new = code in lists.old_here, code in lists.new_here
    match is_old, is_new:
        case True, True:
            return "both"
        case True, False:
            return "only_old"
        case False, True:
            return "only_new"
        case _:
            return "neither"


def _likelihood(seen: int, different: int, marked: int, total: int) -> float:
    """Of at most `seen` marked codes among `different` drawn from `total` codes, `marked` of them marked.

    Codes, not records, are drawn: the records of one commune say the same thing again.
    """
    if not different:
        return 1.0
    ways = sum(comb(marked, k) * comb(total - marked, different - k) for k in range(min(seen, marked) + 1))
    return ways / comb(total, different)


def _expected(lists: _Lists) -> float:
    """The share of old-only codes in a column of the old list, were all communes equally large."""
    if lists.old_here:
        return lists.old_only_here / len(lists.old_here)
    return len(lists.old - lists.new) / len(lists.old)


def _is_stray(records: int, found: _Counted, lists: _Lists) -> bool:
    expected = _expected(lists)
    share = min(STRAY_SHARE, STRAY_OF_EXPECTED * expected) if expected else STRAY_SHARE
    usual = share * found.known
    return records < FEWEST_RECORDS or records <= usual + SPREAD * sqrt(usual)


def _looks_old(found: _Counted, lists: _Lists) -> bool:
    expected = _expected(lists)
    error = sqrt(expected * (1 - expected) / max(found.codes, 1))
    least = OLD_OF_EXPECTED * expected - SPREAD * error
    return found.only_old >= FEWEST_RECORDS and found.only_old >= least * found.known


def _declared_new(found: _Counted, lists: _Lists, declared: date) -> tuple[date | None, Verdict]:
    if _is_stray(found.only_old, found, lists):
        return declared, Verdict.CONFIRMED if found.old_likelihood < UNLIKELY else Verdict.DECLARED
    return None, Verdict.CONTRADICTED if _looks_old(found, lists) else Verdict.MIXED


def _declared_old(found: _Counted, lists: _Lists, declared: date) -> tuple[date | None, Verdict]:
    if not _is_stray(found.only_new, found, lists):
        return None, Verdict.CONTRADICTED if _is_stray(found.only_old, found, lists) else Verdict.MIXED
    if _looks_old(found, lists):
        return declared, Verdict.CONFIRMED
    if found.old_likelihood < OVERWHELMING:
        return None, Verdict.CONTRADICTED if _is_stray(found.only_old, found, lists) else Verdict.MIXED
    if found.codes >= FEWEST_CODES and not _is_stray(found.only_old, found, lists):
        return None, Verdict.MIXED
    return declared, Verdict.DECLARED


def _undeclared(found: _Counted, lists: _Lists, old: date, new: date) -> tuple[date | None, Verdict]:
    if _is_stray(found.only_old, found, lists):
        is_new = found.old_likelihood < UNLIKELY or found.only_new >= FEWEST_RECORDS
        return (new, Verdict.INFERRED) if is_new else (None, Verdict.UNKNOWN)
    if _looks_old(found, lists) and _is_stray(found.only_new, found, lists):
        return old, Verdict.INFERRED
    return None, Verdict.MIXED
