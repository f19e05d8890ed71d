"""What conformance found of one or many systems, as figures for machines and as a page that can be shown."""

from collections.abc import Sequence

from adapters.quality.conforming import BOUNDS, ENOUGH_RECORDS, FEW, Conformance
from gateway.reports.figures import Figures
from gateway.reports.page import render
from gateway.reports.plain import plain

SCHEMA = "lienthong.conformance/1"


def figures(found: Sequence[Conformance], *, origin: str) -> Figures:
    """The stable JSON of `lienthong conformance`. `origin` says what was read: files, or made-up exports."""
    return {
        "schema": SCHEMA,
        "origin": origin,
        "is_passed": all(one.is_passed for one in found),
        "passed": sum(one.is_passed for one in found),
        "systems": [_system(one) for one in found],
        "bounds": dict(BOUNDS),
        "few_rows": FEW,
        "enough_records": ENOUGH_RECORDS,
    }


def page(told: Figures) -> str:
    """The figures as one page that needs nothing else."""
    return render("conformance.html", told)


def _system(one: Conformance) -> Figures:
    return {
        "source_id": one.source_id,
        "score": one.score,
        "is_passed": one.is_passed,
        "received": one.received,
        "criteria": [
            {
                "name": each.name,
                "is_kept": each.is_kept,
                "vi": each.vi,
                "en": each.en,
                "found": plain(each.found),
                "fix_vi": each.fix_vi,
                "fix_en": each.fix_en,
            }
            for each in one.criteria
        ],
    }
