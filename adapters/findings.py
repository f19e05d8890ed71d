"""What may be said about a row, in Vietnamese and English, and the table in which it is said.

An *error* puts its row in quarantine. A *warning* leaves the row usable: the value concerned is null, or kept
as sent where the catalogue says so. An *info* is a lawful repair of a whole column, or something worth knowing about
it: it is reported once a column, on row −1, with the number of rows it touched. What is said of the batch as a whole
stands on row −1 as well, whatever its severity. `seen` shows the shape of a value, never the value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.bytewise import DEL, SPACE, Mask, Numbers, is_ascii, is_true, view
from adapters.errors import NEXT_STEPS
from adapters.finding_codes import CATALOGUE, FindingCode, Severity

__all__ = [
    "BATCH_ROW",
    "CATALOGUE",
    "FINDINGS",
    "FORMAT_CHARACTERS",
    "SHAPE_LENGTH",
    "FindingCode",
    "Flag",
    "Severity",
    "batch_flag",
    "findings_table",
    "flag",
    "render_markdown",
    "shape",
]

FINDINGS = pa.schema(
    [
        pa.field("row", pa.int32(), nullable=False),  # position in the batch, from 0; −1 = the whole batch
        pa.field("column", pa.string()),  # the source's own name; null when the whole row is meant
        pa.field("code", pa.string(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),
        pa.field("seen", pa.string()),  # the shape of the value, a count or an offset; never personal data
        pa.field("source_record_id", pa.string()),  # theirs; null on row −1 and where the key cannot be read
    ]
)

BATCH_ROW = -1
SHAPE_LENGTH = 40

# Zero width, direction-changing and other format characters: the Unicode class Cf.
FORMAT_CHARACTERS = (
    r"\x{AD}\x{600}-\x{605}\x{61C}\x{6DD}\x{70F}\x{890}\x{891}\x{8E2}\x{180E}\x{200B}-\x{200F}\x{202A}-\x{202E}"
    r"\x{2060}-\x{2064}\x{2066}-\x{206F}\x{FEFF}\x{FFF9}-\x{FFFB}\x{110BD}\x{110CD}\x{13430}-\x{1343F}"
    r"\x{1BCA0}-\x{1BCA3}\x{1D173}-\x{1D17A}\x{E0001}\x{E0020}-\x{E007F}"
)
# Control, format and never-assigned characters.
_INVISIBLE = rf"[\x{{0}}-\x{{1F}}\x{{7F}}-\x{{9F}}{FORMAT_CHARACTERS}\x{{2028}}\x{{2029}}\x{{FFFE}}\x{{FFFF}}]"
_LETTERS = r"[A-Za-z\x{A1}-\x{FFFC}\x{10000}-\x{10FFFF}]"


@dataclass(frozen=True)
class Flag:
    """Rows of one column to which one code applies; `seen` is as long as `rows` and safe to show."""

    code: str
    rows: Numbers
    seen: pa.Array


def flag(code: str, mask: pa.Array | Mask, values: pa.Array, *, is_public: bool = False) -> tuple[Flag, ...]:
    """Flags the rows where `mask` is true, showing the shape of `values` there (the value itself if public).

    An info shows nothing: only the number of its rows is told.
    """
    hits = np.flatnonzero(mask if isinstance(mask, np.ndarray) else is_true(mask))
    if not len(hits):
        return ()
    if CATALOGUE[code].severity is Severity.INFO:
        return (Flag(code, hits, pa.nulls(len(hits), pa.string())),)
    seen = values.take(pa.array(hits)).cast(pa.string())
    return (Flag(code, hits, seen if is_public else shape(seen)),)


def batch_flag(code: str, seen: str | None = None) -> Flag:
    """A flag on the batch as a whole; `seen` must be safe to show."""
    return Flag(code, np.array([BATCH_ROW]), pa.array([seen], pa.string()))


def shape(values: pa.Array) -> pa.Array:
    """Digits as 9, letters as x, the rest as it is, cut to 40 characters: "31/02/1980" is "99/99/9999"."""
    text = view(values)
    if not is_ascii(text) or not (text.data >= SPACE).all() or (text.data == DEL).any():
        values = pc.replace_substring_regex(values, _INVISIBLE, "\N{REPLACEMENT CHARACTER}")
        letters = pc.replace_substring_regex(values, _LETTERS, "x")
    else:
        letters = pc.replace_substring_regex(values, "[A-Za-z]", "x")
    return pc.utf8_slice_codeunits(pc.replace_substring_regex(letters, "[0-9]", "9"), 0, SHAPE_LENGTH)


def findings_table(flags: Sequence[tuple[str | None, Flag]], keys: pa.Array) -> pa.Table:
    """Flags with their column names as a `FINDINGS` table, ordered by row and, within it, as given.

    `keys` are the source's record ids by row.
    """
    if not flags:
        return FINDINGS.empty_table()
    repairs = [(column, one) for column, one in flags if _is_repair(one)]
    single = [(column, one) for column, one in flags if not _is_repair(one)]
    rows = np.concatenate([*(one.rows for _, one in single), np.empty(0, np.int64)])
    row = pa.array(rows.astype(np.int32))
    parts: dict[str, Any] = {
        "row": row,
        "column": _repeated([(column, len(one.rows)) for column, one in single]),
        "code": _repeated([(one.code, len(one.rows)) for _, one in single]),
        "severity": _repeated([(CATALOGUE[one.code].severity.value, len(one.rows)) for _, one in single]),
        "seen": pa.concat_arrays([pa.array([], pa.string()), *(one.seen for _, one in single)]),
        "source_record_id": keys.take(pa.array(rows, mask=rows == BATCH_ROW)),
    }
    by_row = pa.table(parts, schema=FINDINGS).take(pa.array(np.argsort(rows, kind="stable")))
    return pa.concat_tables([_repairs_table(repairs), by_row]).combine_chunks()


def findings_of_parts(
    flags: Sequence[tuple[str | None, Flag]],
    keys: pa.Array,
    *,
    begins: Numbers,
    of_batch: Sequence[Sequence[tuple[str | None, Flag]]],
) -> list[pa.Table]:
    """`findings_table` of each of several batches whose rows stand one after the other, made at once.

    Batch i has the rows from `begins[i]` to before `begins[i + 1]`, and what `of_batch[i]` says of it as a whole.
    """
    count = len(begins) - 1
    heads = [
        (int(place), column, one.code, f"rows: {touched}")
        for column, one in _by_column([flag for flag in flags if _is_repair(flag[1])])
        for place, touched in zip(*np.unique(_part_of(one.rows, begins), return_counts=True), strict=True)
    ]
    heads += [
        (place, column, one.code, one.seen[0].as_py()) for place, said in enumerate(of_batch) for column, one in said
    ]
    single = [(column, one) for column, one in flags if not _is_repair(one)]
    if not heads and not single:
        return [FINDINGS.empty_table()] * count
    rows = np.concatenate([*(one.rows for _, one in single), np.empty(0, np.int64)]).astype(np.int64)
    part = np.concatenate([np.array([place for place, *_ in heads], np.int64), _part_of(rows, begins)])
    row = np.concatenate([np.full(len(heads), BATCH_ROW), rows - begins[part[len(heads) :]]])
    sizes = [1] * len(heads) + [len(one.rows) for _, one in single]
    codes = [code for _, _, code, _ in heads] + [one.code for _, one in single]
    columns = [column for _, column, _, _ in heads] + [column for column, _ in single]
    seen = [pa.array([seen for *_, seen in heads], pa.string()), *(one.seen for _, one in single)]
    parts: dict[str, Any] = {
        "row": pa.array(row.astype(np.int32)),
        "column": _repeated(list(zip(columns, sizes, strict=True))),
        "code": _repeated(list(zip(codes, sizes, strict=True))),
        "severity": _repeated(
            [(CATALOGUE[code].severity.value, size) for code, size in zip(codes, sizes, strict=True)]
        ),
        "seen": pa.concat_arrays(seen),
        "source_record_id": pa.concat_arrays([pa.nulls(len(heads), pa.string()), keys.take(pa.array(rows))]),
    }
    table = pa.table(parts, schema=FINDINGS).take(pa.array(np.lexsort((row, part))))
    ends = np.cumsum([0, *np.bincount(part, minlength=count)]).tolist()
    return [table.slice(begin, end - begin) for begin, end in pairwise(ends)]


def _part_of(rows: Numbers, begins: Numbers) -> Numbers:
    return np.searchsorted(begins, rows, side="right").astype(np.int64) - 1


def _by_column(repairs: Sequence[tuple[str | None, Flag]]) -> list[tuple[str | None, Flag]]:
    """One flag a column and code, whose rows are told once."""
    touched: dict[tuple[str | None, str], Numbers] = {}
    for column, one in repairs:
        touched[column, one.code] = np.union1d(touched.get((column, one.code), []), one.rows).astype(np.int64)
    return [(column, Flag(code, rows, pa.nulls(len(rows), pa.string()))) for (column, code), rows in touched.items()]


def _is_repair(one: Flag) -> bool:
    return CATALOGUE[one.code].severity is Severity.INFO and BATCH_ROW not in one.rows[:1]


def _repairs_table(repairs: Sequence[tuple[str | None, Flag]]) -> pa.Table:
    """One row a column and code, with the number of rows repaired."""
    touched = {(column, one.code): one.rows for column, one in _by_column(repairs)}
    return pa.table(
        {
            "row": pa.array([BATCH_ROW] * len(touched), pa.int32()),
            "column": [column for column, _ in touched],
            "code": [code for _, code in touched],
            "severity": [Severity.INFO.value] * len(touched),
            "seen": [f"rows: {len(rows)}" for rows in touched.values()],
            "source_record_id": pa.nulls(len(touched), pa.string()),
        },
        schema=FINDINGS,
    )


def _repeated(runs: Sequence[tuple[str | None, int]]) -> pa.Array:
    """Each string as often as its count says."""
    words = pa.array([word for word, _ in runs], pa.string())
    return words.take(pa.array(np.repeat(np.arange(len(runs)), [count for _, count in runs]), pa.int64()))


def render_markdown() -> str:
    """The catalogue and the reasons of refusal as docs/findings.md, which a test keeps current."""
    lines = [
        "# What the gateway says about rows and batches",
        "",
        'Written from `adapters/finding_codes.py` and `adapters/errors.py`; `make test ARGS="--accept tests/adapters"`',
        "writes it again.",
        "",
        "## Findings about a row",
        "",
        "An *error* puts the row in quarantine; a *warning* leaves it usable; an *info* is a repair of a whole",
        "column, or something worth knowing about it, reported once (row −1) with the number of rows. What is said of",
        "the batch as a whole, such as VINTAGE_CONTRADICTED, stands on row −1 too.",
        "",
        "| code | severity | meaning | nghĩa | what to do | cách sửa |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.code} | {one.severity} | {one.en} | {one.vi} | {one.fix_en} | {one.fix_vi} |"
        for one in CATALOGUE.values()
    ]
    lines += [
        "",
        "## Reasons for refusing a whole batch",
        "",
        "Nothing of the batch is kept, and the same bytes will be refused again.",
        "",
        "| reason | what to do | cách sửa |",
        "|---|---|---|",
    ]
    lines += [f"| {reason} | {english} | {vietnamese} |" for reason, (english, vietnamese) in NEXT_STEPS.items()]
    return "\n".join(lines) + "\n"
