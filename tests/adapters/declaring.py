"""Writes small dialects and pages to be read, right ones and wrong ones."""

from pathlib import Path

from adapters.declaration import Dialect, read_dialect

DIALECT = """
name = "small"
title = "Small"
kind = "person"
ignored = ["STT"]

[file]
format = "csv"

[sample]
exported_on = 2025-07-15

[[column]]
from = "ID"
to = "source_record_id"
steps = ["spaces"]

[[column]]
from = "BORN"
to = ["birth_year", "birth_month", "birth_day"]
steps = ["spaces", "partial_date"]
style = "dd/mm/yyyy"
optional = true

[[column]]
from = "SEX"
to = "sex"
steps = ["spaces", "listed"]
list = "sex.words"
optional = true
"""

PAGE = """
code = "15"
slug = "lao-cai"
name = "Tỉnh Lào Cai"
units = { total = 3, communes = 1, wards = 1, special_zones = 1 }

[[former]]
code = "10"
slug = "lao-cai"
name = "Tỉnh Lào Cai"
communes = 2

[offices]
steward = { id = "lao-cai.steward", name = "A" }
residence = { id = "lao-cai.residence", name = "B" }

[[system]]
source_id = "lao-cai.population"
former_province = "10"
kind = "person"
dialect = "small"
cadence = "daily"
unit_codes = [
    { from = 2021-01-01, vintage = 2025-06-30 },
    { from = 2025-07-21, vintage = 2025-07-01 },
]
"""


def folder(tmp_path: Path, text: str = DIALECT) -> Path:
    """A folder small/ with the declaration."""
    small = tmp_path / "dialects" / "small"
    small.mkdir(parents=True, exist_ok=True)
    (small / "dialect.toml").write_text(text, encoding="utf-8")
    return small


def dialect(tmp_path: Path, text: str = DIALECT) -> Dialect:
    return read_dialect(folder(tmp_path, text))


def pages(tmp_path: Path, *texts: str) -> Path:
    """A folder with the dialect small and pages named 15-lao-cai, 15-x1 …"""
    folder(tmp_path)
    (tmp_path / "provinces").mkdir(exist_ok=True)
    for number, text in enumerate(texts or (PAGE,)):
        name = "15-lao-cai" if number == 0 else f"15-x{number}"
        (tmp_path / "provinces" / f"{name}.toml").write_text(text, encoding="utf-8")
    return tmp_path
