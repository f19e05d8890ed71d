"""A dry run as plain figures: the stable JSON of `lienthong check`, from which the page and the sheet are made.

Rows are numbered from 0, as on the wire. Shares are 0–1. A key that does not apply is null, never left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath
from typing import Any

from adapters.catalogue import Office, Source
from adapters.declaration import ColumnMapping
from adapters.errors import NEXT_STEPS, RejectedBatchError
from adapters.findings import CATALOGUE, Severity
from adapters.quality.dry_run import ALARMING, DryRun
from adapters.quality.profiling import Rows
from adapters.reference.resolve import Outcome
from gateway.errors import VERDICTS, Reason
from gateway.reports.plain import plain

SCHEMA = "lienthong.check/1"
EXIT_CLEAN, EXIT_FINDINGS, EXIT_REFUSED = 0, 1, 2
Figures = dict[str, Any]
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
_DATE_CODES = {"impossible": "DATE_INVALID", "in_future": "DATE_IN_FUTURE", "out_of_range": "DATE_OUT_OF_RANGE"}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Which file was checked as what. `exported_on_from` says where the day of export was taken from."""

    file: PurePath
    source: Source
    exported_on: date
    exported_on_from: str  # option | file name | time of the file | sample
    as_of: date


def of_dry_run(checked: Checked, run: DryRun) -> Figures:
    """The figures of a file that can be taken."""
    findings = _findings(run)
    return _head(checked, exit_code=EXIT_FINDINGS if run.has_findings else EXIT_CLEAN) | {
        "refusal": None,
        "rows": {
            "received": run.counted.received,
            "usable": run.usable,
            "quarantined": run.counted.quarantined,
            "repeated_keys": run.repeated,
        },
        "scores": [_score(run, position) for position in range(len(run.scores))],
        "findings": findings,
        "columns": _columns(run, findings),
        "vintage": _vintage(run),
        "units": _units(run),
    }


def of_refusal(checked: Checked, error: RejectedBatchError, *, place: str, detail: str) -> Figures:
    """The figures of a file that cannot be taken; `place` and `detail` are fit to be shown."""
    verdict = VERDICTS[Reason(error.reason.value)]
    fix_en, fix_vi = NEXT_STEPS[error.reason]
    refusal = {
        "reason": error.reason.value,
        "place": place,
        "detail": detail,
        "vi": verdict.vi,
        "en": verdict.en,
        "fix_vi": fix_vi,
        "fix_en": fix_en,
    }
    nothing: Figures = {"rows": None, "scores": [], "findings": [], "columns": [], "vintage": None, "units": None}
    return _head(checked, exit_code=EXIT_REFUSED) | {"refusal": refusal} | nothing


def by_code(findings: list[Figures]) -> list[list[Figures]]:
    """The findings of each code together, in the order of their first."""
    groups: dict[str, list[Figures]] = {}
    for one in findings:
        groups.setdefault(one["code"], []).append(one)
    return list(groups.values())


def _head(checked: Checked, *, exit_code: int) -> Figures:
    source = checked.source
    return {
        "schema": SCHEMA,
        "file": plain(checked.file.name),
        "source": {
            "source_id": source.source_id,
            "kind": source.kind.value,
            "province_code": source.province_code,
            "former_province_code": source.former_province_code,
            "former_province_name": source.former_province_name,
            "dialect": source.dialect.name,
            "dialect_title": source.dialect.title,
            "office": _office(source.office),  # who answers for what the system exports
        },
        "exported_on": checked.exported_on.isoformat(),
        "exported_on_from": checked.exported_on_from,
        "as_of": checked.as_of.isoformat(),
        "exit_code": exit_code,
    }


def _score(run: DryRun, position: int) -> Figures:
    score = run.scores[position]
    meaning = score.meaning
    return {
        "word": score.word.value,
        "vi": meaning.vi,
        "en": meaning.en,
        "value": score.value,
        "formula_vi": meaning.formula_vi,
        "formula_en": meaning.formula_en,
        "limit_vi": meaning.limit_vi,
        "limit_en": meaning.limit_en,
    }


