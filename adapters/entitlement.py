"""Whose people a batch is about: rows that can lie in no granted province, however they are read, are held back.

What was sent may be of any code list, and a name may be several places'. A row is only held back when none of all that
lies in a granted province; what cannot be read at all, an unknown code or name, stays the question that it is.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.findings import Flag, findings_table
from adapters.normalise import QUARANTINED, Normalised
from adapters.reference.resolve import resolve
from adapters.reference.units import UnitTables, load_units, units_on, vintages

NOT_ENTITLED = "NOT_ENTITLED"

_MOST_REMEMBERED = 20_000  # places as sent; names that are nobody's would otherwise be kept without an end

_Sent = tuple[str | None, str | None]  # a code and a name, as they stand in the canonical columns
_Rows = npt.NDArray[np.int64]


def outside(normalised: Normalised, *, province_codes: Collection[str], tables: UnitTables | None = None) -> Normalised:
    """The same, with rows about people of other provinces than `province_codes` in quarantine as NOT_ENTITLED.

    `province_codes` are current ones. The finding says no more than that: nothing of the row, and nothing of whether
    anybody is known here.
    """
    table = normalised.table
    if not table.num_rows:
        return normalised
    sent, rows = _distinct(table)
    foreign = np.array(_places(tables or load_units(), frozenset(province_codes)).are_outside(sent), np.bool_)
    if not foreign.any():
        return normalised
    held = np.flatnonzero(foreign[rows])
    return _hold_back(normalised, held)


def outside_of_each(normalised: Sequence[Normalised], *, province_codes: Sequence[Collection[str]]) -> list[Normalised]:
    """Each of some batches as `outside` makes it with its own provinces; looked up together, which costs far less."""
    table = pa.concat_tables([one.table.select(["unit_code", "unit_name"]) for one in normalised])
    if not table.num_rows:
        return list(normalised)
    sent, rows = _distinct(table)
    ends = np.cumsum([one.table.num_rows for one in normalised])
    allowed = list(normalised)
    tables = load_units()
    for place, its in enumerate(np.split(rows, ends[:-1])):
        asked = np.unique(its)
        places = _places(tables, frozenset(province_codes[place]))
        foreign = asked[np.array(places.are_outside([sent[one] for one in asked.tolist()]), np.bool_)]
        if len(foreign):
            allowed[place] = _hold_back(normalised[place], np.flatnonzero(np.isin(its, foreign)))
    return allowed


def _distinct(table: pa.Table) -> tuple[list[_Sent], _Rows]:
    """The different places as sent, and which of them each row names."""
    codes, names = (table[name].combine_chunks().dictionary_encode() for name in ("unit_code", "unit_name"))
    spoken = [*names.dictionary.to_pylist(), None]
    code_rows = pc.fill_null(codes.indices, len(codes.dictionary)).to_numpy(zero_copy_only=False).astype(np.int64)
    name_rows = pc.fill_null(names.indices, len(spoken) - 1).to_numpy(zero_copy_only=False).astype(np.int64)
    written = [*codes.dictionary.to_pylist(), None]
    pairs = pa.array(code_rows * len(spoken) + name_rows).dictionary_encode()
    sent = [(written[pair // len(spoken)], spoken[pair % len(spoken)]) for pair in pairs.dictionary.to_pylist()]
    return sent, pairs.indices.to_numpy(zero_copy_only=False).astype(np.int64)


class _Places:
    """Which places as sent lie outside some provinces, remembered for places that were asked about before."""

    def __init__(self, tables: UnitTables, province_codes: frozenset[str]) -> None:
        self._tables = tables
        self._granted = province_codes
        self._as_of = vintages(tables)[-1]
        today = units_on(self._as_of, tables=tables)
        self._province = dict(zip(today["code"].to_pylist(), today["province_code"].to_pylist(), strict=True))
        self._known: dict[_Sent, bool] = {}

    def are_outside(self, sent: list[_Sent]) -> list[bool]:
        """Whether each place is known and lies in no granted province by any reading of its code, or of code and name.

        Unknown places are not outside.
        """
        if new := [one for one in sent if one not in self._known]:
            if len(self._known) + len(new) > _MOST_REMEMBERED:
                self._known.clear()
                new = sent
            self._known |= zip(new, self._read(new), strict=True)
        return [self._known[one] for one in sent]

    def _read(self, sent: list[_Sent]) -> list[bool]:
        # A name that a granted province has is read as that one's first, so every province is asked for itself.
        provinces = [self._candidates(sent, within=code) for code in sorted(self._granted)] or [
            self._candidates(sent, within=None)
        ]
        found = [frozenset().union(*places) for places in zip(*provinces, strict=True)]
        return [bool(places) and self._granted.isdisjoint(places) for places in found]

    def _candidates(self, sent: list[_Sent], *, within: str | None) -> list[frozenset[str]]:
        codes, names = (pa.array(column, pa.string()) for column in zip(*sent, strict=True))
        undated = pa.nulls(len(sent), pa.date32())  # so that every list may be meant
        by_code, by_both = (
            resolve(codes, undated, undated, as_of=self._as_of, within=within, names=spoken, tables=self._tables)
            for spoken in (None, names)
        )
        pairs = zip(by_code["candidates"].to_pylist(), by_both["candidates"].to_pylist(), strict=True)
        return [frozenset(self._province[unit] for unit in {*alone, *together}) for alone, together in pairs]


@lru_cache(maxsize=128)
def _places(tables: UnitTables, province_codes: frozenset[str]) -> _Places:
    return _Places(tables, province_codes)


def _hold_back(normalised: Normalised, held: _Rows) -> Normalised:
    """Moves rows of the table, by position, to quarantine; their bytes stay in the batch's payload."""
    table = normalised.table
    leaving = table.take(pa.array(held)).select(["row", "source_record_id"])
    rows = leaving["row"].to_numpy().astype(np.int64)
    count = normalised.received
    keys = pa.nulls(count, pa.string())
    keys = pc.replace_with_mask(keys, _mask(rows, count), leaving["source_record_id"].combine_chunks())
    said = findings_table([(None, Flag(NOT_ENTITLED, rows, pa.nulls(len(rows), pa.string())))], keys)
    findings = pa.concat_tables([normalised.findings, said])
    quarantined = pa.table(
        {
            "row": leaving["row"],
            "source_record_id": leaving["source_record_id"],
            "codes": pa.array([[NOT_ENTITLED]] * len(rows), QUARANTINED.field("codes").type),
            "raw": pa.nulls(len(rows), pa.binary()),
        },
        schema=QUARANTINED,
    )
    staying = np.delete(np.arange(table.num_rows), held)
    return replace(
        normalised,
        table=table.take(pa.array(staying)).combine_chunks(),
        findings=_in_order(findings).combine_chunks(),
        quarantined=_in_order(pa.concat_tables([normalised.quarantined, quarantined])).combine_chunks(),
    )


def _mask(rows: _Rows, count: int) -> pa.Array:
    mask = np.zeros(count, np.bool_)
    mask[rows] = True
    return pa.array(mask)


def _in_order(table: pa.Table) -> pa.Table:
    """By row; of one row in the order given."""
    return table.take(pa.array(np.argsort(table["row"].to_numpy(), kind="stable")))
