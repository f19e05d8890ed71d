"""Our models in Splink's hands: the tool itself reads what was exported and weighs pairs as we do."""

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from splink import DuckDBAPI, Linker

from reconciliation.deciding import weight_sql
from reconciliation.exchanging import export_model, flat_sql, import_model
from reconciliation.pooling import Pool, pooled
from reconciliation.weights import FatalModelError, load_model
from tests.reconciliation.people import made_up

TOLERANCE = 1e-6  # log2; Splink adds logarithms of m/u where we add the weights themselves

_OURS = """
select l.record_key as left_key, r.record_key as right_key, weight
from (select one, other, {weight} as weight from compared)
join candidates as l on l.row = one join candidates as r on r.row = other
order by all
"""
_THEIRS = """
select least(record_key_l, record_key_r) as left_key, greatest(record_key_l, record_key_r) as right_key,
    match_weight as weight
from {predictions} order by all
"""


def weighed_by_splink(pool: Pool, settings: Path) -> pa.Table:
    pool.connection.execute(f"create table flat as {flat_sql()}")
    linker = Linker(DuckDBAPI(pool.connection).register("flat"), str(settings), log_level=logging.ERROR)
    predictions = linker.inference.predict().physical_name
    return pool.connection.sql(_THEIRS.format(predictions=predictions)).to_arrow_table()


def test_splink_weighs_every_pair_as_we_do(tmp_path: Path) -> None:
    model = load_model()
    (tmp_path / "splink.json").write_text(json.dumps(export_model(model)), encoding="utf-8")
    records, _ = made_up(2_000, seed=61)

    with pooled(records) as pool:
        theirs = weighed_by_splink(pool, tmp_path / "splink.json")
        ours = pool.connection.sql(_OURS.format(weight=weight_sql(model))).to_arrow_table()

    assert ours.num_rows > 2_000
    assert theirs.select(["left_key", "right_key"]).equals(ours.select(["left_key", "right_key"]))
    assert pc.max(pc.abs(pc.subtract(theirs["weight"], ours["weight"]))).as_py() < TOLERANCE


def test_what_was_exported_comes_back_as_it_was() -> None:
    model = load_model()

    settings = json.loads(json.dumps(export_model(model)))

    assert import_model(settings, like=model, name=model.name) == model


def test_a_weight_that_splink_says_anew_is_taken() -> None:
    model, settings = load_model(), export_model(load_model())
    sex = next(one for one in settings["comparisons"] if one["output_column_name"] == "sex")
    sex["comparison_levels"][1] |= {"m_probability": 0.8, "u_probability": 0.4}

    level = next(one for one in import_model(settings, like=model, name="new").comparisons if one.comparison == "sex")

    assert (level.levels[0].weight, level.levels[0].m, level.levels[0].u) == (1.0, 0.8, 0.4)
    assert level.levels[1] == next(one for one in model.comparisons if one.comparison == "sex").levels[1]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda settings: settings.pop("comparisons"),
        lambda settings: settings["comparisons"].pop(),
        lambda settings: settings["comparisons"][3]["comparison_levels"].pop(),
        lambda settings: settings["comparisons"][3]["comparison_levels"][1].pop("m_probability"),
        lambda settings: settings.update(probability_two_random_records_match=1),
    ],
)
def test_a_file_that_is_no_model_of_ours_is_refused(spoil: Any) -> None:
    settings = export_model(load_model())
    spoil(settings)

    with pytest.raises(FatalModelError, match="Next: export a model"):
        import_model(settings, like=load_model(), name="strange")
