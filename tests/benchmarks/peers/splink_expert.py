"""Splink as an expert would tune it: our normalised columns, our blocking, its own comparisons, u sampling and EM."""

import argparse
from typing import Any

import duckdb
import pyarrow.parquet as pq
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from reconciliation.blocking import block
from reconciliation.persons import PERSONS
from tests.benchmarks.peers.running import Stopwatch, report, run, write_pairs

_BLOCKS = ", ".join(f"max(key) filter (rule = {at}) as block_{rule.name}" for at, rule in enumerate(PERSONS.rules))
_PEOPLE = f"""
create table people as
select record_key, source, former_province, array_to_string(words, ' ') as bare_name, name::varchar as name, name_set,
    name_letters, given_bare, birth_date, lpad(birth_date::varchar, 8, '0') as birth_text, birth_year, birth_month,
    birth_day, is_first_january, sex, personal_number, any_number, cmnd, insurance_number, former_unit, unit, hamlet,
    household_number, father_name, father_number, mother_name, mother_number, spouse_name, spouse_number,
    {", ".join(f"block_{rule.name}" for rule in PERSONS.rules)}
from candidates left join (
    select row, {_BLOCKS}
    from postings group by row
) using (row)
"""


def main(chosen: argparse.Namespace) -> None:
    """Train, or load, and predict."""
    watch, connection = Stopwatch(), duckdb.connect()
    with watch.stage("prepare"):
        PERSONS.prepare(connection, pq.read_table(chosen.records))
        block(connection, PERSONS.rules)
        connection.execute(_PEOPLE)
    linker = Linker(
        DuckDBAPI(connection).register("people"), str(chosen.model) if chosen.saved else _settings(), log_level="ERROR"
    )
    if not chosen.saved:
        _train(linker, watch, chosen.seed)
        linker.misc.save_model_to_json(str(chosen.model), overwrite=True)
    with watch.stage("predict"):
        predictions = linker.inference.predict(threshold_match_weight=-12)
    write_pairs(connection, predictions.physical_name, chosen.pairs)
    report(watch)


def _settings() -> SettingsCreator:
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_key",
        retain_matching_columns=False,
        comparisons=[
            _name(),
            _birth(),
            cl.ExactMatch("sex"),
            cl.DamerauLevenshteinAtThresholds("personal_number", [1, 2]),
            cl.DamerauLevenshteinAtThresholds("cmnd", 1),
            cl.ExactMatch("insurance_number"),
            _place(),
            _household(),
            *(_kin(role) for role in ("father", "mother", "spouse")),
            _systems(),
        ],
        blocking_rules_to_generate_predictions=[block_on(f"block_{rule.name}") for rule in PERSONS.rules],
    )


def _custom(name: str, *levels: tuple[str, str] | dict[str, Any], missing: str) -> cl.CustomComparison:
    stated = [
        level if isinstance(level, dict) else {"sql_condition": level[1], "label_for_charts": level[0]}
        for level in levels
    ]
    null = {"sql_condition": missing, "label_for_charts": "null", "is_null_level": True}
    return cl.CustomComparison([null, *stated, cll.ElseLevel()], output_column_name=name)


def _by_frequency(label: str, condition: str, column: str) -> dict[str, Any]:
    return {
        "sql_condition": condition,
        "label_for_charts": label,
        "tf_adjustment_column": column,
        "tf_adjustment_weight": 1.0,
    }


def _name() -> cl.CustomComparison:
    return _custom(
        "name",
        _by_frequency("spelling", "name_l = name_r", "bare_name"),
        _by_frequency("bare", "bare_name_l = bare_name_r", "bare_name"),
        ("any order", "name_set_l = name_set_r or name_letters_l = name_letters_r"),
        ("one edit", "damerau_levenshtein(bare_name_l, bare_name_r) <= 1"),
        ("two edits", "damerau_levenshtein(bare_name_l, bare_name_r) <= 2"),
        ("alike", "jaro_winkler_similarity(bare_name_l, bare_name_r) >= 0.9"),
        ("given name", "given_bare_l = given_bare_r"),
        missing="name_l is null or name_r is null",
    )


def _birth() -> cl.CustomComparison:
    return _custom(
        "birth",
        ("first of January", "birth_year_l = birth_year_r and (is_first_january_l or is_first_january_r)"),
        ("date", "birth_date_l = birth_date_r"),
        ("year, no day", "birth_year_l = birth_year_r and (birth_date_l is null or birth_date_r is null)"),
        ("changed over", "birth_year_l = birth_year_r and birth_month_l = birth_day_r and birth_day_l = birth_month_r"),
        ("one edit", "damerau_levenshtein(birth_text_l, birth_text_r) <= 1"),
        ("year", "birth_year_l = birth_year_r"),
        ("a year apart", "abs(birth_year_l - birth_year_r) <= 1"),
        missing="birth_year_l is null or birth_year_r is null",
    )


def _place() -> cl.CustomComparison:
    return _custom(
        "place",
        ("hamlet", "hamlet_l = hamlet_r and (unit_l = unit_r or former_unit_l = former_unit_r)"),
        ("former commune", "former_unit_l = former_unit_r"),
        ("commune", "unit_l = unit_r"),
        missing="(unit_l is null or unit_r is null) and (former_unit_l is null or former_unit_r is null)",
    )


def _household() -> cl.CustomComparison:
    return _custom(
        "household",
        ("book", "household_number_l = household_number_r and (unit_l = unit_r or former_unit_l = former_unit_r)"),
        missing="household_number_l is null or household_number_r is null",
    )


def _kin(role: str) -> cl.CustomComparison:
    return _custom(
        role,
        ("number", f"{role}_number_l = {role}_number_r"),
        ("name", f"{role}_name_l = {role}_name_r"),
        missing=f"{role}_name_l is null or {role}_name_r is null",
    )


def _systems() -> cl.CustomComparison:
    return _custom(
        "systems",
        ("one source", "source_l = source_r"),
        ("one province", "former_province_l = former_province_r"),
        missing="source_l is null or source_r is null",
    )


def _train(linker: Linker, watch: Stopwatch, seed: int) -> None:
    with watch.stage("prior"):
        linker.training.estimate_probability_two_random_records_match(
            [block_on("personal_number"), block_on("name_set", "birth_date", "unit")], recall=0.75
        )
    with watch.stage("u"):
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=seed)
    with watch.stage("em"):
        for rule in (
            block_on("personal_number"),
            block_on("given_bare", "birth_date"),
            block_on("name_letters", "unit"),
        ):
            linker.training.estimate_parameters_using_expectation_maximisation(rule, record_sample_proportion=1.0)


if __name__ == "__main__":
    run(main, __doc__)
