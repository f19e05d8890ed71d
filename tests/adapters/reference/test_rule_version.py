"""The rule version changes with everything an answer depends on, and with nothing else."""

from dataclasses import replace

import pyarrow as pa

from adapters.reference.rule_version import LENGTH, rule_version
from adapters.reference.units import load_units
from tests.adapters.reference.asking import registered, told


def test_order_and_chunks_of_rows_change_nothing() -> None:
    tables = load_units()
    turned = tables.units.take(pa.array(range(tables.units.num_rows - 1, -1, -1)))
    cut = pa.concat_tables([turned.slice(0, 7), turned.slice(7)])

    assert rule_version(replace(tables, units=cut)) == rule_version(tables) == rule_version()
    assert len(rule_version()) == LENGTH


def test_each_table_and_the_hamlets_change_it() -> None:
    tables = load_units()
    register = registered(told(("00007", "TDP 2", "00008")))
    changed = [
        rule_version(replace(tables, **{name: getattr(tables, name).slice(1)}))
        for name in ("units", "crosswalk", "province_crosswalk", "retired", "aliases")
    ]

    assert len({rule_version(tables), rule_version(tables, register=register), *changed}) == 7
    assert rule_version(replace(tables, aliases=None)) not in changed
