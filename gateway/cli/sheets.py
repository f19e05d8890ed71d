"""Tables as files that people open in a spreadsheet: nothing in them is run as a formula, codes keep their zeros."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

# What a spreadsheet takes for the beginning of a formula (OWASP ASVS 1.2.10).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(table: pa.Table, path: Path) -> None:
    """Write `table` in UTF-8 with a mark, so that Excel reads it so; every field in quotes.

    A spreadsheet that opens the file without being told may still drop zeros in front: for people, write_xlsx.
    """
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_ALL)
        writer.writerow(table.column_names)
        writer.writerows(_texts(table))


def write_xlsx(table: pa.Table, path: Path) -> None:
    """Write `table` as a workbook of text cells."""
    from openpyxl import Workbook  # noqa: PLC0415 - only this needs it, and it takes a while to load

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(table.column_names)
    for row in _texts(table):
        sheet.append(row)
    book.save(path)


def _texts(table: pa.Table) -> Iterator[list[str]]:
    columns = [column.to_pylist() for column in table.columns]
    for row in zip(*columns, strict=True):
        yield ["" if cell is None else _harmless(str(cell)) for cell in row]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
