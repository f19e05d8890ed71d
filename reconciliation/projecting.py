"""A page of the feed for a registry that has not cut over: today's units, said in the codes of an earlier list as well.

The law merged units, so one of today's often stands for several of then. Nothing is picked: where there is not
exactly one, the code is null, the mark says so and the candidates are listed.
"""

from dataclasses import replace
from datetime import date

import pyarrow as pa

from adapters.reference.projecting import project
from reconciliation.model import FeedPage

_PROJECTED = {"unit_code": "former_unit", "previous_unit_code": "previous_former_unit"}


def with_former_units(page: FeedPage, *, on: date) -> FeedPage:
    """The page with <name>_code, <name>_is_exact and <name>_candidates behind each column of unit codes."""
    return replace(page, tables={kind: _projected(table, on) for kind, table in page.tables.items()})


def _projected(table: pa.Table, on: date) -> pa.Table:
    for column, name in _PROJECTED.items():
        if column in table.column_names:
            said = project(table[column].combine_chunks(), to=on)
            table = table.append_column(f"{name}_code", said["former_code"])
            table = table.append_column(f"{name}_is_exact", said["is_exact"])
            table = table.append_column(f"{name}_candidates", said["candidates"])
    return table
