"""What became of one unit code: every list that had it, its successors and predecessors with their law. Pure."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.units import UnitTables, lineage, name_of
from adapters.steps.folding import fold_name

MOST_FOUND = 60
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Everything the tables say of a code. Rows have the columns of units.UNITS, of units.lineage and of RETIRED_UNITS.

    `around` are all pairs into the units that the code leads to, and into itself: what a picture shows.
    """

    code: str
    stands: list[Row]
    successors: list[Row]
    predecessors: list[Row]
    around: list[Row]
    retired: list[Row]

    @property
    def is_known(self) -> bool:
        """Whether any list has the code."""
        return bool(self.stands or self.retired or self.successors)

    @property
    def has_two_meanings(self) -> bool:
        """Whether the code names another unit than it once did, rather than the same one under a new name."""
        return any(row["from_code"] != self.code for row in self.predecessors) or any(
            row["to_code"] != self.code for row in self.successors if self.predecessors
        )


def of_code(code: str, tables: UnitTables) -> Lineage:
    """The lineage of a province's (2 digits), a district's (3) or a commune's (5) code; empty for an unknown one."""
    pairs = _pairs(code, tables)
    successors = _where(pairs, "from_code", [code])
    predecessors = _where(pairs, "to_code", [code])
    targets = sorted({row["to_code"] for row in successors} | ({code} if predecessors else set()))
    stands = tables.units.filter(pc.equal(tables.units["code"], code))
    return Lineage(
        code=code,
        stands=sorted(stands.to_pylist(), key=lambda row: row["valid_from"] or date.min),
        successors=successors,
        predecessors=predecessors,
        around=_where(pairs, "to_code", targets),
        retired=_where(tables.retired, "former_code", [code]),
    )


def search(text: str, tables: UnitTables) -> list[Row]:
    """Units of every list whose code begins with the text, or whose name has it in it, written in any way.

    At most MOST_FOUND, as rows of units.UNITS in the order of their codes and days.
    """
    units = tables.units
    if text.isdigit():
        found = pc.starts_with(units["code"], text)
    else:
        wanted = fold_name(pa.array([text], pa.string()))[0].as_py()
        if not wanted:
            return []
        found = pc.match_substring(_folded(tables), wanted)
    rows = units.filter(found).sort_by([("code", "ascending"), ("valid_from", "ascending")])
    return list(rows.slice(0, MOST_FOUND).to_pylist())


def province_pairs(tables: UnitTables) -> pa.Table:
    """Provinces old → new in the columns of units.lineage; who lives there moves as a whole."""
    return _province_pairs(tables)


@lru_cache(maxsize=8)
def _province_pairs(tables: UnitTables) -> pa.Table:
    pairs = tables.province_crosswalk
    parts = []
    for change in sorted(set(pairs["effective_on"].to_pylist())):
        rows = pairs.filter(pc.equal(pairs["effective_on"], pa.scalar(change)))
        before = change.fromordinal(change.toordinal() - 1)
        some = pa.repeat("all", rows.num_rows)
        columns = {
            "from_code": rows["from_code"],
            "from_name": name_of(rows["from_code"], before, tables=tables),
            "from_province": rows["from_code"],
            "to_code": rows["to_code"],
            "to_name": name_of(rows["to_code"], change, tables=tables),
            "to_province": rows["to_code"],
            "effective_on": rows["effective_on"],
            "relation": rows["relation"],
            "residents": some,
            "resolution": rows["resolution"],
            "clause": pa.nulls(rows.num_rows, pa.string()),
        }
        parts.append(pa.table(columns))
    return pa.concat_tables(parts).combine_chunks()


@lru_cache(maxsize=8)
def _folded(tables: UnitTables) -> pa.Array:
    return fold_name(tables.units["name"].combine_chunks())


def _pairs(code: str, tables: UnitTables) -> pa.Table:
    return province_pairs(tables) if len(code) == 2 else lineage(tables)


def _where(table: pa.Table, column: str, values: list[str]) -> list[Row]:
    return list(table.filter(pc.is_in(table[column], pa.array(values, pa.string()))).to_pylist())
