"""How well a candidate system's file keeps what the gateway asks of a source: criteria, each passed or not. Pure.

A criterion says what was found, within which bound, and what to do. The bounds are for a system as it runs in life:
a share of faults is normal and becomes findings; more than that is the system's doing, and is mended there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt

import pyarrow as pa
import pyarrow.compute as pc

from adapters.catalogue import Source
from adapters.errors import NEXT_STEPS, RejectedBatchError
from adapters.normalise import Normalised, normalise_raw
from adapters.quality.dry_run import DryRun, dry_run
from adapters.quality.profiling import Sign
from adapters.readers import Raw
from adapters.readers.chunks import Chunk
from adapters.vintage import Verdict

# The largest share of rows, or of filled cells, for which a criterion still passes.
BOUNDS: dict[str, float] = {
    "quarantine": 0.05,
    "findings": 0.40,
    "unicode": 0.10,
    "dates": 0.05,
    "identifiers": 0.10,
    "units": 0.10,
    "vintage": 0.05,
}
# So few rows prove nothing of a system: they are let pass whatever their share is.
FEW = 3
# Fewer records are no sample: columns are empty by chance, and shares mean nothing.
ENOUGH_RECORDS = 50
_DATES = frozenset({"DATE_INVALID", "DATE_OUT_OF_RANGE", "DATE_IN_FUTURE"})
_IDENTIFIERS = frozenset({"ID_FORMAT", "LEADING_ZERO_MISSING"})
_DATE_STEPS = frozenset({"partial_date", "day", "past_day", "moment"})
_NUMBER_STEPS = frozenset({"personal_number", "identity_number", "cmnd", "insurance_number", "health_card"})


@dataclass(frozen=True)
class Criterion:
    """One thing asked of a system: whether it is kept, what was found, and what to do if not."""

    name: str
    is_kept: bool
    vi: str
    en: str
    found: str
    fix_vi: str
    fix_en: str


@dataclass(frozen=True)
class Conformance:
    """What a system's files show. `score` is the share of criteria that are kept, 0–100, 100 only if all are."""

    source_id: str
    received: int
    criteria: tuple[Criterion, ...]

    @property
    def score(self) -> int:
        """Kept criteria of all, rounded down."""
        return sum(one.is_kept for one in self.criteria) * 100 // len(self.criteria)

    @property
    def is_passed(self) -> bool:
        """Whether every criterion is kept."""
        return all(one.is_kept for one in self.criteria)


def conform(chunks: Sequence[Chunk], *, source: Source, exported_on: date, as_of: date) -> Conformance:
    """The conformance of the chunks of one or several files of one day."""
    try:
        run = dry_run(chunks, source=source, exported_on=exported_on, as_of=as_of)
        parts = [normalise_raw(chunk.raw, source=source, exported_on=exported_on) for chunk in chunks]
    except RejectedBatchError as error:
        return refused(source, error)
    return Conformance(
        source_id=source.source_id,
        received=run.counted.received,
        criteria=(
            _readable(run),
            _enough(run),
            _whole(parts),
            _halves(chunks, parts, source, exported_on),
            _columns(run),
            _filled(parts, source),
            _quarantine(run),
            _findings(run),
            _vintage(run),
            _units(run),
            _unicode(run),
            _cells(run, "dates", _DATES, _DATE_STEPS),
            _cells(run, "identifiers", _IDENTIFIERS, _NUMBER_STEPS),
        ),
    )


def refused(source: Source, error: RejectedBatchError) -> Conformance:
    """The conformance of a file that cannot be read: the one criterion on which all others wait."""
    fix_en, fix_vi = NEXT_STEPS[error.reason]
    vi, en = "Tệp đọc được theo khai báo", "The file can be read as declared"
    broken = Criterion("readable", False, vi, en, error.reason.value, fix_vi, fix_en)  # noqa: FBT003
    return Conformance(source_id=source.source_id, received=0, criteria=(broken,))


def _criterion(name: str, words: tuple[str, str], fix: tuple[str, str], *, is_kept: bool, found: str) -> Criterion:
    return Criterion(name, is_kept, words[0], words[1], found, fix[0], fix[1])


def _readable(run: DryRun) -> Criterion:
    return _criterion(
        "readable",
        ("Tệp đọc được theo khai báo", "The file can be read as declared"),
        ("Sửa khai báo hoặc cách xuất.", "Correct the declaration or the export."),
        is_kept=run.counted.received > 0,
        found=f"{run.counted.received} bản ghi · records",
    )


