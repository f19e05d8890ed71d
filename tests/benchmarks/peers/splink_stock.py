"""Splink as its tutorial sets it up: the columns as they are, the library's own comparisons, three rules, EM."""

import argparse

import duckdb
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from tests.benchmarks.peers.running import Stopwatch, report, run, write_pairs

_PREPARE = """
create table people as
select record_key, full_name, regexp_extract(full_name, '(\\S+)$', 1) as given_name, sex, personal_number, cmnd,
    insurance_number, current_unit_code,
    case when birth_year is not null
        then lpad(birth_year::varchar, 4, '0') || coalesce('-' || lpad(birth_month::varchar, 2, '0'), '')
            || coalesce('-' || lpad(birth_day::varchar, 2, '0'), '') end as birth_date
from read_parquet('{records}')
"""


def main(chosen: argparse.Namespace) -> None:
    """Train, or load, and predict."""
    watch, connection = Stopwatch(), duckdb.connect()
    with watch.stage("prepare"):
        connection.execute(_PREPARE.format(records=chosen.records))
    linker = Linker(
        DuckDBAPI(connection).register("people"), str(chosen.model) if chosen.saved else _settings(), log_level="ERROR"
    )
    if not chosen.saved:
        _train(linker, watch, chosen.seed)
        linker.misc.save_model_to_json(str(chosen.model), overwrite=True)
    with watch.stage("predict"):
        predictions = linker.inference.predict()
    pairs = connection.sql(f"select count(*) from {predictions.physical_name}").fetchall()[0][0]
    write_pairs(connection, predictions.physical_name, chosen.pairs)
    report(watch, pairs=pairs)


def _settings() -> SettingsCreator:
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_key",
        comparisons=[
            cl.NameComparison("full_name"),
            cl.DamerauLevenshteinAtThresholds("birth_date", 1),
            cl.ExactMatch("sex"),
            cl.DamerauLevenshteinAtThresholds("personal_number", [1, 2]),
            cl.ExactMatch("cmnd"),
            cl.ExactMatch("insurance_number"),
            cl.ExactMatch("current_unit_code").configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("personal_number"),
            block_on("full_name", "current_unit_code"),
            block_on("given_name", "birth_date"),
        ],
    )


def _train(linker: Linker, watch: Stopwatch, seed: int) -> None:
    with watch.stage("prior"):
        linker.training.estimate_probability_two_random_records_match(
            [block_on("personal_number"), block_on("full_name", "birth_date")], recall=0.7
        )
    with watch.stage("u"):
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=seed)
    with watch.stage("em"):
        for rule in (block_on("full_name", "current_unit_code"), block_on("birth_date", "given_name")):
            linker.training.estimate_parameters_using_expectation_maximisation(rule)


if __name__ == "__main__":
    run(main, __doc__)
