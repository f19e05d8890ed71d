"""Figures as a CSV that a spreadsheet opens: one line a finding and column, with the fix in both languages.

A cell that a spreadsheet would take for a formula gets an apostrophe in front.
"""

import csv
import io

from gateway.reports.figures import Figures

HEADINGS = (
    "muc_severity", "ma_code", "cot_column", "so_ban_ghi_records", "ban_ghi_dau_tien_first_records",
    "y_nghia_vi", "meaning_en", "cach_sua_vi", "fix_en",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BYTE_ORDER_MARK = "\ufeff"  # without it a spreadsheet takes UTF-8 for the machine's own charset


def sheet(figures: Figures) -> str:
    """The findings of a file, or its refusal, as CSV with CRLF ends; records are numbered from 1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADINGS)
    writer.writerows([safe(str(cell)) for cell in line] for line in _lines(figures))
    return _BYTE_ORDER_MARK + text.getvalue()


def safe(cell: str) -> str:
    """A cell that no spreadsheet evaluates."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _lines(figures: Figures) -> list[tuple[object, ...]]:
    if refusal := figures["refusal"]:
        said = (refusal["vi"], refusal["en"], refusal["fix_vi"], refusal["fix_en"])
        return [("refusal", refusal["reason"], refusal["place"], "", "", *said)]
    return [
        (
            one["severity"],
            one["code"],
            one["column"] or "",
            one["rows"],
            " ".join(str(row + 1) for row in one["first_rows"]),
            one["vi"],
            one["en"],
            one["fix_vi"],
            one["fix_en"],
        )
        for one in figures["findings"]
    ]