def _enough(run: DryRun) -> Criterion:
    """A share of a handful of records says nothing."""
    return _criterion(
        "enough",
        ("Đủ bản ghi để chấm", "There are enough records to judge by"),
        (f"Gửi tệp có ít nhất {ENOUGH_RECORDS} bản ghi.", f"Bring a file of at least {ENOUGH_RECORDS} records."),
        is_kept=run.counted.received >= ENOUGH_RECORDS,
        found=f"{run.counted.received} ≥ {ENOUGH_RECORDS}",
    )


def _whole(parts: Sequence[Normalised]) -> Criterion:
    """Each row is either usable or held back, and none is both."""
    lost = 0
    for part in parts:
        rows = pa.concat_arrays([*part.table["row"].chunks, *part.quarantined["row"].chunks])
        lost += part.received - len(rows.unique()) + len(rows) - len(rows.unique())
    return _criterion(
        "whole",
        ("Không mất bản ghi nào", "No record is lost"),
        ("Báo cho người vận hành cổng: đây là lỗi của cổng.", "Tell the gateway's operator: the fault is here."),
        is_kept=lost == 0,
        found=f"{lost} mất hoặc thừa · lost or doubled",
    )


def _halves(chunks: Sequence[Chunk], parts: Sequence[Normalised], source: Source, exported_on: date) -> Criterion:
    """Halves of a file give the usable rows of the whole, so that batches may be cut anywhere."""
    differing = 0
    for chunk, whole in zip(chunks, parts, strict=True):
        table = chunk.raw.table
        middle = table.num_rows // 2
        halves = [table.slice(0, middle), table.slice(middle)]
        cut = [
            normalise_raw(Raw(table=half), source=source, exported_on=exported_on).table for half in halves if len(half)
        ]
        differing += _missing(whole.table, pa.concat_tables(cut))
    return _criterion(
        "halves",
        ("Cắt đôi tệp cho cùng kết quả", "Halves of the file give what the whole gives"),
        ("Mỗi bản ghi phải tự đủ nghĩa, không dựa vào dòng trước.", "Let each record stand alone, on no earlier row."),
        is_kept=differing == 0,
        found=f"{differing} khác · differ",
    )


def _missing(whole: pa.Table, halves: pa.Table) -> int:
    """Usable rows of the whole that the halves do not give alike; a key in both halves may well give one more."""
    first = pc.index_in(whole["source_record_id"], value_set=halves["source_record_id"].combine_chunks())
    found = halves.take(first.drop_null())
    # Which list the codes are of is judged of a batch, and half of one may show too little to tell.
    names = [name for name in whole.column_names if name not in {"row", "unit_vintage"}]
    same = whole.filter(pc.is_valid(first)).select(names).equals(found.select(names))
    return first.null_count if same else max(1, len(whole))


def _columns(run: DryRun) -> Criterion:
    lacking = [name for name in run.source.dialect.source_columns if name not in run.counted.columns]
    required = [name for name in lacking if name in run.source.dialect.required_columns]
    return _criterion(
        "columns",
        ("Có đủ các cột bắt buộc", "Every column that must be there is"),
        ("Xuất các cột còn thiếu, hoặc khai báo `optional`.", "Export what is missing, or declare it `optional`."),
        is_kept=not required,
        found=", ".join(required) or f"{len(lacking)} cột tùy chọn vắng · optional ones absent",
    )


def _filled(parts: Sequence[Normalised], source: Source) -> Criterion:
    targets = [one for mapping in source.dialect.mappings if not mapping.is_optional for one in mapping.targets]
    empty = [name for name in targets if all(part.table[name].null_count == len(part.table) for part in parts)]
    # A number shared by two forms may hold but one of them, and a date need not be whole.
    empty = [name for name in empty if name not in {"cmnd", "birth_month", "birth_day"}]
    return _criterion(
        "filled",
        ("Mọi cột bắt buộc có giá trị", "Every column that must be there holds something"),
        ("Xuất giá trị, hoặc khai báo cột là `optional`.", "Export the values, or declare the column `optional`."),
        is_kept=not empty,
        found=", ".join(empty) or f"{len(targets)} cột · columns",
    )


def _quarantine(run: DryRun) -> Criterion:
    return _within(
        "quarantine",
        run.counted.quarantined,
        run.counted.received,
        ("Ít bản ghi bị cách ly", "Few records are quarantined"),
        ("Sửa lỗi đầu tiên trong báo cáo `lienthong check`.", "Mend what `lienthong check` names first."),
    )


