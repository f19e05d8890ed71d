"""One question about a unit, asked without ceremony."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from adapters.reference.hamlets import HAMLETS, Hamlets, register_of
from adapters.reference.resolve import resolve
from adapters.reference.units import UnitTables

BEFORE, MERGER, TODAY = date(2025, 6, 30), date(2025, 7, 1), date(2025, 9, 1)


def ask(
    *,
    codes: Sequence[str | None] | None = None,
    names: Sequence[str | None] | None = None,
    vintage: date | None = None,
    event: date | None = None,
    as_of: date = TODAY,
    within: str | None = None,
    hamlets: Sequence[str | None] | None = None,
    register: Hamlets | None = None,
    tables: UnitTables | None = None,
) -> pa.Table:
    """The answers to codes, names or both, all of one vintage and one day of the event."""
    count = len(codes if codes is not None else names or ())
    return resolve(
        pa.array([None] * count if codes is None else codes, pa.string()),
        pa.array([vintage] * count, pa.date32()),
        pa.array([event] * count, pa.date32()),
        as_of=as_of,
        within=within,
        names=None if names is None else pa.array(names, pa.string()),
        hamlets=None if hamlets is None else pa.array(hamlets, pa.string()),
        register=register,
        tables=tables,
    )


def ask_one(
    code: str | None = None, name: str | None = None, *, hamlet: str | None = None, **rest: Any
) -> dict[str, Any]:
    """The answer to one question as a dictionary."""
    [row] = ask(codes=[code], names=[name], hamlets=[hamlet], **rest).to_pylist()
    return dict(row)


TOLD = pa.schema([field for field in HAMLETS if field.name != "name_key"])


def told(*rows: tuple[str, str, str], **rest: object) -> list[dict[str, object]]:
    """Rows of a register: former commune, name, the unit it lies in; `rest` holds the other columns."""
    return [
        {
            "province_code": "01",
            "former_unit_code": former,
            "name": name,
            "unit_code": unit,
            "valid_from": None,
            "valid_to": None,
            "renamed_to": None,
            "source": "test",
        }
        | rest
        for former, name, unit in rows
    ]


def registered(*groups: list[dict[str, object]]) -> Hamlets:
    """A register of what was told."""
    return register_of(pa.Table.from_pylist([row for rows in groups for row in rows], schema=TOLD))
