"""One source of each of today's provinces, and a commune of each whose code never was another province's."""

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import RecordKind
from adapters.catalogue import Source, load
from adapters.reference.resolve import resolve
from adapters.reference.units import load_units, units_on, vintages


@cache
def sources() -> dict[str, Source]:
    """Province code → a population system of it."""
    return {
        code: next(one for one in province.sources if one.kind is RecordKind.PERSON)
        for code, province in load().provinces.items()
    }


@cache
def communes() -> dict[str, str]:
    """Province code → the code of a commune that lies there by every list."""
    as_of = vintages(load_units())[-1]
    today = units_on(as_of, tables=load_units())
    today = today.filter(pc.equal(today["level"], "commune"))
    home = dict(zip(today["code"].to_pylist(), today["province_code"].to_pylist(), strict=True))
    codes, undated = pa.array(sorted(home), pa.string()), pa.nulls(len(home), pa.date32())
    candidates = resolve(codes, undated, undated, as_of=as_of)["candidates"].to_pylist()
    steady = {code: {home[unit] for unit in units} for code, units in zip(sorted(home), candidates, strict=True)}
    return {
        province: next(code for code, provinces in steady.items() if provinces == {province}) for province in sources()
    }
