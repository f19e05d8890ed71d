"""What the made-up country's people and communes ask and tell beside its systems: corrections, and hamlets by name.

Both are drawn from what the systems hold after the merger, so that a correction is about somebody whom a register knows
and a told hamlet is one that records name.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import RecordKind
from adapters.catalogue import load as load_catalogue
from adapters.simulator.country import Country, Phase, System
from adapters.simulator.disputes import disputed_hamlets
from adapters.simulator.exports import ExportFile, raw_rows
from adapters.simulator.writers import SUFFIXES, write

CORRECTED_SHARE = 0.002  # of the people of a province whose app asks
HEADINGS = "former_unit_code,name,unit_code,valid_from,valid_to,renamed_to,source"
_BY = ("province", "unit", "name", "former")
_DAYS_LATER = 10  # after the register's own export


def corrections(country: Country, *, share: float = CORRECTED_SHARE) -> Iterator[ExportFile]:
    """One file of corrections for each citizens' source of the country's provinces, of one person at least.

    Each asks for another day of birth than the register of the same former province has.
    """
    catalogue = load_catalogue()
    for province in country.provinces:
        for source in catalogue.provinces[province].sources:
            if not source.is_citizens:
                continue
            register = next(
                system
                for system in country.systems.values()
                if system.source.kind is RecordKind.PERSON
                and system.source.former_province_code == source.former_province_code
            )
            rows = _asked(register, share=share, seed=country.seed)
            exported_on = rows["exported_on"][0].as_py()
            dialect = source.dialect
            yield ExportFile(
                source_id=source.source_id,
                sequence=1,
                exported_on=exported_on,
                record_count=rows.num_rows,
                payload=write(raw_rows(rows, System(source=source, phases={})), dialect),
                file_name=f"{source.source_id}-{exported_on:%Y%m%d}-0001.{SUFFIXES[dialect.file.format]}",
            )


def same_named_hamlets(country: Country) -> dict[str, bytes]:
    """Province code → a file of hamlets, as `lienthong units hamlets` takes it, of names that several of one unit bear.

    Of communes that went whole to one unit only: a file decides nothing that the law leaves open. The hamlets of
    `disputes` are among them.
    """
    homes, places = country.world.homes, country.world.places
    whole = ~places.is_ambiguous[homes.commune]
    commune = homes.commune[whole]
    told = pa.table(
        {
            "province": pa.array(places.province[commune].astype(object), pa.string()),
            "former": pa.array(places.code[commune].astype(object), pa.string()),
            "name": pa.array(homes.hamlet[whole], pa.string()),
            "unit": pa.array(homes.unit[whole].astype(object), pa.string()),
        }
    )
    disputed = [dict(zip(told.column_names, row, strict=True)) for row in disputed_hamlets(country)]
    told = pa.concat_tables([told, pa.Table.from_pylist(disputed, schema=told.schema)])
    each = told.group_by(told.column_names).aggregate([])
    several = each.group_by(["unit", "name"]).aggregate([("former", "count")])
    several = several.filter(pc.greater(several["former_count"], 1)).drop_columns("former_count")
    rows = each.join(several, ["unit", "name"], join_type="left semi").sort_by([(key, "ascending") for key in _BY])
    files: dict[str, list[str]] = {}
    for row in rows.to_pylist():
        line = f"{row['former']},{row['name']},{row['unit']},,,,danh mục thôn và tổ làm giả"
        files.setdefault(row["province"], [HEADINGS]).append(line)
    return {code: ("\n".join(lines) + "\n").encode() for code, lines in sorted(files.items())}


def _asked(register: System, *, share: float, seed: int) -> pa.Table:
    held = register.phases[Phase.AFTER]
    knows = [pc.is_valid(held[name]) for name in ("source_record_id", "personal_number", "birth_day", "unit_code")]
    sound = pc.and_(pc.and_(knows[0], knows[1]), pc.and_(knows[2], knows[3]))
    fit = held.filter(pc.and_(pc.and_(sound, pc.equal(held["faults"], 0)), pc.is_null(held["died_on"])))
    _, first = np.unique(fit["personal_number"].to_numpy(zero_copy_only=False), return_index=True)
    count = max(1, round(share * len(first)))
    chosen = np.sort(np.random.default_rng([seed, 2]).choice(first, size=min(count, len(first)), replace=False))
    rows = fit.take(pa.array(chosen))
    day = pc.if_else(pc.less(rows["birth_day"], 28), pc.add(rows["birth_day"], 1), 1)
    exported_on = max(held["exported_on"].to_pylist()) + timedelta(days=_DAYS_LATER)
    said = {
        "source_record_id": pa.array([f"YC{number:06}" for number in range(1, rows.num_rows + 1)]),
        "birth_day": day.cast(rows["birth_day"].type),
        "event_date": _days(exported_on, rows.num_rows),
        "exported_on": _days(exported_on, rows.num_rows),
        "file": pa.repeat(pa.scalar(0, pa.int32()), rows.num_rows),
    }
    for name, values in said.items():
        rows = rows.set_column(rows.schema.get_field_index(name), held.schema.field(name), values)
    return rows


def _days(day: date, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(day, pa.date32()), count)
