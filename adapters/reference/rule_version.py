"""The name of everything an answer about a unit depends on, for the provenance of derived codes."""

import hashlib
from functools import lru_cache

import pyarrow as pa

from adapters.reference.hamlets import Hamlets
from adapters.reference.units import UnitTables, load_units

# Raise it when an answer may change although no table does.
RESOLVER = 2
LENGTH = 16  # hexadecimal digits


def rule_version(tables: UnitTables | None = None, *, register: Hamlets | None = None) -> str:
    """16 hexadecimal digits: equal where tables, hamlets and rules are, whatever the order of their rows."""
    return _digest(tables or load_units(), register)


@lru_cache(maxsize=16)
def _digest(tables: UnitTables, register: Hamlets | None) -> str:
    named = {
        "units": tables.units,
        "crosswalk": tables.crosswalk,
        "province_crosswalk": tables.province_crosswalk,
        "retired": tables.retired,
        "aliases": tables.aliases,
        "hamlets": None if register is None else register.table,
    }
    digest = hashlib.sha256(f"resolver {RESOLVER}".encode())
    for name, table in named.items():
        digest.update(f"\n{name}\n".encode())
        for row in [] if table is None else _lines(table):
            digest.update(row.encode())
    return digest.hexdigest()[:LENGTH]


def _lines(table: pa.Table) -> list[str]:
    """The rows as text, in an order of their own."""
    columns = [table[name].cast(pa.string()).to_pylist() for name in sorted(table.column_names)]
    return sorted(f"{row!r}\n" for row in zip(*columns, strict=True))