def _findings(run: DryRun) -> Criterion:
    return _within(
        "findings",
        run.counted.doubtful,
        run.usable,
        ("Ít bản ghi có cảnh báo về giá trị", "Few records have a warning about a value"),
        (
            "Sửa theo `lienthong check`, từ cột nhiều cảnh báo nhất.",
            "Mend by `lienthong check`, the worst column first.",
        ),
    )


def _vintage(run: DryRun) -> Criterion:
    """The codes are of the declared list, but for a few that somebody forgot to recode."""
    codes = sum(run.counted.unit_codes.values())
    due = BOUNDS["vintage"] * codes
    strays = max(FEW, due + 2 * sqrt(due))  # of few records, more by chance
    is_other = run.vintage.verdict is Verdict.CONTRADICTED
    return _criterion(
        "vintage",
        ("Mã đơn vị đúng danh mục đã khai báo", "Unit codes are of the declared list"),
        (
            "Sửa `unit_codes` trên trang của tỉnh, hoặc cập nhật danh mục của hệ thống.",
            "Correct `unit_codes` on the province's page, or bring the system's list up to date.",
        ),
        is_kept=not is_other and run.off_list <= strays,
        found=f"{run.vintage.verdict}; {run.off_list}/{codes} ngoài danh mục · off the list ≤ {BOUNDS['vintage']:.0%}",
    )


def _units(run: DryRun) -> Criterion:
    return _within(
        "units",
        sum(rows.count for (outcome, _), rows in run.counted.units.items() if outcome == "unknown"),
        run.usable,
        ("Đơn vị nằm trong danh mục", "Units are of a list"),
        ("Xuất mã xã 5 chữ số, hoặc tên đầy đủ.", "Export the commune's 5-digit code, or its full name."),
    )


def _unicode(run: DryRun) -> Criterion:
    """Names are in one Unicode form, except for a few, and none is in another charset in disguise."""
    worst, rows = 0.0, 0
    for profile in run.counted.columns.values():
        composed, decomposed, legacy = (
            profile.signs[sign].count if sign in profile.signs else 0
            for sign in (Sign.COMPOSED, Sign.DECOMPOSED, Sign.LEGACY)
        )
        odd = min(composed, decomposed) + legacy
        worst, rows = max(worst, odd / max(1, profile.filled)), max(rows, odd)
    return _criterion(
        "unicode",
        ("Văn bản ở một dạng Unicode, đúng bảng mã khai báo", "Text is in one Unicode form and the declared charset"),
        ("Xuất Unicode dựng sẵn (NFC), hoặc sửa `charset`.", "Export NFC, or correct `charset`."),
        is_kept=worst <= BOUNDS["unicode"] or rows <= FEW,
        found=f"{worst:.1%} (≤ {BOUNDS['unicode']:.0%}{_few(rows, worst, BOUNDS['unicode'])})",
    )


def _cells(run: DryRun, name: str, codes: frozenset[str], steps: frozenset[str]) -> Criterion:
    """The filled cells of some kind of column, and those of them that a code speaks of."""
    mappings = [one for one in run.source.dialect.mappings if steps & set(one.steps)]
    filled = sum(run.counted.column(one.sources[0]).filled for one in mappings)
    wrong = sum(
        rows.count
        for (column, code), rows in run.counted.findings.items()
        if code in codes and column in {one.name for one in mappings}
    )
    words, fix = _KINDS[name]
    return _within(name, wrong, filled, words, fix)


_KINDS = {
    "dates": (
        ("Ngày có thật, không ở tương lai", "Dates are real and not in the future"),
        ("Sửa ngày tại nguồn, hoặc khai báo đúng dạng ngày.", "Mend the dates, or declare their style."),
    ),
    "identifiers": (
        ("Số định danh, số thẻ đúng dạng, đủ số 0 ở đầu", "Numbers of people are of their form, zeros in front"),
        ("Định dạng cột là văn bản rồi xuất lại.", "Format the columns as text and export again."),
    ),
}


def _within(name: str, wrong: int, whole: int, words: tuple[str, str], fix: tuple[str, str]) -> Criterion:
    bound = BOUNDS[name]
    share = wrong / whole if whole else 0.0
    is_kept = share <= bound or wrong <= FEW
    return _criterion(
        name,
        words,
        fix,
        is_kept=is_kept,
        found=f"{wrong}/{whole} = {share:.1%} (≤ {bound:.0%}{_few(wrong, share, bound)})",
    )


def _few(rows: int, share: float, bound: float) -> str:
    """Says so where only the small number of rows lets a share pass."""
    return f"; {rows} ≤ {FEW}: bỏ qua · let pass" if share > bound and rows <= FEW else ""