def _findings(run: DryRun) -> list[Figures]:
    """Errors first, then by how many rows they touch."""
    found = [
        {
            "code": code,
            "severity": CATALOGUE[code].severity.value,
            "column": None if column is None else plain(column),
            "rows": rows.count,
            "first_rows": list(rows.first),
            "vi": CATALOGUE[code].vi,
            "en": CATALOGUE[code].en,
            "fix_vi": CATALOGUE[code].fix_vi,
            "fix_en": CATALOGUE[code].fix_en,
        }
        for (column, code), rows in run.counted.findings.items()
    ]
    return sorted(found, key=lambda one: (_ORDER[one["severity"]], -one["rows"], one["code"], one["column"] or ""))


def _columns(run: DryRun, findings: list[Figures]) -> list[Figures]:
    """Every column of the file in its own order, then the declared ones that it lacks."""
    dialect = run.source.dialect
    mappings = {name: mapping for mapping in dialect.mappings for name in mapping.sources}
    absent = [name for name in dialect.source_columns if name not in run.counted.columns]
    names = [*run.counted.columns, *(name for name in absent if name in mappings)]
    return [_column(run, name, mappings.get(name), findings) for name in names]


def _column(run: DryRun, name: str, mapping: ColumnMapping | None, findings: list[Figures]) -> Figures:
    profile = run.counted.column(name)
    called = mapping.name if mapping else name
    mine = [one for one in findings if one["column"] == plain(called)]
    by_code = {one["code"]: one["rows"] for one in mine}
    return {
        "name": plain(name),
        "is_present": name in run.counted.columns,
        "to": list(mapping.targets) if mapping else [],
        "is_optional": mapping.is_optional if mapping else True,
        "rows": profile.rows,
        "empty": profile.empty,
        "null_share": round(profile.empty / profile.rows, 4) if profile.rows else None,
        "distinct": profile.distinct.count,
        "distinct_is_exact": profile.distinct.is_exact,
        "forms": dict(sorted(profile.forms.items(), key=lambda one: (-one[1], one[0]))),
        "signs": {sign.value: _rows(rows) for sign, rows in sorted(profile.signs.items())},
        "is_mixed_unicode": profile.is_mixed,
        "out_of_list": by_code.get("CODE_UNKNOWN", 0) if mapping and mapping.code_list else None,
        "dates": _dates(run, called, by_code, mapping),
        "unit_codes": _vintage(run) if mapping and "unit_code" in mapping.targets else None,
        "findings": [one["code"] for one in mine],
        "worst": [
            {"row": one.row, "shape": one.shape, "code": one.code, "detail": one.detail}
            for one in run.counted.examples.get(called, ())
        ],
    }


def _dates(
    run: DryRun, called: str, by_code: Mapping[str, int], mapping: ColumnMapping | None
) -> dict[str, int | None] | None:
    if mapping is None or not mapping.styles:
        return None
    precise = run.counted.dates.get(called)
    stated = {word: precise[word] if precise is not None else None for word in ("whole", "year and month", "year")}
    return {word.replace(" ", "_"): rows for word, rows in stated.items()} | {
        word: by_code.get(code, 0) for word, code in _DATE_CODES.items()
    }


def _vintage(run: DryRun) -> Figures:
    declared, judged = run.source.unit_vintage(run.exported_on), run.vintage
    return {
        "declared": None if declared is None else declared.isoformat(),
        "judged": None if judged.vintage is None else judged.vintage.isoformat(),
        "verdict": judged.verdict.value,
        "is_alarming": judged.verdict in ALARMING,
        "only_old": judged.only_old,
        "only_new": judged.only_new,
        "both": judged.both,
        "neither": judged.neither,
    }


def _units(run: DryRun) -> Figures:
    placed = run.placed()
    return {
        "by_themselves": placed.get(Outcome.CURRENT, 0) + placed.get(Outcome.RETIRED, 0),
        "ambiguous": placed.get(Outcome.AMBIGUOUS, 0),
        "unknown": placed.get(Outcome.UNKNOWN, 0),
        "office": _office(run.source.residence_office),  # who is asked of every ambiguous or unknown unit
        "steps": [
            {"outcome": outcome, "explanation": explanation} | _rows(rows)
            for (outcome, explanation), rows in sorted(run.counted.units.items(), key=lambda one: -one[1].count)
        ],
    }


def _office(office: Office) -> Figures:
    return {"office_id": office.office_id, "name": office.name}


def _rows(rows: Rows) -> Figures:
    return {"rows": rows.count, "first_rows": list(rows.first)}
